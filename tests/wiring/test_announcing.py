from __future__ import annotations

import json
import threading
import time
from contextlib import ExitStack
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pytest
from brokers import Listener, Mosquitto, wait_until

from edge_runtime.bundles.manifest import Manifest, default_bundle
from edge_runtime.config import Settings
from edge_runtime.decision.scene import Scene
from edge_runtime.sources.device import Device
from edge_runtime.types import Detection, Event, Frame, Look, Sight, Step, Trace
from edge_runtime.wiring.announcing import Announcer, make_mqtt
from edge_runtime.wiring.controls import Controls
from edge_runtime.wiring.drawn_zones import DrawnZones, as_settings
from edge_runtime.wiring.feedback import Feedback
from edge_runtime.wiring.home_pictures import AlertPictures

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytest_plugins = ["broker_fixtures"]

CONFIG = "homeassistant/device/edge_box/config"
ZONE = {"name": "mat", "polygon": [[0, 0], [1, 0], [1, 1]]}


class Camera(Device):
    """A camera without a device behind it, which remembers that it was started anew."""

    restarted = 0

    def restart(self) -> None:
        self.restarted += 1


class Stay:
    """As much of a house as the announcer knows."""

    def __init__(self, names: list[str], tell: Callable[[Event], None], folder: Path) -> None:
        self.views = {name: SimpleNamespace(enabled=True) for name in names}
        self.controls = Controls(cast("Any", self.views), tell, folder)
        self.feedback = Feedback(folder, tell)
        self.mouth = None
        self.look_on: Callable[[Frame], None] = print
        self._stopping = threading.Event()

    def states(self) -> dict[str, str]:
        return dict.fromkeys(self.views, "online")

    def watch_along(self, look_on: Callable[[Frame], None]) -> None:
        self.look_on = look_on

    def add_server(self, _name: str, serve: Callable[[threading.Event, Callable[[], None]], None]) -> None:
        self._thread = threading.Thread(target=serve, args=(self._stopping, lambda: None))
        self._thread.start()

    def close(self) -> None:
        self._stopping.set()
        self._thread.join(10)


