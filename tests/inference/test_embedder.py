from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from edge_runtime.bundles.manifest import Manifest, default_bundle
from edge_runtime.bundles.parts import ImagePart, TextPart
from edge_runtime.errors import InputError
from edge_runtime.inference.embedder import Embedder
from edge_runtime.inference.session import OnnxSession

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


@pytest.fixture(scope="module")
def embedder() -> Embedder:
    manifest = Manifest.load(default_bundle())
    return Embedder(manifest, lambda: OnnxSession(manifest.path(manifest.part(ImagePart).file)))


def test_sentences_become_unit_vectors_in_their_own_order(embedder: Embedder) -> None:
    texts = ["a dog sleeping on the couch in the living room", "dog", "turn off the light", ""]
    vectors = embedder.embed_text(texts)
    assert vectors.shape == (4, 384)
    assert vectors.dtype == np.float32
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1, abs=1e-5)
    for text, vector in zip(texts, vectors, strict=True):
        assert embedder.embed_text([text])[0] @ vector > 0.99


def test_no_sentence_gives_no_vector(embedder: Embedder) -> None:
    assert embedder.embed_text([]).shape == (0, 384)


def test_more_sentences_than_one_batch(embedder: Embedder) -> None:
    vectors = embedder.embed_text([f"{number} dogs" for number in range(70)])
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize(
    ("text", "near", "far"),
    [
        pytest.param("turn on the lamp", "switch the light on", "what time is it", id="command"),
        pytest.param("is anybody at the door", "is there a person at the door", "play some jazz", id="question"),
        pytest.param("a puppy on the grass", "a dog in the garden", "a red truck on the road", id="caption"),
        pytest.param("how warm is it in here", "what is the temperature", "add milk to my list", id="weather"),
    ],
)
def test_what_means_the_same_lies_nearer(embedder: Embedder, text: str, near: str, far: str) -> None:
    a, b, c = embedder.embed_text([text, near, far])
    assert a @ b > a @ c + 0.1


class Canned:
    """Embeds a text as the sum of its tokens, twice as long as a unit vector, and keeps what it was given."""

    fed: list[dict[str, Any]]

    def __init__(self, path: Path, *, threads: int) -> None:
        assert path.name == "text.onnx"
        assert threads == 2

    def expect(self, inputs: Iterable[str], outputs: Iterable[str]) -> None:
        assert (list(inputs), list(outputs)) == (["ids"], ["vector"])

    def run(self, feeds: dict[str, Any]) -> dict[str, Any]:
        Canned.fed.append(feeds)
        total = feeds["ids"].sum(1, keepdims=True) / 1000
        return {"vector": 2 * np.concatenate([np.cos(total), np.sin(total)], 1).astype(np.float32)}


def test_texts_are_prepared_as_their_model_learned_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge_runtime.inference.embedder.OnnxSession", Canned)
    Canned.fed = []
    shipped = Manifest.load(default_bundle())
    names = {"input": "ids", "mask": None, "embedding": "vector", "pad_id": 1, "pad_to": 16, "lowercase": True}
    part = shipped.part(TextPart).model_copy(update=names)
    own = Embedder(shipped.model_copy(update={"text": part, "embedding_size": None}), pytest.fail)
    vectors = own.embed_text(["turn on the lamp", "DOG", "dog"])
    assert vectors.shape == (3, 2)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1, abs=1e-6)
    assert (vectors[1] == vectors[2]).all()
    assert [set(feeds) for feeds in Canned.fed] == [{"ids"}]
    assert Canned.fed[0]["ids"].shape == (3, 16)
    assert (Canned.fed[0]["ids"][:, -1] == 1).all()


@pytest.mark.parametrize("shape", [(480, 640, 3), (64, 64, 3), (720, 300, 3)], ids=["usual", "tiny", "upright"])
def test_a_picture_becomes_a_unit_vector(embedder: Embedder, shape: tuple[int, int, int]) -> None:
    image = np.random.default_rng(1).integers(0, 255, shape, dtype=np.uint8)
    vector = embedder.embed_image(image)
    assert vector.shape == (384,)
    assert vector.dtype == np.float32
    assert float(np.linalg.norm(vector)) == pytest.approx(1, abs=1e-4)


def test_the_label_a_sentence_means_wins(embedder: Embedder) -> None:
    vector = embedder.embed_text(["a photo of a puppy"])[0]
    scores = embedder.classify(vector, ["dog", "truck", "bottle"])
    assert sum(scores.values()) == pytest.approx(1, abs=1e-5)
    assert max(scores, key=lambda label: scores[label]) == "dog"


def test_label_vectors_are_computed_once(embedder: Embedder) -> None:
    vector = embedder.embed_text(["a bottle"])[0]
    first = embedder.classify(vector, ["cup", "bottle"], ["a {} on a table"])
    assert embedder.classify(vector, ["cup", "bottle"], ["a {} on a table"]) == first


@pytest.mark.parametrize(
    ("labels", "templates", "message"),
    [
        pytest.param([], [], "at least one label", id="no label"),
        pytest.param(["cat", " "], [], "no empty one", id="empty label"),
        pytest.param(["cat", "cat"], [], "'cat' is given twice", id="label twice"),
        pytest.param(["cat"], ["a photo"], "exactly one {}", id="template without a place"),
        pytest.param(["cat"], ["{} {}"], "exactly one {}", id="template with two places"),
    ],
)
def test_what_cannot_be_classified_is_refused(
    embedder: Embedder, labels: list[str], templates: list[str], message: str
) -> None:
    with pytest.raises(InputError) as caught:
        embedder.classify(np.zeros(384, np.float32), labels, templates)
    assert message in str(caught.value)
