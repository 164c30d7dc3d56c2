from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_runtime.decision.endpointing import Endpointer
from edge_runtime.types import SAMPLE_RATE_HZ, AudioChunk

CHUNK = 512
CHUNK_S = CHUNK / SAMPLE_RATE_HZ


def chunks(number: int, size: int = CHUNK) -> list[AudioChunk]:
    """Return chunks whose samples count up, so that each sample is known by its value."""
    return [
        AudioChunk("mic", at * size / SAMPLE_RATE_HZ, np.arange(at * size, (at + 1) * size, dtype=np.float32))
        for at in range(number)
    ]


def cut(speech: list[float], endpointer: Endpointer) -> list[tuple[int, int]]:
    """Return the utterances as (first chunk, chunk after the last)."""
    ended = [endpointer.update(chunk, p) for chunk, p in zip(chunks(len(speech)), speech, strict=True)]
    utterances = [utterance for utterance in [*ended, endpointer.flush()] if utterance is not None]
    for utterance in utterances:
        assert np.array_equal(np.diff(utterance.samples), np.ones(len(utterance.samples) - 1))
        assert utterance.at == utterance.samples[0] / SAMPLE_RATE_HZ
    return [(int(u.samples[0]) // CHUNK, int(u.samples[-1]) // CHUNK + 1) for u in utterances]


SILENT, LOUD, UNSURE = 0.0, 0.9, 0.4


@pytest.mark.parametrize(
    ("speech", "expected"),
    [
        pytest.param([SILENT] * 50, [], id="silence is no utterance"),
        pytest.param([UNSURE] * 50, [], id="what never reaches the threshold is no utterance"),
        pytest.param([SILENT] * 20 + [LOUD] * 10 + [SILENT] * 20, [(18, 34)], id="pre-roll, speech, pause"),
        pytest.param([LOUD] * 10 + [SILENT] * 20, [(0, 14)], id="speech from the first sample on"),
        pytest.param([SILENT] * 4 + [LOUD] * 10, [(2, 14)], id="the stream ends while somebody speaks"),
        pytest.param([SILENT] * 4 + [LOUD] + [SILENT] * 20, [], id="a click is dropped"),
        pytest.param([LOUD] * 5 + [UNSURE] * 20 + [LOUD] * 5, [(0, 20), (20, 30)], id="hysteresis holds, the cap cuts"),
        pytest.param(
            [LOUD] * 5 + [SILENT] * 3 + [LOUD] * 5 + [SILENT] * 9, [(0, 17)], id="a short pause does not end it"
        ),
        pytest.param([LOUD] * 45, [(0, 20), (20, 40), (40, 45)], id="endless speech is cut, nothing lost or doubled"),
        pytest.param(
            [LOUD] * 5 + [SILENT] * 5 + [LOUD] * 5, [(0, 9), (9, 15)], id="pre-roll never takes what was given"
        ),
    ],
)
def test_utterances(speech: list[float], expected: list[tuple[int, int]]) -> None:
    endpointer = Endpointer(0.5, 4 * CHUNK_S, 20 * CHUNK_S, pre_roll_s=2 * CHUNK_S, min_speech_s=2 * CHUNK_S)
    assert cut(speech, endpointer) == expected


@given(
    speech=st.lists(st.floats(0, 1), max_size=120),
    silence=st.integers(1, 10),
    longest=st.integers(5, 40),
    pre_roll=st.integers(0, 10),
)
def test_no_sample_is_lost_or_given_twice(speech: list[float], silence: int, longest: int, pre_roll: int) -> None:
    endpointer = Endpointer(0.5, silence * CHUNK_S, longest * CHUNK_S, pre_roll * CHUNK_S, min_speech_s=0)
    utterances = cut(speech, endpointer)
    given_out = [chunk for first, after in utterances for chunk in range(first, after)]
    assert given_out == sorted(set(given_out))
    assert {at for at, p in enumerate(speech) if p >= 0.5} <= set(given_out)
    assert all(after - first <= max(longest, pre_roll + 1) for first, after in utterances)


def test_an_hour_of_silence_takes_no_memory() -> None:
    endpointer = Endpointer(0.5, 0.6, 10.0)
    [silence] = chunks(1)
    for _ in range(3600 * SAMPLE_RATE_HZ // CHUNK):
        assert endpointer.update(silence, 0.1) is None
    assert sum(len(chunk.samples) for chunk in endpointer._chunks) <= 0.3 * SAMPLE_RATE_HZ + CHUNK


@pytest.mark.parametrize(
    ("speech", "so_far", "pause"),
    [
        pytest.param([SILENT] * 10, None, 0, id="silence"),
        pytest.param([SILENT] * 10 + [LOUD], None, 0, id="too little yet"),
        pytest.param([SILENT] * 10 + [LOUD] * 3, (8, 13), 0, id="in the middle of speech"),
        pytest.param([SILENT] * 10 + [LOUD] * 3 + [SILENT] * 3, (8, 16), 3, id="in a pause"),
        pytest.param([LOUD] * 3 + [SILENT] * 2 + [UNSURE], (0, 6), 0, id="the pause is over"),
        pytest.param([LOUD] * 3 + [SILENT] * 4, None, 4, id="ended: the pause that ended it is told, nothing goes on"),
        pytest.param([LOUD] * 20, None, 0, id="cut at its longest: what follows is another"),
    ],
)
def test_an_utterance_can_be_looked_at_while_it_goes_on(
    speech: list[float], so_far: tuple[int, int] | None, pause: int
) -> None:
    endpointer = Endpointer(0.5, 4 * CHUNK_S, 20 * CHUNK_S, pre_roll_s=2 * CHUNK_S, min_speech_s=2 * CHUNK_S)
    for chunk, probability in zip(chunks(len(speech)), speech, strict=True):
        endpointer.update(chunk, probability)
    seen = [endpointer.so_far(), endpointer.so_far()]
    spans = [u and (int(u.samples[0]) // CHUNK, int(u.samples[-1]) // CHUNK + 1) for u in seen]
    assert spans == [so_far, so_far], "looking changes nothing"
    assert endpointer.pause_s == pytest.approx(pause * CHUNK_S)


@pytest.mark.parametrize("size", [1, 160, 8000])
def test_any_size_of_chunk(size: int) -> None:
    endpointer = Endpointer(0.5, 0.3, 10.0)
    pause, ended = [], None
    for at, chunk in enumerate(chunks(2 * SAMPLE_RATE_HZ // size, size)):
        ended = endpointer.update(chunk, LOUD if at * size < SAMPLE_RATE_HZ else SILENT)
        pause.append(ended)
        if ended is not None:
            break
    assert ended is not None
    assert 1.3 * SAMPLE_RATE_HZ <= len(ended.samples) < 1.3 * SAMPLE_RATE_HZ + 2 * size
