from __future__ import annotations

import numpy as np
import pytest

from edge_runtime.decision.routing_curves import aurc, auroc, cloud_need, quality_by_cloud, risk_by_coverage

SURE = np.array([0.9, 0.8, 0.7, 0.6])
RIGHT = np.array([True, True, False, True])
CLOUD = np.array([True, False, True, True])


def test_risk_by_coverage() -> None:
    assert risk_by_coverage(SURE, RIGHT) == pytest.approx([0, 0, 1 / 3, 1 / 4])
    assert aurc(SURE, RIGHT) == pytest.approx((1 / 3 + 1 / 4) / 4)


def test_equal_confidences_count_as_in_random_order() -> None:
    assert risk_by_coverage(np.full(4, 0.5), RIGHT) == pytest.approx(np.full(4, 0.25))


@pytest.mark.parametrize(
    ("confidence", "area"),
    [
        pytest.param(SURE, 2 / 3, id="one right answer below the wrong one"),
        pytest.param(np.full(4, 0.5), 1 / 2, id="all alike"),
        pytest.param(np.array([0.9, 0.8, 0.1, 0.6]), 1.0, id="told apart wholly"),
    ],
)
def test_auroc(confidence: np.ndarray, area: float) -> None:
    assert auroc(confidence, RIGHT) == pytest.approx(area)


def test_auroc_needs_both_kinds() -> None:
    assert auroc(SURE, np.ones(4, bool)) is None


def test_quality_by_cloud_sends_the_least_sure_first() -> None:
    assert quality_by_cloud(SURE, RIGHT, CLOUD) == pytest.approx([0.75, 0.75, 1.0, 0.75, 0.75])


@pytest.mark.parametrize(
    ("local", "cloud", "share", "needs"),
    [
        pytest.param([1, 1, 0, 0], [1, 1, 1, 1], 1.0, (0.5, 1.0, 0.5), id="a perfect order needs the wrong half alone"),
        pytest.param([0, 0, 1, 1], [1, 1, 1, 1], 0.75, (0.75, 0.5, 0.25), id="a bad order is worse than chance"),
        pytest.param([1, 1, 1, 0], [1, 1, 0, 0], 0.95, (0, 0, 0), id="the box is better than the cloud"),
    ],
)
def test_cloud_need(local: list[int], cloud: list[int], share: float, needs: tuple[float, float, float]) -> None:
    need = cloud_need(SURE, np.array(local, bool), np.array(cloud, bool), share)
    assert (need.gate, need.random, need.oracle) == pytest.approx(needs)
