"""The child program that reads one camera, so that a read that blocks for ever can be killed.

It is started by `camera.Camera` and speaks JSON lines: the parent first says what to open, then sends a line whenever
it wants a picture; the child answers each with one line, the picture itself lying in the shared file `picture_fd`
(RGB, uint8, height x width x 3). Between requests it keeps reading and throwing away, so the answer is always the
newest picture. It ends when its standard input does, which is how it notices that the parent died.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from typing import BinaryIO

import cv2
import numpy as np


def main() -> None:
    """Serve pictures until the camera or the parent is gone."""
    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    request = json.loads(sys.stdin.buffer.readline())
    wanted = threading.Event()
    threading.Thread(target=_listen, args=(sys.stdin.buffer, wanted), daemon=True).start()
    capture, problem = _open(request["url"])
    if not capture.isOpened():
        _tell(answers, error=f"cannot be opened{problem}")
        return
    while capture.grab():
        at = time.monotonic()
        if not wanted.is_set():
            continue
        usable, picture = capture.retrieve()
        if not usable:
            continue
        wanted.clear()
        image = np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), np.uint8)
        os.pwrite(request["picture_fd"], image.data.cast("B"), 0)
        _tell(answers, at=at, height=image.shape[0], width=image.shape[1])
    _tell(answers, error="stopped sending pictures")


def _listen(requests: BinaryIO, wanted: threading.Event) -> None:
    while requests.readline():
        wanted.set()
    # A normal exit would wait for a camera that may never answer.
    os._exit(0)


def _open(url: str) -> tuple[cv2.VideoCapture, str]:
    """Open the camera; the second value is FFmpeg's last word on what went wrong, for the error message."""
    log = os.memfd_create("log")
    _redirect_output(log)
    if " ! " in url:
        capture = cv2.VideoCapture(url, cv2.CAP_GSTREAMER)
    elif url.isdecimal():
        capture = cv2.VideoCapture(int(url), cv2.CAP_V4L2)
    else:
        capture = cv2.VideoCapture(url, cv2.CAP_V4L2 if url.startswith("/dev/") else cv2.CAP_FFMPEG)
    lines = os.pread(1, 4096, 0).decode(errors="replace").splitlines()
    said = [line.partition("] ")[2] or line for line in lines if line.strip()]
    # From here on a weak radio link would fill the log with one line for every damaged picture.
    _redirect_output(os.open(os.devnull, os.O_WRONLY))
    return capture, f": {said[-1].strip()}" if said else ""


def _redirect_output(target: int) -> None:
    # OpenCV passes FFmpeg's messages on to standard output, not to standard error.
    os.dup2(target, 1)
    os.dup2(target, 2)
    os.close(target)


def _tell(answers: BinaryIO, **answer: object) -> None:
    answers.write(json.dumps(answer).encode() + b"\n")


if __name__ == "__main__":
    main()
