"""The verb `serve` and the token of its clients."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from openai import OpenAI
from pydantic import SecretStr

from edge_runtime.config import Secrets, Settings
from edge_runtime.errors import ConfigError
from edge_runtime.wiring.api_door import TOKEN_FILE, token_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def settings_in(folder: Path, token: str | None = None) -> Settings:
    secrets = Secrets(api_token=None if token is None else SecretStr(token))
    return Settings.model_validate({"device": {"data_dir": folder}, "secrets": secrets})


def test_a_token_is_made_once_and_is_the_owners_alone(tmp_path: Path) -> None:
    token, where = token_of(settings_in(tmp_path / "new"))
    file = tmp_path / "new" / TOKEN_FILE
    assert len(token) >= 40
    assert "made just now" in where
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    again, where = token_of(settings_in(tmp_path / "new"))
    assert again == token
    assert where == f"in {file}"
    assert token not in where


def test_a_token_that_others_can_read_is_taken_back(tmp_path: Path) -> None:
    file = tmp_path / TOKEN_FILE
    file.write_text("a-token-of-the-owner-0123\n")
    file.chmod(0o644)
    assert token_of(settings_in(tmp_path))[0] == "a-token-of-the-owner-0123"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_the_environments_token_comes_first(tmp_path: Path) -> None:
    token, where = token_of(settings_in(tmp_path, "from-the-environment-01"))
    assert token == "from-the-environment-01"  # noqa: S105
    assert where == "in EDGE_API_TOKEN"
    assert not (tmp_path / TOKEN_FILE).exists()


@pytest.mark.parametrize("token", ["", "short", "with spaces in it 0123", "beyond-ascii-\u00fc-0123456"])
def test_a_token_that_is_no_good_is_refused_and_not_shown(tmp_path: Path, token: str) -> None:
    (tmp_path / TOKEN_FILE).write_text(token, encoding="utf-8")
    for given in (token, None):
        with pytest.raises(ConfigError, match=r"EDGE_API_TOKEN|api-token") as caught:
            token_of(settings_in(tmp_path, given))
        assert not token or token not in str(caught.value)


def test_a_link_in_the_tokens_place_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text("a-secret-of-somebody-else")
    (tmp_path / TOKEN_FILE).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ConfigError, match="cannot be kept"):
        token_of(settings_in(tmp_path))


@contextmanager
def serving(
    folder: Path, *arguments: str, **environment: str
) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    config = folder / "settings.yaml"
    config.write_text(f"device: {{data_dir: {folder}, threads: 1}}\nmqtt: {{enabled: false}}\n")
    command = [sys.executable, "-m", "edge_runtime.cli", "serve", "--config", str(config), "--json", *arguments]
    kept = {key: value for key, value in os.environ.items() if not key.startswith("EDGE_")}
    with subprocess.Popen(
        command, env={**kept, **environment}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as program:
        assert program.stdout
        try:
            line = program.stdout.readline()
            yield program, json.loads(line) if line else {}
        finally:
            program.kill()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["terminated", "interrupted"])
def test_serve_says_where_it_is_answers_and_ends_cleanly(tmp_path: Path, number: signal.Signals) -> None:
    with serving(tmp_path, "--port", "0") as (program, said):
        token = (tmp_path / TOKEN_FILE).read_text().strip()
        assert str(tmp_path / TOKEN_FILE) in said["token"]
        # The port is open before a word is said, so nobody has to try twice.
        with OpenAI(base_url=said["url"], api_key=token, max_retries=0, timeout=60) as client:
            reply = client.chat.completions.create(
                model="edge", messages=[{"role": "user", "content": "What is 2 + 3?"}]
            )
            assert reply.choices[0].message.content == "That is 5."
            program.send_signal(number)
            _, told = program.communicate(timeout=60)
    assert program.returncode == 0, told
    assert "Traceback" not in told
    assert token not in told


def test_a_port_that_is_taken_is_said_at_once(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with serving(tmp_path, "--port", str(port), EDGE_API_TOKEN="a-token-for-tests-01") as (program, said):
            _, told = program.communicate(timeout=60)
    assert not said
    assert program.returncode == 1
    assert f"127.0.0.1:{port}" in told
    assert "api.port" in told
    assert told.count("\n") == 1
    assert not list(tmp_path.glob("*-wal")), "files are closed all the same"
