from __future__ import annotations

import hashlib
import http.server
import json
import os
import subprocess
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("torch", reason="the build extra is not installed")
tiny_models = pytest.importorskip("tiny_models", reason="the build extra is not installed")
# torch and optimum announce what they will drop one day.
pytestmark = pytest.mark.filterwarnings("ignore")

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

COMMIT = "0123456789abcdef0123456789abcdef01234567"
SAID = ["is neither a folder here nor a model the hub gives", "hf download", "--local-dir FOLDER"]


@contextmanager
def hub(model: str, folder: Path) -> Iterator[tuple[str, list[str]]]:
    """Serve a folder as the hub would; gives the address and the paths that were asked for."""
    asked: list[str] = []
    files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}

    class Hub(http.server.BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.do_GET(body=False)

        def do_GET(self, *, body: bool = True) -> None:
            asked.append(self.path)
            prefix = f"/{model}/resolve/{COMMIT}/"
            if self.path in (f"/api/models/{model}", f"/api/models/{model}/revision/main"):
                siblings = [{"rfilename": name} for name in files]
                self.answer(json.dumps({"id": model, "sha": COMMIT, "siblings": siblings}).encode(), body=body)
            elif self.path.startswith(prefix) and self.path.removeprefix(prefix) in files:
                self.answer(files[self.path.removeprefix(prefix)].read_bytes(), body=body)
            else:
                self.send_response(404)
                self.send_header("X-Error-Code", "RepoNotFound")
                self.send_header("Content-Length", "0")
                self.end_headers()

        def answer(self, data: bytes, *, body: bool) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.send_header("ETag", f'"{hashlib.sha256(data).hexdigest()}"')
            self.send_header("X-Repo-Commit", COMMIT)
            self.end_headers()
            if body:
                self.wfile.write(data)

        def log_message(self, *_: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def make(source: str, folder: Path, address: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Run the command line; the hub's address is read once, when its library is loaded."""
    own = {"HF_ENDPOINT": address, "HF_HOME": str(folder / "cache"), "HF_HUB_DISABLE_XET": "1", "NO_PROXY": "*"}
    env = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "TRANSFORMERS_"))} | own | more
    command = [
        sys.executable,
        "-m",
        "edge_runtime.cli",
        "bundle",
        "make",
        source,
        "--out",
        "bundle",
        "--force",
        "--json",
    ]
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=170, check=False)


def test_a_model_of_the_hub_is_fetched_once_and_then_made_offline_too(tmp_path: Path) -> None:
    source = tiny_models.bert(tmp_path / "source")
    (source / "code.py").write_text("raise SystemExit('never run')")
    with hub("someone/tiny-bert", source) as (address, asked):
        done = make("someone/tiny-bert", tmp_path, address)
        assert done.returncode == 0, done.stderr
        record = json.loads(done.stdout)
        assert (record["name"], record["version"], record["license"]) == ("tiny-bert", COMMIT, "apache-2.0")
        assert record["sources"] == [f"someone/tiny-bert ({COMMIT})"]
        assert not [path for path in asked if path.endswith("code.py")]
    offline = make("someone/tiny-bert", tmp_path, address, HF_HUB_OFFLINE="1")
    assert offline.returncode == 0, offline.stderr
    assert json.loads(offline.stdout)["version"] == COMMIT


@pytest.mark.parametrize(
    ("source", "more", "said"),
    [
        pytest.param("someone/nothing", {"HF_HUB_OFFLINE": "1"}, "HF_HUB_OFFLINE is set", id="told to stay offline"),
        pytest.param("someone/nothing", {}, "it cannot be reached", id="nobody answers"),
        pytest.param("./nothing/here", {}, "no folder, no .onnx file and no model id", id="a folder that is not there"),
    ],
)
def test_out_of_reach_is_one_line(tmp_path: Path, source: str, more: dict[str, str], said: str) -> None:
    # Port 9 discards; nobody listens there.
    done = make(source, tmp_path, "http://127.0.0.1:9", **more)
    assert done.returncode == 2
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert source in line
    assert said in line
    if source.startswith("someone"):
        assert all(part in line for part in SAID)
    assert list(tmp_path.iterdir()) == []


def test_a_model_that_the_hub_does_not_have(tmp_path: Path) -> None:
    source = tiny_models.bert(tmp_path / "source")
    with hub("someone/tiny-bert", source) as (address, asked):
        done = make("someone/else", tmp_path, address)
        assert done.returncode == 2
        assert len(asked) == 1
    (line,) = done.stderr.splitlines()
    assert "it answers 404" in line
