"""Teach a bundle a user's own pictures and words.

It learns, measures on a held-out fifth, and writes a new bundle if that is better. It needs neither teachers nor
training data nor a graphics card; the detector stays bit for bit what it was.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from edge_runtime.bundles.manifest import default_bundle
from edge_runtime.bundles.parts import ClassifyPart
from edge_runtime.errors import EdgeError, InputError
from edge_runtime.making.writing import appearing, check_place
from edge_runtime.sources.files import read_picture
from edge_runtime.wiring.assembly import Models
from models.omni_nano import own_bundle, own_looks, own_memory, own_pictures
from models.omni_nano.everyday import GROUPS, TEMPLATES
from models.omni_nano.own_memory import Lesson, Memory, Words
from scripts.stage import REPOSITORY

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edge_runtime.inference.embedder import Embedder
    from models.omni_nano.own_pictures import OwnPictures

FEW = 20
"""Fewer held-out pictures than this measure only roughly."""
# A temperature is trusted to about this factor before the pictures have spoken.
TRUST = 0.3

recognised = own_pictures.recognised


@dataclass(frozen=True)
class Score:
    """How held-out pictures find their words.

    Attributes:
        first: share whose nearest word is one of theirs.
        fifth: share with one of theirs among the five nearest.
        surprise: mean cross-entropy.
    """

    first: float
    fifth: float
    surprise: float

    def better_than(self, other: Score) -> bool:
        """Tell whether the chances are better and no fewer pictures find their word first.

        One picture more or less is luck; the chances of all of them together tell more.
        """
        return self.first >= other.first and self.surprise < other.surprise


def unit(rows: Tensor) -> Tensor:
    """Return rows of unit length."""
    return torch.nn.functional.normalize(rows, dim=-1)


def named(embedder: Embedder, names: Sequence[str], templates: Sequence[str]) -> Tensor:
    """Return (templates + 1, names, size): every name in every template, and last the mean of all."""
    texts = [template.replace("{}", name) for template in templates for name in names]
    vectors = torch.from_numpy(embedder.embed_text(texts)).view(len(templates), len(names), -1)
    return torch.cat([vectors, unit(vectors.mean(0, keepdim=True))])


def vocabulary(own: OwnPictures, models: Models) -> Words:
    """Return the vectors of the user's words, in the bundle's own space of sentences."""
    part, embedder = models.manifest.part(ClassifyPart), models.embedder
    words = own.words
    nouns = named(embedder, [names[0] for names, _ in GROUPS], part.templates)[-1]
    if own.captioned:
        variants = torch.from_numpy(embedder.embed_text(words))[None]
    else:
        more = [template for template in TEMPLATES if template not in part.templates]
        on_device = named(embedder, words, part.templates)
        variants = torch.cat([named(embedder, words, more)[:-1], on_device])
    places = {word: place for place, word in enumerate(words)}
    wanted = torch.zeros(len(own.pictures), len(words), dtype=torch.bool)
    for row, picture in enumerate(own.pictures):
        wanted[row, [places[word] for word in picture.words]] = True
    return Words(variants, wanted, nouns, part.temperature)


def score(vectors: Tensor, words: Words, rows: Sequence[int], *, captioned: bool) -> Score:
    """Measure embeddings (rows, size) of the pictures `rows`, whose captions compete with each other's alone."""
    wanted = words.wanted[list(rows)]
    used = wanted.any(0) if captioned else torch.ones(wanted.shape[1], dtype=torch.bool)
    wanted = wanted[:, used]
    logits = vectors @ words.variants[-1][used].T / words.temperature
    best = logits.masked_fill(~wanted, -torch.inf).amax(1, keepdim=True)
    rank = (logits > best).sum(1)
    chances = logits.log_softmax(1)
    surprise = -(chances * wanted).sum() / wanted.sum()
    return Score(float((rank == 0).float().mean()), float((rank < 5).float().mean()), float(surprise))


