from __future__ import annotations

import struct
import subprocess
import sys
import zlib
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest
import soundfile

from edge_runtime.errors import InputError
from edge_runtime.sources.files import read_picture, read_sound
from edge_runtime.types import SAMPLE_RATE_HZ

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def png_of_size(side: int) -> bytes:
    def part(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    rows = zlib.compress(bytes(side // 8 + 1) * side, 9)
    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + part(b"IHDR", header) + part(b"IDAT", rows) + part(b"IEND", b"")


def jpeg_lying_on_its_side() -> bytes:
    picture = np.zeros((40, 80, 3), np.uint8)
    picture[:, :40] = (0, 0, 255)  # BGR: the left half is red
    data = cv2.imencode(".jpg", picture)[1].tobytes()
    turned_right = b"Exif\0\0" + b"MM\0*\0\0\0\x08" + struct.pack(">HHHIHHI", 1, 0x0112, 3, 1, 6, 0, 0)
    return data[:2] + b"\xff\xe1" + struct.pack(">H", len(turned_right) + 2) + turned_right + data[2:]


def test_a_picture_is_rgb_and_upright(tmp_path: Path) -> None:
    path = tmp_path / "phone.jpg"
    path.write_bytes(jpeg_lying_on_its_side())
    image = read_picture(path)
    assert image.shape == (80, 40, 3)
    assert image[5, 20, 0] > 200
    assert image[5, 20, 2] < 50
    assert image[75, 20, 0] < 50


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(b"", "the file is empty", id="zero bytes"),
        pytest.param(b"hello", "not a picture OpenCV can read", id="not a picture"),
        pytest.param(png_of_size(64)[:40], "not a picture OpenCV can read", id="cut off"),
        pytest.param(None, "no such file", id="missing"),
    ],
)
def test_a_bad_picture_is_one_line(tmp_path: Path, content: bytes | None, message: str) -> None:
    path = tmp_path / "bad.png"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=message) as caught:
        read_picture(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_a_bomb_of_12_kb_asking_for_100_megapixels_is_refused(tmp_path: Path) -> None:
    (tmp_path / "bomb.png").write_bytes(png_of_size(10_000))
    # OpenCV reads its limit when it is first imported, hence a fresh interpreter.
    program = "import sys, pathlib, edge_runtime.sources.files as f; f.read_picture(pathlib.Path(sys.argv[1]))"
    done = subprocess.run(
        [sys.executable, "-c", program, tmp_path / "bomb.png"], capture_output=True, text=True, timeout=30, check=False
    )
    assert "InputError" in done.stderr
    assert "too many pixels" in done.stderr


@pytest.mark.parametrize("read", [read_picture, read_sound])
def test_a_folder_is_no_file(tmp_path: Path, read: Callable[[Path], object]) -> None:
    with pytest.raises(InputError, match="is a directory"):
        read(tmp_path)


def tone(rate_hz: int, channels: int, seconds: float = 0.5) -> np.ndarray:
    wave = 0.5 * np.sin(2 * np.pi * 440 * np.arange(round(rate_hz * seconds)) / rate_hz)
    return np.repeat(wave[:, None], channels, axis=1).astype(np.float32)


@pytest.mark.parametrize(
    ("suffix", "rate_hz", "channels"),
    [
        pytest.param("wav", 16_000, 1, id="the models' own format"),
        pytest.param("wav", 8_000, 1, id="telephone rate"),
        pytest.param("wav", 48_000, 6, id="six channels"),
        pytest.param("flac", 44_100, 2, id="stereo FLAC"),
        pytest.param("ogg", 48_000, 2, id="stereo Vorbis"),
        pytest.param("mp3", 22_050, 1, id="MP3"),
    ],
)
def test_any_sound_becomes_16_khz_mono(tmp_path: Path, suffix: str, rate_hz: int, channels: int) -> None:
    path = tmp_path / f"tone.{suffix}"
    soundfile.write(path, tone(rate_hz, channels), rate_hz)
    samples = read_sound(path).samples
    assert samples.dtype == np.float32
    assert len(samples) == pytest.approx(SAMPLE_RATE_HZ / 2, rel=0.1)
    middle = samples[2000:6000]
    assert np.argmax(np.abs(np.fft.rfft(middle))) == 440 * len(middle) // SAMPLE_RATE_HZ
    assert np.abs(middle).max() == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        pytest.param(np.zeros(0, np.float32), "there is no sound in it", id="no samples"),
        pytest.param(np.array([0, np.nan], np.float32), "not numbers", id="NaN"),
        pytest.param(np.array([0, np.inf], np.float32), "not numbers", id="infinite"),
        pytest.param(np.zeros(40_000, np.float32), "longer than 2 s", id="too long"),
    ],
)
def test_bad_samples_are_refused(tmp_path: Path, samples: np.ndarray, message: str) -> None:
    path = tmp_path / "bad.wav"
    soundfile.write(path, samples, SAMPLE_RATE_HZ, subtype="FLOAT")
    with pytest.raises(InputError, match=message):
        read_sound(path, longest_s=2)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        pytest.param("empty.wav", b"", id="zero bytes"),
        pytest.param("text.wav", b"hello" * 100, id="not sound"),
        pytest.param("text.raw", b"hello" * 100, id="raw samples of unknown rate"),
    ],
)
def test_no_sound_file(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match="not a sound file"):
        read_sound(tmp_path / name)


def test_samples_beyond_full_scale_are_cut(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "loud.wav", 4 * tone(44_100, 1), 44_100, subtype="FLOAT")
    assert np.abs(read_sound(tmp_path / "loud.wav").samples).max() <= 1
