"""Settings in, a running box out: the only place that wires sources, models and sinks together."""

from __future__ import annotations

import tempfile
import time
from contextlib import ExitStack
from datetime import UTC, datetime
from functools import partial
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from edge_runtime.config import OWN_NAMES, MicrophoneSettings, Settings
from edge_runtime.decision.scene import Scene
from edge_runtime.house import House
from edge_runtime.metrics import Metrics
from edge_runtime.runtime import Runtime
from edge_runtime.sinks.console import ConsoleSink
from edge_runtime.sinks.fanout import FanOut
from edge_runtime.sinks.snapshot import annotate, save_picture
from edge_runtime.sources.naming import name_of
from edge_runtime.sources.opening import open_camera, open_microphone
from edge_runtime.types import Event
from edge_runtime.watch_sections import CameraSettings
from edge_runtime.wiring.alerts import attend_alerts
from edge_runtime.wiring.announcing import Announcer, make_mqtt
from edge_runtime.wiring.answers import make_answerer
from edge_runtime.wiring.assembly import Models, make_sounds
from edge_runtime.wiring.controls import Controls
from edge_runtime.wiring.dictation import make_dictation
from edge_runtime.wiring.doors import Doors
from edge_runtime.wiring.ears import make_voice
from edge_runtime.wiring.event_feed import make_feed
from edge_runtime.wiring.evidence import make_recorder, record_along
from edge_runtime.wiring.feedback import Feedback
from edge_runtime.wiring.home_pictures import AlertPictures
from edge_runtime.wiring.household import keep_time
from edge_runtime.wiring.live_anomalies import attend_anomalies
from edge_runtime.wiring.mouth import Mouth
from edge_runtime.wiring.senses import make_event_log
from edge_runtime.wiring.watching import make_view, save_threads

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from edge_runtime.api.server import ApiServer
    from edge_runtime.api.wyoming import WyomingServer
    from edge_runtime.pipelines.answering import Answerer
    from edge_runtime.pipelines.dictation import Dictation
    from edge_runtime.pipelines.voice import VoicePipeline
    from edge_runtime.sentences import Source
    from edge_runtime.sinks.fanout import Sink
    from edge_runtime.wiring.event_feed import EventFeed

FLUSH_S = 5.0
_SOUNDS = {".wav", ".flac", ".ogg", ".mp3"}


