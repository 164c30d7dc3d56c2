from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
from painted import HOP, PaintedModel, PaintedWords, say

from edge_runtime.errors import BundleError, ConfigError
from edge_runtime.inference.background import Background, fit_tail, pack, read_background
from edge_runtime.inference.site_scores import SiteScores, site_file
from edge_runtime.inference.spotter import Spotter, Taught
from edge_runtime.inference.wake import WakeWord
from edge_runtime.types import AudioChunk, Wake

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

CHUNK = 512
RATE = 16_000


def listen(wake: WakeWord, samples: NDArray[np.float32], speech: list[float] | None = None) -> list[Wake]:
    """Return the wake words of a stream; there is speech where paint is, and 0.1 s beyond, unless told otherwise."""
    found = []
    for number, at in enumerate(range(0, len(samples), CHUNK)):
        near = samples[max(0, at - 1600) : at + CHUNK]
        probability = float(np.abs(near).max() > 0) if speech is None else speech[number]
        found.append(wake.process(AudioChunk("mic", 100 + at / RATE, samples[at : at + CHUNK]), probability))
    found.append(wake.flush())
    return [one for one in found if one]


def background(model: PaintedModel, count: int = 80) -> Background:
    random = np.random.default_rng(0)
    words = ["turn", "on", "the", "lamp", "jarvis", "computer", "no", "alexander"]
    texts = [" ".join(random.choice(words, 3)) for _ in range(count)]
    clips = [model.log_probs(say(text, quiet_s=0.1)) for text in texts]
    seconds = [len(clip) * HOP / RATE for clip in clips]
    return Background(tuple(clips), tuple(texts), tuple(seconds), np.full(50, math.log(0.6), np.float32))


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        pytest.param("hey pixel", ["hey pixel"], id="alone"),
        pytest.param("hey pixel turn on the lamp", ["hey pixel"], id="with a command in the same breath"),
        pytest.param("computer on hey pixel", ["hey pixel"], id="after other words"),
        pytest.param("hey pixel hey pixel", ["hey pixel", "hey pixel"], id="twice"),
        pytest.param("turn on the lamp jarvis computer", [], id="other words"),
        pytest.param("hey jarvis", [], id="half of it"),
    ],
)
def test_heard_in_a_stream(said: str, expected: list[str]) -> None:
    model = PaintedModel()
    samples = say(said)
    wakes = listen(WakeWord.of_text("hey pixel", model, PaintedWords()), samples)
    assert [wake.word for wake in wakes] == expected
    for wake in wakes:
        assert 100 <= wake.start < wake.end <= 100 + len(samples) / RATE
        assert 0 < wake.score <= 1


def test_two_wake_words_share_one_run_of_the_model() -> None:
    model = PaintedModel()
    wakes = listen(
        WakeWord.of_text(["hey pixel", "jarvis"], model, PaintedWords()), say("jarvis turn on the hey pixel")
    )
    assert [wake.word for wake in wakes] == ["jarvis", "hey pixel"]
    assert model.runs < 12


def test_nothing_runs_while_nobody_speaks() -> None:
    model = PaintedModel()
    wake = WakeWord.of_text("hey pixel", model, PaintedWords())
    assert listen(wake, say("hey pixel"), [0.1] * 1000) == []
    assert model.runs == 0
    assert sum(len(chunk.samples) for chunk in wake._heard) < 0.5 * RATE


def test_reset_forgets_what_was_begun() -> None:
    wake = WakeWord.of_text("hey pixel", PaintedModel(), PaintedWords())
    samples = say("hey pixel", quiet_s=0.1)
    half = len(samples) // 2
    for at in range(0, half, CHUNK):
        wake.process(AudioChunk("mic", at / RATE, samples[at : min(at + CHUNK, half)]), 1.0)
    wake.reset()
    assert listen(wake, samples[half:]) == []


def test_a_recording_is_examined_whole() -> None:
    wake = WakeWord.of_text("hey pixel", PaintedModel(), PaintedWords())
    long = np.concatenate([say("turn on the lamp")] * 8 + [say("hey pixel")] + [say("jarvis")] * 8)
    found = wake.examine(AudioChunk("file", 0.0, long))
    begins = 8 * len(say("lamp turn on the")) / RATE + 0.5
    assert found.score > wake.threshold("hey pixel")
    assert found.start == pytest.approx(begins, abs=0.1)


