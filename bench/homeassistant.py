"""Does a real Home Assistant find every entity of the box, and do they work?

Give it the program: `python bench/homeassistant.py --hass .../bin/hass` or EDGE_HASS; it needs mosquitto and ffmpeg
too and says what is missing. Home Assistant 2024.12 or newer (device discovery), with its frontend and paho-mqtt beside
it; nothing is fetched. Everything runs on loopback in a folder of its own that is removed afterwards.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import yaml
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion
from real_home import Home, free_port, wait

from edge_runtime.bundles.manifest import default_bundle

CLIP = Path(__file__).parents[1] / "edge_runtime" / "demo" / "clip.mp4"
STATELESS = {"button", "event", "image", "notify", "update"}
"""Platforms whose state is a time, or is not there before something happens."""
CAMERAS = ("door", "yard")


class Check:
    """What was found, line by line."""

    def __init__(self) -> None:
        self.failed: list[str] = []

    def __call__(self, what: str, good: object, note: object = "") -> None:
        """Say whether something is as it should be."""
        print(f"{'ok  ' if good else 'FAIL'} {what} {note}", flush=True)
        if not good:
            self.failed.append(what)


def serve_camera(port: int, ended: threading.Event, stack: ExitStack) -> None:
    """Serve the clip as an HTTP camera, again and again, for one client at a time."""
    command = ["ffmpeg", "-v", "error", "-re", "-stream_loop", "-1", "-i", str(CLIP), "-vf", "fps=6", "-f", "mpjpeg"]

    url = f"http://127.0.0.1:{port}/cam"

    def again() -> None:
        while not ended.is_set():
            with subprocess.Popen([*command, "-listen", "1", url], stderr=subprocess.DEVNULL) as child:
                while child.poll() is None and not ended.wait(0.2):
                    pass
                child.kill()

    thread = threading.Thread(target=again)
    thread.start()
    stack.callback(thread.join)
    stack.callback(ended.set)


def start_box(folder: Path, broker: int, urls: dict[str, str]) -> subprocess.Popen[bytes]:
    """Start the box with these cameras."""
    zone = {"name": "floor", "polygon": [[0, 0.1], [1, 0.1], [1, 1], [0, 1]], "cooldown_s": 1}
    settings = {
        "device": {"name": "box", "data_dir": str(folder / "data")},
        "cameras": [{"name": name, "url": url, "zones": [zone]} for name, url in urls.items()],
        "mqtt": {"port": broker},
        "homeassistant": {"picture_every_s": 5},
    }
    (folder / "settings.yaml").write_text(yaml.safe_dump(settings))
    command = [sys.executable, "-m", "edge_runtime.cli", "run", "--config", str(folder / "settings.yaml")]
    with (folder / "box.log").open("a") as log:
        return subprocess.Popen(command, stdout=log, stderr=log)


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a program as a service manager does."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def newer_bundle(folder: Path) -> None:
    """Put a copy of the model beside the box's data that says it is newer."""
    place = folder / "data" / "bundles" / "newer"
    shutil.copytree(default_bundle(), place)
    manifest = json.loads((place / "manifest.json").read_text())
    (place / "manifest.json").write_text(json.dumps({**manifest, "version": "99.0.0"}))


