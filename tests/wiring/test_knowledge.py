from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest

from edge_runtime.config import Settings
from edge_runtime.decision.confidence import Reply
from edge_runtime.decision.scene import Scene
from edge_runtime.errors import ConfigError
from edge_runtime.skills.knowledge import LEAST, Knowledge, Quote
from edge_runtime.types import Origin, Question
from edge_runtime.wiring.answers import make_answerer
from edge_runtime.wiring.assembly import Models
from edge_runtime.wiring.knowledge import CHECK_S, Library, VectorCache
from edge_runtime.wiring.knowledge_files import found_in, read_passages

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

MODELS = Models(threads=1)


class Embed:
    """The shipped text tower, and how many texts it was given."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, texts: Sequence[str], /) -> NDArray[np.float32]:
        self.count += len(texts)
        return MODELS.embedder.embed_text(texts)


def write(folder: Path) -> Path:
    (folder / "more").mkdir(parents=True)
    (folder / "faq.csv").write_text('question,answer\n"What is the guest password?",sunflower\n\nWho cleans?,Anna\n')
    (folder / "faq.jsonl").write_text(
        json.dumps({"question": "When do the bins go out?", "answer": "on Tuesday"}) + "\n"
    )
    (folder / "faq.yaml").write_text("- question: Where is the valve?\n  answer: in the cellar\n")
    (folder / "manual.md").write_text("# Boiler\n\n## Heating\n\nBleed the radiators with the small key.\n")
    (folder / "more" / "notes.txt").write_text("The greenhouse must be kept between ten and twenty degrees.\n")
    (folder / "picture.png").write_bytes(b"\x89PNG")
    (folder / ".hidden.md").write_text("nothing")
    (folder / "more" / "loop").symlink_to(folder, target_is_directory=True)
    return folder


def test_every_kind_of_file_is_read_and_loops_end(tmp_path: Path) -> None:
    files = found_in([write(tmp_path / "texts")])
    assert [name for _, name in files] == ["faq.csv", "faq.jsonl", "faq.yaml", "manual.md", "more/notes.txt"]
    passages = read_passages(files, 1.0)
    assert [(p.source, p.place, p.answer) for p in passages] == [
        ("faq.csv", "line 2", "sunflower"),
        ("faq.csv", "line 4", "Anna"),
        ("faq.jsonl", "line 1", "on Tuesday"),
        ("faq.yaml", "line 1", "in the cellar"),
        ("manual.md", "Heating", None),
        ("more/notes.txt", "", None),
    ]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.jsonl", '{"question": "q", "answer": "a"}\n{"question": 1', "a.jsonl:2: not JSON"),
        ("a.jsonl", '{"question": "q"}', "a.jsonl:1: 'answer' is missing"),
        ("a.jsonl", "[1]", "a.jsonl:1: not a question"),
        ("a.csv", "ask,say\n1,2\n", "a.csv:1: the first line must name"),
        ("a.csv", "question,answer\nq,\n", "a.csv:2: 'answer' is missing"),
        ("a.csv", "", "a.csv:1: the first line must name"),
        ("a.yaml", "question: q\n", "a.yaml:1: not a list"),
        ("a.yaml", "- question: q\n  answer: a\n- answer: b\n", "a.yaml:3: 'question' is missing"),
        ("a.yaml", "- [\n", "not valid YAML at line 2"),
        ("a.md", b"fine\n\xff", "a.md:2: not UTF-8"),
        ("a.exe", "x", "none of the kinds"),
        ("a.txt", "x" * 2_000_000, "knowledge.mb"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(tmp_path: Path, name: str, content: str | bytes, message: str) -> None:
    file = tmp_path / name
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ConfigError, match=message.replace("(", r"\(")):
        read_passages(found_in([file]), 1.0)


def test_a_path_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="does not exist"):
        found_in([tmp_path / "nowhere"])


def test_a_restart_embeds_nothing_and_an_edit_only_what_changed(tmp_path: Path) -> None:
    texts, cache, embed = write(tmp_path / "texts"), VectorCache(tmp_path / "cache" / "v.npz"), Embed()
    first = Library([texts], embed, cache)
    assert first.quote("what is the guest password?") == Quote("sunflower", "faq.csv", "line 2", 0.99, verbatim=True)
    again = Embed()
    now = [0.0]
    second = Library([texts], again, cache, now=lambda: now[0])
    second.quote("what is the guest password?")
    assert again.count == 1, "the question alone"
    with (texts / "faq.csv").open("a") as file:
        file.write("Who is our plumber?,Mr Lindner\n")
    os.utime(texts / "faq.csv", (1, 1))
    assert second.quote("Who is our plumber?") is not None
    now[0] = CHECK_S
    found = second.quote("Who is our plumber?")
    assert found is not None
    assert found.text == "Mr Lindner"
    assert again.count <= 4, "the new question and what was asked"


def test_a_file_that_is_broken_while_the_box_runs_changes_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    texts, now = write(tmp_path / "texts"), [0.0]
    library = Library([texts], Embed(), VectorCache(tmp_path / "v.npz"), now=lambda: now[0])
    (texts / "faq.csv").write_text("broken")
    now[0] = CHECK_S
    found = library.quote("what is the guest password?")
    assert found is not None
    assert found.text == "sunflower"
    assert "what was known before stays" in caplog.text


def test_a_broken_cache_is_made_anew(tmp_path: Path) -> None:
    cache = tmp_path / "v.npz"
    cache.write_bytes(b"no vectors")
    embed = Embed()
    Library([write(tmp_path / "texts")], embed, VectorCache(cache)).quote("who cleans?")
    assert embed.count > 5
    assert cache.stat().st_size > 100


def test_the_box_quotes_with_its_source_and_keeps_silent_about_the_rest(tmp_path: Path) -> None:
    settings = Settings.model_validate(
        {"device": {"data_dir": tmp_path / "data"}, "knowledge": {"paths": [write(tmp_path / "texts")]}}
    )
    answerer, _ = make_answerer(settings, MODELS, Scene())
    answer = answerer.answer(Question("who cleans?", "terminal", 0.0))
    assert (answer.text, answer.origin, answer.sources) == ("Anna", Origin.LOCAL, ("faq.csv#line 4",))
    other = answerer.answer(Question("who wrote Hamlet?", "terminal", 0.0))
    assert other.origin is Origin.ABSTAINED
    assert other.sources == ()


class One:
    def __init__(self, quote: Quote | None) -> None:
        self._quote = quote

    def quote(self, text: str) -> Quote | None:
        del text
        return self._quote


@pytest.mark.parametrize(
    ("quote", "reply"),
    [
        (None, None),
        (Quote("words", "a.md", "H", LEAST - 0.01), None),
        (Quote("words", "a.md", "H", 0.8), Reply("According to a.md, H: words.", 0.8, sources=("a.md#H",))),
        (Quote("Words!", "a.txt", "", 0.8), Reply("According to a.txt: Words!", 0.8, sources=("a.txt",))),
        (Quote("yes", "a.csv", "line 2", 0.9, verbatim=True), Reply("yes", 0.9, sources=("a.csv#line 2",))),
    ],
)
def test_how_a_quotation_is_said(quote: Quote | None, reply: Reply | None) -> None:
    skill = Knowledge(One(quote))
    assert skill.answer(Question("?", "test", 0.0), Scene(), {}) == reply
    assert skill.reads("?") == (reply.score if reply else 0.0)
