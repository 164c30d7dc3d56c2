from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from edge_runtime.bundles.manifest import default_bundle
from edge_runtime.errors import InputError
from edge_runtime.making import extra, maker, writing
from edge_runtime.making.order import Order

if TYPE_CHECKING:
    from collections.abc import Callable

    Run = Callable[..., tuple[int, str, str]]

ROOT = Path(__file__).parents[2]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, command_line: Callable[..., tuple[int, str, str]], tmp_path: Path) -> Run:
    """Run the command line in a folder of its own; returns exit status, stdout and stderr."""
    monkeypatch.chdir(tmp_path)
    return command_line


def test_without_the_extra_the_command_that_installs_it_is_named(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extra, "_NEEDED", ("torch_of_tomorrow",))
    Path("model").mkdir()
    status, out, err = run("bundle", "make", "model", "--out", "new")
    assert (status, out) == (2, "")
    assert "torch_of_tomorrow" in err
    assert "pip install 'edge-runtime[build]'" in err
    assert err.count("\n") == 1
    assert [path.name for path in Path().iterdir()] == ["model"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        pytest.param(["--out", "full"], "the folder is not empty", id="a folder with something in it"),
        pytest.param(["--out", "full", "--force"], "holds something else", id="forced, and it is no bundle"),
        pytest.param(["--out", "nested", "--force"], "holds something else", id="forced, and it holds folders"),
        pytest.param(["--out", "file"], "is no folder", id="a file"),
        pytest.param(["--out", "link", "--force"], "is no folder", id="a link"),
        pytest.param(["--out", "file/new"], "cannot be written", id="below a file"),
        pytest.param(["--out", "new", "--labels", "a,a"], "'a' is given twice", id="label twice"),
        pytest.param(["--out", "new", "--labels", "@none.txt"], "none.txt", id="list of labels that is not there"),
        pytest.param(["--out", "new"], "no ONNX file that runs here", id="not an ONNX file"),
    ],
)
def test_bad_orders_are_one_line_and_leave_everything_as_it_was(run: Run, arguments: list[str], said: str) -> None:
    Path("full").mkdir()
    Path("full/diary.txt").write_text("precious")
    shutil.copytree(default_bundle(), "nested")
    Path("nested/more").mkdir()
    Path("file").write_text("x")
    Path("link").symlink_to(default_bundle())
    Path("model.onnx").write_bytes(b"no model")
    before = sorted(Path().rglob("*"))
    status, out, err = run("bundle", "make", "model.onnx", *arguments)
    assert (status, out) == (2, "")
    assert said in err
    assert err.count("\n") == 1
    assert sorted(Path().rglob("*")) == before


def test_a_missing_file_is_named(run: Run) -> None:
    status, _, err = run("bundle", "make", "none.onnx", "--out", "new")
    assert status == 2
    assert "none.onnx is missing" in err


def test_pictures_must_be_there_before_the_work_begins(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="none: no such folder"):
        maker.make(Order("x", tmp_path / "new", calibrate=tmp_path / "none"), print)


def test_a_forced_bundle_replaces_the_old_one_whole(tmp_path: Path) -> None:
    out = tmp_path / "bundle"
    shutil.copytree(default_bundle(), out)
    with writing.appearing(out, force=True) as folder:
        (folder / "new.txt").write_text("new")
        assert (out / "manifest.json").exists()
    assert [path.name for path in out.iterdir()] == ["new.txt"]
    assert list(tmp_path.iterdir()) == [out]


def test_a_bundle_that_fails_halfway_leaves_the_old_one(tmp_path: Path) -> None:
    out = tmp_path / "bundle"
    shutil.copytree(default_bundle(), out)

    def fail(folder: Path) -> None:
        (folder / "new.txt").write_text("new")
        raise InputError("halfway")

    with pytest.raises(InputError, match="halfway"), writing.appearing(out, force=True) as folder:
        fail(folder)
    assert sorted(path.name for path in out.iterdir()) == sorted(path.name for path in default_bundle().iterdir())
    assert list(tmp_path.iterdir()) == [out]


def test_show_says_what_a_bundle_holds(run: Run) -> None:
    status, out, _ = run("bundle", "show", str(default_bundle()), "--json")
    record = json.loads(out)
    assert status == 0
    assert record["name"] == "omni-nano"
    assert record["parts"] == ["image", "text", "detector", "classify", "audio", "phones", "faces"]
    assert record["files"]["image.onnx"] == (default_bundle() / "image.onnx").stat().st_size
    status, out, _ = run("bundle", "show", str(default_bundle()))
    assert status == 0
    assert "image.onnx" in out
    assert "Apache-2.0" in out


def test_show_checks_every_file(run: Run, tmp_path: Path) -> None:
    shutil.copytree(default_bundle(), tmp_path / "bundle")
    with (tmp_path / "bundle" / "text.onnx").open("ab") as file:
        file.write(b"?")
    status, out, err = run("bundle", "show", "bundle")
    assert (status, out) == (2, "")
    assert "text.onnx has sha256" in err


def test_transcribe_needs_a_bundle_that_hears(run: Run) -> None:
    status, _, err = run("transcribe", "a.wav", "--bundle", str(default_bundle()))
    assert status == 2
    assert "speech recogniser" in err


def test_the_readme_names_options_that_there_are(run: Run) -> None:
    section = (ROOT / "README.md").read_text().split("## Bring your own model")[1].split("\n## ")[0]
    _, shown, _ = run("bundle", "make", "--help")
    options = [word for line in section.splitlines() if "bundle make" in line for word in line.split("#")[0].split()]
    assert [option for option in options if option.startswith("--") and option not in shown] == []
