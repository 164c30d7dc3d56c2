from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from scripts.caches import claim
from scripts.stage import Stage, Workshop

if TYPE_CHECKING:
    from pathlib import Path

CODE = {"boxes.pt": ["detector.py"], "words.pt": ["detector.py", "speaker.py"]}


@pytest.mark.parametrize(
    ("changed", "kept"),
    [
        pytest.param(None, {"boxes.pt", "words.pt"}, id="nothing changed"),
        pytest.param("speaker.py", {"boxes.pt"}, id="only the code that asks for words"),
        pytest.param("detector.py", set(), id="code that both need"),
        pytest.param("pictures", set(), id="what the teachers look at"),
        pytest.param("cache/made_of.json", set(), id="nobody knows what they were made of"),
    ],
)
def test_answers_to_something_else_are_forgotten(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], changed: str | None, kept: set[str]
) -> None:
    for name in ("pictures", "detector.py", "speaker.py", "recipe.toml"):
        (tmp_path / name).write_text("name = 'tiny'", encoding="utf-8")

    def claimed() -> Path:
        workshop = Workshop(tmp_path / "recipe.toml", tmp_path, tmp_path, tmp_path)
        code = [tmp_path / "detector.py", tmp_path / "speaker.py"]
        stage = Stage(workshop, "train", {"pictures": tmp_path / "pictures"}, code)
        return claim(tmp_path / "cache", stage, CODE)

    cache = claimed()
    for name in CODE:
        (cache / name).write_bytes(b"answers")
    if changed is not None:
        (tmp_path / changed).write_text("name = 'other'" if changed != "cache/made_of.json" else "{}", encoding="utf-8")
    claimed()
    assert {name for name in CODE if (cache / name).exists()} == kept
    said = capsys.readouterr().err
    assert all((f"{name} was worked out from other inputs or code" in said) is (name not in kept) for name in CODE)
