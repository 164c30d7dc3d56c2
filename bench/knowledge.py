"""How well the owner's texts are quoted: right quotes, questions without an answer told apart, and how fast."""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from edge_runtime.decision.passages import Passage, passages_of
from edge_runtime.decision.retrieval import Hit, Index, likelihood
from edge_runtime.wiring.assembly import Models

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

HERE = Path(__file__).parent
DOCUMENTS = ("wyoming", "mqtt", "dictation", "speech", "YOUR_PICTURES", "FACTORY")
FOLDS = 10
USED = [0, 3, 5]


def fitted(evidence: NDArray[np.float64], right: NDArray[np.bool_], l2: float = 2.0) -> NDArray[np.float64]:
    """Return the weights and, last, the bias of a logistic regression, by Newton's method."""
    mean, spread = evidence.mean(0), evidence.std(0) + 1e-6
    rows = np.c_[(evidence - mean) / spread, np.ones(len(evidence))]
    weights = np.zeros(rows.shape[1])
    held = np.r_[np.full(rows.shape[1] - 1, l2), 1e-6]
    for _ in range(50):
        chances = 1 / (1 + np.exp(-rows @ weights))
        slope = rows.T @ (chances - right) + held * weights
        weights -= np.linalg.solve((rows * (chances * (1 - chances))[:, None]).T @ rows + np.diag(held), slope)
    plain = weights[:-1] / spread
    found: NDArray[np.float64] = np.r_[plain, weights[-1] - (plain * mean).sum()]
    return found


def auc(scores: NDArray[np.float64], right: NDArray[np.bool_]) -> float:
    """Return the chance that a right one scores above a wrong one."""
    above = scores[right][:, None] - scores[~right][None, :]
    return float((above > 0).mean() + 0.5 * (above == 0).mean())


def documents(embed: Callable[[Sequence[str]], NDArray[np.float32]]) -> dict[str, float]:
    """Measure quotes from the repository's own pages."""
    folder = HERE.parent / "docs"
    passages = [p for name in DOCUMENTS for p in passages_of((folder / f"{name}.md").read_text(), f"{name}.md")]
    index = indexed(passages, embed)
    lines = [line.split("\t") for line in (HERE / "knowledge_questions.tsv").read_text().splitlines()]
    hits = [index.search(question, embed([question])[0])[0] for question, _ in lines]
    wanted = [[] if answer == "-" else answer.lower().split("|") for _, answer in lines]
    right = np.array(
        [
            any(words in f"{hit.passage.place}: {hit.quote}".lower() for words in some)
            for hit, some in zip(hits, wanted, strict=True)
        ]
    )
    return report(hits, right, np.array([bool(some) for some in wanted]), [question for question, _ in lines])


def lists(embed: Callable[[Sequence[str]], NDArray[np.float32]]) -> dict[str, float]:
    """Measure a list of questions, asked in other words."""
    rows = [line.split("\t") for line in (HERE / "knowledge_list.tsv").read_text().splitlines()]
    index = indexed([Passage("list", f"line {n}", (row[0],), row[1]) for n, row in enumerate(rows)], embed)
    asked = [(question, row[1]) for row in rows for question in row[2:]]
    asked += [(question, "") for question in (HERE / "knowledge_others.txt").read_text().splitlines()]
    hits = [index.search(question, embed([question])[0])[0] for question, _ in asked]
    right = np.array([hit.passage.answer == answer for hit, (_, answer) in zip(hits, asked, strict=True)])
    return report(hits, right, np.array([bool(answer) for _, answer in asked]), [question for question, _ in asked])


def indexed(passages: Sequence[Passage], embed: Callable[[Sequence[str]], NDArray[np.float32]]) -> Index:
    """Return the passages ready to be searched."""
    parts = [part for passage in passages for part in passage.parts]
    return Index(passages, embed([passage.text for passage in passages]), embed(parts))


def report(
    hits: Sequence[Hit], right: NDArray[np.bool_], answerable: NDArray[np.bool_], asked: Sequence[str]
) -> dict[str, float]:
    """Return the figures, by the shipped weights and by weights of other folds' questions."""
    shipped = np.array([likelihood(hit, question) for hit, question in zip(hits, asked, strict=True)])
    evidence, crossed = np.array([hit.evidence for hit in hits])[:, USED], np.zeros(len(hits))
    folds = np.random.default_rng(0).integers(0, FOLDS, len(hits))
    for fold in range(FOLDS):
        learned = fitted(evidence[folds != fold], right[folds != fold])
        crossed[folds == fold] = 1 / (1 + np.exp(-(evidence[folds == fold] @ learned[:-1] + learned[-1])))
    sure = shipped >= 0.9
    return {
        "answerable": float(answerable.sum()),
        "unanswerable": float((~answerable).sum()),
        "right_quote_of_answerable": float(right[answerable].mean()),
        "auc_right": auc(shipped, right),
        "auc_right_cross_validated": auc(crossed, right),
        "auc_answerable": auc(shipped, answerable),
        "unanswerable_above_0.5": float((shipped[~answerable] >= 0.5).mean()),
        "kept_at_0.9": float(sure.mean()),
        "right_of_kept_at_0.9": float(right[sure].mean()) if sure.any() else float("nan"),
        **{f"weight_{n}": float(weight) for n, weight in enumerate(fitted(evidence, right))},
    }


def speed(passages: int, parts: int = 4) -> dict[str, float]:
    """Measure one search among many passages, embedding left out."""
    dice = np.random.default_rng(0)
    words = np.array([f"word{n}" for n in range(20_000)])
    made = [
        Passage("d.md", "h", tuple(" ".join(dice.choice(words, 20)) for _ in range(parts))) for _ in range(passages)
    ]
    vectors = dice.standard_normal((passages * (parts + 1), 384)).astype(np.float16)
    vectors /= np.linalg.norm(vectors.astype(np.float32), axis=1, keepdims=True).astype(np.float16)
    index = Index(made, vectors[:passages], vectors[passages:])
    took = []
    for number in range(200):
        question, vector = " ".join(dice.choice(words, 8)), vectors[number].astype(np.float32)
        start = time.perf_counter()
        index.search(question, vector)
        took.append(time.perf_counter() - start)
    return {"passages": float(passages), **{f"search_ms_p{q}": float(np.percentile(took, q) * 1e3) for q in (50, 95)}}


def main() -> None:
    """Print a table and JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--passages", type=int, default=5000, help="passages for the measure of speed")
    wanted = parser.parse_args()
    embed = Models(threads=1).embedder.embed_text
    found = {"documents": documents(embed), "lists": lists(embed), "speed": speed(wanted.passages)}
    for name, figures in found.items():
        for key, figure in figures.items():
            print(f"{name:10} {key:28} {figure:8.3f}")
    print(json.dumps(found))


if __name__ == "__main__":
    main()
