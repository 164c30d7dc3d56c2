"""Pictures and sounds that clients send: what is read, and what is refused before it does harm."""

from __future__ import annotations

import asyncio
import http.server
import io
import ssl
import struct
import subprocess
import threading
import zlib
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest
import soundfile
from http_box import Mind, data_url, open_api, simple, written
from hypothesis import example, given
from hypothesis import strategies as st
from openai import BadRequestError

from edge_runtime.api.cutting import BYTES_A_TOKEN, Cut, tokens
from edge_runtime.api.pictures import MOST_PIXELS, data_of, picture, size_of
from edge_runtime.api.refusal import RequestError
from edge_runtime.api.remote_pictures import RemotePictures
from edge_runtime.api.sound_files import CONTAINERS, LONGEST_S, Encoding, recording
from edge_runtime.sources.resampling import Resampler
from edge_runtime.types import Sound

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

RED = np.zeros((40, 60, 3), np.uint8)
RED[..., 2] = 255


@pytest.mark.parametrize("kind", [".jpg", ".png", ".webp", ".gif"])
def test_a_picture_of_each_kind_is_read_as_rgb(kind: str) -> None:
    data = written(RED, kind)
    assert size_of(data) == (60, 40)
    image = picture(data_of(data_url(data, kind[1:])))
    assert image.shape == (40, 60, 3)
    assert image[..., 0].mean() > 200
    assert image[..., 1:].mean() < 60


@pytest.mark.parametrize("quality", [0, 80], ids=["lossless", "lossy"])
def test_the_size_of_every_webp_is_read_from_its_head(quality: int) -> None:
    how = (cv2.IMWRITE_WEBP_QUALITY, quality or 101)
    _, data = cv2.imencode(".webp", np.zeros((33, 77, 4 if quality else 3), np.uint8), how)
    assert size_of(data.tobytes()) == (77, 33)


def test_a_large_picture_is_made_smaller() -> None:
    assert picture(written(np.zeros((1000, 4000, 3), np.uint8))).shape == (512, 2048, 3)


