from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from edge_runtime.bundles.manifest import Manifest
from edge_runtime.errors import BundleError, InputError
from edge_runtime.inference.speech import Transcriber
from edge_runtime.inference.transcript import Writing
from edge_runtime.making import maker
from edge_runtime.making.order import Order
from edge_runtime.making.samples import speech

torch = pytest.importorskip("torch", reason="the build extra is not installed")
transformers = pytest.importorskip("transformers", reason="the build extra is not installed")
tiny_models = pytest.importorskip("tiny_models", reason="the build extra is not installed")
# torch, transformers and optimum announce what they will drop one day.
pytestmark = pytest.mark.filterwarnings("ignore")

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    Made = Callable[..., tuple[Path, Path]]
    Floats = NDArray[np.float32]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Give the folder of a small recogniser and its bundle, each made once."""
    done: dict[tuple[Any, ...], tuple[Path, Path]] = {}

    def make(kind: str, seed: int, **how: Any) -> tuple[Path, Path]:
        key = (kind, seed, *sorted(how.items()))
        if key not in done:
            folder = tmp_path_factory.mktemp(kind)
            source = getattr(tiny_models, kind)(folder / "source", seed, **how)
            maker.make(Order(str(source), folder / "bundle", int8=False), print)
            done[key] = source, folder / "bundle"
        return done[key]

    return make


def by_transformers(source: Path, sound: Floats, most: int, **said: Any) -> list[int]:
    """Return what the original's own `generate` writes, likeliest token by likeliest token."""
    greedy = {"max_new_tokens": most, "do_sample": False, "num_beams": 1, **said}
    if (source / "preprocessor_config.json").read_text().count("Whisper"):
        model = transformers.WhisperForConditionalGeneration.from_pretrained(source).eval()
        extractor = transformers.WhisperFeatureExtractor.from_pretrained(source)
        heard = extractor(sound, sampling_rate=16_000, return_tensors="pt").input_features
        written = model.generate(heard, **greedy)[0].tolist()
    else:
        model = transformers.MoonshineForConditionalGeneration.from_pretrained(source).eval()
        written = model.generate(torch.from_numpy(sound)[None], **greedy)[0].tolist()[1:]
    return [token for token in written if token != model.config.eos_token_id]


def voice(seconds: float, at: float) -> Floats:
    """Return some of the demo's spoken commands."""
    return speech(at + seconds)[-round(seconds * 16_000) :]


@pytest.mark.parametrize(
    ("kind", "seed", "how", "said"),
    [
        *(pytest.param("whisper", seed, {}, {"language": "en"}, id=f"whisper-{seed}-english") for seed in range(4)),
        pytest.param("whisper", 2, {}, {"language": "de"}, id="whisper, the other language"),
        pytest.param("whisper", 2, {}, {"task": "translate", "language": "de"}, id="whisper, the other task"),
        pytest.param("whisper", 1, {"languages": ()}, {}, id="whisper of one language"),
        *(pytest.param("moonshine", seed, {}, {}, id=f"moonshine-{seed}") for seed in range(4)),
    ],
)
def test_every_token_is_the_originals(
    made: Made, kind: str, seed: int, how: dict[str, Any], said: dict[str, Any]
) -> None:
    source, bundle = made(kind, seed, **how)
    manifest = Manifest.load(bundle)
    assert manifest.speech is not None
    most = manifest.speech.max_tokens - len(manifest.speech.prompt)
    heard = Transcriber(manifest, **said, guard=False)
    for seconds, at in ((0.4, 1.0), (1.3, 3.0), (2.0, 0.0)):
        sound = voice(seconds, at)
        words = {"task": "transcribe", **said} if said else {}
        assert heard.tokens(sound) == by_transformers(source, sound, most, **words)


def test_some_of_these_transcripts_wander_and_some_end_before_they_must(made: Made) -> None:
    written = []
    for seed in range(4):
        manifest = Manifest.load(made("whisper", seed)[1])
        written.append(Transcriber(manifest, guard=False).tokens(voice(1.3, 3.0)))
    assert max(len(set(tokens)) for tokens in written) > 5
    assert len({len(tokens) for tokens in written}) > 1


