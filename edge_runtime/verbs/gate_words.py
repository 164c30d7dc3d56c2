"""What the gate's verbs say to people."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from edge_runtime.decision.drift import ALARM

if TYPE_CHECKING:
    from collections.abc import Mapping


def fit_words(record: Mapping[str, Any]) -> str:
    """Say what was learned, what is promised and what it costs."""
    right = f"{record['local_accuracy']:.1%} of them answered rightly here"
    lines = [f"{record['gate']}: fitted to {record['rows']} rows, {right}"]
    if len(record["skills"]) > 1 or "*" not in record["skills"]:
        lines += [f"  {name}: {_skill_words(skill)}" for name, skill in record["skills"].items()]
    else:
        lines += [f"  judged by {record['skills']['*']['judged_by']}"]
    promise = (
        f"  with probability {1 - record['delta']:.0%}, at most {record['alpha']:.1%} of the next questions "
        f"({record['horizon']} or more of the same kind) are answered wrongly here"
    )
    if record["shortage"]:
        lines += [f"  everything goes to the cloud: {record['shortage']}"]
    else:
        stay = f"{record['kept_share']:.1%} of such questions stay here, {1 - record['kept_share']:.1%} go to the cloud"
        lines += [f"  the box answers from a confidence of {record['threshold']:.3f} on: {stay}", promise]
    if not record["in_force"]:
        lines += ["  `run`, `ask` and `serve` use it once answering.gate names it"]
    return "\n".join(lines)


def _skill_words(skill: Mapping[str, Any]) -> str:
    return (
        f"{skill['rows']} rows, {skill['local_accuracy']:.1%} right, judged by {skill['judged_by']}, "
        f"{skill['kept_share']:.1%} kept"
    )


def eval_words(record: Mapping[str, Any]) -> str:
    """Say what a gate does on a table."""
    sure = record["selective_accuracy"]
    lines = [f"{record['table']}: {record['rows']} questions judged by {record['gate']}"]
    if record["fitted_on_these"]:
        lines += ["  the gate was fitted to these very rows, so everything below flatters it; take others"]
    for skill, rows in record["unjudged"].items():
        lines += [f"  it was fitted to no rows of skill {skill}: {rows} questions count as sent to the cloud"]
    cloud = "" if record["cloud_accuracy"] is None else f"   cloud {record['cloud_accuracy']:.1%}"
    bounds = f"{record['risk_low']:.2%} to {record['risk_high']:.2%} with 95 % confidence"
    promise = f"promised at most {record['alpha']:.1%}: {'kept' if record['risk_within_alpha'] else 'BROKEN'}"
    surely = "none" if sure is None else f"{sure:.1%} of them right"
    rivals = f"random {record['aurc_random']:.4f}   oracle {record['aurc_oracle']:.4f}"
    lines += [
        f"  right            local {record['local_accuracy']:.1%}{cloud}",
        f"  risk             {record['risk']:.2%} wrong and kept ({bounds}); {promise}",
        f"  coverage         {record['coverage']:.1%} kept from a confidence of {record['threshold']:.3f} on, {surely}",
        f"  cloud share      {record['cloud_share']:.1%}",
        f"  AURC             {record['aurc']:.4f}   {rivals}",
    ]
    if record["auroc"] is not None:
        lines += [f"  AUROC            {record['auroc']:.3f}   calibration error {record['calibration_error']:.3f}"]
    if "quality" in record:
        lines += [f"  quality          {record['quality']:.1%} right, at this threshold"]
        lines += [_need_words(share, need) for share, need in record["at_cloud_quality"].items()]
    return "\n".join(lines)


def _need_words(share: str, need: Mapping[str, float]) -> str:
    rivals = f"random {need['random']:.1%}, oracle {need['oracle']:.1%}"
    return f"  {share} of cloud     with {need['gate']:.1%} of its calls, {need['cost_saved']:.1%} saved ({rivals})"


def status_words(record: Mapping[str, Any]) -> str:
    """Say which gate is in force and how it does."""
    if record["gate"] is None:
        return (
            f"no gate was fitted; the box answers from a confidence of {record['threshold']:.2f} on ({record['why']})"
        )
    facts = record["facts"]
    when = facts.get("made", "some time ago")
    lines = [f"{record['gate']}: fitted {when} to {facts['rows']} rows of {facts.get('table', '?')}"]
    own = f"  the box answers from a confidence of {record['threshold']:.3f} on"
    lines += [own if record["threshold"] <= 1 else "  everything goes to the cloud"]
    lines += [f"  {name}: {_skill_words(skill)}" for name, skill in facts["skills"].items()]
    drift = record["drift"]
    if not record["usable"]:
        lines += ["  it was fitted with another text model and is not used; run `edge-runtime gate fit` again"]
    elif drift["alarm_since"] is not None:
        since = datetime.fromtimestamp(drift["alarm_since"], UTC).isoformat(timespec="seconds")
        what = "answers are no longer like those it was fitted to, so nothing is kept on its strength"
        lines += [f"  DRIFT since {since}: {what}; run `edge-runtime gate fit` on new rows"]
    else:
        bet = f"a bet on drift has made {drift['capital']:.2g} of 1; {ALARM:.0f} raise the alarm"
        lines += [f"  no drift in {drift['seen']} answers ({bet})"]
    return "\n".join(lines)