def test_a_picture_is_turned_upright_as_its_note_says() -> None:
    exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"
    data = written(RED, ".jpg")
    turned = data[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + data[2:]
    assert picture(turned).shape == (60, 40, 3)


def bomb(width: int, height: int) -> bytes:
    """Return a small PNG that says that it is very large."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(10_000))) + chunk(b"IEND", b"")
    )


def tiff() -> bytes:
    return written(RED, ".tiff")


BAD_PICTURES: dict[str, tuple[bytes, str]] = {
    "too many pixels": (bomb(60_000, 60_000), "image_too_large"),
    "one pixel row too many": (bomb(MOST_PIXELS + 1, 1), "image_too_large"),
    "no pixels": (bomb(0, 10), "invalid_image"),
    "cut off": (written(RED, ".png")[:60], "invalid_image"),
    "another kind": (tiff(), "invalid_image"),
    "a page": (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "invalid_image"),
    "nothing": (b"", "invalid_image"),
    "a head alone": (b"\xff\xd8\xff\xe0\xff", "invalid_image"),
    "a WebP's head alone": (b"RIFF\0\0\0\0WEBPVP8X", "invalid_image"),
    "a WebP of no kind": (b"RIFF\0\0\0\0WEBPVP9 " + bytes(40), "invalid_image"),
}


@pytest.mark.parametrize("case", BAD_PICTURES)
def test_a_bad_picture_is_refused_with_its_reason(case: str) -> None:
    data, code = BAD_PICTURES[case]
    with pytest.raises(RequestError) as caught:
        picture(data, "here")
    assert (caught.value.code, caught.value.param) == (code, "here")


def test_a_picture_that_would_be_walked_over_for_minutes_is_refused() -> None:
    """Each scan of a progressive JPEG is some bytes, and costs the processor all pixels."""
    data = cv2.imencode(".jpg", RED, (cv2.IMWRITE_JPEG_PROGRESSIVE, 1))[1].tobytes()
    last = data.rindex(b"\xff\xda")
    again = data[last:-2]
    assert picture(data[:-2] + again * 20 + data[-2:]).shape == (40, 60, 3)
    with pytest.raises(RequestError, match="more than 500 passes"):
        picture(data[:-2] + again * 500 + data[-2:])


@given(
    st.binary(max_size=200),
    st.sampled_from([b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"RIFF\0\0\0\0WEBP"]),
)
def test_no_bytes_do_more_than_be_refused(tail: bytes, begin: bytes) -> None:
    with suppress(RequestError):
        assert picture(begin + tail).ndim == 3


@pytest.mark.parametrize(
    "url",
    ["", "data:", "data:image/png,abc", "data:image/png;base64,###", "data:image/png;base64,YQ", "file:///etc/passwd"],
)
def test_what_is_no_data_url_is_refused(url: str) -> None:
    with pytest.raises(RequestError):
        data_of(url)


def sound(seconds: float, kind: str = "WAV", rate: int = 16_000, channels: int = 1) -> bytes:
    file = io.BytesIO()
    tone = 0.5 * np.sin(2 * np.pi * 300 * np.arange(round(seconds * rate)) / rate)
    soundfile.write(file, np.repeat(tone[:, None], channels, axis=1), rate, format=kind)
    return file.getvalue()


@pytest.mark.parametrize("kind", ["WAV", "FLAC", "OGG", "MP3"])
@pytest.mark.parametrize(("rate", "channels"), [(16_000, 1), (44_100, 2)], ids=["ready", "to be resampled and mixed"])
def test_a_recording_becomes_16_khz_mono(kind: str, rate: int, channels: int) -> None:
    chunk = recording(sound(0.5, kind, rate, channels), Resampler)
    assert chunk.samples.dtype == np.float32
    assert len(chunk.samples) / 16_000 == pytest.approx(0.5, abs=0.1)
    assert 0.3 < np.abs(chunk.samples).max() <= 1


BAD_SOUNDS: dict[str, tuple[Callable[[], bytes], str]] = {
    "no sound file": (lambda: b"hello", "invalid_audio"),
    "nothing": (lambda: b"", "invalid_audio"),
    "no samples": (lambda: sound(0), "invalid_audio"),
    "another kind": (lambda: sound(0.1, "AU"), "invalid_audio"),
    "hours of silence in a small file": (lambda: sound(LONGEST_S + 2, "FLAC", 8_000), "audio_too_long"),
}


@pytest.mark.parametrize("case", BAD_SOUNDS)
def test_a_bad_recording_is_refused_with_its_reason(case: str) -> None:
    make, code = BAD_SOUNDS[case]
    with pytest.raises(RequestError) as caught:
        recording(make(), Resampler, "file")
    assert (caught.value.code, caught.value.param) == (code, "file")


def test_endless_speech_is_refused() -> None:
    encoding = Encoding(CONTAINERS["pcm"], Resampler)
    minute = Sound(np.zeros(24_000 * 60, np.float32), 24_000)
    for _ in range(10):
        encoding.feed(minute)
    with pytest.raises(RequestError, match="600 s"):
        encoding.feed(minute)


@example(text="baa", stops=["a", "baa"], most=None, steps=[2])
@given(
    st.text("abcé ", max_size=40),
    st.lists(st.text("abc", min_size=1, max_size=3), max_size=3),
    st.none() | st.integers(1, 5),
    st.lists(st.integers(1, 5), max_size=40),
)
def test_a_text_in_pieces_is_cut_where_the_whole_would_be(
    text: str, stops: list[str], most: int | None, steps: list[int]
) -> None:
    whole, cut = Cut(stops, most), Cut(stops, most)
    wanted = whole.feed(text, last=True)
    given_out, at = "", 0
    for step in steps:
        given_out += cut.feed(text[at : at + step])
        at += step
    given_out += cut.feed(text[at:], last=True)
    assert given_out == wanted
    assert not [stop for stop in stops if stop in wanted]
    assert text.startswith(wanted)
    assert most is None or len(wanted.encode()) <= most * BYTES_A_TOKEN
    if most is None and not any(stop in text for stop in stops):
        assert wanted == text
    assert tokens(wanted) <= (most or tokens(text))


class Pictures(http.server.BaseHTTPRequestHandler):
    """Serves what its path names; remembers who was asked for."""

    asked: list[str] = []  # noqa: RUF012 - one server at a time

    def do_GET(self) -> None:
        self.asked.append(str(self.headers["Host"]))
        body = {"/red.png": written(RED), "/large": bytes(3_000_000)}.get(self.path, b"")
        if self.path == "/moved":
            self.send_response(302)
            self.send_header("Location", "/red.png")
        elif self.path == "/silent":
            threading.Event().wait(2)
            return
        else:
            self.send_response(200 if body else 404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        try:
            self.wfile.write(body)
        except OSError:
            return

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def pictures_at(context: ssl.SSLContext | None = None) -> Iterator[int]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Pictures)
    server.daemon_threads = True
    if context:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)


def fetch(url: str, *hosts: str, **more: Any) -> bytes:
    return asyncio.run(RemotePictures(hosts, 2_000_000, **more).fetch(url, "here"))


def test_a_picture_is_fetched_from_a_host_that_is_allowed() -> None:
    with pictures_at() as port:
        assert picture(fetch(f"http://127.0.0.1:{port}/red.png", f"127.0.0.1:{port}")).shape == (40, 60, 3)


def test_a_question_about_a_picture_of_an_allowed_host_is_asked_with_it() -> None:
    mind = Mind()
    with pictures_at() as port, open_api(simple(mind), remote_pictures=(f"127.0.0.1:{port}",)) as api:
        address = {"type": "image_url", "image_url": {"url": f"http://127.0.0.1:{port}/red.png"}}
        message: Any = {"role": "user", "content": [address]}
        with api.client() as client:
            client.chat.completions.create(model="edge", messages=[message])
    (question,) = mind.asked
    assert question.frame is not None
    assert question.frame.image.shape == (40, 60, 3)
    assert question.text


def test_only_the_newest_picture_of_a_conversation_is_decoded() -> None:
    mind = Mind()
    urls = ["data:image/png;base64,bm8gcGljdHVyZQ==", "http://10.0.0.1/never-asked.png", data_url(written(RED))]
    messages: Any = [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}}]} for url in urls]
    with open_api(simple(mind)) as api, api.client() as client:
        client.chat.completions.create(model="edge", messages=[*messages, {"role": "user", "content": "what is it?"}])
    (question,) = mind.asked
    assert question.frame is not None
    assert question.frame.image.shape == (40, 60, 3)


def test_pictures_at_once_are_refused_undecoded() -> None:
    part = {"type": "image_url", "image_url": {"url": "data:image/png;base64,bm8gcGljdHVyZQ=="}}
    message: Any = {"role": "user", "content": [part, part]}
    with open_api() as api, api.client() as client, pytest.raises(BadRequestError, match="a message has 2 pictures"):
        client.chat.completions.create(model="edge", messages=[message])


def test_a_name_that_leads_into_the_home_is_reached_only_where_its_address_is_listed_too() -> None:
    with pictures_at() as port:
        url = f"http://localhost:{port}/red.png"
        Pictures.asked.clear()
        with pytest.raises(RequestError, match="private network"):
            fetch(url, f"localhost:{port}")
        assert not Pictures.asked, "nobody was asked"
        assert fetch(url, f"localhost:{port}", "127.0.0.1", "::1").startswith(b"\x89PNG")
        assert Pictures.asked == [f"localhost:{port}"]


@pytest.mark.parametrize(
    ("url", "hosts"),
    [
        ("http://127.0.0.1/x", ()),
        ("http://169.254.169.254/latest/meta-data", ("example.org",)),
        ("http://example.org:8080/x", ("example.org",)),
        ("http://example.org@127.0.0.1/x", ("example.org",)),
        ("ftp://example.org/x", ("example.org",)),
        ("file:///etc/passwd", ("example.org",)),
        ("gopher://example.org/x", ("example.org",)),
        ("http://", ("",)),
        ("http://[::1", ("::1",)),
        ("http://example.org:99999/", ("example.org",)),
        ("http://example.org/\u00e9", ("example.org",)),
        ("http://example.org/x\r\nHost: evil", ("example.org",)),
        ("http://example.org.evil.example/x", ("example.org",)),
    ],
)
def test_other_addresses_are_refused_without_asking_anybody(url: str, hosts: tuple[str, ...]) -> None:
    with pytest.raises(RequestError) as caught:
        fetch(url, *hosts)
    assert caught.value.code in {"remote_image_refused", "invalid_image_url"}
    assert caught.value.param == "here"


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("93.184.215.14", True),
        ("2606:2800:21f:cb07:6820:80da:af6b:8b2c", True),
        ("127.0.0.1", False),
        ("10.1.2.3", False),
        ("172.16.0.1", False),
        ("192.168.0.1", False),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("0.0.0.0", False),  # noqa: S104 - to be refused
        ("224.0.0.1", False),
        ("255.255.255.255", False),
        ("::1", False),
        ("::", False),
        ("fe80::1%eth0", False),
        ("fd00::1", False),
        ("::ffff:127.0.0.1", False),
        ("::ffff:10.0.0.1", False),
        ("2002:7f00:1::", False),
        ("64:ff9b::7f00:1", False),
        ("ff02::1", False),
    ],
)
def test_addresses_within_the_home_are_known(address: str, public: bool) -> None:
    assert RemotePictures(["example.org"], 1)._public(address) == public
    named = f"[{address}]" if ":" in address else address
    assert RemotePictures([address], 1)._public(address), "what is listed by itself is meant"
    assert RemotePictures([f"{named}:8080"], 1)._public(address, 8080)
    assert RemotePictures([f"{named}:8080"], 1)._public(address, 80) == public, "another port is another service"
    assert RemotePictures([f"{address}:1"], 1)._public(address, 80) == public


@pytest.mark.parametrize(
    ("path", "why"),
    [("/moved", "302"), ("/none", "404"), ("/large", "larger than"), ("/silent", "within 0.5 s")],
    ids=["moved elsewhere", "not there", "too large", "silent"],
)
def test_a_picture_that_cannot_be_had_is_refused_with_its_reason(path: str, why: str) -> None:
    with pictures_at() as port, pytest.raises(RequestError, match=why):
        fetch(f"http://127.0.0.1:{port}{path}", f"127.0.0.1:{port}", fetch_s=0.5 if path == "/silent" else 10)


def test_a_certificate_that_nobody_vouches_for_is_refused(tmp_path: Path) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=localhost"]
    subprocess.run([*command, "-keyout", str(key), "-out", str(certificate)], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with pictures_at(context) as port, pytest.raises(RequestError, match="certificate"):
        fetch(f"https://127.0.0.1:{port}/red.png", f"127.0.0.1:{port}")
