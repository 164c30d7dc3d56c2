from __future__ import annotations

import lzma
import re
import signal
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the extra [build] is not installed")
listen = pytest.importorskip("scripts.listen", reason="the extra [build] is not installed")
# torch announces what it will drop one day.
pytestmark = pytest.mark.filterwarnings("ignore")

from models.omni_nano import phones, utterances  # noqa: E402 - after the skips
from models.omni_nano.utterances import Utterance  # noqa: E402
from tests.models.test_utterances import tone, write_tar  # noqa: E402
from tests.scripts.conftest import Factory, made_up_ears  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

RECIPE = """
name = "tiny"
[phones]
seed = 12
threads = 1
layers = 1
steps = 8
warm_up = 2
encoder_rate = 1e-3
head_rate = 1e-2
lengths_s = [0.4, 0.5]
batch_s = 1.6
people = 0.5
examine_every = 4
checkpoint_s = 0
"""
KEYWORDS = dict(zip(listen.KEYWORDS, ("Y", "N", "AH P", "D", "L", "R", "AA N", "AO F", "S T", "G OW"), strict=True))


def said(word: str, seed: int) -> Any:
    """Return a fifth of a second of noise with a pitch that the word decides."""
    dice = np.random.default_rng(seed)
    sound = tone(0.2) * 0.5 + 3000 * np.sin(np.arange(3200) * (0.1 + 0.05 * len(word) + 0.01 * ord(word[0])))
    return (sound + dice.normal(0, 200, 3200)).astype(np.int16)


def write_lessons(factory: Factory) -> None:
    names = [f"{word}/{speaker:08x}_nohash_0.flac" for speaker in range(40) for word in ("yes", "go")]
    names += [f"_unknown_/bed_{speaker:08x}_nohash_0.flac" for speaker in range(40)]
    people = [
        Utterance(f"speech_commands_dev/{name}", word, said(word, number))
        for number, name in enumerate(names)
        for word in [name.split("_")[2] if name.startswith("_unknown_") else name.split("/")[0]]
    ]
    people.append(Utterance("speech_commands_dev/_silence_/1.flac", "", np.zeros(9000, np.int16)))
    people.append(Utterance("precise_community/not-wake-words/1.flac", None, said("none", 1)))
    people.append(Utterance("wake_words_dev/jarvis/1.flac", "jarvis", said("jarvis", 1)))
    voices = [Utterance(f"flite/slt/{n}", text, said(text, n)) for n, text in enumerate(["yes no", "stop", "odd"] * 4)]
    for name in ("speak", "lexicon"):
        factory.folder(name).mkdir(parents=True)
    utterances.save(factory.folder("speak") / "recordings.npz", people)
    utterances.save(factory.folder("speak") / "spoken-000.npz", voices)
    (factory.folder("speak") / "stage.json").write_text("{}", encoding="utf-8")
    lines = "".join(f"{word} {way}\n" for word, way in {**KEYWORDS, "bed": "B EH D", "jarvis": "JH AA"}.items())
    (factory.folder("lexicon") / "lexicon.xz").write_bytes(lzma.compress(lines.encode()))


@pytest.fixture(scope="module")
def school(tmp_path_factory: pytest.TempPathFactory) -> Factory:
    """Return all that a tiny network listens to, to be copied by whoever trains it."""
    factory = Factory(tmp_path_factory.mktemp("school"))
    factory.recipe.write_text(RECIPE, encoding="utf-8")
    (factory.root / "data" / "audio").mkdir(parents=True)
    write_tar(factory.root / "data" / "audio" / "sound_event_samples.tar", {"dog.flac": tone(0.8)})
    write_lessons(factory)
    weights = factory.root / "packages" / "moonshine_voice" / phones.ENCODER
    weights.parent.mkdir(parents=True)
    weights.write_bytes(b"none")
    (factory.root / "packages" / "moonshine_voice" / "__init__.py").touch()
    return factory


@pytest.fixture(scope="module", autouse=True)
def a_start_of_our_own(school: Factory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        made_up_ears(patch)
        patch.setattr(phones, "teacher_folder", lambda: school.root / "packages" / "moonshine_voice")
        yield


@pytest.fixture(scope="module")
def whole(school: Factory, tmp_path_factory: pytest.TempPathFactory) -> Factory:
    """Return the factory after one run that nothing disturbed."""
    factory = school.copy(tmp_path_factory.mktemp("whole") / "factory")
    listen.run(factory.workshop())
    return factory


@pytest.fixture
def factory(school: Factory, tmp_path: Path) -> Factory:
    return school.copy(tmp_path / "factory")


def weights(factory: Factory) -> Any:
    saved = torch.load(factory.folder("listen") / "phones.pt", weights_only=False)
    return torch.cat([value.flatten() for value in saved["model"].values()]).numpy()


def same(one: Factory, other: Factory) -> bool:
    """Compare to 1e-3, weights and numbers."""
    numbers = [factory.record("listen")["numbers"] for factory in (one, other)]
    far = float(np.abs(weights(one) - weights(other)).max())
    return far < 1e-3 and bool(numbers[0] == pytest.approx(numbers[1], abs=1e-3))


def test_it_leaves_a_network_that_can_be_exported(whole: Factory) -> None:
    made = phones.exportable(whole.folder("listen") / "phones.pt")
    with torch.no_grad():
        assert made.module(*made.feeds.values()).shape[2] == 40
    record = whole.record("listen")
    assert set(record["numbers"]) == {"loss", "phones", "ten_words", "twelve_at_best"}
    assert set(record["code"]) > {"drawing.py", "ears.py", "encoder.py", "phones.py", "utterances.py"}
    assert not (whole.folder("listen") / "checkpoint.pt").exists()


def test_the_same_seed_gives_the_same_numbers_and_another_seed_others(whole: Factory, factory: Factory) -> None:
    listen.run(factory.workshop())
    assert same(factory, whole)
    factory.change("seed = 12", "seed = 13")
    listen.run(factory.workshop())
    assert not same(factory, whole)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("told", "moment", "status", "resumes"),
    [
        pytest.param(signal.SIGTERM, "step 5", 128 + signal.SIGTERM, 5, id="told to stop"),
        pytest.param(signal.SIGKILL, "answer 4", -signal.SIGKILL, 3, id="killed while it learns"),
    ],
)
def test_a_training_that_was_stopped_ends_with_the_numbers_of_one_that_was_not(
    whole: Factory,
    factory: Factory,
    capsys: pytest.CaptureFixture[str],
    told: int,
    moment: str,
    status: int,
    resumes: int,
) -> None:
    stopped = factory.run("listen", told, moment)
    assert stopped.returncode == status, stopped.stderr
    assert not (factory.folder("listen") / "stage.json").exists()
    listen.run(factory.workshop())
    assert same(factory, whole)
    assert f"listen: goes on after step {resumes}\n" in capsys.readouterr().err


