"""Write the word list that the ears know, and teach the network that says words outside it."""

from __future__ import annotations

import random
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from pocketsphinx import get_model_path

from edge_runtime.inference.spelling import Spelling
from models.omni_nano import lexicon, spelling
from scripts.stage import Stage, Workshop
from scripts.writing import replacing

if TYPE_CHECKING:
    from typing import Any

OUTPUTS = ("lexicon.xz", "spelling.npz")


def make(stage: Stage, settings: dict[str, Any]) -> dict[str, float]:
    """Write both files; return how well hidden words are said by their spelling."""
    words, network = (stage.folder / name for name in OUTPUTS)
    with replacing(words) as partial:
        lexicon.write(partial)
    torch.manual_seed(settings["seed"])
    pairs = spelling.words(words)
    random.Random(settings["seed"]).shuffle(pairs)  # noqa: S311 - which words are hidden is no secret
    hidden, taught = pairs[: settings["hidden"]], pairs[settings["hidden"] :]
    with replacing(network) as partial:
        spelling.write(partial, *spelling.train(spelling.align(taught), settings["epochs"]))
    phones, wrong = spelling.measure(Spelling(network).pronounce, hidden)
    return {"words": len(pairs), "hidden_phones_wrong": round(phones, 4), "hidden_words_wrong": round(wrong, 4)}


def run(workshop: Workshop) -> None:
    """Make the lexicon of a recipe."""
    settings = workshop.table("lexicon")
    code = [Path(__file__), *(Path(str(part.__file__)) for part in (lexicon, spelling))]
    inputs = {name: Path(get_model_path(f"en-us/{name}")) for name in ("cmudict-en-us.dict", "en-us.lm.bin")}
    stage = Stage(workshop, "lexicon", inputs, code, ("lexicon",), OUTPUTS)
    if stage.fresh():
        print("lexicon: nothing has changed")
        return
    with stage:
        stage.numbers |= make(stage, settings)


def main() -> None:
    """Make the lexicon of a recipe."""
    run(Workshop.from_arguments(__doc__))


if __name__ == "__main__":
    main()
