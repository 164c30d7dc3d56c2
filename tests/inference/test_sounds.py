from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from tiny_ears import HIGH_HZ, LOW_HZ, PART, bundle_with_ears, silence, tone

from edge_runtime.bundles.parts import AudioPart
from edge_runtime.errors import BundleError, ConfigError
from edge_runtime.inference.log_mel import HOP_SAMPLES, PATCH_SAMPLES, patches
from edge_runtime.inference.sounds import SILENCE, SoundStream, SoundTagger
from edge_runtime.types import SAMPLE_RATE_HZ
from edge_runtime.wiring.assembly import Models

if TYPE_CHECKING:
    from edge_runtime.inference.sounds import Tagged

HOP_S = HOP_SAMPLES / SAMPLE_RATE_HZ
PATCH_S = PATCH_SAMPLES / SAMPLE_RATE_HZ
WORLD = np.concatenate([silence(2), tone(LOW_HZ, 2), silence(2.3), tone(HIGH_HZ, 1.5)])


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Models:
    return Models(bundle_with_ears(tmp_path_factory.mktemp("ears") / "bundle"), threads=1)


def fed(tagger: SoundTagger, samples: np.ndarray, piece: int) -> list[Tagged]:
    stream = SoundStream(tagger)
    found = [patch for start in range(0, len(samples), piece) for patch in stream.feed(samples[start : start + piece])]
    return [*found, *stream.finish()]


def test_every_label_has_a_probability_in_every_patch(models: Models) -> None:
    rows = models.tagger().probabilities(patches(tone(LOW_HZ, 5)))
    assert rows.shape == (10, 2)
    low, high = rows[:9].T
    assert (low > 0.9).all()
    assert (high < 0.1).all()


@pytest.mark.parametrize(
    ("labels", "min_score", "thresholds"),
    [
        pytest.param((), None, {"low tone": 0.5, "high tone": 0.5}, id="the-bundle-s-own"),
        pytest.param(("high tone",), None, {"high tone": 0.5}, id="one-label"),
        pytest.param((), 0.8, {"low tone": 0.8, "high tone": 0.8}, id="one-threshold-for-all"),
    ],
)
def test_labels_and_thresholds_are_those_asked_for(
    models: Models, labels: tuple[str, ...], min_score: float | None, thresholds: dict[str, float]
) -> None:
    tagger = models.tagger(labels, min_score)
    assert tagger.thresholds == thresholds
    assert tagger.labels == tuple(thresholds)
    [*_, last] = fed(tagger, WORLD, 5000)
    assert set(last.probabilities) == set(thresholds)
    assert last.probabilities["high tone"] > 0.5


def test_a_label_the_model_does_not_know_is_refused_with_the_nearest(models: Models) -> None:
    with pytest.raises(ConfigError, match=r"sounds\.labels.*'low tones'.*did you mean 'low tone'"):
        models.tagger(["low tones"])


def test_a_calibration_bends_the_probabilities(models: Models) -> None:
    part = AudioPart.model_validate({**PART, "calibration": {"high tone": (0.5, 1.0)}})
    manifest = models.manifest.model_copy(update={"audio": part})
    heard = patches(tone(HIGH_HZ, 1))
    [[low, high]] = SoundTagger(models.hearing, manifest).probabilities(heard)
    [[as_before, raw]] = models.tagger().probabilities(heard)
    assert low == pytest.approx(as_before)
    logit = np.log(raw / (1 - raw))
    assert high == pytest.approx(1 / (1 + np.exp(-(0.5 * logit + 1))), abs=1e-4)


@pytest.mark.parametrize(
    "piece",
    [
        pytest.param(512, id="a-microphone-s-chunks"),
        pytest.param(12_345, id="odd-pieces"),
        pytest.param(len(WORLD), id="all-at-once"),
    ],
)
def test_a_stream_is_the_same_in_pieces_of_any_length(models: Models, piece: int) -> None:
    tagger = models.tagger()
    found = fed(tagger, WORLD, piece)
    assert [patch.start_s for patch in found] == pytest.approx([number * HOP_S for number in range(len(found))])
    expected = tagger.probabilities(patches(WORLD))
    assert len(found) == len(expected)
    for patch, row in zip(found, expected, strict=True):
        if patch.evaluated:
            assert list(patch.probabilities.values()) == pytest.approx(row.tolist(), abs=1e-5)
    assert found[-1].end_s == pytest.approx(len(WORLD) / SAMPLE_RATE_HZ, abs=0.1)


