from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pytest

from edge_runtime.bundles.manifest import Manifest
from edge_runtime.inference.detector import ObjectDetector
from models.omni_nano import calibrating, scoring
from models.omni_nano.calibrating import Boxes, Evidence, Naming

if TYPE_CHECKING:
    from edge_runtime.inference.session import OnnxSession

LABELS = 3


def drawn(logits: calibrating.Floats, scale: float, bias: float, seed: int = 1) -> calibrating.Ints:
    """Return truths for which sigmoid(scale * logit + bias) is the true probability."""
    chance = calibrating.sigmoid(scale * logits + bias)
    return (np.random.default_rng(seed).random(logits.shape) < chance).astype(np.int64)


def evidence(pictures: int = 400, sizes: int = 2, seed: int = 3) -> Evidence:
    """Return looks at pictures with two common labels and a rare one, and boxes of which some repeat a label."""
    rng = np.random.default_rng(seed)
    raw = rng.normal(0, 2, (pictures, LABELS)) - [0, 0, 4]
    present = np.repeat(drawn(raw, 1.5, -0.5), sizes, axis=0)
    best = np.repeat(raw, sizes, axis=0) + rng.normal(0, 0.2, (pictures * sizes, LABELS))
    looks = np.arange(pictures * sizes)
    boxes = Boxes(
        np.concatenate([best[:, 0], best[:, 1], best[:, 0] - 1]),
        np.repeat([0, 1, 0], len(looks)),
        np.tile(looks, 3),
        np.concatenate([present[:, 0], present[:, 1], np.zeros(len(looks), np.int64)]),
        np.repeat([True, True, False], len(looks)),
    )
    fold = np.repeat([calibrating.fold_of(f"set/{n}.jpg") for n in range(pictures)], sizes)
    return Evidence(fold, best, present, present.copy(), boxes, 1 / sizes)


@pytest.mark.parametrize(
    ("scale", "bias"),
    [
        pytest.param(1.0, 0.0, id="scores that are true stay as they are"),
        pytest.param(2.0, -1.0, id="timid ones that lean to yes are mended"),
        pytest.param(0.4, 0.7, id="bold ones that lean to no are mended"),
    ],
)
def test_a_logistic_fit_finds_what_the_scores_mean(scale: float, bias: float) -> None:
    logits = np.random.default_rng(0).normal(0, 2, 4000)
    right = drawn(logits, scale, bias)
    found = calibrating.platt(logits, right)
    assert found == pytest.approx((scale, bias), abs=0.15)
    assert scoring.calibration_error(calibrating.sigmoid(found[0] * logits + found[1]), right) < 0.03


@pytest.mark.parametrize(
    ("count", "near"),
    [
        pytest.param(0, 0.0, id="nothing seen: the prior itself"),
        pytest.param(3, 0.4, id="three seen: hardly moved"),
        pytest.param(3000, 2.0, id="thousands seen: free of it"),
    ],
)
def test_few_examples_lean_on_the_prior(count: int, near: float) -> None:
    logits = np.random.default_rng(2).normal(0, 2, count)
    scale, bias = calibrating.platt(logits, drawn(logits, 2.0, 1.0), prior=(1.0, 0.0))
    assert abs(scale - 1.0) + abs(bias) <= near + 1e-6
    assert count < 3000 or (scale, bias) == pytest.approx((2.0, 1.0), abs=0.25)


def test_scores_that_tell_nothing_keep_a_rising_scale() -> None:
    logits = np.linspace(-3, 3, 200)
    assert calibrating.platt(logits, (logits < 0).astype(np.int64))[0] >= 0.05


def test_a_picture_stays_in_one_fold_at_every_size_and_folds_are_alike() -> None:
    names = [f"flickr/{number}.jpg" for number in range(3000)]
    folds = [calibrating.fold_of(name) for name in names]
    assert folds == [calibrating.fold_of(name) for name in names]
    counts = np.bincount(folds, minlength=calibrating.FOLDS)
    assert counts.min() > 0.85 * len(names) / calibrating.FOLDS
    seen = evidence()
    for fold in range(calibrating.FOLDS):
        left = seen.without(fold)
        assert fold not in left.fold
        assert len(left.fold) + int((seen.fold == fold).sum()) == len(seen.fold)
        # Every box still points at the look it was seen in.
        assert (left.boxes.logit[left.boxes.label == 0][: len(left.fold)] == left.best[:, 0]).all()


def test_the_best_box_has_the_labels_presence_and_no_further_box_more() -> None:
    seen = evidence()
    fitted = calibrating.scales(seen)
    scores, chances = fitted.score(seen), fitted.present(seen)
    top = chances[seen.boxes.look, seen.boxes.label]
    assert scores[seen.boxes.first] == pytest.approx(top[seen.boxes.first])
    assert (scores <= top + 1e-12).all()
    assert scoring.calibration_error(chances[:, 0], seen.present[:, 0]) < 0.06


class Canned:
    """Sees the same boxes, side by side, in every picture."""

    outputs = ("embedding", "boxes", "logits")

    def __init__(self, logits: list[list[float]]) -> None:
        left = np.linspace(0, 0.9, len(logits))
        self.boxes = np.stack([left, left * 0, left + 0.05, left * 0 + 1], 1)[np.newaxis].astype(np.float32)
        self.logits = np.array([logits], np.float32)

    def run(self, *_: Any) -> dict[str, Any]:
        return {"embedding": np.ones((1, 4), np.float32), "boxes": self.boxes, "logits": self.logits}


