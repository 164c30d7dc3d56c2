"""Brokers and listeners that end with their test; a plugin, so that each test module asks for it by name."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest
from brokers import MOSQUITTO, Listener, Mosquitto

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture
def mosquitto(tmp_path: Path) -> Iterator[Callable[..., Mosquitto]]:
    if MOSQUITTO is None:
        pytest.skip("Mosquitto is not installed (Debian: apt-get install mosquitto)")
    with contextlib.ExitStack() as stack:

        def make(config: str = "allow_anonymous true", *, start: bool = True) -> Mosquitto:
            broker = Mosquitto(tmp_path, config)
            stack.callback(broker.kill)
            if start:
                broker.start()
            return broker

        yield make


@pytest.fixture
def listen() -> Iterator[Callable[..., Listener]]:
    with contextlib.ExitStack() as stack:

        def make(port: int, *filters: str, mqtt5: bool = True, qos: int = 1) -> Listener:
            listener = Listener(port, *filters, mqtt5=mqtt5, qos=qos)
            stack.callback(listener.close)
            return listener

        yield make
