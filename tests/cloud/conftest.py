"""What most tests of the cloud begin with: an endpoint on loopback, and what is needed to ask it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from cloud_rig import Rig
from openai_server import Endpoint, serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    with serving() as made:
        yield made


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    made = Rig(tmp_path)
    yield made
    made.close()
