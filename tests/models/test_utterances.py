from __future__ import annotations

import gzip
import io
import lzma
import tarfile
from collections import defaultdict
from typing import TYPE_CHECKING

import numpy as np
import pytest
import soundfile

from models.omni_nano import utterances
from models.omni_nano.utterances import Utterance

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

SILENT = np.zeros(160, np.int16)
WORDS = ("yes", "no", "stop")


def tone(seconds: float = 0.1) -> NDArray[np.int16]:
    return (8000 * np.sin(np.arange(round(16_000 * seconds)) / 5)).astype(np.int16)


def people() -> list[Utterance]:
    """Return what two hundred speakers say: two words twice, and one that stands in the folder of unknown words."""
    names = []
    for speaker in range(200):
        code = f"{speaker * 7_654_321:08x}"
        names += [f"{word}/{code}_nohash_{turn}.flac" for word in WORDS[:2] for turn in range(2)]
        names.append(f"_unknown_/bed_{code}_nohash_0.wav.flac")
    return [Utterance(f"speech_commands_dev/{name}", name.split("/")[0], SILENT) for name in names]


def write_tar(path: Path, files: dict[str, NDArray[np.int16]]) -> None:
    with tarfile.open(path, "w") as tar:
        for name, samples in files.items():
            written = io.BytesIO()
            soundfile.write(written, samples, 16_000, format="FLAC")
            entry = tarfile.TarInfo(name)
            entry.size = len(written.getvalue())
            tar.addfile(entry, io.BytesIO(written.getvalue()))


@pytest.mark.parametrize(
    ("name", "speaker"),
    [
        ("speech_commands_dev/yes/0cb74144_nohash_1.flac", "0cb74144"),
        ("speech_commands_dev/_unknown_/bed_0cb74144_nohash_0.wav.flac", "0cb74144"),
        ("speech_commands_dev/_silence_/1024.flac", "1024.flac"),
        ("precise_community/amelia/en/amelia-00801684.flac", "amelia-00801684.flac"),
        ("prompts/agent-pass", "prompts"),
        ("prompts/digits/1", "prompts"),
        ("espeak/en-us+m1/17", "17"),
    ],
)
def test_a_name_tells_who_speaks(name: str, speaker: str) -> None:
    assert Utterance(name, "", SILENT).speaker == speaker


def test_words_and_turns_of_one_speaker_are_held_out_together() -> None:
    parts = defaultdict(set)
    for one in people():
        if "_unknown_" not in one.name:
            parts[one.speaker].add(one.held_out)
    assert all(len(found) == 1 for found in parts.values())
    held = sum(found == {True} for found in parts.values()) / len(parts)
    assert 0.05 < held < 0.2


def test_no_exam_hears_a_speaker_who_is_learned_from() -> None:
    said = people()
    known = utterances.familiar(said)
    exam = [one for one in said if one.held_out and one.speaker not in known]
    learned = [one for one in said if not one.held_out]
    assert exam
    assert not {one.name.rsplit("/", 1)[-1].split("_nohash")[0][-8:] for one in exam} & {
        one.name.rsplit("/", 1)[-1].split("_nohash")[0][-8:] for one in learned
    }


@pytest.mark.parametrize("word", utterances.UNSEEN_WORDS)
def test_an_unseen_word_is_never_learned_whoever_says_it(word: str) -> None:
    assert all(Utterance(f"wake_words_dev/{word}/{number}.flac", word, SILENT).held_out for number in range(50))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("yes/0cb74144_nohash_1.flac", "yes"),
        ("_unknown_/bed_0cb74144_nohash_0.wav.flac", "bed"),
        ("_silence_/1024.flac", ""),
        ("view glass/1.flac", "view glass"),
        ("heychatterbox/en-us/1.flac", "hey chatterbox"),
        ("not-wake-words/en/1.flac", None),
        ("heycomputer/es/1.flac", None),
    ],
)
def test_a_recording_says_what_its_folder_tells(tmp_path: Path, name: str, words: str | None) -> None:
    write_tar(tmp_path / "speech_commands_dev.tar", {name: tone()})
    write_tar(tmp_path / "precise_community.tar", {"multiple_keywords.wav/multiple_keywords.flac": tone()})
    write_tar(tmp_path / "wake_words_dev.tar", {})
    (found,) = utterances.recordings(tmp_path)
    assert (found.name, found.text) == (f"speech_commands_dev/{name}", words)
    assert (found.samples == tone()).all()


def test_prompts_are_read_as_they_are_written(tmp_path: Path) -> None:
    (tmp_path / "digits").mkdir()
    for name, seconds in (("digits/20", 0.5), ("hello", 0.5), ("long", 7.0), ("noise", 0.5)):
        soundfile.write(tmp_path / f"{name}.wav", tone(seconds)[: round(8000 * seconds)], 8000)
    texts = ["; a comment: nothing", "digits/20: 20", "hello: Hello, WORLD.", "long: too long", "noise: [a noise]"]
    with gzip.open(tmp_path / "texts.gz", "wt", encoding="utf-8") as file:
        file.write("\n".join([*texts, "gone: there is no such file", ""]))
    found = {one.name: one for one in utterances.prompts(tmp_path, tmp_path / "texts.gz")}
    assert {name: one.text for name, one in found.items()} == {
        "prompts/digits/20": "twenty",
        "prompts/hello": "hello world",
    }
    assert len(found["prompts/hello"].samples) == 8000


def test_a_file_gives_back_what_it_was_given(tmp_path: Path) -> None:
    said = [Utterance(f"set/{n}", text, tone(0.01 * n + 0.01)) for n, text in enumerate(["a b", "", None])]
    utterances.save(tmp_path / "some.npz", said)
    found = utterances.load(tmp_path / "some.npz")
    assert [(one.name, one.text) for one in found] == [(one.name, one.text) for one in said]
    assert all((one.samples == other.samples).all() for one, other in zip(found, said, strict=True))


def test_the_lexicon_has_every_way_of_both_streams(tmp_path: Path) -> None:
    parts = [b"a AH\na EY\n", b"tea T IY\n"]
    (tmp_path / "lexicon.xz").write_bytes(b"".join(map(lzma.compress, parts)))
    assert utterances.read_lexicon(tmp_path / "lexicon.xz") == {"a": [("AH",), ("EY",)], "tea": [("T", "IY")]}


def test_there_are_39_phones_each_once() -> None:
    assert len(set(utterances.PHONES)) == len(utterances.PHONES) == 39
