"""Make the demo's spoken command and questions with a speech synthesiser, in step with the demo's film."""

from __future__ import annotations

import argparse
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import soundfile
import soxr

from edge_runtime.types import SAMPLE_RATE_HZ

SAID = ((1.0, "Turn on the kitchen light."), (3.7, "Is there a person?"), (9.0, "What do you see?"))
LENGTH_S = 13.0
SPEECH_LEVEL = 0.1
NOISE_LEVEL = 0.002


def synthesised(text: str, voice: str) -> np.ndarray:
    """Return `text` said by Debian's flite, 16 kHz mono float32 at SPEECH_LEVEL (root mean square)."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "said.wav"
        subprocess.run(["flite", "-voice", voice, "-t", text, "-o", str(path)], check=True)
        samples, rate = soundfile.read(path, dtype="float32")
    samples = soxr.resample(samples, rate, SAMPLE_RATE_HZ)
    return samples * (SPEECH_LEVEL / float(np.sqrt(np.mean(np.square(samples)))))


def scene(voice: str) -> np.ndarray:
    """Return the whole recording: a quiet room, with everything of SAID at its second."""
    noise = np.random.default_rng(0).standard_normal(round(LENGTH_S * SAMPLE_RATE_HZ))
    room = np.convolve(noise, np.full(8, 1 / 8), "same")
    room *= NOISE_LEVEL / room.std()
    for second, text in SAID:
        start, speech = round(second * SAMPLE_RATE_HZ), synthesised(text, voice)
        room[start : start + len(speech)] += speech
    return room.clip(-1, 1).astype(np.float32)


def main() -> None:
    """Write the recording."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("edge_runtime/demo/commands.wav"))
    parser.add_argument("--voice", default="rms", help="a voice of flite")
    chosen = parser.parse_args()
    soundfile.write(chosen.out, scene(chosen.voice), SAMPLE_RATE_HZ, subtype="PCM_16")


if __name__ == "__main__":
    main()
