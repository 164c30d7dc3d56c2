from __future__ import annotations

import json

import numpy as np
import pytest

from edge_runtime.decision.confidence import ConfidenceGate
from edge_runtime.decision.gate_fitting import Promise, calibrated, fit_gate
from edge_runtime.decision.gate_record import from_record, to_record
from edge_runtime.decision.gate_report import report
from edge_runtime.decision.gate_table import ANY_SKILL, GateTable
from edge_runtime.errors import InputError

PLACES = np.random.default_rng(99).normal(size=(12, 16))


def table(
    count: int, seed: int = 0, *, scored: str | None = None, skill: str = ANY_SKILL
) -> tuple[GateTable, np.ndarray]:
    """Prompts of twelve topics, of which the local answerer knows six; scores tell it too, badly, backwards or well."""
    random = np.random.default_rng(seed)
    topic = random.integers(0, 12, count)
    vectors = PLACES[topic] + 0.5 * random.normal(size=(count, 16))
    local = random.random(count) < np.where(topic % 2, 0.97, 0.08)
    known = {
        None: np.full(count, np.nan),
        "noise": random.random(count),
        "good": np.clip(0.5 + (local - 0.5) * 0.8 + 0.05 * random.normal(size=count), 0, 1),
        "backwards": np.clip(0.5 - (local - 0.5) * 0.3 + 0.2 * random.normal(size=count), 0, 1),
        "logits": (local - 0.5) * 20 + 3 * random.normal(size=count),
    }
    prompts = tuple(f"topic {number} {row}" for row, number in enumerate(topic))
    made = GateTable(prompts, (skill,) * count, known[scored], local, random.random(count) < 0.9)
    return made, (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def joined(*parts: tuple[GateTable, np.ndarray]) -> tuple[GateTable, np.ndarray]:
    tables, vectors = zip(*parts, strict=True)
    scores, local = (np.concatenate([getattr(one, key) for one in tables]) for key in ("scores", "local"))
    prompts, skills = (sum((getattr(one, key) for one in tables), ()) for key in ("prompts", "skills"))
    return GateTable(prompts, skills, scores, local), np.concatenate(vectors)


@pytest.mark.parametrize(
    ("scored", "judged_by", "kept"),
    [
        pytest.param(None, "prompt", 0.3, id="without scores the prompt tells"),
        pytest.param("noise", "prompt", 0.2, id="scores that say nothing do no harm"),
        pytest.param("good", "prompt and score", 0.4, id="both tell more than one"),
        pytest.param("backwards", "prompt", 0.3, id="scores that lie are not believed"),
        pytest.param("logits", "", 0.4, id="scores of any size"),
    ],
)
def test_it_believes_what_tells_most(scored: str | None, judged_by: str, kept: float) -> None:
    gate = fit_gate(*table(400, scored=scored), Promise())
    found = report(gate, *table(600, seed=1, scored=scored))
    assert gate.facts["skills"][ANY_SKILL]["judged_by"].startswith(judged_by)
    assert found["coverage"] > kept
    assert found["risk"] <= 0.05
    assert found["calibration_error"] < 0.08
    assert found["aurc_oracle"] <= found["aurc"] < found["aurc_random"]
    need = found["at_cloud_quality"]["95%"]
    assert need["oracle"] <= need["gate"] < need["random"]
    json.dumps(found, allow_nan=False)


def test_the_promise_is_kept_over_random_splits() -> None:
    whole, vectors = table(200)
    random = np.random.default_rng(2)
    exceeded, kept = 0, []
    for _ in range(40):
        order = random.permutation(len(whole))
        seen, unseen = order[:140], order[140:]
        gate = fit_gate(whole.chosen(seen), vectors[seen], Promise())
        found = report(gate, whole.chosen(unseen), vectors[unseen])
        exceeded += not found["risk_within_alpha"]
        kept.append(found["coverage"])
    assert exceeded / 40 <= 0.10
    assert np.mean(kept) > 0.1


@pytest.mark.parametrize(
    ("local", "threshold"),
    [
        pytest.param(np.zeros(300, bool), 2.0, id="nothing was right: everything goes to the cloud"),
        pytest.param(np.ones(300, bool), 0.0, id="everything was right: nothing does"),
    ],
)
def test_one_kind_alone(local: np.ndarray, threshold: float) -> None:
    made, vectors = table(300, scored="noise")
    alone = GateTable(made.prompts, made.skills, made.scores, local)
    assert fit_gate(alone, vectors, Promise()).threshold == threshold


def test_all_wrong_without_scores_goes_to_the_cloud() -> None:
    made, vectors = table(300)
    alone = GateTable(made.prompts, made.skills, made.scores, np.zeros(300, bool))
    gate = fit_gate(alone, vectors, Promise())
    assert report(gate, alone, vectors)["kept"] == 0


@pytest.mark.parametrize("count", [1, 5, 19, 20, 50])
def test_few_rows_prove_nothing(count: int) -> None:
    gate = fit_gate(*table(count, scored="good"), Promise())
    assert gate.threshold > 1
    assert Promise().least_rows() > count


def test_each_skill_is_judged_by_its_own_rows() -> None:
    both = joined(table(200, scored="good", skill="presence"), table(200, 1, skill="mind"), table(5, 2, skill="rare"))
    gate = fit_gate(*both, Promise())
    assert set(gate.judges) == {"presence", "mind"}
    assert gate.facts["skills"]["presence"]["judged_by"] == "prompt and score"
    assert gate.facts["skills"]["mind"]["judged_by"] == "prompt"
    assert gate.facts["skills"][ANY_SKILL]["rows"] == 5, "too few for a judge, but they count among the questions"
    assert gate.judge_of("rare") is None


def test_a_stricter_promise_keeps_less() -> None:
    made = table(300)
    kept = [fit_gate(*made, Promise(alpha)).facts["kept_share"] for alpha in (0.02, 0.05, 0.15)]
    assert kept[0] < kept[1] < kept[2]


@pytest.mark.parametrize(
    ("promise", "what"),
    [(Promise(alpha=0), "alpha is 0"), (Promise(delta=2), "delta is 2"), (Promise(horizon=-1), "horizon is -1")],
)
def test_promises_that_make_no_sense(promise: Promise, what: str) -> None:
    with pytest.raises(InputError, match=what):
        promise.checked()


@pytest.mark.parametrize("scored", [None, "noise", "good", "logits"])
def test_a_gate_is_the_same_after_a_journey_through_a_file(scored: str | None) -> None:
    rows, vectors = table(150, scored=scored)
    gate = fit_gate(rows, vectors, Promise(), {"model": "m"})
    back = from_record(json.loads(json.dumps(to_record(gate))))
    assert back.threshold == gate.threshold
    assert dict(back.facts) == dict(gate.facts)
    assert back.reference == gate.reference
    told, again = (one.confidences(rows.prompts, rows.skills, rows.scores, vectors) for one in (gate, back))
    assert again == pytest.approx(told, abs=1e-6)


@pytest.mark.parametrize("scored", [None, "noise", "good", "logits"])
def test_a_question_is_judged_like_a_row(scored: str | None) -> None:
    rows, vectors = table(200, scored=scored)
    learned = fit_gate(rows, vectors, Promise())
    gate = ConfidenceGate(0.95, learned=learned)
    told = learned.confidences(rows.prompts, rows.skills, rows.scores, vectors)
    for row in range(20):
        judged = gate.judge("any", float(rows.scores[row]), rows.prompts[row], vector=vectors[row])
        assert judged.confidence == pytest.approx(told[row], abs=1e-6)
        assert judged.local is bool(told[row] >= learned.threshold)


def _damaged(**changed: object) -> dict[str, object]:
    whole: dict[str, object] = json.loads(json.dumps(to_record(fit_gate(*table(60), Promise()))))
    return whole | changed


@pytest.mark.parametrize(
    ("changed", "what"),
    [
        pytest.param({"format": 2}, "format is 2", id="of a later program"),
        pytest.param({"judges": None}, "damaged", id="without judges"),
        pytest.param({"judges": {"*": {}}}, "damaged", id="with an empty judge"),
        pytest.param(
            {"judges": {"*": {"calibration": [1, 0], "scale": None, "head": {"near": "~"}}}}, "damaged", id="torn"
        ),
        pytest.param({"threshold": "high"}, "damaged", id="with a threshold in words"),
        pytest.param({"threshold": float("nan")}, "damaged", id="with a threshold that is no number"),
        pytest.param({"reference": [1]}, "damaged", id="with too short a reference"),
    ],
)
def test_a_damaged_gate_is_refused(changed: dict[str, object], what: str) -> None:
    with pytest.raises(InputError, match=what):
        from_record(_damaged(**changed))


def test_calibration_never_turns_the_order_round() -> None:
    random = np.random.default_rng(0)
    score = random.random(500)
    assert calibrated(score, random.random(500) < score).scale > 0.5
    against = calibrated(score, random.random(500) > score)
    assert against.scale == 0
    assert against.apply(0.1) == against.apply(0.9)


def test_scores_alone_are_enough_where_prompts_cannot_be_read() -> None:
    rows, _ = table(400, scored="good")
    gate = fit_gate(rows, None, Promise())
    assert gate.facts["skills"][ANY_SKILL]["judged_by"] == "score"
    assert not gate.needs_vectors
    assert gate.facts["kept_share"] > 0.3
