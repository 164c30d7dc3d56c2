"""Cameras and microphones of a running box keep what they learnt, hear what was fine, and forget when told to."""

from __future__ import annotations

import threading
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from edge_runtime.config import MicrophoneSettings, Settings
from edge_runtime.pipelines.unusual_sound import UnusualSound
from edge_runtime.types import AudioChunk, Event, Step
from edge_runtime.watch_sections import AnomalySettings, CameraSettings
from edge_runtime.wiring import live_anomalies
from edge_runtime.wiring.assembly import Models
from edge_runtime.wiring.feedback import Feedback
from edge_runtime.wiring.live_anomalies import attend_anomalies, forget_usual, make_anomaly, usual_file

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from edge_runtime.pipelines.unusual import Unusual


class View:
    def __init__(self, decider: Unusual) -> None:
        self.deciders = (decider,)


class House:
    """What is asked of a house, kept."""

    def __init__(self, decider: Unusual | None = None) -> None:
        self.views = {"yard": View(decider)} if decider else {}
        self.feedback = Feedback()
        self.servers: dict[str, Callable[..., None]] = {}
        self.taps: dict[str, Callable[[AudioChunk], None]] = {}
        self.told: list[Event] = []

    def add_server(self, name: str, serve: Callable[..., None]) -> None:
        self.servers[name] = serve

    def listen_along(self, name: str, tap: Callable[[AudioChunk], None]) -> None:
        self.taps[name] = tap

    def publish(self, event: Event) -> None:
        self.told.append(event)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    yard = CameraSettings(name="yard", url="clip.mp4")
    device = Settings().device.model_copy(update={"data_dir": tmp_path})
    return Settings().model_copy(update={"cameras": (yard,), "device": device})


@pytest.fixture(scope="module")
def models() -> Models:
    return Models()


def made(settings: Settings, models: Models) -> Unusual:
    unusual = make_anomaly(settings.cameras[0], settings, models)
    assert unusual is not None
    return unusual


def attended(settings: Settings, models: Models, closing: ExitStack) -> tuple[House, Unusual]:
    unusual = made(settings, models)
    house: Any = House(unusual)
    attend_anomalies(house, settings, models, closing, once=False)
    return house, unusual


@pytest.mark.parametrize(
    ("everywhere", "here", "wanted"),
    [(True, True, True), (False, True, False), (True, False, False)],
    ids=["as it comes", "switched off", "switched off for this camera"],
)
def test_a_camera_learns_where_it_shall(
    settings: Settings, models: Models, *, everywhere: bool, here: bool, wanted: bool
) -> None:
    camera = settings.cameras[0].model_copy(update={"anomaly": here})
    anomaly = AnomalySettings(enabled=everywhere)
    unusual = make_anomaly(camera, settings.model_copy(update={"anomaly": anomaly}), models)
    assert (unusual is not None) == wanted


def test_what_was_learnt_is_there_after_a_restart(settings: Settings, models: Models) -> None:
    with ExitStack() as closing:
        _, unusual = attended(settings, models, closing)
        unusual._minutes = 77
    assert made(settings, models).kept()[0]["minutes"] == 77


def test_what_was_learnt_in_an_hour_survives_a_power_cut_after_it(
    settings: Settings, models: Models, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_anomalies, "_TICK_S", 0.01)
    monkeypatch.setattr(live_anomalies, "KEEP_EVERY_S", 0.02)
    path = usual_file(settings, "yard")
    with ExitStack() as closing:
        house, unusual = attended(settings, models, closing)
        unusual._minutes = 60
        stopping, ticks = threading.Event(), iter(range(500))

        def alive() -> None:
            if path.exists() or next(ticks) == 499:
                stopping.set()
            elif unusual._asked:
                # The next look.
                unusual._listen()
                monkeypatch.setattr(live_anomalies, "KEEP_EVERY_S", 3600.0)

        house.servers["usual"](stopping, alive)
        closing.pop_all()
    assert made(settings, models).kept()[0]["minutes"] == 60


@pytest.mark.parametrize("content", [b"", b"no archive", None], ids=["empty", "damaged", "of another model"])
def test_a_file_that_cannot_be_used_is_learnt_anew(
    settings: Settings, models: Models, content: bytes | None, caplog: pytest.LogCaptureFixture
) -> None:
    path = usual_file(settings, "yard")
    path.parent.mkdir(parents=True)
    if content is None:
        with path.open("wb") as file:
            np.savez(file, facts=np.array('{"format": 1, "model": "another", "state": {}}'))
    else:
        path.write_bytes(content)
    caplog.set_level("INFO")
    assert made(settings, models).kept()[0]["minutes"] == 0
    assert "learnt anew" in caplog.text


