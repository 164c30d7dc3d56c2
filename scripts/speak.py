"""Let the voices speak the sentences that the acoustic model learns from, and gather the recordings of people."""

from __future__ import annotations

import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from models.omni_nano import sentences, spoken, utterances, voices
from models.omni_nano.utterances import Utterance
from scripts.stage import Stage, Workshop, progress, sha256, write_atomically
from scripts.writing import replacing

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

PROMPTS = Path("/usr/share/asterisk/sounds/en_US_f_Allison")
PROMPT_TEXTS = Path("/usr/share/doc/asterisk-core-sounds-en/core-sounds-en.txt.gz")
EACH = 1000
TRIES = 200
SHORTEST, LONGEST = 3200, 6 * 16000


def say(number: int, seed: int, texts: spoken.Texts, engines: Mapping[str, float]) -> Utterance:
    """Return utterance `number` of the lessons: always the same one for the same seed and programs.

    Raises:
        SystemExit: the synthesisers say nothing, such as one whose voices are not installed.
    """
    rng = np.random.default_rng([seed, number])
    for _ in range(TRIES):
        text, voice = texts.draw(rng), voices.draw(engines, rng)
        samples = voices.speak(voice, text)
        if SHORTEST < len(samples) < LONGEST:
            loud = samples * (0.5 / max(float(np.abs(samples).max()), 1e-3))
            return Utterance(f"{voice.engine}/{voice.name}/{number}", text, (loud * 32767).astype(np.int16))
    programs = ", ".join(engines)
    raise SystemExit(f"{programs}: {TRIES} times in a row nothing was said; install the voices of docs/FACTORY.md")


def begin(stage: Stage, settings: Mapping[str, Any]) -> None:
    """Put away what an earlier run left that is no part of this one: spoken with another seed, of other sentences."""
    mark = stage.folder / "begun.json"
    now = json.dumps({"seed": settings["seed"], **stage.identity["inputs"]}, indent=1, sort_keys=True) + "\n"
    other = mark.exists() and mark.read_text(encoding="utf-8") != now
    for path in stage.folder.glob("*.npz"):
        if other or path.name not in stage.outputs:
            path.unlink()
    write_atomically(mark, now)


def speak(stage: Stage, settings: dict[str, Any]) -> dict[str, Any]:
    """Write recordings.npz and spoken-<n>.npz; what is there already is kept, so that a stopped run goes on."""
    workshop = stage.workshop
    engines = voices.installed()
    begin(stage, settings)
    lexicon = utterances.read_lexicon(stage.inputs["lexicon"])
    real = stage.folder / "recordings.npz"
    if not real.exists():
        found = list(utterances.recordings(workshop.data / "audio"))
        if PROMPTS.exists() and PROMPT_TEXTS.exists():
            found += utterances.prompts(PROMPTS, PROMPT_TEXTS)
        with replacing(real) as partial:
            utterances.save(partial, found)
    texts = spoken.Texts(workshop.data, workshop.teachers, lexicon, settings["seed"])
    with ThreadPoolExecutor(settings.get("speakers", os.cpu_count() or 1)) as pool:
        for part in progress(range(settings["utterances"] // EACH), "voices"):
            path = stage.folder / f"spoken-{part:03}.npz"
            if not path.exists():
                numbers = range(part * EACH, (part + 1) * EACH)
                said = list(pool.map(lambda number: say(number, settings["seed"], texts, engines), numbers))
                with replacing(path) as partial:
                    utterances.save(partial, said)
    return {"engines": {name: round(share, 3) for name, share in engines.items()}, "recordings": sha256(real)[:12]}


def run(workshop: Workshop) -> None:
    """Make the lessons of a recipe's acoustic model."""
    settings = workshop.table("spoken")
    code = [Path(__file__), *(Path(str(part.__file__)) for part in (spoken, utterances, voices, sentences))]
    inputs = {
        "audio": workshop.data / "audio",
        "text": workshop.data / "text",
        "lexicon": workshop.output("lexicon", "lexicon.xz"),
    }
    outputs = ("recordings.npz", *(f"spoken-{part:03}.npz" for part in range(settings["utterances"] // EACH)))
    stage = Stage(workshop, "speak", inputs, code, ("spoken",), outputs)
    if stage.fresh():
        print("speak: nothing has changed")
        return
    with stage:
        stage.numbers |= speak(stage, settings)


def main() -> None:
    """Make the lessons of a recipe's acoustic model."""
    run(Workshop.from_arguments(__doc__))


if __name__ == "__main__":
    main()
