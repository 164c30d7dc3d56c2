"""Other people's programs as clients of the box, and as what it asks itself: llm, LiteLLM, schemathesis."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.error import URLError

import numpy as np
import pytest
from http_box import TOKEN, data_url, open_box, written
from openai import OpenAI
from openai_server import completion, serving

if TYPE_CHECKING:
    from collections.abc import Iterator

    from http_box import Api
    from openai_server import Endpoint

PROGRAMS = Path(__file__).parents[2] / ".venv-clients" / "bin"
FREE = "Write a short poem about the sea."
CASES = 1000
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "missing_required_header",
    "unsupported_method",
    "ignored_auth",
)


def needs(program: str) -> pytest.MarkDecorator:
    missing = not (PROGRAMS / program).exists()
    return pytest.mark.skipif(missing, reason=f"{program} is not installed; make .venv-clients/.dev installs it")


@pytest.fixture(scope="module", name="box")
def whole_box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    with open_box(tmp_path_factory.mktemp("box")) as box:
        yield box


def environment(folder: Path, **more: str) -> dict[str, str]:
    """Return an environment in which nothing of this machine's owner is found or changed."""
    kept = {key: os.environ[key] for key in ("PATH", "LANG") if key in os.environ}
    return {**kept, "HOME": str(folder), "LLM_USER_PATH": str(folder), "OPENAI_API_KEY": "none", **more}


@needs("llm")
@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
def test_llm_asks_the_box_with_and_without_a_picture(box: Api, tmp_path: Path, stream: bool) -> None:
    known = {"model_id": "box", "model_name": "edge", "api_base": box.url, "api_key_name": "box", "vision": True}
    (tmp_path / "extra-openai-models.yaml").write_text(json.dumps([known]))
    (tmp_path / "picture.png").write_bytes(written(np.full((240, 320, 3), 200, np.uint8)))

    def llm(*arguments: str) -> str:
        command = [
            str(PROGRAMS / "llm"),
            "-m",
            "box",
            "--key",
            TOKEN,
            *(() if stream else ("--no-stream",)),
            *arguments,
        ]
        done = subprocess.run(
            command, env=environment(tmp_path), stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=100,
            check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert llm("What is 2 + 3?") == "That is 5.\n"
    assert llm("-s", "Be brief.", "-o", "temperature", "0.5", "What is 2 + 4?") == "That is 6.\n"
    assert "people" in llm("How many people are there?", "-a", str(tmp_path / "picture.png"))


@contextmanager
def litellm(folder: Path, models: list[dict[str, Any]]) -> Iterator[str]:
    """Run a LiteLLM proxy that knows these models; yield its address."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    settings = folder / "litellm.yaml"
    settings.write_text(json.dumps({"model_list": models, "litellm_settings": {"telemetry": False, "num_retries": 0}}))
    command = [str(PROGRAMS / "litellm"), "--config", str(settings), "--host", "127.0.0.1", "--port", str(port)]
    offline = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "NO_PROXY": "*"}
    with (folder / "litellm.log").open("w") as log:
        program = subprocess.Popen(
            command, env=environment(folder, **offline), cwd=folder, stdout=log, stderr=log, stdin=subprocess.DEVNULL
        )
        try:
            deadline = time.monotonic() + 150
            while not answers(f"http://127.0.0.1:{port}/health/liveliness"):
                assert program.poll() is None, (folder / "litellm.log").read_text()
                assert time.monotonic() < deadline, (folder / "litellm.log").read_text()
                time.sleep(0.2)
            yield f"http://127.0.0.1:{port}"
        finally:
            program.terminate()
            program.wait(30)


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5):  # noqa: S310 - loopback
            return True
    except (URLError, OSError):
        return False


@pytest.fixture(scope="module")
def cloud() -> Iterator[Endpoint]:
    with serving() as endpoint:
        yield endpoint


@pytest.fixture(scope="module")
def proxy(box: Api, cloud: Endpoint, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    def model(name: str, url: str, behind: str, key: str) -> dict[str, Any]:
        return {"model_name": name, "litellm_params": {"model": f"openai/{behind}", "api_base": url, "api_key": key}}

    models = [model("box", box.url, "edge", TOKEN), model("cheap", cloud.url, "gpt-4o-mini", "a-key")]
    with litellm(tmp_path_factory.mktemp("litellm"), models) as url:
        yield url


@needs("litellm")
def test_litellm_asks_the_box_for_its_own_clients(proxy: str) -> None:
    content: list[Any] = [
        {"type": "text", "text": "How many people are there?"},
        {"type": "image_url", "image_url": {"url": data_url(written(np.full((240, 320, 3), 200, np.uint8)))}},
    ]
    with OpenAI(base_url=proxy, api_key="sk-none", max_retries=0, timeout=60) as client:
        whole = client.chat.completions.create(model="box", messages=[{"role": "user", "content": "What is 2 + 3?"}])
        stream = client.chat.completions.create(
            model="box", messages=[{"role": "user", "content": "What is 2 + 4?"}], stream=True
        )
        text = "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices)
        seen = client.chat.completions.create(model="box", messages=[{"role": "user", "content": content}])
        vectors = client.embeddings.create(model="box", input=["a dog", "a cat"])
    assert whole.choices[0].message.content == "That is 5."
    assert text == "That is 6."
    assert "people" in (seen.choices[0].message.content or "")
    assert len(vectors.data) == 2
    assert np.linalg.norm(vectors.data[0].embedding) == pytest.approx(1, abs=1e-4)


@needs("litellm")
def test_the_box_asks_litellm_for_what_it_does_not_know(proxy: str, cloud: Endpoint, tmp_path: Path) -> None:
    cloud.script = [completion("The sea is wide.")]
    provider = {"name": "litellm", "base_url": proxy, "model": "cheap", "key_env": "EDGE_CLOUD_API_KEY"}
    budget = {"usd_per_minute": 1, "usd_per_day": 1, "usd_per_month": 1}
    settings = {
        "enabled": True,
        "providers": [provider],
        "cache": {"enabled": False},
        "budget": budget,
        "timeout_s": 25,
    }
    with open_box(tmp_path, cloud=settings) as box, box.client() as client:
        reply = client.chat.completions.create(model="edge", messages=[{"role": "user", "content": FREE}])
    assert reply.choices[0].message.content == "The sea is wide."
    assert reply.model_extra
    assert reply.model_extra["edge"]["origin"] == "cloud"
    assert reply.model_extra["edge"]["model"] == "litellm/cheap"


@needs("schemathesis")
@pytest.mark.timeout(400)
@pytest.mark.slow
def test_schemathesis_finds_nothing_in_a_thousand_requests(box: Api, tmp_path: Path) -> None:
    if not shutil.which("espeak-ng"):
        pytest.skip("espeak-ng is not installed, and an address would answer 404 alone")
    command = [
        str(PROGRAMS / "schemathesis"), "run", f"http://127.0.0.1:{box.port}/openapi.json",
        "--header", f"Authorization: Bearer {TOKEN}", "--checks", ",".join(CHECKS), "--max-examples", "28",
        "--request-timeout", "120", "--seed", "1", "--generation-database", "none", "--no-color",
        # It has no end.
        "--exclude-path", "/v1/events/stream",
    ]  # fmt: skip
    done = subprocess.run(
        command, env=environment(tmp_path), cwd=tmp_path, capture_output=True, text=True, timeout=390, check=False
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-1000:]
    made = re.search(r"(\d+) generated", done.stdout)
    assert made, done.stdout[-2000:]
    assert int(made[1]) >= CASES
