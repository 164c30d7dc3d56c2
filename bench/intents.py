"""How well meaning is told: CLINC150 with and without strange examples, the box's own routing, and what it costs."""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edge_runtime.config import Settings
from edge_runtime.skills.figures import measured
from edge_runtime.skills.labelled import Sentence, read_labelled
from edge_runtime.skills.meaning import Examples, Meaning
from edge_runtime.wiring import answers
from edge_runtime.wiring.assembly import Models

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from edge_runtime.skills.routing import Routed, Router

QUESTIONS = tuple(
    Path(__file__).parents[1] / "tests" / "skills" / f"{name}.jsonl" for name in ("questions", "questions_unseen")
)
UNANSWERABLE = tuple(
    f"{scenario}_"
    for scenario in ("cooking", "email", "news", "recommendation", "social", "takeaway", "transport", "weather")
)
"""What the labels of sentences begin with that no skill answers, in files of label, tab, sentence."""
FIGURES = ("in_scope_accuracy", "out_of_scope_recall", "accuracy_without_threshold", "auroc", "calibration_error")


class Embedded:
    """Sentences with their vectors."""

    def __init__(self, sentences: Sequence[Sentence], models: Models) -> None:
        self.sentences = sentences
        self.vectors = models.embedder.embed_text([sentence.text for sentence in sentences])

    def some(self, rows: NDArray[np.int64]) -> Examples:
        """Return those sentences as examples."""
        chosen = [self.sentences[row] for row in rows]
        return Examples([one.text for one in chosen], self.vectors[rows], [one.intent for one in chosen])


def clinc(path: Path, models: Models, seeds: int) -> dict[str, dict[str, float]]:
    """Return the figures of each way to learn, over `seeds` drawings of nine tenths or a few of the examples."""
    train = Embedded(read_labelled(path), models)
    test = Embedded(read_labelled(path, default=("test", "val")), models)
    asked = test.some(np.arange(len(test.sentences)))
    found: dict[str, dict[str, float]] = {}
    for way, shots in (("nine tenths", None), ("10 each", 10), ("5 each", 5)):
        for strange in (True, False):
            runs, started = [], time.process_time()
            for seed in range(seeds):
                learned = train.some(_drawn(train.sentences, shots, seed, strange=strange))
                runs.append(measured(Meaning.fit(learned).judge(asked.texts, asked.vectors), asked.classes))
            figures = {name: round(statistics.fmean(run[name] for run in runs), 4) for name in FIGURES}
            figures["least_accuracy"] = min(run["in_scope_accuracy"] for run in runs)
            figures["least_recall"] = min(run["out_of_scope_recall"] for run in runs)
            figures["cpu_s"] = round((time.process_time() - started) / seeds, 1)
            found[f"{way}, {'with' if strange else 'without'} strange ones"] = figures
    return found


def _drawn(sentences: Sequence[Sentence], shots: int | None, seed: int, *, strange: bool) -> NDArray[np.int64]:
    order = np.random.default_rng(seed).permutation(len(sentences))
    most = Counter(sentence.intent for sentence in sentences)
    taken: Counter[str | None] = Counter()
    rows = []
    for row in order:
        intent = sentences[row].intent
        limit = most[intent] if intent is None else shots or most[intent] * 9 // 10
        if taken[intent] < limit and (strange or intent is not None):
            taken[intent] += 1
            rows.append(int(row))
    return np.array(rows, np.int64)


def routing(router: Router, path: Path) -> dict[str, Any]:
    """Return how many questions of a table reach their skill, and how many that are for nobody are claimed."""
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    routed = [(row, router(row["text"])) for row in rows]
    there = {skill.name for skill in router.skills}
    ours = [(row["skill"].split("|"), found) for row, found in routed if row["skill"]]
    ours = [(names, found) for names, found in ours if there & set(names)]
    right = [found for names, found in ours if found and found.skill.name in names]
    return {
        "questions": len(ours),
        "right": round(len(right) / len(ours), 4),
        "right_and_sure": round(sum(found.confidence >= 0.8 for found in right) / len(ours), 4),
        **claims([found for row, found in routed if not row["skill"]]),
    }


def claims(found: Sequence[Routed | None]) -> dict[str, Any]:
    """Return which share of questions for nobody a skill claims, at several confidences."""
    sure = np.array([one.confidence if one else 0.0 for one in found])
    shares = {f"claimed_at_{least}": round(float((sure >= least).mean()), 4) for least in (0.5, 0.8, 0.95)}
    return {"for_nobody": len(found), **shares}


def strangers(path: Path) -> list[str]:
    """Return sentences that no skill answers: of labels that begin so, or those without an intent."""
    if path.suffix == ".tsv":
        rows = [line.split("\t", 1) for line in path.read_text(encoding="utf-8").splitlines()]
        return [text for label, text in rows if label.startswith(UNANSWERABLE)]
    parts = json.loads(path.read_text(encoding="utf-8"))
    return [text for name, part in parts.items() if name.startswith("oos_") for text, _ in part]


def delays(settings: Settings, models: Models) -> dict[str, float]:
    """Return the milliseconds that questions take: the very first, the first of a later process, and those after."""
    router = made(settings, models)
    texts = ["is anybody home", "any visitors since noon", "how hot is your chip", "why is the sky blue"]
    models.embedder.embed_text(texts)
    first = _timed_ms(router, texts[0])
    again = made(settings, models)
    recalled = _timed_ms(again, texts[0])
    later = sorted(_timed_ms(again, text) for text in texts * 50)
    embed_text = models.embedder.embed_text
    embedding = [_timed_ms(lambda text: embed_text([text]), text, time.process_time) for text in texts * 50]
    return {
        "first_ever_ms": round(first, 1),
        "first_of_a_process_ms": round(recalled, 1),
        "later_p50_ms": round(statistics.median(later), 2),
        "later_p99_ms": round(later[int(len(later) * 0.99)], 2),
        "later_processor_p50_ms": round(
            statistics.median(_timed_ms(again, t, time.process_time) for t in texts * 50), 2
        ),
        "of_that_embedding_p50_ms": round(statistics.median(embedding), 2),
    }


def _timed_ms(work: Callable[[str], object], text: str, clock: Callable[[], float] = time.perf_counter) -> float:
    start = clock()
    work(text)
    return (clock() - start) * 1e3


def made(settings: Settings, models: Models) -> Router:
    """Return the box's own router."""
    return answers.make_router(settings, models)[0]


def main() -> None:
    """Print a table, or JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clinc", type=Path, help="CLINC150's own file; its oos parts are for nobody as well")
    parser.add_argument("--strangers", type=Path, nargs="*", default=[], help="more sentences that no skill answers")
    parser.add_argument("--questions", type=Path, nargs="*", default=QUESTIONS)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    figures: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        plain = Settings()
        settings = plain.model_copy(update={"device": plain.device.model_copy(update={"data_dir": Path(folder)})})
        models = Models.of(settings)
        figures["delay"] = delays(settings, models)
        router = made(settings, models)
        figures.update({f"routing of {path.name}": routing(router, path) for path in options.questions})
        for path in [*([options.clinc] if options.clinc else []), *options.strangers]:
            figures[f"strangers of {path.name}"] = claims([router(text) for text in strangers(path)])
    if options.clinc:
        figures.update(clinc(options.clinc, models, options.seeds))
    if options.json:
        print(json.dumps(figures))
        return
    for kind, found in figures.items():
        print(kind)
        print("\n".join(f"  {name:28} {value}" for name, value in found.items()))


if __name__ == "__main__":
    main()
