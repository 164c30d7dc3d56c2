from __future__ import annotations

import json
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pytest
import soundfile
from painted import PHONES, PaintedModel, PaintedWords, say
from tiny_ears import LOW_HZ, bundle_with_ears, silence, tone

from edge_runtime.config import Settings
from edge_runtime.errors import InputError
from edge_runtime.pipelines.understanding import Understanding, Understood
from edge_runtime.types import AudioChunk
from edge_runtime.wiring.listening import Listening
from edge_runtime.wiring.teaching import School, taught

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from edge_runtime.wiring.assembly import Models

RATE = 16_000


def painted_models(sha256: str = "painted") -> Models:
    part = SimpleNamespace(file="phones.onnx", phones=PHONES, background=None)
    files = {"phones.onnx": SimpleNamespace(sha256=sha256)}
    ears = SimpleNamespace(part=lambda _: part, files=files, path=lambda name: name)
    return cast("Models", SimpleNamespace(acoustic=PaintedModel(), lexicon=PaintedWords(), ears=ears))


def listening(folder: Path, models: Models | None = None, **voice: Any) -> Listening:
    settings = Settings.model_validate({"device": {"data_dir": folder}, "voice": voice})
    return Listening(settings, models or painted_models())


def clips(folder: Path, *texts: str) -> list[str]:
    paths = [folder / f"{number}-{len(text)}.wav" for number, text in enumerate(texts)]
    for path, text in zip(paths, texts, strict=True):
        soundfile.write(path, say(text, quiet_s=0.2), RATE, subtype="FLOAT")
    return [str(path) for path in paths]


class Deaf(Understanding):
    def __init__(self) -> None:
        pass

    def of(self, utterance: AudioChunk) -> Understood:
        return Understood("something", 0.2, sure=len(utterance.samples) == 0)


def test_a_taught_command_gives_its_intent(tmp_path: Path) -> None:
    ears = listening(tmp_path)
    assert isinstance(ears.understanding(Deaf()), Deaf)
    made = School(ears, force=False).command("film", clips(tmp_path, *["jarvis lamp"] * 3), "Movie", ["area=hall"])
    assert made["kept"]
    assert made["said"] == ["JH AA R V AH S L AE M P"]
    understanding = listening(tmp_path).understanding(Deaf())
    heard = understanding.of(AudioChunk("mic", 0.0, say("jarvis lamp")))
    assert heard.data()["intent"] == "Movie"
    assert heard.data()["slots"] == {"area": "hall"}
    assert understanding.of(AudioChunk("mic", 0.0, say("turn on the lamp"))).match is None


def test_a_taught_wake_word_is_said_in_the_owners_way(tmp_path: Path) -> None:
    odd = "HH IY P IY K S OW"
    School(listening(tmp_path), force=False).wake("Hey Pixel", clips(tmp_path, *[odd] * 4))
    [before] = listening(tmp_path / "other").wake_words(["hey pixel"])().spotters
    [after] = listening(tmp_path).wake_words(["hey pixel"])().spotters
    said = PaintedModel().log_probs(say(odd))
    assert after.find(said).log_score > before.find(said).log_score + 0.5


def test_too_little_is_kept_only_if_forced(tmp_path: Path) -> None:
    paths = clips(tmp_path, "jarvis lamp", "jarvis lamp")
    made = School(listening(tmp_path), force=False).command("film", paths, "Movie")
    assert (made["kept"], made["shortage"]) == (False, "2 recordings are too few; give 3 at least, 10 are better")
    assert taught(listening(tmp_path)) == []
    assert School(listening(tmp_path), force=True).command("film", paths, "Movie")["kept"]
    assert [record["name"] for record in taught(listening(tmp_path))] == ["film"]


def test_another_model_leaves_it_out_and_says_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    School(listening(tmp_path), force=False).command("film", clips(tmp_path, *["jarvis lamp"] * 3), "Movie")
    newer = listening(tmp_path, painted_models("newer"))
    assert isinstance(newer.understanding(Deaf()), Deaf)
    assert "taught with another model" in caplog.text
    assert [record["usable"] for record in taught(newer)] == [False]


