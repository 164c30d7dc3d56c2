"""How well and at what cost commands are understood, by what the command line runs: words, orders, home, neither."""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import yaml

from edge_runtime.config import Settings, VoiceSettings
from edge_runtime.types import SAMPLE_RATE_HZ, AudioChunk
from edge_runtime.wiring.assembly import Models
from edge_runtime.wiring.ears import make_voice
from models.omni_nano.exam_ears import DECIBELS, samples
from models.omni_nano.trials import Trial, grammars
from scripts.calibrate_ears import material
from scripts.stage import REPOSITORY, Workshop, progress

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from edge_runtime.pipelines.voice import VoicePipeline

NOISY = {"orders", "home"}


def pipelines(models: Models, scratch: Path) -> dict[str, VoicePipeline]:
    """Return what understands recordings, by grammar, put together as for `edge-runtime command --sentences`."""
    made = {}
    for name, sources in grammars().items():
        voice = VoiceSettings()
        if name != "home":
            path = scratch / f"{name}.yaml"
            path.write_text(yaml.safe_dump(json.loads(json.dumps(sources[0]))), encoding="utf-8")
            voice = VoiceSettings(sentences=path, builtin_sentences=False)
        made[name] = make_voice(Settings(voice=voice), models, None)()
    return made


def understand(
    ears: Mapping[str, VoicePipeline], trials: Sequence[Trial], decibels: float | None = None
) -> tuple[dict[str, list[bool]], float]:
    """Return by task which trials were right, and the seconds of processor that a second of sound cost."""
    right: dict[str, list[bool]] = defaultdict(list)
    spent = heard = 0.0
    for trial in progress(trials, "clean" if decibels is None else f"{decibels} dB"):
        clip = AudioChunk("bench", 0.0, samples(trial.said, decibels))
        began = time.process_time()
        found = ears[trial.grammar].understand(clip)
        spent += time.process_time() - began
        heard += len(clip.samples) / SAMPLE_RATE_HZ
        wanted = trial.meaning
        same = found["intent"] == (wanted.intent if wanted else None)
        right[trial.task].append(same and (wanted is None or found["slots"] == wanted.slots))
    return right, spent / heard


def main() -> None:
    """Print the table and the same as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bundle", type=Path, help="folder; omni-nano as shipped if not given")
    parser.add_argument("--data", type=Path, default=REPOSITORY.parent / "shared" / "data", help="training data")
    parser.add_argument("--each", type=int, default=200, help="trials of each task at most")
    chosen = parser.parse_args()
    workshop = Workshop.from_arguments(__doc__, ["--data", str(chosen.data)])
    _, tried = material(workshop, workshop.folder("calibrate"))
    unseen = [trial for trial in tried if trial.unseen]
    rng = np.random.default_rng(0)
    tasks = sorted({trial.task for trial in unseen})
    picked = []
    for task in tasks:
        own = [trial for trial in unseen if trial.task == task]
        picked += [own[int(at)] for at in rng.permutation(len(own))[: chosen.each]]
    report: dict[str, object] = {}
    with tempfile.TemporaryDirectory() as scratch:
        ears = pipelines(Models(chosen.bundle, threads=1), Path(scratch))
        right, cost = understand(ears, picked)
        for decibels in DECIBELS:
            noisy, _ = understand(ears, [trial for trial in picked if trial.task in NOISY], decibels)
            report |= {f"{task} {decibels} dB": round(float(np.mean(answers)), 4) for task, answers in noisy.items()}
    report = {task: round(float(np.mean(answers)), 4) for task, answers in right.items()} | report
    report |= {"real-time factor, one core": round(cost, 4)}
    report |= {"trials": {task: len(answers) for task, answers in right.items()}}
    for name, value in report.items():
        print(f"{name:28} {value}")
    print(json.dumps(report))


if __name__ == "__main__":
    main()
