"""Make the ears: YAMNet's weights, its last layer squeezed, its classes put among the sentences."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from models.omni_nano import (
    sounds,
    sounds_data,
    sounds_making,
    sounds_shaping,
    sounds_teacher,
    sounds_words,
    text_teacher,
)
from scripts.stage import Stage, Workshop, save_checkpoint

MEASURED = 200


def head_of(whole: nn.Linear, known: list[sounds_words.Heard], wanted: sounds.Wanted) -> dict[str, Tensor]:
    """Return the rows of the teacher's last layer that the ears keep, and the means of some of them."""
    kept = [heard.channel for heard in known]
    weight, bias = whole.weight.detach()[kept], whole.bias.detach()[kept]
    for blend in wanted.blends:
        weight = torch.cat([weight, weight[list(blend)].mean(0, keepdim=True)])
        bias = torch.cat([bias, bias[list(blend)].mean(0, keepdim=True)])
    return {"weight": weight, "bias": bias}


@torch.inference_mode()
def build(workshop: Workshop, numbers: dict[str, Any]) -> dict[str, Any]:
    """Return the tower's state and shape; note how near it stays to its teacher."""
    settings = workshop.table("sounds")
    torch.set_num_threads(int(settings["threads"]))
    teacher = sounds_teacher.Teacher(workshop.teachers / sounds_teacher.FILE)
    trunk, whole = sounds_teacher.start(teacher)
    seed, rank = int(settings["seed"]), int(settings["rank"])
    learned, held = sounds_data.material(workshop.data, seed, int(settings["mixtures"]), int(settings["each"]))
    known = sounds_words.classes()
    wanted = sounds_words.wanted(settings, known)
    shape = {key: settings[key] for key in ("sharpness", "rivalry", "loudness")} | {"rank": rank}
    tower = sounds.SoundTower(wanted, **shape).eval()
    loud = sounds.lift(torch.from_numpy(learned), *tower.loudness)
    tower.trunk.load_state_dict(sounds_teacher.squeeze(trunk, loud, rank, float(settings["doubt"])).state_dict())
    tower.head.load_state_dict(head_of(whole, known, wanted))
    tower.vectors.copy_(sounds_words.vectors(known, settings["templates"], float(settings["umbrella"])))
    dice = np.random.default_rng(seed)
    rows = held[dice.permutation(len(held))[:MEASURED]]
    numbers |= compare(teacher, nn.Sequential(trunk, whole), tower, rows, [heard.channel for heard in known])
    return {"tower": tower.state_dict(), "shape": {**shape, "wanted": tuple(wanted)}}


def compare(
    teacher: sounds_teacher.Teacher,
    copied: nn.Module,
    tower: sounds.SoundTower,
    rows: sounds_teacher.Floats,
    kept: list[int],
) -> dict[str, float]:
    """Return how far the teacher's scores are from those of its copy in float, and from the squeezed tower's."""
    said, same = teacher(rows), torch.sigmoid(copied(torch.from_numpy(rows))).numpy()
    loud = sounds.lift(torch.from_numpy(rows), *tower.loudness)
    louder = torch.sigmoid(copied(loud)).numpy()[:, kept]
    squeezed = torch.sigmoid(cast("Tensor", tower.head(tower.trunk(loud)))).numpy()[:, : len(kept)]
    return {
        "copy_largest_difference": round(float(np.abs(said - same).max()), 4),
        "copy_mean_difference": round(float(np.abs(said - same).mean()), 6),
        "squeezed_largest_difference": round(float(np.abs(louder - squeezed).max()), 4),
        "squeezed_mean_difference": round(float(np.abs(louder - squeezed).mean()), 6),
        "copy_same_first": round(float((said.argmax(1) == same.argmax(1)).mean()), 4),
        "squeezed_same_first": round(float((louder.argmax(1) == squeezed.argmax(1)).mean()), 4),
    }


def main() -> None:
    """Make the sound tower of a recipe."""
    workshop = Workshop.from_arguments(__doc__)
    modules = (sounds, sounds_data, sounds_making, sounds_shaping, sounds_teacher, sounds_words)
    inputs = {
        "data/audio": workshop.data / "audio",
        sounds_teacher.FILE: workshop.teachers / sounds_teacher.FILE,
        "sentence encoder": text_teacher.folder(),
        sounds_words.LISTED.name: sounds_words.LISTED,
    }
    code = [Path(__file__), *(Path(str(module.__file__)) for module in modules)]
    stage = Stage(workshop, "train_sounds", inputs, code, ("sounds",), ("audio.pt",))
    if stage.fresh():
        print("train_sounds: nothing has changed")
        return
    with stage:
        save_checkpoint(stage.folder / "audio.pt", **build(workshop, stage.numbers))


if __name__ == "__main__":
    main()
