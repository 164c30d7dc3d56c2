"""A real Home Assistant for a bench: started on loopback with MQTT in it, spoken to by its REST API."""

from __future__ import annotations

import json
import socket
import subprocess
import time
import urllib.parse
import urllib.request
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from pathlib import Path

CLIENT = "http://127.0.0.1/"


def free_port() -> int:
    """Return a port of loopback that nobody uses."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait(condition: Any, timeout_s: float) -> Any:
    """Return what `condition` returns once that is true, None when it takes too long."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(0.25)
    return None


class Home:
    """A Home Assistant of its own with an owner, spoken to by its REST API."""

    def __init__(self, program: str, folder: Path, broker: int) -> None:
        self.port = free_port()
        storage = folder / ".storage"
        storage.mkdir(parents=True)
        http = {"server_host": "127.0.0.1", "server_port": self.port}
        settings = {"homeassistant": {"name": "bench", "latitude": 0, "longitude": 0}, "http": http, "api": None}
        (folder / "configuration.yaml").write_text(yaml.safe_dump(settings))
        (storage / "core.config_entries").write_text(json.dumps(entries(broker)))
        self._token = ""
        log = (folder / "hass.log").open("w")
        self.process = subprocess.Popen([program, "-c", str(folder), "--skip-pip"], stdout=log, stderr=log)

    def sign_in(self) -> str:
        """Make an owner, sign in, return the version."""
        assert wait(self._answers, 120), "Home Assistant did not start"
        user = {"client_id": CLIENT, "name": "o", "username": "o", "password": "owner-of-one-bench", "language": "en"}
        code = self.call("/api/onboarding/users", user)["auth_code"]
        form = {"grant_type": "authorization_code", "code": code, "client_id": CLIENT}
        self._token = self.call("/auth/token", urllib.parse.urlencode(form).encode())["access_token"]
        return str(self.call("/api/config")["version"])

    def call(self, path: str, body: object = None, *, raw: bool = False) -> Any:
        """Ask the REST API; a body makes it a POST."""
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        kind = "application/x-www-form-urlencoded" if isinstance(body, bytes) else "application/json"
        headers = {"Content-Type": kind, "Authorization": f"Bearer {self._token}"}
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", data, headers)
        with urllib.request.urlopen(request, timeout=30) as reply:  # noqa: S310 - to loopback
            answer = reply.read()
        return answer if raw else json.loads(answer)

    def states(self) -> dict[str, dict[str, Any]]:
        """Return every entity."""
        return {one["entity_id"]: one for one in self.call("/api/states")}

    def state(self, entity: str) -> str:
        """Return the state of an entity."""
        return str(self.states().get(entity, {}).get("state", "missing"))

    def do(self, service: str, entity: str) -> None:
        """Call a service such as switch.turn_off."""
        self.call(f"/api/services/{service.replace('.', '/')}", {"entity_id": entity})

    def _answers(self) -> bool:
        try:
            return bool(self.call("/api/onboarding"))
        except (OSError, ValueError):
            return False


def entries(broker: int) -> dict[str, Any]:
    """Return Home Assistant's store of integrations with MQTT in it."""
    entry: dict[str, Any] = {
        "created_at": "2024-01-01T00:00:00+00:00", "modified_at": "2024-01-01T00:00:00+00:00",
        "data": {"broker": "127.0.0.1", "port": broker, "protocol": "5"}, "options": {}, "subentries": [],
        "disabled_by": None, "discovery_keys": {}, "domain": "mqtt", "entry_id": "0" * 26, "title": "mqtt",
        "pref_disable_new_entities": False, "pref_disable_polling": False, "source": "user", "unique_id": None,
        "version": 1, "minor_version": 2,
    }  # fmt: skip
    return {"version": 1, "minor_version": 5, "key": "core.config_entries", "data": {"entries": [entry]}}