@pytest.mark.parametrize("kind", ["whisper", "moonshine"])
def test_a_token_at_a_time_or_all_at_once_is_the_same(made: Made, kind: str) -> None:
    manifest = Manifest.load(made(kind, 1)[1])
    heard = Transcriber(manifest, guard=False)
    part, sound = heard._part, voice(1.0, 2.0)
    cross = heard._encoder.run({heard._input: heard._heard(sound)})
    tokens = [*part.prompt, *range(5, 25)]
    whole = Writing(heard._decoder, part, cross).follow(tokens)
    stepwise = Writing(heard._decoder, part, cross)
    assert np.concatenate([stepwise.follow([token]) for token in tokens]) == pytest.approx(whole, abs=1e-4)


def test_the_language_is_told_from_the_sound_as_the_original_tells_it(made: Made) -> None:
    for seed in range(4):
        source, bundle = made("whisper", seed)
        model = transformers.WhisperForConditionalGeneration.from_pretrained(source).eval()
        extractor = transformers.WhisperFeatureExtractor.from_pretrained(source)
        sound = voice(1.7, 1.0)
        heard = extractor(sound, sampling_rate=16_000, return_tensors="pt").input_features
        token = int(model.detect_language(heard)[0])
        manifest = Manifest.load(bundle)
        assert manifest.speech is not None
        (language,) = (name for name, number in manifest.speech.languages.items() if number == token)
        told = Transcriber(manifest, language=language, guard=False).tokens(sound)
        assert Transcriber(manifest, language="auto", guard=False).tokens(sound) == told


@pytest.mark.parametrize(
    ("chosen", "reason"),
    [
        pytest.param({"language": "fr"}, "has no language 'fr'; it knows de, en", id="language"),
        pytest.param({"task": "sing"}, "has no task 'sing'; it knows transcribe, translate", id="task"),
    ],
)
def test_what_a_whisper_does_not_know_is_named(made: Made, chosen: dict[str, Any], reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        Transcriber(Manifest.load(made("whisper", 0)[1]), **chosen)


def test_the_bundle_says_how_its_past_is_shaped(made: Made) -> None:
    part = Manifest.load(made("whisper", 0)[1]).speech
    assert part is not None
    assert (part.layers, part.heads, part.head_size) == (3, 4, 16)
    assert part.no_speech is not None
    assert {part.languages["en"], part.tasks["transcribe"]} < set(part.prompt)


@pytest.mark.parametrize(
    ("language", "prompt"),
    [pytest.param("en", (86, 87, 90, 92), id="english"), pytest.param("de", (86, 88, 90, 92), id="german")],
)
def test_a_bundle_is_told_its_language(tmp_path: Path, language: str, prompt: tuple[int, ...]) -> None:
    source = tiny_models.whisper(tmp_path / "source")
    maker.make(Order(str(source), tmp_path / "bundle", int8=False, language=language), print)
    part = Manifest.load(tmp_path / "bundle").speech
    assert part is not None
    assert part.prompt == prompt
    assert (part.languages, part.tasks) == ({"en": 87, "de": 88}, {"transcribe": 90, "translate": 89})
    assert (part.no_speech, part.seconds, part.max_tokens) == (91, 2.0, 40)
    assert part.suppress == (7, *range(86, 95))
    assert part.begin_suppress == (8, 85)


def test_int8_writes_nearly_the_same(tmp_path: Path) -> None:
    source = tiny_models.moonshine(tmp_path / "source", 1)
    maker.make(Order(str(source), tmp_path / "bundle"), print)
    numbers = Manifest.load(tmp_path / "bundle").numbers["decoder"]
    assert numbers["int8_worst_cosine"] > 0.98


def test_a_bundle_whose_decoder_forgets_is_to_be_made_again(made: Made, tmp_path: Path) -> None:
    table = json.loads((made("whisper", 0)[1] / "manifest.json").read_text())
    for key in ("layers", "heads", "head_size"):
        del table["speech"][key]
    (tmp_path / "manifest.json").write_text(json.dumps(table))
    with pytest.raises(BundleError, match="no memory of the tokens before; make it again with bundle make"):
        Manifest.load(tmp_path)
