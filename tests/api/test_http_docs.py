"""The examples of docs/api.md do what they show."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from http_box import TOKEN, open_box, written

if TYPE_CHECKING:
    from collections.abc import Iterator

    from http_box import Api

PAGE = (Path(__file__).parents[2] / "docs" / "api.md").read_text()
TOKEN_FILE = ".local/share/edge-runtime/api-token"  # noqa: S105 - its place


@pytest.fixture(scope="module", name="box")
def whole_box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    with open_box(tmp_path_factory.mktemp("box")) as box:
        yield box


@pytest.fixture(name="home")
def home_with_token_and_picture(tmp_path: Path) -> Path:
    (tmp_path / TOKEN_FILE).parent.mkdir(parents=True)
    (tmp_path / TOKEN_FILE).write_text(f"{TOKEN}\n")
    (tmp_path / "picture.jpg").write_bytes(written(np.full((240, 320, 3), 200, np.uint8), ".jpg"))
    return tmp_path


def example(kind: str, holds: str, box: Api) -> str:
    """Return the example of this kind that holds these words, with this box's address."""
    found = [text for text in re.findall(rf"```{kind}\n(.*?)```", PAGE, re.DOTALL) if holds in text]
    assert len(found) == 1
    return str(found[0]).replace("http://127.0.0.1:8471/v1", box.url)


def run(command: list[str], home: Path) -> str:
    environment = {"HOME": str(home), "PATH": os.environ["PATH"]}
    done = subprocess.run(command, cwd=home, env=environment, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.skipif(not shutil.which("curl"), reason="curl is not installed")
@pytest.mark.skipif(not shutil.which("espeak-ng"), reason="espeak-ng is not installed")
def test_the_curl_examples_work(box: Api, home: Path) -> None:
    said = run(["bash", "-ec", example("bash", "curl", box)], home)
    answer, heard = (json.loads(part) for part in re.sub(r"\}\{", "}\n{", said).split("\n"))
    assert answer["choices"][0]["message"]["content"] == "That is 84."
    assert heard == {"text": "turn on the kitchen light"}
    assert (home / "speech.mp3").stat().st_size > 1000


def test_the_python_example_works(box: Api, home: Path) -> None:
    said = run([sys.executable, "-c", example("python", "OpenAI(", box)], home)
    assert " local 1.0" in said
    assert "people" in said


def test_the_settings_that_the_page_names_exist() -> None:
    settings = (Path(__file__).parents[2] / "docs" / "settings.md").read_text()
    named = set(re.findall(r"`(api\.[a-z_]+)", PAGE))
    assert {"api.enabled", "api.host", "api.names", "api.remote_pictures"} <= named
    assert [name for name in named if name not in settings] == []