@pytest.fixture
def start(mosquitto: Callable[..., Mosquitto], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr("edge_runtime.wiring.announcing.LOOK_FOR_NEWS_EVERY_S", 0.2)
    monkeypatch.setattr("edge_runtime.wiring.announcing.TICK_S", 0.05)
    broker = mosquitto()
    models = SimpleNamespace(manifest=Manifest.load(default_bundle()), labels=("person", "dog", "kite"))

    def begin(stack: ExitStack, names: list[str], **home: object) -> Any:
        settings = Settings.model_validate(
            {
                "device": {"name": "box", "data_dir": tmp_path},
                "cameras": [{"name": name, "url": "rtsp://127.0.0.1/x", "zones": [ZONE]} for name in names],
                "mqtt": {"port": broker.port, "embedded_broker": False},
                "homeassistant": {"picture_every_s": 0.1, **home},
            }
        )
        mqtt = make_mqtt(settings, stack)
        assert mqtt is not None
        stack.callback(mqtt.close, 5.0)
        house = Stay(names, mqtt.publish, tmp_path)
        stack.callback(house.close)
        eyes = [Camera(name) for name in names]
        Announcer(mqtt, settings, cast("Any", house), cast("Any", models)).open(cast("Any", eyes), ["dog"], Scene())
        assert mqtt.flush(10.0)
        return SimpleNamespace(mqtt=mqtt, settings=settings, house=house, eyes=eyes)

    begin.port = broker.port  # type: ignore[attr-defined]
    return begin


def seen(name: str) -> Frame:
    return Frame(name, time.monotonic(), np.full((120, 160, 3), 90, np.uint8))


def alert() -> Event:
    look = Look((Detection("dog", 0.9, (0.1, 0.1, 0.5, 0.5)),), (), {})
    trace = Trace("rules", {}, {}, Sight(seen("door"), look, 0.1, moving=True, novelty=(1.0,)))
    return Event("zone", "door", time.monotonic(), {"zone": "mat", "type": "enter"}, "e1", (Step("zone", {}),), trace)


def test_a_home_switches_presses_and_sees(start: Any, listen: Callable[..., Listener]) -> None:
    with ExitStack() as stack:
        box = start(stack, ["door"])
        heard = listen(start.port, "edge/box/#")

        def say(topic: str, text: str) -> None:
            heard.client.publish(f"edge/box/{topic}", text, qos=1)

        say("door_detection/set", "off")
        assert wait_until(lambda: heard.texts("edge/box/door_detection/state")[-1:] == ["OFF"])
        assert not box.house.views["door"].enabled
        say("door_detection/set", "perhaps")
        say("door_detection/set", "ON")
        assert wait_until(lambda: box.house.views["door"].enabled)
        say("door_restart/press", "PRESS")
        assert wait_until(lambda: box.eyes[0].restarted == 1)
        box.house.look_on(seen("door"))
        assert wait_until(lambda: heard.on("edge/box/door/picture"))
        assert heard.on("edge/box/door/picture")[0].payload.startswith(b"\xff\xd8")
        box.house.feedback.publish(alert())
        pictures = AlertPictures.of(box.mqtt, box.settings)
        assert pictures is not None
        pictures.publish(alert())
        assert wait_until(lambda: heard.on("edge/box/door/snapshot"))
        say("fine/press", "PRESS")
        assert wait_until(lambda: any('"kind":"feedback"' in text for text in heard.texts("edge/box/events")))
        assert wait_until(lambda: heard.texts("edge/box/system"))
        assert json.loads(heard.texts("edge/box/system")[-1])["memory"] > 0


def test_pictures_that_are_switched_off_do_not_stay_on_the_broker(start: Any, listen: Callable[..., Listener]) -> None:
    heard = listen(start.port, "edge/box/door/+")

    def last(topic: str) -> bytes | bytearray | None:
        payloads = [message.payload for message in heard.on(f"edge/box/door/{topic}")]
        return payloads[-1] if payloads else None

    with ExitStack() as stack:
        box = start(stack, ["door"])
        box.house.look_on(seen("door"))
        pictures = AlertPictures.of(box.mqtt, box.settings)
        assert pictures is not None
        pictures.publish(alert())
        assert wait_until(lambda: bool(last("picture") and last("snapshot")))
    with ExitStack() as stack:
        start(stack, ["door"], pictures=False)
        assert wait_until(lambda: last("picture") == last("snapshot") == b"")


def test_what_is_drawn_appears_and_what_is_gone_goes(
    start: Any, listen: Callable[..., Listener], tmp_path: Path
) -> None:
    heard = listen(start.port, "homeassistant/#", "edge/#")

    def announced() -> dict[str, Any]:
        found: dict[str, Any] = json.loads(heard.texts(CONFIG)[-1])["cmps"]
        return found

    with ExitStack() as stack:
        start(stack, ["door", "yard"])
        assert wait_until(lambda: heard.texts(CONFIG))
        assert {"door_zone_mat", "yard_picture", "yard_detection"} <= set(announced())
        DrawnZones(tmp_path).draw("door", as_settings([{**ZONE, "name": "rug"}]))
        assert wait_until(lambda: "door_zone_rug" in announced())
        assert wait_until(lambda: heard.texts("edge/box/door/zone/rug") == ["OFF"])
    with ExitStack() as stack:
        start(stack, ["door"], pictures=False)
        assert wait_until(lambda: announced().get("yard_motion") == {"p": "binary_sensor"})
        assert announced()["door_picture"] == {"p": "camera"}
        assert "name" in announced()["door_motion"]
        assert wait_until(lambda: heard.texts("edge/box/yard/motion")[-1] == "")
    with ExitStack() as stack:
        start(stack, ["door"], enabled=False)
        assert wait_until(lambda: heard.texts(CONFIG)[-1] == "")