@pytest.mark.parametrize("damage", ["truncated", "bit flipped"])
def test_no_damage_to_a_file_stops_the_box(
    settings: Settings, models: Models, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    with ExitStack() as closing:
        _, unusual = attended(settings, models, closing)
        unusual._minutes = 77
    path = usual_file(settings, "yard")
    whole, anew = path.read_bytes(), 0
    for place in range(0, len(whole), 13):
        damaged = bytearray(whole[:place] if damage == "truncated" else whole)
        if damage != "truncated":
            damaged[place] ^= 1 << place % 8
        path.write_bytes(damaged)
        minutes = made(settings, models).kept()[0]["minutes"]
        # A date in the file was hit, or nothing that counts.
        assert minutes == 0 or (damage == "bit flipped" and minutes == 77)
        anew += minutes == 0
    assert anew > 0.6 * len(range(0, len(whole), 13))
    assert "learnt anew" in caplog.text


def test_who_forgets_a_camera_makes_the_running_box_forget(
    settings: Settings, models: Models, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_anomalies, "_TICK_S", 0.01)
    with ExitStack() as closing:
        attended(settings, models, closing)
    with ExitStack() as closing:
        house, unusual = attended(settings, models, closing)
        assert forget_usual(settings, "yard")
        assert not forget_usual(settings, "yard")
        stopping = threading.Event()
        house.servers["usual"](stopping, lambda: stopping.set() if unusual._forgets else None)
        assert unusual._forgets


@pytest.mark.parametrize("name", ["../yard", "attic"], ids=["no name", "no source"])
def test_nothing_but_what_a_source_learnt_is_forgotten(settings: Settings, name: str) -> None:
    assert not forget_usual(settings, name)


def test_what_was_fine_reaches_the_camera_that_told_it(settings: Settings, models: Models) -> None:
    with ExitStack() as closing:
        house, unusual = attended(settings, models, closing)
        heard: list[tuple[str, str, float]] = []
        unusual.fine = lambda *said: heard.append(said)  # type: ignore[method-assign]
        for source in ("yard", "attic"):
            data = {"unusual": "picture", "gate": "brief", "score": 2.5}
            house.feedback.publish(Event("anomaly", source, 1.0, data, id=source, steps=(Step("brief", {}),)))
            house.feedback.give(source, "fine")
        house.feedback.give("yard", "right")
    assert heard == [("yard", "brief", 2.5)]


def test_a_microphone_learns_and_tells_what_is_unusual(settings: Settings, models: Models) -> None:
    settings = settings.model_copy(update={"microphones": (MicrophoneSettings(name="yard"),)})
    rng = np.random.default_rng(1)
    with ExitStack() as closing:
        house: Any = House()
        attend_anomalies(house, settings, models, closing, once=False)
        stopping = threading.Event()
        listener = threading.Thread(target=house.servers["unusual-sounds"], args=(stopping, lambda: None))
        listener.start()
        for second in range(20):
            house.taps["yard"](AudioChunk("yard", float(second), rng.normal(0, 0.01, 16_000).astype(np.float32)))
        stopping.set()
        listener.join(10.0)
    assert usual_file(settings, "yard.sound").exists()
    assert not usual_file(settings, "yard").exists()


@pytest.mark.parametrize(
    ("hours", "alerts"), [((), True), (("daily",), False)], ids=["at other hours", "in quiet hours"]
)
def test_in_quiet_hours_a_sound_is_told_but_no_alert(
    settings: Settings, models: Models, monkeypatch: pytest.MonkeyPatch, hours: tuple[str, ...], *, alerts: bool
) -> None:
    bang = Event("anomaly", "hall", 1.0, {"unusual": "sound"}, steps=(Step("sound", {}),))
    monkeypatch.setattr(UnusualSound, "step", lambda *_: [bang])
    alerting = settings.alerting.model_copy(update={"quiet_hours": hours})
    heard = {"microphones": (MicrophoneSettings(name="hall"),), "alerting": alerting}
    house: Any = House()
    with ExitStack() as closing:
        attend_anomalies(house, settings.model_copy(update=heard), models, closing, once=False)
        house.taps["hall"](AudioChunk("hall", 1.0, np.zeros(16_000, np.float32)))
        stopping = threading.Event()

        def publish(event: Event) -> None:
            house.told.append(event)
            stopping.set()

        house.publish = publish
        house.servers["unusual-sounds"](stopping, lambda: None)
    (told,) = house.told
    assert bool(told.steps) is alerts
    assert told.data.get("quiet", False) is not alerts
