"""Turn what speaks for a sentence into the probability that it was said, and keep speech to set wake words by."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from models.omni_nano import background, confidence, exam_ears, spoken, trials, utterances, voices
from models.omni_nano.exam_ears import Ears
from scripts.bundle import EARS, candidate
from scripts.stage import Stage, Workshop, write_atomically
from scripts.writing import replacing

if TYPE_CHECKING:
    from models.omni_nano.trials import Trial
    from models.omni_nano.utterances import Utterance

KEPT = ("blank", "confidence")


def material(workshop: Workshop, folder: Path) -> tuple[list[Utterance], list[Trial]]:
    """Return the recordings of people and all trials; what is spoken for them is kept in `folder`."""
    recordings = utterances.load(workshop.output("speak", "recordings.npz"))
    seed = workshop.table("trials")["seed"]
    words = utterances.read_lexicon(workshop.output("lexicon", "lexicon.xz"))
    texts = spoken.Texts(workshop.data, workshop.teachers, words, seed)
    return recordings, trials.trials(recordings, trials.kept(folder / "trials.npz", texts, seed))


def calibrate(stage: Stage) -> dict[str, Any]:
    """Write ears.json and background.npz; return what the confidence reaches."""
    workshop = stage.workshop
    settings = workshop.table("trials")
    rng = np.random.default_rng(settings["seed"])
    recordings, _ = material(workshop, stage.folder)
    said = utterances.load(max(workshop.folder("speak").glob("spoken-*.npz")))
    # Those held out are the exam's.
    people = [one for one in recordings if not one.held_out and one.text is not None]
    drawn = [people[int(number)] for number in rng.choice(len(people), settings["people"], replace=False)]
    # Whole sentences of people are rare: all of them.
    drawn += [one for one in people if one.name.startswith("prompts/") and not any(one is other for other in drawn)]
    with tempfile.TemporaryDirectory() as scratch:
        manifest = candidate(workshop, "quantize", {}, Path(scratch), EARS)
        learned = confidence.learn(manifest, drawn, said[: settings["voices"]])
        ears = Ears(manifest)
        arrays = background.make(ears.acoustic, ears.lexicon, background.chosen([*recordings, *said]))
        with replacing(stage.folder / "background.npz") as partial:
            background.write(partial, arrays)
    kept = {"phones": {name: learned[name] for name in KEPT}}
    write_atomically(stage.folder / "ears.json", json.dumps(kept, indent=1) + "\n")
    return {name: value for name, value in learned.items() if name not in KEPT} | {"blank": learned["blank"]}


def main() -> None:
    """Calibrate the ears of a recipe on people and voices that they have learned from, under grammars made for it."""
    workshop = Workshop.from_arguments(__doc__)
    files = [*EARS.values(), ("speak", "recordings.npz")]
    inputs = {f"{stage}/{file}": workshop.output(stage, file) for stage, file in files}
    parts = (background, confidence, exam_ears, spoken, trials, utterances, voices)
    code = [Path(__file__), *(Path(str(part.__file__)) for part in parts)]
    stage = Stage(workshop, "calibrate", inputs, code, ("trials",), ("ears.json", "background.npz"), "ears")
    if stage.fresh():
        print("calibrate ears: nothing has changed")
        return
    with stage:
        stage.numbers |= calibrate(stage)


if __name__ == "__main__":
    main()