@pytest.mark.parametrize(
    ("phrase", "reason"),
    [
        pytest.param("a", "1 sounds only", id="a single sound"),
        pytest.param("no", "2 sounds only", id="too short"),
        pytest.param("", "letters a to z", id="empty"),
        pytest.param("hé pixel", "letters a to z", id="other letters"),
        pytest.param("hey xzqt", "'xzqt' is said", id="a word that nobody can say"),
    ],
)
def test_no_wake_word(phrase: str, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        Spotter.of_text(phrase, PaintedModel(), PaintedWords())


def test_a_short_one_is_warned_about() -> None:
    assert "is short" in str(Spotter.of_text("lamp", PaintedModel(), PaintedWords()).warning())
    assert Spotter.of_text("hey pixel", PaintedModel(), PaintedWords()).warning() is None


def test_a_confusable_one_is_warned_about() -> None:
    model = PaintedModel(0.6)
    told = Spotter.of_text(
        "turn on the", model, PaintedWords(), background=background(model), false_accepts_per_hour=0.01
    )
    assert (
        told.log_threshold
        > Spotter.of_text("hey pixel", model, PaintedWords(), background=background(model)).log_threshold
    )


def test_fewer_false_accepts_need_a_higher_threshold() -> None:
    model = PaintedModel(0.7)
    thresholds = [
        Spotter.of_text(
            "alexa", model, PaintedWords(), background=background(model), false_accepts_per_hour=rate
        ).threshold
        for rate in (100.0, 10.0, 1.0, 0.1)
    ]
    assert thresholds == sorted(thresholds)
    assert thresholds[0] < thresholds[-1]


def test_the_background_may_hold_the_phrase_itself() -> None:
    model = PaintedModel()
    ordinary = background(model)
    spotter = Spotter.of_text("jarvis", model, PaintedWords(), background=ordinary)
    assert all("jarvis" not in text for text in ordinary.without(["jarvis"]).texts)
    assert spotter.find(model.log_probs(say("jarvis"))).log_score > spotter.log_threshold


def test_taught_ways_to_say_it_count() -> None:
    odd = ("HH", "IY", "P", "IY", "K", "S", "OW")
    model, words = PaintedModel(), PaintedWords()
    plain, taught = (
        WakeWord([Spotter.of_text("hey pixel", model, words, taught=lesson)], model)
        for lesson in (None, Taught((odd,)))
    )
    clip = AudioChunk("file", 0.0, say(" ".join(odd)))
    assert taught.examine(clip).score > plain.examine(clip).score


def test_a_tail_is_extrapolated() -> None:
    scores = np.random.default_rng(0).normal(-5, 0.5, 5000)
    tail = fit_tail(scores, np.ones(len(scores)), hours=5.0)
    assert tail is not None
    # 1000 stretches an hour: one in ten thousand is once in ten hours.
    assert tail.threshold(0.1) == pytest.approx(-5 + 0.5 * 3.719, abs=0.15)
    with_hits = fit_tail(np.append(scores, np.full(50, -0.2)), np.ones(5050), hours=5.0)
    assert with_hits is not None
    assert with_hits.threshold(0.1) < tail.threshold(0.1) + 0.3, "one in a hundred that really is the phrase"
    assert fit_tail(scores[:10], np.ones(10), hours=5.0) is None


def test_a_background_file_comes_back_as_it_was(tmp_path: Path) -> None:
    model = PaintedModel(0.95)
    clips = [model.log_probs(say(text)) for text in ("hey pixel", "jarvis", "turn on the lamp")]
    path = tmp_path / "background.npz"
    packed = {**pack(clips, ["", "jarvis", "turn on the lamp"], [1, 2, 3]), "said": np.array([-0.3], np.float32)}
    np.savez_compressed(path, allow_pickle=False, **packed)
    found = read_background(path)
    assert list(found.texts) == ["", "jarvis", "turn on the lamp"]
    assert list(found.seconds) == [1, 2, 3]
    for clip, stored in zip(clips, found.clips, strict=True):
        assert stored.shape == clip.shape
        assert np.allclose(np.exp(stored), np.exp(clip), atol=0.05)
    assert path.stat().st_size < 10_000


@pytest.mark.parametrize(
    "content", [None, b"", b"PK\x03\x04 broken", b"x" * 1000], ids=["none", "empty", "cut", "other"]
)
def test_a_background_that_is_none(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "background.npz"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(BundleError, match="reinstall"):
        read_background(path)


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def filled(site: SiteScores, level: float, count: int = 400) -> None:
    for score in np.random.default_rng(0).normal(level, 0.3, count):
        site.add(float(score), 3.0)


def test_the_sites_own_talk_can_only_raise_the_threshold(tmp_path: Path) -> None:
    model = PaintedModel()
    thresholds = []
    for name, level in (("quiet", -6.0), ("loud", -1.2), ("louder", -0.1)):
        wake = WakeWord.of_text("hey pixel", model, PaintedWords(), background=background(model))
        before = wake.threshold("hey pixel")
        site = SiteScores(tmp_path / f"{name}.json", "model")
        filled(site, level)
        wake = WakeWord(wake.spotters, model, {"hey pixel": site})
        thresholds.append(wake.threshold("hey pixel"))
        assert thresholds[-1] >= before
    assert thresholds[0] == pytest.approx(before)
    assert thresholds[1] > before
    assert thresholds[2] <= 0.61, "words that are really said must still be heard"


def test_scores_that_were_not_the_wake_word_are_counted(tmp_path: Path) -> None:
    path = site_file(tmp_path, "hey pixel")
    spotter = Spotter.of_text("hey pixel", PaintedModel(), PaintedWords())
    wake = WakeWord([spotter], PaintedModel(), {"hey pixel": SiteScores(path, "model")})
    listen(wake, say("turn on the lamp"))
    [heard] = listen(wake, say("hey pixel"))
    assert not path.exists()
    wake.save()
    assert sum(json.loads(path.read_text())["counts"]) == 1
    wake.in_vain(heard)
    wake.save()
    assert sum(json.loads(path.read_text())["counts"]) == 2


def test_the_disk_is_written_seldom_and_never_in_part(tmp_path: Path) -> None:
    clock, path = Clock(), tmp_path / "wake" / "hey.json"
    site = SiteScores(path, "model", clock)
    site.add(-3.0, 1.0)
    assert not path.exists()
    clock.now = 4000
    site.add(-3.0, 1.0)
    assert [file.name for file in path.parent.iterdir()] == ["hey.json"]
    assert SiteScores(path, "model", clock)._seconds == 2.0
    assert SiteScores(path, "another model", clock)._seconds == 0.0
    size = path.stat().st_size
    filled(site, -3.0, 30_000)
    site.save()
    assert path.stat().st_size < size + 1000


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", '{"made_for": "model", "seconds": 1, "counts": [1]}'],
    ids=["empty", "cut", "list", "short"],
)
def test_a_damaged_file_begins_anew(tmp_path: Path, content: str) -> None:
    path = tmp_path / "hey.json"
    path.write_text(content)
    site = SiteScores(path, "model")
    assert site.tail() is None
    site.add(-3.0, 1.0)
    site.save()
    assert json.loads(path.read_text())["seconds"] == 1.0


def test_a_disk_that_refuses_is_no_catastrophe(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("")
    site = SiteScores(tmp_path / "file" / "hey.json", "model")
    site.add(-3.0, 1.0)
    site.save()
    assert "cannot be kept" in caplog.text


def test_a_word_that_sounds_alike_and_fits_better_is_not_the_phrase() -> None:
    class Common(PaintedWords):
        @property
        def common(self) -> dict[str, tuple[tuple[str, ...], ...]]:
            return {"commuter": (tuple("K AH M Y UW T ER Z".split()),)}  # noqa: SIM905 - as in a dictionary

    class Nobody(PaintedWords):
        @property
        def common(self) -> dict[str, tuple[tuple[str, ...], ...]]:
            return {}

    model = PaintedModel()
    alone, beside = (Spotter.of_text("computer", model, words()) for words in (Nobody, Common))
    own, other = (model.log_probs(say(text)) for text in ("computer", "K AH M Y UW T ER Z"))
    assert beside.find(own) == alone.find(own)
    assert beside.find(other).log_score < alone.find(other).log_score - 0.5
