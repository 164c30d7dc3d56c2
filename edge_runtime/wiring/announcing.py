"""The box on MQTT: what it is announced with, what it tells of itself, and what it may be told."""

from __future__ import annotations

import json
import logging
import time
from concurrent.futures import Future
from functools import partial
from typing import TYPE_CHECKING

import psutil

from edge_runtime import __version__
from edge_runtime.errors import ConfigError, InputError
from edge_runtime.questions import answered
from edge_runtime.sinks import topics
from edge_runtime.sinks.broker import EmbeddedBroker, answers
from edge_runtime.sinks.homeassistant import COUNTED, Box, Eye, components, discovery_messages, removal_messages
from edge_runtime.sinks.homeassistant_system import bundle_topic, system_topic
from edge_runtime.sinks.mqtt import MqttSink
from edge_runtime.sinks.spool import Spool
from edge_runtime.sources.device import Device
from edge_runtime.types import Event, Question
from edge_runtime.wiring.bundle_choice import BundleChoice
from edge_runtime.wiring.drawn_zones import DrawnZones
from edge_runtime.wiring.home_pictures import CameraPictures, sends_pictures
from edge_runtime.wiring.live_pictures import LivePictures
from edge_runtime.wiring.machine import machine_of
from edge_runtime.wiring.told_home import ToldHome

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Mapping, Sequence
    from contextlib import ExitStack

    from edge_runtime.config import Settings
    from edge_runtime.decision.scene import Scene
    from edge_runtime.house import House
    from edge_runtime.sinks.speaker import Speaker
    from edge_runtime.sources.opening import FrameSource
    from edge_runtime.types import Answer
    from edge_runtime.wiring.assembly import Models

log = logging.getLogger(__name__)

TICK_S = 0.5
MEASURE_EVERY_S = 60.0
LOOK_FOR_NEWS_EVERY_S = 10.0


def make_mqtt(settings: Settings, closing: ExitStack) -> MqttSink | None:
    """Return the sink of events to the broker, with a broker of its own where there is none; None if switched off.

    Raises:
        ConfigError: its folder cannot be made.
    """
    mqtt, folder = settings.mqtt, settings.device.data_dir.expanduser()
    if not mqtt.enabled:
        return None
    embedded = mqtt.embedded_broker and not answers(mqtt.host, mqtt.port)
    if embedded:
        broker = EmbeddedBroker(mqtt.port)
        broker.start()
        closing.callback(broker.close)
        mqtt = mqtt.model_copy(update={"host": broker.host, "port": broker.port})
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"device.data_dir {folder} cannot be made ({error.strerror}); choose another") from None
    secret = settings.secrets.mqtt_password
    spool = Spool(folder / "spool.sqlite", mqtt.spool_events, mqtt.spool_mb)
    password = secret.get_secret_value() if secret else None
    # The embedded broker would leave a client that speaks MQTT 5 waiting.
    return MqttSink(mqtt, settings.device.name, spool, password, mqtt5=not embedded)


