from __future__ import annotations

import io
import tarfile
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import soundfile

from models.omni_nano import ears
from models.omni_nano.drawing import seeded
from models.omni_nano.utterances import Utterance

if TYPE_CHECKING:
    from pathlib import Path

RATE = 16_000
PHONES = {"": [], "yes": [1, 2], "no": [3], "turn it on": [4, 5, 6]}
SETTINGS = {"lengths_s": [1.0, 2.0], "batch_s": 8, "people": 0.4}


def speech(seconds: float, seed: int = 0) -> Any:
    """Return something with a pitch and syllables, int16."""
    at = np.arange(round(seconds * RATE)) / RATE
    sound = np.sign(np.sin(2 * np.pi * (140 + 20 * seed) * at)) * np.abs(np.sin(2 * np.pi * 3 * at))
    return (9000 * sound).astype(np.int16)


def surroundings(*, noises: bool = True) -> ears.Surroundings:
    dice = np.random.default_rng(1)
    some = [dice.normal(0, 2000, size).astype(np.int16) for size in (4000, RATE, 3 * RATE)] if noises else []
    return ears.Surroundings(some, [Utterance(f"v/{n}", "", speech(0.7, n)) for n in range(3)])


def curriculum() -> ears.Curriculum:
    people = [Utterance(f"p/{n}", text, speech(0.6, n)) for n, text in enumerate(["yes", "no", ""])]
    voices = [Utterance(f"v/{n}", "turn it on", speech(0.5 + 0.2 * n, n)) for n in range(6)]
    return ears.Curriculum(people, voices, PHONES, surroundings(), SETTINGS)


@pytest.mark.parametrize("noises", [True, False], ids=["with noises", "without any"])
@pytest.mark.parametrize("share", [0.2, 0.6, 1.0], ids=["a short word", "half of it", "all of it"])
def test_surroundings_keep_the_length_and_stay_within_what_a_microphone_gives(share: float, noises: bool) -> None:
    around = surroundings(noises=noises)
    said = (speech(share) / 32768).astype(np.float32)
    for step in range(120):
        heard = around.around(said, RATE, seeded(3, step))
        assert heard.shape == (RATE,)
        assert heard.dtype == np.float32
        assert np.isfinite(heard).all()
        # A microphone's own noise lies on top of what it clips.
        assert np.abs(heard).max() <= 1.003


def test_speech_is_inside() -> None:
    around = surroundings()
    said = (speech(0.4) / 32768).astype(np.float32)
    inside = []
    for step in range(60):
        heard, empty = (around.around(sound, RATE, seeded(4, step)) for sound in (said, np.zeros_like(said)))
        alike = [
            np.abs(np.correlate(one, said, "valid")).max() / (np.linalg.norm(one) + 1e-9) for one in (heard, empty)
        ]
        inside.append(alike[0] > alike[1])
    assert np.mean(inside) > 0.9


def test_silence_stays_finite() -> None:
    for step in range(60):
        heard = surroundings().around(np.zeros(RATE // 2, np.float32), RATE, seeded(5, step))
        assert np.isfinite(heard).all()


@pytest.mark.parametrize("factor", [0.88, 1.0, 1.14])
def test_stretching_changes_length_and_pitch_alike(factor: float) -> None:
    at = np.arange(RATE) / RATE
    got = ears.stretched(np.sin(2 * np.pi * 440 * at).astype(np.float32), factor)
    assert len(got) == pytest.approx(RATE / factor, abs=2)
    peak = np.abs(np.fft.rfft(got)).argmax() * RATE / len(got)
    assert peak == pytest.approx(440 * factor, abs=2)


def test_a_microphone_changes_levels_not_the_length() -> None:
    samples = (speech(1.0) / 32768).astype(np.float32)
    got = [ears.coloured(samples, seeded(1, step)) for step in range(20)]
    assert all(one.shape == samples.shape and np.isfinite(one).all() for one in got)
    assert not np.allclose(got[0], got[1])


@pytest.mark.parametrize(
    ("samples", "length"),
    [
        pytest.param(np.zeros(RATE, np.float32), RATE, id="nothing is loud, all is kept"),
        pytest.param(np.ones(1000, np.float32), 1000, id="too short to tell"),
    ],
)
def test_what_has_no_loud_part_is_left_alone(samples: Any, length: int) -> None:
    assert len(ears.trimmed(samples)) == length


def test_trimming_keeps_a_tenth_of_a_second_around_the_loud_part() -> None:
    samples = np.zeros(3 * RATE, np.float32)
    samples[RATE : RATE + 8000] = 0.3
    assert len(ears.trimmed(samples)) == pytest.approx(8000 + 3200, abs=1000)


def test_the_same_seed_and_step_have_the_same_batch_and_others_another() -> None:
    first, again, other = (curriculum().batch(seeded(*dice)) for dice in ((12, 3), (12, 3), (12, 4)))
    assert (first.samples == again.samples).all()
    assert first.phones == again.phones
    assert first.samples.shape != other.samples.shape or not (first.samples == other.samples).all()


def test_a_batch_has_clips_of_one_length_and_as_many_as_fill_its_time() -> None:
    lessons = [curriculum().batch(seeded(1, step)) for step in range(12)]
    shapes = {lesson.samples.shape for lesson in lessons}
    assert shapes == {(8, RATE), (4, 2 * RATE)}
    said = [phones for lesson in lessons for phones in lesson.phones]
    assert {tuple(one) for one in said} > {(4, 5, 6)}
    # In two seconds there is room for several words of people, one after the other.
    assert any(len(one) > 2 and set(one) <= {1, 2, 3} for one in said)
    whole = [[], [1, 2], [3], [4, 5, 6]]
    for one in said:
        rest = list(one)
        while rest:
            first = next(piece for piece in whole[1:] if rest[: len(piece)] == piece)
            rest = rest[len(first) :]


def test_sounds_of_the_world_are_read_whole(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "sound_event_samples.tar", "w") as tar:
        written = io.BytesIO()
        soundfile.write(written, speech(0.5), RATE, format="FLAC")
        entry = tarfile.TarInfo("dog.flac")
        entry.size = len(written.getvalue())
        tar.addfile(entry, io.BytesIO(written.getvalue()))
    (found,) = ears.sounds(tmp_path)
    assert (found == speech(0.5)).all()
