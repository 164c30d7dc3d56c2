"""Pictures for the home: of each alert as it comes, and of each camera now and then."""

from __future__ import annotations

import ipaddress
import threading
import time
from typing import TYPE_CHECKING

from edge_runtime.errors import InputError
from edge_runtime.sinks import topics
from edge_runtime.sinks.alert_picture import alert_picture
from edge_runtime.sinks.encoding import jpeg, narrowed

if TYPE_CHECKING:
    from edge_runtime.config import Settings
    from edge_runtime.sinks.mqtt import MqttSink
    from edge_runtime.types import Event
    from edge_runtime.wiring.live_pictures import LivePictures


_HOME_NAMES = (".local", ".lan", ".home", ".home.arpa", ".internal", ".localhost", ".fritz.box")


def sends_pictures(settings: Settings) -> bool:
    """Tell whether pictures go to the broker: to one elsewhere than at home only if the settings say so themselves."""
    home = settings.homeassistant
    if not (home.enabled and home.pictures):
        return False
    return "pictures" in home.model_fields_set or _is_at_home(settings.mqtt.host)


def _is_at_home(host: str) -> bool:
    """Tell whether a broker is in a private network, as far as its address says."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        name = host.lower().rstrip(".")
        return "." not in name or name.endswith(_HOME_NAMES)
    return address.is_private or address.is_link_local


class AlertPictures:
    """A sink that sends the picture of each alert, retained: the last one of each camera stands on its topic."""

    name = "alert pictures"
    durable = False

    def __init__(self, mqtt: MqttSink, device: str, width: int) -> None:
        self._mqtt = mqtt
        self._device = device
        self._width = width

    @classmethod
    def of(cls, mqtt: MqttSink | None, settings: Settings) -> AlertPictures | None:
        """Return it where Home Assistant shall have pictures."""
        if mqtt is None or not sends_pictures(settings):
            return None
        return cls(mqtt, settings.device.name, settings.homeassistant.picture_width)

    def publish(self, event: Event) -> None:
        """Send the picture of an event that is an alert."""
        image = alert_picture(event) if event.steps else None
        if image is not None:
            self._mqtt.retain(topics.snapshot_topic(self._device, event.source), jpeg(narrowed(image, self._width)))

    def close(self, timeout_s: float) -> None:
        """Nothing waits here."""


class CameraPictures:
    """Sends the newest picture of each camera, each so often at most and at once for whoever asks."""

    def __init__(self, mqtt: MqttSink, settings: Settings, pictures: LivePictures) -> None:
        self._mqtt = mqtt
        self._device = settings.device.name
        self._every_s = settings.homeassistant.picture_every_s
        self._width = settings.homeassistant.picture_width
        self._pictures = pictures
        self._sent: dict[str, tuple[float, str]] = {}
        self._lock = threading.Lock()

    def due(self) -> None:
        """Send each camera's picture if it is new and the last one is old enough."""
        now = time.monotonic()
        for camera in self._pictures.now():
            at, _ = self._sent.get(camera.name, (float("-inf"), ""))
            if self._every_s and now - at >= self._every_s:
                self.send(camera.name)

    def send(self, camera: str) -> bool:
        """Send a camera's picture now; False where there is none newer than the last.

        Raises:
            InputError: there is no such camera.
        """
        with self._lock:
            _, known = self._sent.get(camera, (0.0, ""))
            made = self._pictures.picture(camera, self._width, known)
            if made is None:
                return False
            self._sent[camera] = (time.monotonic(), made.tag)
        self._mqtt.retain(topics.picture_topic(self._device, camera), made.jpeg)
        return True

    def asked(self, camera: str) -> dict[str, object]:
        """Send a camera's picture because somebody asked.

        Raises:
            InputError: the camera has given none yet.
        """
        if not self.send(camera) and camera not in self._sent:
            raise InputError(f"camera {camera} has given no picture yet")
        return {"camera": camera}
