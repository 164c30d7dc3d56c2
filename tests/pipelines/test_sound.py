from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
from tiny_ears import HIGH_HZ, LOW_HZ, bundle_with_ears, silence, tone

from edge_runtime.inference.sounds import SoundStream, SoundTagger
from edge_runtime.pipelines.sound import SoundPipeline
from edge_runtime.types import SAMPLE_RATE_HZ, AudioChunk
from edge_runtime.wiring.assembly import Models

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edge_runtime.types import Event

START_S = 1000.0
LOW, HIGH = tone(LOW_HZ, 2), tone(HIGH_HZ, 2)


@pytest.fixture(scope="module")
def tagger(tmp_path_factory: pytest.TempPathFactory) -> SoundTagger:
    return Models(bundle_with_ears(tmp_path_factory.mktemp("ears") / "bundle"), threads=1).tagger()


def pipeline(tagger: SoundTagger, cooldown_s: float = 0.0) -> SoundPipeline:
    return SoundPipeline(lambda: SoundStream(tagger), tagger.thresholds, cooldown_s)


def chunks(samples: np.ndarray, at: float = START_S) -> Iterator[AudioChunk]:
    for start in range(0, len(samples) - 511, 512):
        yield AudioChunk("kitchen", at + start / SAMPLE_RATE_HZ, samples[start : start + 512])


def told(ears: SoundPipeline, *parts: np.ndarray) -> list[Event]:
    return [event for chunk in chunks(np.concatenate(parts)) for event in ears.step(chunk)]


def test_a_sound_is_an_event_of_the_moment_it_began(tagger: SoundTagger) -> None:
    (event,) = told(pipeline(tagger), silence(3), LOW, silence(3))
    assert (event.kind, event.source) == ("sound", "kitchen")
    assert event.at == pytest.approx(START_S + 3, abs=0.5)
    assert event.data["label"] == "low tone"
    assert 0.5 < float(str(event.data["score"])) <= 1
    assert json.loads(json.dumps(event.data)) == event.data


def test_it_is_told_while_it_lasts(tagger: SoundTagger) -> None:
    ears = pipeline(tagger)
    assert told(ears, silence(3)) == []
    late = next(chunk.at - START_S - 3 for chunk in chunks(tone(LOW_HZ, 10), START_S + 3) if ears.step(chunk))
    assert late < 2.0, "an alarm is worth something while it rings"


@pytest.mark.parametrize(
    ("cooldown_s", "parts", "labels"),
    [
        pytest.param(0.0, [silence(10)], [], id="silence"),
        pytest.param(0.0, [tone(LOW_HZ, 30)], ["low tone"], id="a-sound-that-lasts-is-told-once"),
        pytest.param(0.0, [LOW, silence(4), LOW, silence(4)], ["low tone"] * 2, id="again-after-it-had-ended"),
        pytest.param(0.0, [LOW, silence(0.5), LOW, silence(4)], ["low tone"], id="a-short-gap-is-no-end"),
        pytest.param(60.0, [LOW, silence(4), LOW, silence(4)], ["low tone"], id="the-same-kind-rests"),
        pytest.param(60.0, [LOW, silence(4), HIGH], ["low tone", "high tone"], id="another-kind-does-not"),
        pytest.param(9.0, [LOW, silence(10), LOW], ["low tone"] * 2, id="until-it-has-rested"),
        pytest.param(0.0, [silence(3), tone(LOW_HZ, 0.02), silence(3)], [], id="a-click-is-no-tone"),
    ],
)
def test_what_is_told(tagger: SoundTagger, cooldown_s: float, parts: list[np.ndarray], labels: list[str]) -> None:
    assert [event.data["label"] for event in told(pipeline(tagger, cooldown_s), *parts)] == labels


@pytest.mark.parametrize(
    ("hole_s", "count"),
    [
        pytest.param(0.1, 1, id="a-few-chunks-lost-change-nothing"),
        pytest.param(5.0, 2, id="after-a-break-it-is-a-new-sound"),
    ],
)
def test_sound_that_is_missing(tagger: SoundTagger, hole_s: float, count: int) -> None:
    ears = pipeline(tagger)
    before = [event for chunk in chunks(LOW) for event in ears.step(chunk)]
    after = [event for chunk in chunks(LOW, START_S + 2 + hole_s) for event in ears.step(chunk)]
    assert len(before + after) == count
    assert all(event.at >= START_S for event in before)
    assert all(event.at >= START_S + 2 + hole_s - 0.5 for event in after)


def test_only_what_can_be_heard_costs_a_run_of_the_model(tagger: SoundTagger) -> None:
    ears = pipeline(tagger)
    told(ears, silence(5))
    assert ears.evaluated == 0
    told(ears, LOW)
    assert ears.evaluated > 0
