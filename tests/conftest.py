"""What tests of several rooms use."""

from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING

import pytest

from edge_runtime import cli

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def command_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """Run the command line with arguments and standard input; returns exit status, stdout and stderr."""

    def call(*arguments: str, stdin: str = "") -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["edge-runtime", *arguments])
        monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
        status = 0
        try:
            cli.main()
        except SystemExit as stop:
            status = int(stop.code or 0)
        out, err = capsys.readouterr()
        return status, out, err

    return call