def test_more_patches_than_one_batch(models: Models) -> None:
    found = fed(models.tagger(), tone(LOW_HZ, 40), 40 * SAMPLE_RATE_HZ)
    assert len(found) == 83
    assert all(patch.probabilities["low tone"] > 0.9 for patch in found[:-1])


@pytest.mark.parametrize(
    ("samples", "evaluated"),
    [
        pytest.param(silence(3), 0, id="digital-silence"),
        pytest.param(tone(LOW_HZ, 3, SILENCE), 0, id="below-the-floor"),
        pytest.param(tone(LOW_HZ, 3, 3 * SILENCE), 6, id="above-it"),
        pytest.param(np.concatenate([silence(2.9), tone(LOW_HZ, 0.1)]), 1, id="a-click-at-the-end"),
    ],
)
def test_what_cannot_be_heard_costs_nothing(models: Models, samples: np.ndarray, evaluated: int) -> None:
    before = models.hearing.timing.runs
    found = fed(models.tagger(), samples, 512)
    assert sum(patch.evaluated for patch in found) == evaluated
    assert models.hearing.timing.runs - before == evaluated
    assert all(patch.evaluated or set(patch.probabilities.values()) == {0.0} for patch in found)


@pytest.mark.parametrize(
    ("seconds", "ends"),
    [
        pytest.param(0.0, [], id="nothing"),
        pytest.param(0.05, [0.05], id="very-short-sound"),
        pytest.param(PATCH_S, [PATCH_S], id="exactly-a-patch"),
        pytest.param(PATCH_S + 0.09, [PATCH_S], id="a-tail-too-short-to-count"),
        pytest.param(PATCH_S + 0.11, [PATCH_S, PATCH_S + 0.11], id="a-tail-that-counts"),
    ],
)
def test_the_end_of_a_stream(models: Models, seconds: float, ends: list[float]) -> None:
    found = fed(models.tagger(), tone(LOW_HZ, seconds), 512)
    assert [patch.end_s for patch in found] == pytest.approx(ends, abs=1e-4)


def test_a_sound_s_vector_has_length_one_and_follows_its_loud_part(models: Models) -> None:
    low, high = (models.embedder.embed_audio(tone(hertz, 3)) for hertz in (LOW_HZ, HIGH_HZ))
    mixed = models.embedder.embed_audio(np.concatenate([tone(LOW_HZ, 3), tone(HIGH_HZ, 3, 0.02)]))
    for vector in (low, high, mixed):
        assert vector.shape == (384,)
        assert vector.dtype == np.float32
        assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-5)
    assert mixed @ low > mixed @ high


@pytest.mark.parametrize("seconds", [0.0, 0.01, 1.0], ids=["no-sample", "a-few", "a-second"])
def test_silence_has_a_vector_too(models: Models, seconds: float) -> None:
    assert np.linalg.norm(models.embedder.embed_audio(silence(seconds))) == pytest.approx(1, abs=1e-5)


def test_a_bundle_without_ears_says_so(models: Models) -> None:
    deaf = Models(models.manifest.folder)
    deaf.manifest = models.manifest.model_copy(update={"audio": None})
    with pytest.raises(BundleError, match="has no sound model"):
        deaf.tagger()
    with pytest.raises(BundleError, match="has no sound model"):
        deaf.embedder.embed_audio(silence(1))


def test_a_model_that_is_not_what_the_manifest_says_is_refused(models: Models) -> None:
    wrong = Models(models.manifest.folder)
    part = AudioPart.model_validate({**PART, "sounds": "noises"})
    wrong.manifest = models.manifest.model_copy(update={"audio": part})
    with pytest.raises(BundleError, match="no output 'noises'"):
        wrong.tagger()