def main() -> int:
    """Run every check; 1 where one failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hass", default=os.environ.get("EDGE_HASS") or shutil.which("hass"))
    parser.add_argument("--keep", action="store_true", help="keep the folder with the logs")
    chosen = parser.parse_args()
    path = f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin"
    missing = [name for name in ("mosquitto", "ffmpeg") if not shutil.which(name, path=path)]
    if not chosen.hass or missing:
        print(f"skipped: {', '.join([*missing, *([] if chosen.hass else ['hass'])])} is not installed")
        return 0
    check = Check()
    with ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="edge-ha-"))
        if not chosen.keep:
            stack.callback(shutil.rmtree, folder, ignore_errors=True)
        broker = free_port()
        program = shutil.which("mosquitto", path=path)
        mosquitto = subprocess.Popen(
            [str(program), "-p", str(broker)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        stack.callback(mosquitto.kill)
        run(check, Home(chosen.hass, folder / "home", broker), folder, broker, stack)
    print(f"{len(check.failed)} of the checks failed" if check.failed else "every check is good")
    return 1 if check.failed else 0


def run(check: Check, home: Home, folder: Path, broker: int, stack: ExitStack) -> None:
    """Start the box, go through what a home does with it, take a camera away."""
    stack.callback(stop, home.process)
    print("Home Assistant", home.sign_in(), flush=True)
    heard: list[tuple[float, str, bytes]] = []
    client = listen(broker, heard)
    stack.callback(client.loop_stop)
    port = {name: free_port() for name in CAMERAS}
    for number in port.values():
        serve_camera(number, threading.Event(), stack)
    urls = {name: f"http://127.0.0.1:{number}/cam" for name, number in port.items()}
    box = start_box(folder, broker, urls)
    stack.callback(lambda: stop(box))
    announced = components(heard)
    check("announced", announced, f"{len(announced)} components")
    found = wait(lambda: ready(home, len(announced)), 120) or {}
    check("every component is an entity", len(found) == len(announced), len(found))
    without = [name for name, one in found.items() if one["state"] in {"unknown", "unavailable"}]
    without = [name for name in without if name.split(".")[0] not in STATELESS and "temperature" not in name]
    check("every entity has a state", not without, without)
    switches(check, home, heard)
    pictures(check, home)
    buttons(check, home, heard)
    updates(check, home, folder)
    stop(box)
    check("a box that ends is unavailable", wait(lambda: home.state("switch.box_door_detection") == "unavailable", 20))
    box = start_box(folder, broker, {"door": urls["door"]})
    stack.callback(lambda: stop(box))
    gone = wait(lambda: not [name for name in home.states() if "yard" in name], 60)
    check("a camera taken out of the settings is gone", gone, [name for name in home.states() if "yard" in name])
    check("the other one is back", wait(lambda: home.state("binary_sensor.box_door_problem") == "off", 60))


def listen(broker: int, heard: list[tuple[float, str, bytes]]) -> Client:
    """Remember all that is said on the broker."""

    def on_message(_client: Client, _data: object, message: MQTTMessage) -> None:
        heard.append((time.monotonic(), message.topic, bytes(message.payload)))

    client = Client(CallbackAPIVersion.VERSION2)
    client.on_message = on_message
    client.connect("127.0.0.1", broker)
    client.subscribe("#")
    client.loop_start()
    return client


def components(heard: list[tuple[float, str, bytes]]) -> dict[str, Any]:
    """Return what the box announces."""
    topic = "homeassistant/device/edge_box/config"
    payload = wait(lambda: next((payload for _, name, payload in heard if name == topic), None), 60) or b"{}"
    found: dict[str, Any] = json.loads(payload).get("cmps", {})
    return found


def ready(home: Home, count: int) -> dict[str, dict[str, Any]] | None:
    """Return the box's entities once both cameras have been online, and the machine measured."""
    found = {name: one for name, one in home.states().items() if ".box_" in name}
    there = [f"binary_sensor.box_{camera}_motion" for camera in CAMERAS] + ["sensor.box_processor_load"]
    waits = [name for name in there if found.get(name, {}).get("state") in {None, "unknown", "unavailable"}]
    alert = found.get("sensor.box_last_alert", {}).get("state")
    return found if len(found) >= count and not waits and alert not in {None, "unknown"} else None


def switches(check: Check, home: Home, heard: list[tuple[float, str, bytes]]) -> None:
    """Switch detection off and on."""

    def looked(since: float) -> list[str]:
        events = [json.loads(payload) for at, name, payload in heard if at > since and name == "edge/box/events"]
        return [
            event["kind"] for event in events if event["source"] == "door" and event["kind"] in {"motion", "object"}
        ]

    check("the camera sees before", wait(lambda: looked(time.monotonic() - 20), 40))
    home.do("switch.turn_off", "switch.box_door_detection")
    check("switched off", wait(lambda: home.state("switch.box_door_detection") == "off", 10))
    time.sleep(3)
    since = time.monotonic()
    time.sleep(20)
    check("nothing is detected in 20 s of the clip", not looked(since), looked(since))
    since = time.monotonic()
    home.do("switch.turn_on", "switch.box_door_detection")
    check("switched on", wait(lambda: home.state("switch.box_door_detection") == "on", 10))
    check("things are detected again", wait(lambda: looked(since), 40))


def pictures(check: Check, home: Home) -> None:
    """Fetch the pictures as a dashboard does."""
    alerts = [f"image.box_{name}_last_alert" for name in CAMERAS]
    shown = [name for name in alerts if home.state(name) not in {"unknown", "unavailable"}]
    check("an alert has a picture", shown)
    for entity, path in [("camera.box_door", "camera_proxy"), *((name, "image_proxy") for name in shown)]:
        try:
            picture = home.call(f"/api/{path}/{entity}", raw=True)
        except urllib.error.HTTPError as error:
            picture = str(error).encode()
        check(f"{entity} shows a JPEG", picture[:2] == b"\xff\xd8", f"{len(picture)} bytes")


def buttons(check: Check, home: Home, heard: list[tuple[float, str, bytes]]) -> None:
    """Press each kind of button."""

    def told(since: float, topic: str, text: str = "") -> bool:
        return any(
            at > since and name == topic and text in payload.decode(errors="replace") for at, name, payload in heard
        )

    for entity, topic, text in (
        ("button.box_door_take_picture", "edge/box/door/picture", ""),
        ("button.box_last_alert_was_fine", "edge/box/events", '"kind":"feedback"'),
        ("button.box_door_restart", "edge/box/door/status", "lost"),
    ):
        since = time.monotonic()
        home.do("button.press", entity)
        check(f"{entity} does it", wait(lambda since=since, topic=topic, text=text: told(since, topic, text), 20))
    check("the camera is back", wait(lambda: home.state("sensor.box_door_status") == "online", 30))


def updates(check: Check, home: Home, folder: Path) -> None:
    """Offer another version of the model and choose it."""
    entity = "update.box_model_omni_nano"
    check("the model is the newest", home.state(entity) == "off", home.state(entity))
    newer_bundle(folder)
    check("a newer model is offered", wait(lambda: home.state(entity) == "on", 30))
    home.do("update.install", entity)
    chosen = folder / "data" / "bundle.json"
    check("it is chosen", wait(lambda: chosen.exists() and "newer" in chosen.read_text(), 10))


if __name__ == "__main__":
    raise SystemExit(main())
