"""A sound server that ends with its test; a plugin, so that each test module asks for it by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from pulse import MISSING, SoundServer

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def sound_server(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[SoundServer]:
    """Yield a running sound server without devices, which this process and its children find."""
    if MISSING:
        pytest.skip(MISSING)
    server = SoundServer(tmp_path_factory.mktemp("sound"))
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    server.start()
    yield server
    server.kill()
