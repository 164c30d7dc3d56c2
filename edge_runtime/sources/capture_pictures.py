"""The child program that reads one camera.

It sends a picture (RGB, uint8, height x width x 3) whenever the parent asks for one. Between requests it keeps reading
and throwing away, so what it sends is always the newest picture.
"""

from __future__ import annotations

import time

import cv2
import numpy as np

from edge_runtime.sources.child import Parent


def main() -> None:
    """Serve pictures until the camera or the parent is gone."""
    parent = Parent()
    capture = _open(parent.request["url"])
    problem = parent.last_words()
    if not capture.isOpened():
        parent.tell(error=f"cannot be opened{problem}")
        return
    while capture.grab():
        at = time.monotonic()
        if not parent.wanted.is_set():
            continue
        usable, picture = capture.retrieve()
        if usable:
            parent.wanted.clear()
            image = np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), np.uint8)
            parent.tell(image.data.cast("B"), at=at, height=image.shape[0], width=image.shape[1], size=image.nbytes)
    parent.tell(error="stopped sending pictures")


def _open(url: str) -> cv2.VideoCapture:
    if " ! " in url:
        return cv2.VideoCapture(url, cv2.CAP_GSTREAMER)
    if url.isdecimal():
        return cv2.VideoCapture(int(url), cv2.CAP_V4L2)
    return cv2.VideoCapture(url, cv2.CAP_V4L2 if url.startswith("/dev/") else cv2.CAP_FFMPEG)


if __name__ == "__main__":
    main()