class Announcer:
    """Opens the box to the broker and keeps what stands there true.

    Args:
        mqtt: not started yet.
        settings: of the box.
        house: whole, with its cameras and microphones.
        models: in use.
        once: recordings are read, and then it ends: nothing is kept on disk.
    """

    def __init__(self, mqtt: MqttSink, settings: Settings, house: House, models: Models, *, once: bool = False) -> None:
        self._mqtt = mqtt
        self._settings = settings
        self._house = house
        self._models = models
        self._device = settings.device.name
        folder = settings.device.data_dir.expanduser()
        self._once = once
        self._told = ToldHome(None if once else folder)
        self._drawn = DrawnZones(folder)
        self._bundles = BundleChoice(settings, models.manifest)
        self._machine = machine_of(settings, models)
        self._labels = settings.vision.labels or [label for label in COUNTED if label in models.labels]
        self._pictures: CameraPictures | None = None
        self._eyes: Mapping[str, FrameSource] = {}
        self._heard: Sequence[str] = ()
        self._zones: dict[str, tuple[str, ...]] = {}

    def open(self, eyes: Sequence[FrameSource], heard: Sequence[str], scene: Scene) -> None:
        """Announce the box, tell how everything stands, listen, connect.

        Args:
            eyes: the cameras.
            heard: the kinds of sound that are told.
            scene: remembers what was seen.
        """
        self._eyes, self._heard = {eye.name: eye for eye in eyes}, heard
        home = self._settings.homeassistant
        if home.enabled and home.pictures and not sends_pictures(self._settings):
            host = self._settings.mqtt.host
            log.warning("no pictures go to %s, which is not at home; homeassistant.pictures: true sends them", host)
        if sends_pictures(self._settings) and eyes:
            live = LivePictures(list(self._eyes), self._house.views, scene, self._house.states)
            self._house.watch_along(live.look_on)
            self._pictures = CameraPictures(self._mqtt, self._settings, live)
        self._listen()
        if home.enabled:
            self._announce()
        elif self._told.known:
            for topic, payload in removal_messages(home.prefix, self._device):
                self._mqtt.retain(topic, payload)
        self._reset()
        if not self._once:
            self._house.add_server("home-assistant", self._serve)
        self._mqtt.start()

    def _announce(self) -> None:
        """Say what there is; what was there and is gone is taken back."""
        home, box = self._settings.homeassistant, self._box()
        gone = self._told.gone({key: str(component["p"]) for key, component in components(box).items()})
        self._mqtt.announce(discovery_messages(home.prefix, box, gone), f"{home.prefix}/status")

    def _box(self) -> Box:
        settings, controls = self._settings, self._house.controls
        self._zones = {name: self._zones_of(name) for name in self._eyes}
        eyes = [
            Eye(name, self._labels, self._zones[name], restarts=isinstance(eye, Device))
            for name, eye in self._eyes.items()
        ]
        return Box(
            self._device,
            __version__,
            eyes,
            {microphone.name: self._heard for microphone in settings.microphones},
            speaks=bool(self._house.mouth),
            pictures=self._pictures is not None,
            switches=controls.names() if controls else {},
            bundle=self._models.manifest.name,
            spends=settings.cloud.enabled,
        )

    def _zones_of(self, camera: str) -> tuple[str, ...]:
        fixed = next(one.zones for one in self._settings.cameras if one.name == camera)
        return tuple(dict.fromkeys(zone.name for zone in (*fixed, *self._drawn.of(camera))))

    def _reset(self) -> None:
        """Say how everything stands at the start: what a run before this one left retained is not true any more."""
        device, held = self._device, [topics.status_topic(self._device), system_topic(self._device)]
        for camera in self._eyes:
            states = [Event("motion", camera, 0.0, {"active": False})]
            states += [Event("count", camera, 0.0, {"label": label, "count": 0}) for label in self._labels]
            for state in states:
                held += self._retain(topics.states(state, device))
            held += self._retain([(topics.zone_topic(device, camera, zone), "OFF") for zone in self._zones_of(camera)])
            if sends_pictures(self._settings):
                held += [topics.picture_topic(device, camera), topics.snapshot_topic(device, camera)]
            held += [topic for topic, _ in topics.states(Event("source_status", camera, 0.0, {"status": ""}), device)]
        for source in (*self._eyes, *(microphone.name for microphone in self._settings.microphones)):
            held += self._retain([(f"{topics.root(device)}/{topics.level(source)}/anomaly", "OFF")])
        controls = self._house.controls
        for name, on in (controls.switches() if controls else {}).items():
            held += self._retain(topics.states(Event("switch", "", 0.0, {"switch": name, "on": on}), device))
        held += self._retain([(bundle_topic(device), json.dumps(self._bundles.told()))])
        for topic in self._told.empty(held):
            self._mqtt.retain(topic, "")

    def _retain(self, states: Sequence[tuple[str, str]]) -> list[str]:
        for topic, payload in states:
            self._mqtt.retain(topic, payload)
        return [topic for topic, _ in states]

    def _listen(self) -> None:
        mqtt, house, device = self._mqtt, self._house, self._device
        # Without a Response Topic the reply is the "answered" event, which everybody hears on .../answer.
        mqtt.on_message(f"{topics.root(device)}/ask", partial(ask, house))
        if house.mouth:
            mqtt.on_message(f"{topics.root(device)}/say", partial(_say, house.mouth.speaker))
        if house.feedback:
            mqtt.on_message(f"{topics.root(device)}/feedback", house.feedback.read)
            self._on_press("fine", self._was_fine)
        for name in house.controls.switches() if house.controls else ():
            mqtt.on_message(f"{topics.switch_topic(device, name)}/set", partial(self._switch, name))
        for camera, eye in self._eyes.items():
            if self._pictures:
                self._on_press(f"{camera}_picture", partial(self._pictures.asked, camera))
            if isinstance(eye, Device):
                self._on_press(f"{camera}_restart", partial(_restart, eye))
        self._on_press("bundle", self._install)

    def _on_press(self, button: str, do: Callable[[], Mapping[str, object]]) -> None:
        self._mqtt.on_message(topics.press_topic(self._device, button), lambda _: do())

    def _switch(self, name: str, text: str) -> dict[str, object]:
        wanted = {"ON": True, "OFF": False}.get(text.strip().upper())
        if wanted is None:
            raise InputError(f"a switch takes ON or OFF, not {text[:40]!r}")
        if self._house.controls:
            self._house.controls.set(name, on=wanted)
        return {"switch": name, "on": wanted}

    def _was_fine(self) -> dict[str, object]:
        feedback = self._house.feedback
        newest = feedback.newest() if feedback else None
        if feedback is None or newest is None:
            raise InputError("there was no alert yet that could have been fine")
        feedback.give(newest, "fine")
        return {"id": newest, "verdict": "fine"}

    def _install(self) -> dict[str, object]:
        version = self._bundles.install()
        self._mqtt.retain(bundle_topic(self._device), json.dumps(self._bundles.told()))
        return {"version": version, "from": "the next start"}

    def _serve(self, stopping: threading.Event, alive: Callable[[], None]) -> None:
        """Send pictures and measures, and what has changed on disk, each in its time."""
        measured = looked = float("-inf")
        psutil.cpu_percent()
        while not stopping.wait(TICK_S):
            alive()
            now = time.monotonic()
            if self._pictures:
                self._pictures.due()
            if now - measured >= MEASURE_EVERY_S:
                measured = now
                self._mqtt.retain(system_topic(self._device), json.dumps(self._measures()))
            if now - looked >= LOOK_FOR_NEWS_EVERY_S:
                looked = now
                self._tell_news()

    def _measures(self) -> dict[str, object]:
        health = self._machine.health()
        free, total = health.memory
        spent = self._machine.spent_usd() or (None, None)
        return {
            "cpu": psutil.cpu_percent(),
            "temperature": None if health.processor_c is None else round(health.processor_c, 1),
            "memory": round(100 * (1 - free / total), 1),
            "disk_free": round(health.disk[0] / 1e9, 1),
            "queue": self._mqtt.stats.depth,
            "spent_today": spent[0],
            "spent_month": spent[1],
        }

    def _tell_news(self) -> None:
        self._mqtt.retain(bundle_topic(self._device), json.dumps(self._bundles.told()))
        if self._settings.homeassistant.enabled and self._zones != {name: self._zones_of(name) for name in self._eyes}:
            known = self._zones
            self._announce()
            for camera, zones in self._zones.items():
                fresh = [zone for zone in zones if zone not in known[camera]]
                self._retain([(topics.zone_topic(self._device, camera, zone), "OFF") for zone in fresh])


def ask(house: House, text: str) -> Future[Mapping[str, object] | None]:
    """Ask the box what came in as a message; its answer comes later."""
    said: Future[Mapping[str, object] | None] = Future()

    def tell(done: Future[Answer]) -> None:
        if (error := done.exception()) is not None:
            said.set_exception(error)
        else:
            said.set_result(dict(answered(question, done.result()).data))

    question = Question(text, "mqtt", time.monotonic())
    house.questions.submit(question).add_done_callback(tell)
    return said


def _say(speaker: Speaker, text: str) -> dict[str, object]:
    """Say what came in; an empty message is silence."""
    if text.strip():
        speaker.say(text)
    else:
        speaker.stop()
    return {"waiting": bool(text.strip())}


def _restart(eye: Device) -> dict[str, object]:
    eye.restart()
    return {"camera": eye.name}