class App:
    """One box, built and ready to `run`; `summary` says what it did."""

    def __init__(self, settings: Settings, *, once: bool, console: Sink | None = None) -> None:
        self.metrics = Metrics()
        # From the start of the process, so that loading the program counts too.
        self._started_at = time.monotonic() - (time.time() - psutil.Process().create_time())
        self._settings = settings
        self._once = once
        self._scene = Scene()
        self.server: WyomingServer | None = None
        self.api: ApiServer | None = None
        save_threads()
        with ExitStack() as closing:
            self._closing = closing
            self._build(console)
            self.runtime = Runtime(self.house.stages(), once=once, close=self._close)
            self._closing = closing.pop_all()

    def _build(self, console: Sink | None) -> None:
        settings = self._settings
        models = Models.of(settings)
        answerer, questions = make_answerer(settings, models, self._scene, self._drifted)
        self._closing.callback(answerer.close)
        # Wrong addresses and files are found before anything is started.
        cameras = [open_camera(camera) for camera in settings.cameras]
        microphones = [open_microphone(microphone) for microphone in settings.microphones]
        # Whoever waits for the end of a recording serves nobody.
        doors = Doors(settings) if settings.wyoming.enabled and not self._once else None
        heard = microphones or (doors and doors.hears)
        feed = make_feed(settings) if settings.api.enabled and not self._once else None
        voice = make_voice(settings, models, questions) if heard else None
        sounds = make_sounds(settings, models) if microphones else None
        dictation = make_dictation(settings.voice.dictation, settings.device.threads) if heard or feed else None
        self._mqtt = make_mqtt(settings, self._closing)
        pictures = AlertPictures.of(self._mqtt, settings)
        self.house = self._make_house((self._mqtt, console, doors, feed, pictures), models, answerer, dictation)
        for camera, eye in zip(settings.cameras, cameras, strict=True):
            view = make_view(camera, settings, models, self._scene)
            self.house.add_camera(eye, view, paced=eye.live or camera.realtime, fixed=camera.fixed)
        self.house.controls = Controls(self.house.views, self.house.publish, self._folder())
        attend_alerts(self.house, settings, models, self._closing, once=self._once)
        attend_anomalies(self.house, settings, models, self._closing, once=self._once)
        for microphone, ear in zip(settings.microphones, microphones, strict=True):
            if voice:
                listening = sounds[0]() if sounds else None
                self.house.add_microphone(ear, voice(), listening, paced=ear.live or microphone.realtime)
        if doors:
            doors.listen_along(self.house.listen_along)
            self.server = doors.server(models, voice, dictation, self.house.ask)
            self.house.add_server("wyoming", self.server.serve)
        if feed:
            self.api = self._make_api(models, voice, questions, dictation, feed)
            self.house.add_server("http", self.api.serve)
        if not self._once:
            keep_time(self.house, settings)
        if self._mqtt:
            announcer = Announcer(self._mqtt, settings, self.house, models, once=self._once)
            announcer.open(cameras, sounds[1] if sounds else (), self._scene)

    def _folder(self) -> Path | None:
        """Return where the box keeps what it is told; whoever reads recordings once is told nothing."""
        return None if self._once else self._settings.device.data_dir.expanduser()

    def _make_house(
        self, sinks: Sequence[Sink | None], models: Models, answerer: Answerer, dictation: Dictation | None
    ) -> House:
        """Return the house, with everybody who hears of its events."""
        settings = self._settings
        recorder = make_recorder(settings, models, self.metrics)
        feedback = Feedback(self._folder())
        fanout = FanOut([sink for sink in (*sinks, make_event_log(settings), recorder, feedback) if sink])
        self._closing.callback(fanout.close, FLUSH_S)
        mouth = Mouth.of(settings, models) if settings.speech.enabled else None
        if mouth:
            self._closing.callback(mouth.speaker.close)
        house = House(fanout, answerer, self.metrics, mouth, dictation)
        feedback.tell = house.publish
        house.feedback = feedback
        if recorder:
            record_along(recorder, house, settings)
        return house

    def _make_api(
        self,
        models: Models,
        voice: Callable[[], VoicePipeline] | None,
        questions: Source,
        dictation: Dictation | None,
        feed: EventFeed,
    ) -> ApiServer:
        from edge_runtime.wiring.api_door import Parts, api_server  # noqa: PLC0415 - few boxes serve it
        from edge_runtime.wiring.page import make_page  # noqa: PLC0415

        runtime = partial(getattr, self, "runtime", None)
        page = make_page(self._settings, models, self.house, self._scene, feed)
        parts = Parts(models, self.house.questions.submit, self.metrics, runtime, voice, questions, dictation, page)
        return api_server(self._settings, parts)

    def summary(self) -> dict[str, Any]:
        """Return what was done since the start, in the order in which a person wants to know it."""
        counts, stats = self.house.counts, self._mqtt.stats if self._mqtt else None
        first = self.house.first_detection_at
        return {
            "seconds": round(time.monotonic() - self._started_at, 1),
            "frames": counts["frames"],
            "looks": counts["looks"],
            "detections": counts["detections"],
            **{kind.replace(" ", "_"): number for kind, number in sorted(counts.items()) if kind.endswith(" events")},
            "events_published": self._mqtt.published if self._mqtt else 0,
            "messages_acknowledged": stats.acknowledged if stats else 0,
            "messages_waiting": stats.depth if stats else 0,
            "frame_latency_ms": self.house.latency_ms(),
            "first_detection_s": None if first is None else round(first - self._started_at, 2),
            "memory_mb": round(psutil.Process().memory_info().rss / 2**20),
        }

    def save_last_found(self, path: Path) -> bool:
        """Write the last frame in which something was found, boxes drawn in; return whether there was one."""
        if self.house.last_found is None:
            return False
        save_picture(path, annotate(*self.house.last_found))
        return True

    def _drifted(self, since: float) -> None:
        """Tell that the gate falls back to the safe side: answers are no longer like those it was fitted to."""
        data = {"since": datetime.fromtimestamp(since, UTC).isoformat(timespec="seconds")}
        self.house.publish(Event("gate_drift", "gate", time.monotonic(), data))

    def close(self) -> None:
        """Give everything back; for whoever built a box and does not run it."""
        self._closing.close()

    def _close(self) -> None:
        if self.house.mouth and self._once:
            self.house.mouth.speaker.finish(FLUSH_S)
        if self._mqtt:
            self._mqtt.flush(FLUSH_S)
        self.close()


def demo_settings(stack: ExitStack) -> Settings:
    """Return the settings of the embedded demo; its spool lives in a folder that `stack` removes."""
    folder = stack.enter_context(resources.as_file(resources.files("edge_runtime.demo")))
    settings = Settings.load(folder / "settings.yaml")
    scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="edge-demo-")))
    return settings.model_copy(update={"device": settings.device.model_copy(update={"data_dir": scratch})})


def with_sources(settings: Settings, sources: Sequence[str]) -> Settings:
    """Return the settings with more cameras, or microphones for sound files, named after their files."""
    cameras, microphones = list(settings.cameras), list(settings.microphones)
    taken = {*OWN_NAMES, *(camera.name for camera in cameras), *(microphone.name for microphone in microphones)}
    for source in sources:
        name = name_of(source, taken)
        taken.add(name)
        if Path(source).suffix.lower() in _SOUNDS:
            microphones.append(MicrophoneSettings(name=name, device=source))
        else:
            cameras.append(CameraSettings(name=name, url=source))
    return settings.model_copy(update={"cameras": tuple(cameras), "microphones": tuple(microphones)})


def console(show: Callable[[str], None], *, as_json: bool) -> ConsoleSink:
    """Return the sink that shows events as they happen."""
    return ConsoleSink(show, as_json=as_json, started_at=time.monotonic())
