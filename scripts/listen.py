"""Train the acoustic model on spoken sentences and on recordings of people."""

from __future__ import annotations

import copy
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from models.omni_nano import drawing, ears, encoder, phones, utterances
from models.omni_nano.drawing import prefetched, seeded
from models.omni_nano.utterances import KEYWORDS
from scripts.checkpoints import Checkpoints
from scripts.stage import Stage, Workshop, progress, save_checkpoint

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor

    from models.omni_nano.utterances import Utterance


def numbered(texts: set[str], lexicon: Mapping[str, Sequence[tuple[str, ...]]]) -> dict[str, list[int]]:
    """Return the channel numbers of each text's phones, every word said the first way; unknown words are left out."""
    channel = {phone: number for number, phone in enumerate(utterances.PHONES, 1)}
    found = {}
    for text in texts:
        words = text.split()
        if all(word in lexicon for word in words):
            found[text] = [channel[phone] for word in words for phone in lexicon[word][0]]
    return found


class Course:
    """A network on its way, and its slow average that is kept."""

    def __init__(self, network: phones.AcousticNetwork, settings: Mapping[str, Any]) -> None:
        self.network, self.average, self.settings = network, copy.deepcopy(network).eval(), settings
        deep = [*network.encoder.parameters()]
        groups = [
            {"params": deep, "base": settings["encoder_rate"]},
            {"params": [*network.phones.parameters()], "base": settings["head_rate"]},
        ]
        self.optimiser = torch.optim.AdamW(groups, lr=1e-3, betas=(0.9, 0.98), weight_decay=0.01)
        self.recent = 0.0

    def state(self) -> dict[str, Any]:
        """Return all that the next steps depend on."""
        parts = {"network": self.network, "average": self.average, "optimiser": self.optimiser}
        return {**{name: part.state_dict() for name, part in parts.items()}, "recent": self.recent}

    def resume(self, state: Mapping[str, Any]) -> None:
        """Take up what `state` returned."""
        self.network.load_state_dict(state["network"])
        self.average.load_state_dict(state["average"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.recent = state["recent"]

    def advance(self, lesson: ears.Lesson, step: int) -> float:
        """Learn one batch; return the loss, smoothed."""
        done = step / self.settings["steps"]
        rate = min(1.0, step / self.settings["warm_up"]) * (0.02 + 0.98 * (1 + math.cos(math.pi * min(1.0, done))) / 2)
        for group in self.optimiser.param_groups:
            group["lr"] = group["base"] * rate
        lost = phones.loss(self.network(torch.from_numpy(lesson.samples)), lesson.phones)
        lost.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)
        keep = min(0.998, (step + 1) / (step + 10))
        with torch.no_grad():
            for slow, fast in zip(self.average.parameters(), self.network.parameters(), strict=True):
                slow.lerp_(fast, 1 - keep)
        value = float(lost.detach())
        self.recent = 0.98 * (self.recent or value) + 0.02 * value
        return self.recent


@torch.no_grad()
def examine(network: phones.AcousticNetwork, held: Sequence[Utterance], lexicon: Mapping[str, Any]) -> dict[str, float]:
    """Return the error rates on recordings of people that were held out."""
    channel = {phone: number for number, phone in enumerate(utterances.PHONES, 1)}
    ways = {word: [[channel[p] for p in way] for way in lexicon[word]] for word in KEYWORDS}
    wrong = total = right = asked = 0
    known, unknown = [], []
    for one in held:
        if one.text is None:
            continue
        samples = torch.from_numpy(one.samples.astype(np.float32) / 32768)[None]
        heard = network(samples / (samples.abs().max() + 1e-4) * 0.5)[0]
        keyword = one.name.startswith("speech_commands_dev/")
        if one.text and all(word in lexicon for word in one.text.split()):
            wanted = [channel[p] for word in one.text.split() for p in lexicon[word][0]]
            wrong, total = wrong + phones.distance(phones.greedy(heard), wanted), total + len(wanted)
        if not keyword:
            continue
        losses = phones.word_losses(heard, ways)
        best = min(losses, key=losses.__getitem__)
        if one.text in ways:
            asked, right = asked + 1, right + (best == one.text)
            known.append(losses[best] if best == one.text else 99.0)
        else:
            unknown.append(losses[best])
    limits = np.sort([*known, *unknown])
    marks = [np.mean([*(np.array(known) <= limit), *(np.array(unknown) > limit)]) for limit in limits]
    best_mark = float(max(marks, default=0.0))
    return {"phones": wrong / max(total, 1), "ten_words": right / max(asked, 1), "twelve_at_best": best_mark}


def train(stage: Stage, settings: dict[str, Any]) -> dict[str, float]:
    """Train for the recipe's steps, going on from the last checkpoint; return the errors on held-out people."""
    workshop = stage.workshop
    lexicon = utterances.read_lexicon(stage.inputs["lexicon"])
    recordings = utterances.load(workshop.output("speak", "recordings.npz"))
    voices = [one for path in sorted(workshop.folder("speak").glob("spoken-*.npz")) for one in utterances.load(path)]
    numbers = numbered({one.text for one in (*recordings, *voices) if one.text is not None}, lexicon)
    people = [one for one in recordings if not one.held_out and one.text in numbers]
    noises = [one.samples for one in people if one.text == ""] + ears.sounds(workshop.data / "audio")
    voices = [one for one in voices if one.text in numbers]
    curriculum = ears.Curriculum(people, voices, numbers, ears.Surroundings(noises, voices), settings)
    torch.manual_seed(settings["seed"])
    course = Course(phones.start(settings["layers"], phones.teacher_folder() / phones.ENCODER).train(), settings)
    checkpoints, first = Checkpoints(stage, settings["checkpoint_s"]), 0
    saved = checkpoints.restore()
    if saved is not None:
        first = saved[0]
        course.resume(saved[1])
    held = [one for one in recordings if one.held_out]
    ready = prefetched(lambda step: curriculum.batch(seeded(settings["seed"], step)), first, settings["steps"])
    bar = progress(range(first, settings["steps"]), "ears", total=settings["steps"], done=first)
    with checkpoints:
        for step in bar:
            bar.set_postfix({"loss": f"{course.advance(next(ready), step):.4f}"}, refresh=False)
            if (step + 1) % settings["examine_every"] == 0:
                print(step + 1, examine(course.average, held, lexicon), flush=True)
                keep(stage, course.average.state_dict(), settings)
            checkpoints.reached(step + 1, course.state)
    keep(stage, course.average.state_dict(), settings)
    return {"loss": round(course.recent, 4), **examine(course.average, held, lexicon)}


def keep(stage: Stage, weights: Mapping[str, Tensor], settings: Mapping[str, Any]) -> None:
    """Write the weights as they are now."""
    save_checkpoint(stage.folder / "phones.pt", model=dict(weights), settings=dict(settings))


def run(workshop: Workshop) -> None:
    """Train the acoustic model of a recipe."""
    settings = workshop.table("phones")
    torch.set_num_threads(int(settings["threads"]))
    code = [Path(__file__), *(Path(str(part.__file__)) for part in (drawing, ears, encoder, phones, utterances))]
    inputs = {
        "spoken": workshop.output("speak", "stage.json"),
        "sounds": workshop.data / "audio",
        "lexicon": workshop.output("lexicon", "lexicon.xz"),
        "teachers/moonshine-tiny": phones.teacher_folder() / phones.ENCODER,
    }
    stage = Stage(workshop, "listen", inputs, code, ("phones",), ("phones.pt",))
    if stage.fresh():
        print("listen: nothing has changed")
        return
    with stage:
        stage.numbers |= train(stage, settings)


def main() -> None:
    """Train the acoustic model of a recipe."""
    run(Workshop.from_arguments(__doc__))


if __name__ == "__main__":
    main()