def test_it_runs_again_only_for_a_reason(whole: Factory, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    factory = whole.copy(tmp_path / "factory")
    listen.run(factory.workshop())
    assert "listen: nothing has changed" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("gone", "message"),
    [
        pytest.param("build/tiny/speak/stage.json", "run scripts/speak.py first", id="the lessons"),
        pytest.param("build/tiny/lexicon/lexicon.xz", "run scripts/lexicon.py first", id="the lexicon"),
        pytest.param("data/audio", "listen needs sounds (", id="the sounds of the world"),
    ],
)
def test_what_is_missing_is_named(factory: Factory, gone: str, message: str) -> None:
    (factory.root / gone).rename(factory.root / "elsewhere")
    with pytest.raises(SystemExit, match=re.escape(message)):
        listen.run(factory.workshop())


def test_held_out_people_and_unknown_words_are_not_learned_from(
    factory: Factory, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: dict[str, Any] = {}

    class Enough(Exception):  # noqa: N818 - it ends the training, nothing is wrong
        pass

    def enough(people: Any, voices: Any, numbers: Any, *_: Any) -> Any:
        heard.update(people=people, voices=voices, numbers=numbers)
        raise Enough

    monkeypatch.setattr("models.omni_nano.ears.Curriculum", enough)
    with pytest.raises(Enough):
        listen.run(factory.workshop())
    everybody = utterances.load(factory.folder("speak") / "recordings.npz")
    assert heard["people"]
    assert not any(one.held_out or one.text is None or one.text == "jarvis" for one in heard["people"])
    learned = {one.name for one in heard["people"]}
    assert {one.name for one in everybody if one.held_out} & learned == set()
    assert {one.text for one in heard["voices"]} == {"yes no", "stop"}
    assert heard["numbers"]["yes no"] == [utterances.PHONES.index(phone) + 1 for phone in ("Y", "N")]


@pytest.mark.parametrize(
    ("texts", "known"),
    [
        ({"yes", "yes no", ""}, {"yes", "yes no", ""}),
        ({"yes sir"}, set()),
    ],
)
def test_texts_with_a_word_outside_the_lexicon_are_left_out(texts: set[str], known: set[str]) -> None:
    lexicon = {word: [tuple(way.split()), ("ZH",)] for word, way in KEYWORDS.items()}
    found = listen.numbered(texts, lexicon)
    assert set(found) == known
    # Of several ways to say a word the first is learned; channel 0 is the blank.
    assert all(0 < number <= 39 and number != 39 for numbers in found.values() for number in numbers)


class Oracle:
    """Hears whatever phones it is told, two frames each, in the order of the recordings."""

    def __init__(self, rows: list[list[int]]) -> None:
        self._rows = iter(rows)

    def __call__(self, _: Any) -> Any:
        channels = [channel for phone in next(self._rows) for channel in (phone, phone, 0)] or [0]
        frames = torch.full((1, len(channels), 40), -9.0)
        frames[0, range(len(channels)), channels] = 0.0
        return torch.log_softmax(frames, -1)


@pytest.mark.parametrize(
    ("heard", "numbers"),
    [
        pytest.param(["yes", "go", "bed"], {"phones": 0.0, "ten_words": 1.0, "twelve_at_best": 1.0}, id="all right"),
        pytest.param(["go", "go", "bed"], {"phones": 2 / 6, "ten_words": 0.5, "twelve_at_best": 2 / 3}, id="one wrong"),
    ],
)
def test_the_examination_counts_what_is_wrong(heard: list[str], numbers: dict[str, float]) -> None:
    ways = {**KEYWORDS, "bed": "B EH D"}
    lexicon = {word: [tuple(way.split())] for word, way in ways.items()}
    channels = [[utterances.PHONES.index(phone) + 1 for phone in ways[word].split()] for word in heard]
    held = [Utterance(f"speech_commands_dev/{n}", text, tone()) for n, text in enumerate(["yes", "go", "bed"])]
    held.append(Utterance("precise_community/not-wake-words/1", None, tone()))
    assert listen.examine(Oracle(channels), held, lexicon) == pytest.approx(numbers)


def test_an_examination_of_nobody_has_no_marks() -> None:
    lexicon = {word: [tuple(way.split())] for word, way in KEYWORDS.items()}
    assert set(listen.examine(Oracle([]), [], lexicon).values()) == {0.0}
