"""An RTSP camera on loopback whose faults are commands: run by the system's own Python, which has GStreamer's bindings.

python3 rtsp_server.py PORT CLIP [--fps 5] [--login NAME:PASSWORD] [--still CLIP]

It sends the pictures of a raw H.264 file, each beginning with an access unit delimiter, over and over; whoever connects
joins in the middle, as with a camera. A line on standard input says what comes next on a path: `/a stall` (nothing more
is sent), `/a slow` (a picture every two seconds), `/a garbage` (bytes that are no picture), `/a torn` (halves of
pictures), `/a still` (the other clip, in which nothing moves), `/a well`. Serves /a to /h.
"""

# mypy: ignore-errors
# GStreamer's bindings belong to the system's Python and have no types.

from __future__ import annotations

import argparse
import math
import random
import re
import sys
import time
from pathlib import Path

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstApp", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstApp, GstRtspServer  # noqa: E402, F401 - after the versions are chosen

DELIMITER = re.compile(rb"(?=\x00\x00\x00\x01\x09)")
PIPELINE = (
    "( appsrc name=source is-live=true format=time do-timestamp=true "
    "caps=video/x-h264,stream-format=byte-stream,alignment=au,framerate={fps}/1 "
    "! h264parse config-interval=-1 ! rtph264pay name=pay0 pt=96 )"
)
SLOW_S = 2.0


class Stream:
    """What one path sends to each that asks for it."""

    def __init__(self, pictures: list[bytes], still: list[bytes], fps: float) -> None:
        self.mood = "well"
        self._clips = {"still": still}
        self._pictures = pictures
        self._period_s = 1 / fps
        self._sources: list[Gst.Element] = []
        self._sent_at = 0.0
        self._number = 0
        self._shown = pictures
        self._schedule()

    def open(self, _: object, media: GstRtspServer.RTSPMedia) -> None:
        source = media.get_element().get_child_by_name("source")
        self._sources.append(source)
        media.connect("unprepared", lambda _: self._sources.remove(source))

    def _schedule(self) -> None:
        # By the clock, so that a busy machine does not slow the camera down; never early, for that would be once more.
        now_s = time.monotonic()
        due_s = (int(now_s / self._period_s) + 1) * self._period_s - now_s
        GLib.timeout_add(max(1, math.ceil(due_s * 1000)), self._send)

    def _send(self) -> bool:
        self._schedule()
        # What is slow leaves nothing out: pictures that build on a missing one would be damaged.
        if self.mood == "slow" and time.monotonic() - self._sent_at < SLOW_S:
            return False
        self._number += 1
        if self.mood == "stall":
            return False
        self._sent_at = time.monotonic()
        shown = self._clips.get(self.mood, self._pictures)
        if shown is not self._shown:
            # Each clip begins with a key frame.
            self._shown, self._number = shown, 0
        picture = shown[self._number % len(shown)]
        if self.mood == "garbage":
            picture = b"\x00\x00\x00\x01\x09\xf0\x00\x00\x00\x01\x65" + random.randbytes(len(picture))
        if self.mood == "torn":
            picture = picture[: len(picture) // 2] + random.randbytes(len(picture) // 4)
        for source in list(self._sources):
            source.emit("push-buffer", Gst.Buffer.new_wrapped(picture))
        return False


class Factory(GstRtspServer.RTSPMediaFactory):
    """One path."""

    def __init__(self, stream: Stream, fps: float) -> None:
        super().__init__()
        self.set_launch(PIPELINE.format(fps=round(fps)))
        self.connect("media-configure", stream.open)


def pictures_of(clip: Path) -> list[bytes]:
    return [unit for unit in DELIMITER.split(clip.read_bytes()) if unit]


def lock(server: GstRtspServer.RTSPServer, factories: list[Factory], login: str) -> None:
    """Let in only whoever knows the password."""
    user, _, password = login.partition(":")
    auth = GstRtspServer.RTSPAuth()
    token = GstRtspServer.RTSPToken()
    token.set_string(GstRtspServer.RTSP_TOKEN_MEDIA_FACTORY_ROLE, "user")
    auth.add_basic(GstRtspServer.RTSPAuth.make_basic(user, password), token)
    server.set_auth(auth)
    allowed = "user, media.factory.access=(boolean)true, media.factory.construct=(boolean)true"
    for factory in factories:
        factory.add_role_from_structure(Gst.Structure.new_from_string(allowed))


def main() -> None:
    """Serve until standard input ends."""
    parser = argparse.ArgumentParser()
    parser.add_argument("port")
    parser.add_argument("clip", type=Path)
    parser.add_argument("--fps", type=float, default=5.0)
    parser.add_argument("--login", default="")
    parser.add_argument("--still", type=Path)
    asked = parser.parse_args()
    Gst.init(None)
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service(asked.port)
    # With one thread, cameras would be opened one after the other, each when its next key frame comes.
    pool = GstRtspServer.RTSPThreadPool()
    pool.set_max_threads(-1)
    server.set_thread_pool(pool)
    pictures = pictures_of(asked.clip)
    still = pictures_of(asked.still) if asked.still else pictures
    streams = {f"/{letter}": Stream(pictures, still, asked.fps) for letter in "abcdefgh"}
    factories = {path: Factory(stream, asked.fps) for path, stream in streams.items()}
    for path, factory in factories.items():
        server.get_mount_points().add_factory(path, factory)
    if asked.login:
        lock(server, list(factories.values()), asked.login)
    server.attach(None)
    loop = GLib.MainLoop()

    def obey(*_: object) -> bool:
        line = sys.stdin.readline().split()
        if not line:
            loop.quit()
            return False
        streams[line[0]].mood = line[1]
        return True

    GLib.io_add_watch(sys.stdin, GLib.PRIORITY_DEFAULT, GLib.IO_IN | GLib.IO_HUP, obey)
    print("ready", flush=True)
    loop.run()


if __name__ == "__main__":
    main()