def test_the_score_of_a_box_is_the_detectors_own() -> None:
    logits = [[2.0, -1.0], [1.9, -9.0], [0.5, 0.3], [-1.0, 0.1]]
    scales = calibrating.Scales(np.array([[1.0, -1.5], [1.2, 0.1]]), np.array([[1.6, 0.2], [0.7, -0.4]]))
    labels = ["person", "dog"]
    detector = {
        "labels": labels,
        "thresholds": dict.fromkeys(labels, 0.5),
        "calibration": dict(zip(labels, scales.further.tolist(), strict=True)),
        "presence": dict(zip(labels, scales.presence.tolist(), strict=True)),
        "nms_iou": 0.5,
    }
    image = {"file": "image.onnx", "area": 65536, "stride": 32}
    about: dict[str, Any] = dict.fromkeys(("name", "version", "created", "license"), "")
    about |= {"folder": Path(), "format": 1, "files": {}, "numbers": {}, "teachers": [], "sources": [], "built": {}}
    manifest = Manifest.model_validate({**about, "image": image, "detector": detector})
    session = cast("OnnxSession", Canned(logits))
    seen = ObjectDetector(session, manifest, floor=1e-4).look(np.zeros((64, 64, 3), np.uint8))
    raw = np.array(logits)
    order = [np.argsort(-raw[:, label]) for label in (0, 1)]
    rows = [(raw[cell, label], label, 0, 0, n == 0) for label in (0, 1) for n, cell in enumerate(order[label])]
    boxes = Boxes(*(np.array(column) for column in zip(*rows, strict=True)))
    one = np.zeros((1, 2), np.int64)
    mine = calibrating.Evidence(np.zeros(1, np.int64), raw.max(0)[np.newaxis], one, one, boxes, 1.0)
    found = sorted(((d.label, d.score) for d in (*seen.detections, *seen.unsure)), reverse=True)
    wanted = zip([labels[n] for n in boxes.label], scales.score(mine).tolist(), strict=True)
    assert [label for label, _ in found] == sorted((labels[n] for n in boxes.label), reverse=True)
    assert [score for _, score in found] == pytest.approx([s for _, s in sorted(wanted, reverse=True)], abs=1e-5)
    assert seen.presence == pytest.approx(dict(zip(labels, scales.present(mine)[0], strict=True)), abs=1e-5)


def test_thresholds_are_sane_and_rare_labels_share_theirs() -> None:
    seen = evidence()
    fitted = calibrating.scales(seen)
    limits = calibrating.thresholds(seen, fitted)
    assert all(calibrating.LEAST <= limit <= calibrating.MOST for limit in limits)
    assert calibrating.plentiful(seen.present, seen.share).tolist() == [0, 1]
    # Calibrated scores and alike costs: near a half.
    assert limits[1] == pytest.approx(0.5, abs=0.12)


@pytest.mark.parametrize(
    ("scale", "bound"),
    [
        pytest.param(8.0, (0.5, 0.75), id="a model that knows keeps nearly everything"),
        pytest.param(0.05, (0.9, 0.99), id="one that guesses keeps nearly nothing"),
    ],
)
def test_the_gate_keeps_what_is_sure_enough(scale: float, bound: tuple[float, float]) -> None:
    logits = np.random.default_rng(5).normal(0, 2, 2000)
    truth = drawn(logits, scale, 0.0)
    chances = calibrating.sigmoid(scale * logits)
    found = calibrating.gate(chances, truth, 1.0)
    assert bound[0] <= found["local_threshold"] <= bound[1]
    kept = np.maximum(chances, 1 - chances) >= found["local_threshold"]
    assert not kept.any() or ((chances >= 0.5) != truth)[kept].mean() <= calibrating.ALPHA


def test_questions_are_about_common_labels_and_half_about_what_is_there() -> None:
    seen = evidence()
    asked = calibrating.asked(seen.present, seen.share)
    assert not asked[:, 2].any()
    assert asked[seen.present[:, 0] == 1, 0].all()
    share = float((seen.present[asked] == 1).mean())
    assert 0.5 < share < 0.8
    assert not calibrating.asked(np.zeros((10, LABELS), np.int64), 1.0).any()


@pytest.mark.parametrize("length", [2, 5, 10])
def test_lists_deal_every_noun_once(length: int) -> None:
    lists = calibrating.lists_of(53, length, seed=4)
    assert sorted(np.concatenate(lists).tolist()) == list(range(53))
    assert max(len(one) for one in lists) <= 2 * length
    assert [one.tolist() for one in lists] == [one.tolist() for one in calibrating.lists_of(53, length, seed=4)]


@pytest.mark.parametrize("true", [0.02, 0.05, 0.1])
def test_the_temperature_is_found_from_lists_of_any_length(true: float) -> None:
    rng = np.random.default_rng(8)
    nearness = rng.normal(0, 0.15, (1500, 20))
    chances = np.exp(nearness / true)
    chances /= chances.sum(1, keepdims=True)
    truth = (chances.cumsum(1) > rng.random((1500, 1))).argmax(1)
    seen = Naming(np.zeros(1500, np.int64), nearness, truth)
    lists = [one for length in (5, 10, 20) for one in calibrating.lists_of(20, length, 1)]
    assert calibrating.temperature(seen, lists) == pytest.approx(true, rel=0.15)
