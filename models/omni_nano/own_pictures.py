"""A user's own pictures and words, read from one of two folder layouts, with one clear line for each mistake."""

from __future__ import annotations

import csv
import hashlib
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edge_runtime.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")
COLUMNS = {"image", "caption"}
LEAST_PER_LABEL = 5
LEAST_CAPTIONED = 20
HELD_OUT = 5
"""Every fifth picture is kept for measuring."""


@dataclass(frozen=True)
class OwnPicture:
    """One picture file.

    Attributes:
        name: relative to the folder; decides whether it is held out.
        words: its label, or its captions.
        digest: sha256 of the file.
    """

    name: str
    path: Path
    words: tuple[str, ...]
    digest: str


@dataclass(frozen=True)
class OwnPictures:
    """What a folder holds.

    Attributes:
        captioned: captions.csv names what is in the pictures; else their folders do.
        skipped: how many files were left out, by reason.
    """

    pictures: tuple[OwnPicture, ...]
    captioned: bool
    skipped: dict[str, int]

    @property
    def words(self) -> list[str]:
        """Return every label, or every different caption, sorted."""
        return sorted({word for picture in self.pictures for word in picture.words})

    def check(self) -> None:
        """Refuse what is too little to learn from and to measure with.

        Raises:
            InputError: no pictures, one label only, or too few pictures.
        """
        count = len(self.pictures)
        if self.captioned and count < LEAST_CAPTIONED:
            raise InputError(f"only {count} pictures have captions; add more, at least {LEAST_CAPTIONED}")
        if self.captioned:
            return
        counts = Counter(picture.words[0] for picture in self.pictures)
        if len(counts) == 1:
            raise InputError(f"{next(iter(counts))!r} is the only label; add a second folder of something else")
        for label, number in sorted(counts.items()):
            if number < LEAST_PER_LABEL:
                raise InputError(f"label {label!r} has {number} usable pictures; add more, at least {LEAST_PER_LABEL}")

    def held_out(self) -> list[bool]:
        """Tell for each picture whether it is kept for measuring: a fifth of every label, by the hash of the name."""
        chosen: set[str] = set()
        for words in {p.words for p in self.pictures} if not self.captioned else {None}:
            names = [p.name for p in self.pictures if words is None or p.words == words]
            names.sort(key=lambda name: hashlib.sha256(name.encode()).hexdigest())
            chosen.update(names[: max(1, round(len(names) / HELD_OUT))])
        return [picture.name in chosen for picture in self.pictures]


def recognised(folder: Path) -> bool:
    """Tell a user's own folder from the factory's training data, which has vision/ and text/."""
    return not ((folder / "vision").is_dir() and (folder / "text").is_dir())


def read(folder: Path) -> OwnPictures:
    """Read FOLDER/images with FOLDER/captions.csv, or FOLDER/LABEL/*.jpg.

    Raises:
        InputError: the folder has neither layout, or a mistake in it; the message is one line.
    """
    if not folder.is_dir():
        raise InputError(f"{folder} is not a folder; give the folder with your pictures")
    table = folder / "captions.csv"
    if table.exists():
        return _captioned(folder, table)
    labels = sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))
    if [label.name for label in labels] == ["images"]:
        raise InputError(f"{table} is missing; write one with the columns image and caption")
    names: dict[str, str] = {}
    found: list[tuple[Path, tuple[str, ...]]] = []
    other = 0
    for path in labels:
        label = " ".join(path.name.replace("_", " ").replace("-", " ").split())
        if label in names:
            raise InputError(f"folders {names[label]!r} and {path.name!r} are the same label {label!r}; make them one")
        names[label] = path.name
        files = _files(path)
        other += len(files) - len(pictures := _pictures(files))
        found += [(file, (label,)) for file in pictures]
    if not found:
        raise InputError(f"{folder} has no pictures in it; put them in a folder for each label, such as {folder}/cat")
    return _without_copies(folder, found, {"not .jpg, .png or .webp": other}, captioned=False)


def _captioned(folder: Path, table: Path) -> OwnPictures:
    files = _files(folder / "images") if (folder / "images").is_dir() else []
    pictures = {file.name: file for file in _pictures(files)}
    if not pictures:
        raise InputError(f"{folder / 'images'} has no pictures in it; put those there that captions.csv names")
    captions = _captions(table)
    missing = sorted(set(captions) - set(pictures))
    if missing:
        more = f" and {len(missing) - 1} others that it names are" if missing[1:] else " is"
        raise InputError(f"{table}: picture {missing[0]!r}{more} not in images/; add or take out")
    found = [(path, tuple(captions[name])) for name, path in pictures.items() if name in captions]
    skipped = {"not .jpg, .png or .webp": len(files) - len(pictures), "without a caption": len(pictures) - len(found)}
    return _without_copies(folder, found, skipped, captioned=True)


def _captions(table: Path) -> dict[str, list[str]]:
    captions: dict[str, list[str]] = {}
    try:
        # Spreadsheet programs put a byte order mark in front.
        with table.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file, strict=True)
            columns = [str(name) for name in rows.fieldnames or ()]
            if set(columns) != COLUMNS:
                there = ", ".join(columns) or "none"
                raise InputError(f"{table} has the columns {there}; it needs image and caption and knows no others")
            for row in rows:
                # A caption with a comma but no quotes leaves a rest that DictReader files under None.
                image, caption = (row["image"] or "").strip(), (row["caption"] or "").strip()
                if not image or not caption or None in row:
                    raise InputError(f"{table}, line {rows.line_num}: needs one image and one caption (quote commas)")
                captions.setdefault(image, []).append(caption)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{table} cannot be read ({error}); save it as CSV in UTF-8") from None
    return captions


def _files(folder: Path) -> list[Path]:
    return sorted(p for p in folder.iterdir() if p.is_file() and not p.name.startswith("."))


def _pictures(files: list[Path]) -> list[Path]:
    return [file for file in files if file.suffix.lower() in SUFFIXES]


def _without_copies(
    folder: Path, found: list[tuple[Path, tuple[str, ...]]], skipped: dict[str, int], *, captioned: bool
) -> OwnPictures:
    """Drop files with the same content: one in the held-out fifth would be measured by heart."""
    kept: dict[str, OwnPicture] = {}
    copies = 0
    for path, words in found:
        name = path.relative_to(folder).as_posix()
        try:
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
        except OSError as error:
            raise InputError(f"{path}: {(error.strerror or str(error)).lower()}") from None
        first = kept.get(digest)
        if first is None:
            kept[digest] = OwnPicture(name, path, words, digest)
            continue
        copies += 1
        if not captioned and first.words != words:
            raise InputError(f"{first.name} and {name} are the same picture under two labels; keep one")
        if captioned:
            kept[digest] = OwnPicture(first.name, first.path, tuple(dict.fromkeys(first.words + words)), digest)
    return OwnPictures(tuple(kept.values()), captioned, {**skipped, "copies of others": copies})
