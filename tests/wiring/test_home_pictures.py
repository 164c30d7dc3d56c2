"""Pictures of the home go to a broker elsewhere only if its owner said so."""

from __future__ import annotations

import pytest

from edge_runtime.config import Settings
from edge_runtime.wiring.home_pictures import sends_pictures


@pytest.mark.parametrize(
    ("host", "home", "sent"),
    [
        pytest.param("127.0.0.1", {}, True, id="this very machine"),
        pytest.param("192.168.1.5", {}, True, id="a private address"),
        pytest.param("fd00::5", {}, True, id="a private address, version 6"),
        pytest.param("homeassistant", {}, True, id="a name without a dot"),
        pytest.param("homeassistant.local", {}, True, id="a name of the home"),
        pytest.param("8.8.8.8", {}, False, id="a public address"),
        pytest.param("2001:4860:4860::8888", {}, False, id="a public address, version 6"),
        pytest.param("broker.example.com", {}, False, id="a name of the internet"),
        pytest.param("evil.local.example.com", {}, False, id="a name that only looks like one of the home"),
        pytest.param("broker.example.com", {"pictures": True}, True, id="elsewhere, as the owner wants"),
        pytest.param("127.0.0.1", {"pictures": False}, False, id="switched off"),
        pytest.param("127.0.0.1", {"enabled": False, "pictures": True}, False, id="no Home Assistant"),
    ],
)
def test_pictures_leave_the_home_only_if_the_settings_say_so(host: str, home: dict[str, bool], *, sent: bool) -> None:
    settings = Settings.model_validate({"mqtt": {"host": host}, "homeassistant": home})
    assert sends_pictures(settings) is sent
