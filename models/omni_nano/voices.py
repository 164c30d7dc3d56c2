"""Voices that speak any sentence: the free speech synthesisers of Debian, for lessons nobody has recorded."""

from __future__ import annotations

import io
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import soundfile
import soxr

from edge_runtime.types import SAMPLE_RATE_HZ

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

PATIENCE_S = 30

_ESPEAK_LANGUAGES = (
    "en-us",
    "en-us",
    "en-us",
    "en-gb",
    "en-gb",
    "en-gb-scotland",
    "en-gb-x-rp",
    "en-gb-x-gbclan",
    "en-029",
)
_ESPEAK_VARIANTS = (
    *("m1", "m2", "m3", "m4", "m5", "m6", "m7", "m8", "f1", "f2", "f3", "f4", "f5", "Alex", "Alicia", "Andrea", "Andy"),
    *("Annie", "Denis", "Diogo", "Gene", "Gene2", "Jacky", "Lee", "Marco", "Mario", "Michael", "Mike", "Nguyen"),
    *(
        "adam",
        "anika",
        "antonio",
        "aunty",
        "belinda",
        "benjamin",
        "boris",
        "david",
        "ed",
        "edward",
        "grandma",
        "grandpa",
    ),
    *("gustave", "iven", "iven2", "john", "klatt", "klatt2", "klatt4", "linda", "max", "michel", "miguel", "norbert"),
    *("paul", "pedro", "quincy", "rob", "robert", "sandro", "shelby", "steph", "steph2", "travis", "victor", "zac"),
)
_MBROLA = ("us-mbrola-1", "us-mbrola-2", "us-mbrola-3", "en-mbrola-1")
_FLITE = ("kal16", "awb", "rms", "slt")
_RHVOICE = ("alan", "bdl", "clb", "evgeniy-eng", "slt")
_PICO = ("en-US", "en-GB")
_FESTIVAL = ("cmu_us_slt_arctic_hts", "kal_diphone", "ked_diphone", "rab_diphone")

SHARES: Mapping[str, float] = {
    "espeak": 0.2,
    "mbrola": 0.13,
    "flite": 0.17,
    "rhvoice": 0.27,
    "pico": 0.19,
    "festival": 0.04,
}
"""How much each synthesiser says: those built from recordings most, the one built from formulas in many voices."""

_PROGRAMS = {
    "espeak": ("espeak-ng",),
    "mbrola": ("mbrola", "espeak-ng"),
    "flite": ("flite",),
    "rhvoice": ("RHVoice-test",),
    "pico": ("pico2wave",),
    "festival": ("text2wave",),
}


@dataclass(frozen=True, slots=True)
class Voice:
    """One way of speaking.

    Attributes:
        engine: the synthesiser.
        name: of the voice in it.
        rate: speed as a factor of the voice's own.
        pitch: as a factor of the voice's own.
    """

    engine: str
    name: str
    rate: float
    pitch: float


def installed() -> dict[str, float]:
    """Return the synthesisers of this machine and their shares.

    Raises:
        SystemExit: there is none.
    """
    found = {name: share for name, share in SHARES.items() if all(map(shutil.which, _PROGRAMS[name]))}
    if not found:
        raise SystemExit("no speech synthesiser is installed; docs/FACTORY.md lists Debian's packages with voices")
    total = sum(found.values())
    return {name: share / total for name, share in found.items()}


def draw(engines: Mapping[str, float], rng: np.random.Generator) -> Voice:
    """Return a voice, a speed and a pitch, drawn at random."""
    engine = str(rng.choice(list(engines), p=list(engines.values())))
    if engine == "espeak":
        name = f"{rng.choice(_ESPEAK_LANGUAGES)}+{rng.choice(_ESPEAK_VARIANTS)}"
    else:
        names = {"mbrola": _MBROLA, "flite": _FLITE, "rhvoice": _RHVOICE, "pico": _PICO, "festival": _FESTIVAL}[engine]
        name = str(rng.choice(names))
    return Voice(engine, name, float(rng.uniform(0.78, 1.3)), float(np.exp(rng.normal(0, 0.12))))


def speak(voice: Voice, text: str) -> NDArray[np.float32]:
    """Return `text` as `voice` says it, float32 mono at 16 kHz; nothing when the synthesiser fails."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "said.wav"
        try:
            done = subprocess.run(  # noqa: S603 - words of our own lessons, to programs named above
                _order(voice, text, out), input=text.encode(), capture_output=True, timeout=PATIENCE_S, check=False
            )
        except subprocess.TimeoutExpired:
            return np.zeros(0, np.float32)
        written = out.read_bytes() if out.exists() else done.stdout
    if done.returncode != 0 or not written:
        return np.zeros(0, np.float32)
    try:
        samples, rate = soundfile.read(io.BytesIO(written), dtype="float32", always_2d=True)
    except soundfile.LibsndfileError:
        return np.zeros(0, np.float32)
    said: NDArray[np.float32] = soxr.resample(samples[:, 0], rate, SAMPLE_RATE_HZ).astype(np.float32)
    return said


def _order(voice: Voice, text: str, out: Path) -> list[str]:
    """Return the command that speaks; all but Pico read the text from standard input."""
    if voice.engine in {"espeak", "mbrola"}:
        # mbrola-1 of Great Britain is called english-mb-en1 by espeak-ng.
        name = "english-mb-en1" if voice.name == "en-mbrola-1" else voice.name
        pitch = str(int(np.clip(50 * voice.pitch, 5, 99)))
        return ["espeak-ng", "-v", name, "-s", str(int(165 * voice.rate)), "-p", pitch, "-w", str(out), "--stdin"]
    if voice.engine == "flite":
        stretch = f"duration_stretch={1 / voice.rate:.2f}"
        mean = f"int_f0_target_mean={110 * voice.pitch:.0f}"
        return ["flite", "-voice", voice.name, "--setf", stretch, "--setf", mean, "-o", str(out)]
    if voice.engine == "rhvoice":
        rate, pitch = str(int(100 * voice.rate)), str(int(100 * voice.pitch))
        return ["RHVoice-test", "-p", voice.name, "-r", rate, "-t", pitch, "-o", str(out)]
    if voice.engine == "pico":
        level, speed = int(np.clip(100 * voice.pitch, 60, 160)), int(np.clip(100 * voice.rate, 50, 180))
        tagged = f"<speed level='{speed}'><pitch level='{level}'>{text}</pitch></speed>"
        return ["pico2wave", "-l", voice.name, "-w", str(out), tagged]
    stretch = f"(Parameter.set 'Duration_Stretch {1 / voice.rate:.2f})"
    return ["text2wave", "-eval", f"(voice_{voice.name})", "-eval", stretch, "-o", str(out)]