def temperature(vectors: Tensor, words: Words, rows: Sequence[int]) -> float:
    """Choose the temperature of labels on held-out pictures, near the old one where they are few."""
    cosines, target = vectors @ words.variants[-1].T, words.wanted[list(rows)].int().argmax(1)
    factors = np.geomspace(0.5, 2.0, 57)
    old = words.temperature

    def wrong(factor: float) -> float:
        loss = torch.nn.functional.cross_entropy(cosines / (old * factor), target, reduction="sum")
        return float(loss) + (np.log(factor) / TRUST) ** 2 / 2

    return round(old * float(min(factors, key=wrong)), 5)


@dataclass(frozen=True)
class Taught:
    """What was learned, before it is a bundle.

    Attributes:
        rows: numbers of the held-out pictures.
        before: how the base finds their words.
        kept: share of the demo's looks whose nearest everyday noun stayed.
        settings: what the learning was told.
    """

    own: OwnPictures
    words: Words
    rows: list[int]
    memory: Memory
    before: Score
    kept: float
    settings: dict[str, Any]

    def table(self, after: Score) -> str:
        """Return what was measured, for people."""
        count, before = len(self.rows), self.before
        first = f"right of {len(self.own.words)} labels, {count} held-out pictures"
        lines = [(first, before.first, after.first)]
        if self.own.captioned:
            lines = [
                (f"own caption nearest, of {count} held-out pictures", before.first, after.first),
                ("own caption among the five nearest", before.fifth, after.fifth),
            ]
        text = [f"{'':52} before   after"]
        text += [f"{title:52} {old:6.1%}  {new:6.1%}" for title, old, new in lines]
        text.append(f"{'surprise (cross-entropy, lower is better)':52} {before.surprise:6.2f}  {after.surprise:6.2f}")
        text.append(f"{'demo frames whose nearest everyday noun is the same':52} {'':6}  {self.kept:6.1%}")
        return "\n".join(text)

    def numbers(self, after: Score) -> dict[str, Any]:
        """Return what was measured, for the manifest."""
        keys = {"first": "recall_at_1", "fifth": "recall_at_5"} if self.own.captioned else {"first": "top_1"}
        keys["surprise"] = "cross_entropy"
        found: dict[str, Any] = {
            when: {name: round(getattr(value, key), 4) for key, name in keys.items()}
            for when, value in (("before", self.before), ("after", after))
        }
        counts = {"held_out": len(self.rows), "taught": len(self.own.pictures) - len(self.rows)}
        return {**found, **counts, "demo_nouns_kept": round(self.kept, 4)}


def unmoved(memory: Memory, demo: Tensor, nouns: Tensor) -> float:
    """Return the share of the demo's looks whose nearest everyday noun stayed."""
    same = (demo @ nouns.T).argmax(1) == (memory.move(demo) @ nouns.T).argmax(1)
    return float(same.float().mean())


def learn(base: Models, given: argparse.Namespace) -> Taught:
    """Look at the pictures and learn from four fifths of them."""
    own = own_pictures.read(given.data)
    own.check()
    looks_path = given.out.parent / f"looks-{fingerprint(base, given)}.pt"
    own, looks = own_looks.gather(own, base.embedder, given.views, given.seed, looks_path)
    left_out = ", ".join(f"{count} {why}" for why, count in own.skipped.items() if count)
    what = f"{len(own.pictures)} pictures, {len(own.words)} different {'captions' if own.captioned else 'labels'}"
    print(f"{what}; left out: {left_out}" if left_out else what)
    words, held = vocabulary(own, base), own.held_out()
    rows = [row for row, out in enumerate(held) if out]
    taught = [row for row, out in enumerate(held) if not out]
    plain, demo = torch.from_numpy(looks.plain), torch.from_numpy(looks.demo)
    lesson = Lesson(torch.cat([plain[:, None], torch.from_numpy(looks.views)], 1), demo, words)
    pull = own_memory.best_pull(lesson, taught, given.steps, given.seed)
    memory = own_memory.learn(lesson, taught, pull, given.steps, given.seed)
    before = score(plain[rows], words, rows, captioned=own.captioned)
    settings = {"pull": pull, "seed": given.seed, "steps": given.steps, "views": given.views}
    return Taught(own, words, rows, memory, before, unmoved(memory, demo, words.nouns), settings)