@pytest.mark.parametrize(
    ("texts", "slots", "reason"),
    [
        pytest.param([""] * 3, [], "nobody speaks", id="silence"),
        pytest.param(["jarvis"] * 21, [], "more than 20", id="too many"),
        pytest.param(["jarvis"] * 3, ["area"], "name=value", id="a slot without a value"),
    ],
)
def test_what_cannot_be_taught(tmp_path: Path, texts: list[str], slots: list[str], reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        School(listening(tmp_path), force=True).command("film", clips(tmp_path, *texts), "Movie", slots)


def test_the_homes_talk_is_remembered_by_phrase(tmp_path: Path) -> None:
    wake = listening(tmp_path).wake_words(["hey pixel"])()
    samples = say("turn on the lamp")
    for at in range(0, len(samples), 512):
        wake.process(AudioChunk("mic", at / RATE, samples[at : at + 512]), 1.0)
    wake.flush()
    wake.save()
    [file] = (tmp_path / "wake").iterdir()
    assert file.name.startswith("hey-pixel-")


def test_attention_follows_the_settings(tmp_path: Path) -> None:
    assert listening(tmp_path).attention().awake
    assert not listening(tmp_path, wake_words=["hey pixel"]).attention().awake


@pytest.fixture
def run(
    monkeypatch: pytest.MonkeyPatch, command_line: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> Callable[..., tuple[int, list[dict[str, Any]], str]]:
    """Run a verb with a sound model that knows two tones; returns exit status, JSON lines and stderr."""
    bundle_with_ears(tmp_path / "bundle")
    (tmp_path / "box.yaml").write_text("device: {data_dir: data}\nvision: {bundle: bundle}\n")
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str) -> tuple[int, list[dict[str, Any]], str]:
        status, out, err = command_line(*arguments, "--config", "box.yaml", "--json")
        return status, [json.loads(line) for line in out.splitlines()], err

    return call


@pytest.fixture
def sounds(tmp_path: Path) -> tuple[list[str], list[str]]:
    """Recordings of a tone of this place, and of all else."""
    random = np.random.default_rng(0)
    own = [np.concatenate([silence(0.2), tone(1500, 1.5, loudness)]) for loudness in (0.1, 0.2, 0.3, 0.5)]
    other = [random.normal(0, level, 5 * RATE).astype(np.float32) for level in (0.001, 0.01, 0.1)]
    other += [tone(hertz, 5) for hertz in (LOW_HZ, 400, 700, 3000, 5000)]
    names: dict[str, list[str]] = {"own": [], "other": []}
    for kind, group in (("own", own), ("other", other)):
        for number, samples in enumerate(group):
            noise = random.normal(0, 1e-3, len(samples)).astype(np.float32)
            soundfile.write(tmp_path / f"{kind}{number}.wav", samples + noise, RATE, subtype="FLOAT")
            names[kind].append(f"{kind}{number}.wav")
    return names["own"], names["other"]


def test_a_taught_sound_is_heard(
    run: Callable[..., tuple[int, list[dict[str, Any]], str]], sounds: tuple[list[str], list[str]]
) -> None:
    own, other = sounds
    background = [word for path in other for word in ("--background", path)]
    status, [made], _ = run("teach", "sound", "kettle", *own[:3], *background)
    assert (status, made["found"], made["kept"]) == (0, 3, True)
    assert made["background"] >= 50
    _, records, _ = run("hear", own[3], *other)
    labels = [{event["label"] for event in record["events"]} for record in records]
    assert "kettle" in labels[0]
    assert not any("kettle" in found for found in labels[1:])
    assert "low tone" in set().union(*labels[1:]), "what the model knows is still told"
    assert [record["name"] for record in run("teach", "list")[1]] == ["kettle"]
    assert run("teach", "remove", "kettle")[0] == 0
    assert run("teach", "list")[1] == []


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        pytest.param(["sound", "kettle", "own0.wav"], "give recordings of them with --background", id="no background"),
        pytest.param(["sound", "kettle", "none.wav"], "no such file", id="no file"),
        pytest.param(["remove", "kettle"], "nothing is taught", id="never taught"),
    ],
)
def test_what_is_wrong_is_said_in_a_line(
    run: Callable[..., tuple[int, list[dict[str, Any]], str]],
    sounds: tuple[list[str], list[str]],
    arguments: list[str],
    reason: str,
) -> None:
    assert sounds
    status, lines, err = run("teach", *arguments)
    assert (status, lines) == (2, [])
    assert reason in err
    assert err.count("\n") == 1