def publish(base: Models, taught: Taught, out: Path) -> None:
    """Write the new bundle if its held-out pictures find their words better than before.

    Raises:
        SystemExit: they do not; `out` is as it was.
    """
    own, words, rows = taught.own, taught.words, taught.rows
    with appearing(out, force=True) as folder:
        own_bundle.assemble(base.manifest, folder, taught.memory, description(base, taught))
        new = Models(folder)
        own_bundle.prove_unchanged(base, new)
        # Measured on what ships, through the device's own code.
        shipped = [new.embedder.embed_image(read_picture(own.pictures[row].path)) for row in rows]
        moved = torch.from_numpy(np.stack(shipped))
        after = score(moved, words, rows, captioned=own.captioned)
        print(taught.table(after))
        if len(rows) < FEW:
            print(f"caution: with {len(rows)} held-out pictures one more or less is {1 / len(rows):.0%}; add pictures")
        if not after.better_than(taught.before):
            raise SystemExit(f"not better on the held-out pictures: nothing written to {out}; add pictures")
        final: dict[str, Any] = {"numbers": {"own": taught.numbers(after)}}
        if not own.captioned:
            final["classify"] = {"temperature": temperature(moved, words, rows)}
        own_bundle.rewrite(folder, own_bundle.read(folder), final)
    print(f"wrote {out}; try: edge-runtime classify --bundle {out} --labels ... PICTURE")


def teach(given: argparse.Namespace) -> None:
    """Do what the command line asks for.

    Raises:
        EdgeError: the pictures, the bundle or the place for the new one will not do; the message is one line.
        SystemExit: the new bundle would not be better.
    """
    base = Models(given.bundle)
    if "own" in base.manifest.built:
        raise InputError(f"bundle {given.bundle} has learned pictures already; start from the bundle it came from")
    if given.out.resolve() == base.manifest.folder.resolve():
        raise InputError(f"{given.out} is the bundle to start from; give another --out")
    check_place(given.out, force=True)
    publish(base, learn(base, given), given.out)


def description(base: Models, taught: Taught) -> dict[str, Any]:
    """Return what the new manifest says differently, but for numbers."""
    manifest, own = base.manifest, taught.own
    what = f"{len(own.words)} {'captions' if own.captioned else 'labels'}"
    mine = f"The owner's {len(own.pictures)} pictures with {what}, taught to {manifest.name} {manifest.version}"
    return {
        "name": f"{manifest.name}-own",
        "version": own_bundle.version_of(manifest, own.pictures),
        "sources": [*manifest.sources, mine],
        "built": {"own": taught.settings},
    }


def fingerprint(base: Models, given: argparse.Namespace) -> str:
    """Name what looks depend on beside the picture: the picture model, the views, the seed."""
    entry = base.manifest.files[base.manifest.image.file] if base.manifest.image else None
    return f"{entry.sha256[:8] if entry else 'none'}-{given.views}-{given.seed}"


def arguments_of(arguments: Sequence[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Teach a bundle your own pictures; see docs/YOUR_PICTURES.md.")
    parser.add_argument("--data", type=Path, required=True, help="LABEL/*.jpg, or images/ with captions.csv")
    parser.add_argument("--out", type=Path, default=REPOSITORY / "build" / "own" / "bundle", help="the new bundle")
    parser.add_argument("--bundle", type=Path, default=default_bundle(), help="the bundle to start from")
    parser.add_argument("--views", type=int, default=12, help="how often each picture is taken again (12)")
    parser.add_argument("--steps", type=int, default=100, help="steps of learning (100)")
    parser.add_argument("--seed", type=int, default=1, help="the same seed gives the same bundle")
    given = parser.parse_args(arguments)
    for name in ("views", "steps"):
        if getattr(given, name) < 1:
            parser.error(f"--{name} {getattr(given, name)}: needs to be at least 1")
    return given


def main(arguments: Sequence[str]) -> None:
    """Teach; a mistake is one line and a status that is not 0."""
    given = arguments_of(arguments)
    try:
        teach(given)
    except EdgeError as error:
        raise SystemExit(f"error: {error}") from None
