from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from edge_runtime.bundles.manifest import Manifest
from edge_runtime.errors import InputError
from edge_runtime.making import maker
from edge_runtime.making.order import Order
from edge_runtime.wiring.assembly import Models

torch = pytest.importorskip("torch", reason="the build extra is not installed")
transformers = pytest.importorskip("transformers", reason="the build extra is not installed")
tiny_models = pytest.importorskip("tiny_models", reason="the build extra is not installed")
# torch and optimum announce what they will drop one day.
pytestmark = pytest.mark.filterwarnings("ignore")

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    Made = Callable[..., tuple[Path, Path]]

TEXTS = [
    "Dog",
    "Is there anybody at the front door?",
    "a red coat, two parcels; " * 20,
]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Give the folder of a small model and its bundle, each made once."""
    done: dict[tuple[Any, ...], tuple[Path, Path]] = {}

    def make(kind: str, *arguments: str, int8: bool = False) -> tuple[Path, Path]:
        key = (kind, *arguments, int8)
        if key not in done:
            folder = tmp_path_factory.mktemp(kind)
            source = getattr(tiny_models, kind)(folder / "source", *arguments)
            maker.make(Order(str(source), folder / "bundle", int8=int8), print)
            done[key] = source, folder / "bundle"
        return done[key]

    return make


def picture(height: int, width: int) -> NDArray[np.uint8]:
    """Return a picture of soft shapes, which says more about resizing than noise does."""
    y, x = np.mgrid[:height, :width]
    waves = [128 + 100 * np.sin(x / (5 + c) + c) * np.cos(y / (9 - c)) for c in range(3)]
    return np.stack(waves, -1).astype(np.uint8)


def unit(tensor: Any) -> NDArray[np.float32]:
    array: NDArray[np.float32] = torch.nn.functional.normalize(tensor, dim=-1).numpy()
    return array


@pytest.mark.parametrize(
    ("kind", "reader", "padding"),
    [
        pytest.param("clip", "CLIPModel", {"padding": True}, id="clip: the closing token's state"),
        pytest.param("siglip", "SiglipModel", {"padding": "max_length"}, id="siglip: always 64 tokens, no mask"),
    ],
)
def test_pictures_and_texts_lie_where_the_original_puts_them(
    made: Made, kind: str, reader: str, padding: dict[str, Any]
) -> None:
    source, bundle = made(kind)
    original = getattr(transformers, reader).from_pretrained(source).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(source)
    processor = transformers.AutoImageProcessor.from_pretrained(source, use_fast=False)
    embedder = Models(bundle).embedder
    longest = original.config.text_config.max_position_embeddings
    tokens = tokenizer(
        [text.lower() for text in TEXTS], return_tensors="pt", truncation=True, max_length=longest, **padding
    )
    if kind == "siglip":
        del tokens["attention_mask"]
    tokens.pop("token_type_ids", None)
    with torch.inference_mode():
        texts = unit(original.get_text_features(**tokens))
        images = unit(
            original.get_image_features(**processor(images=[picture(48, 80), picture(90, 40)], return_tensors="pt"))
        )
    assert embedder.embed_text(TEXTS) == pytest.approx(texts, abs=1e-4)
    for image, wanted in zip((picture(48, 80), picture(90, 40)), images, strict=True):
        assert embedder.embed_image(image) @ wanted > 0.999


def test_zero_shot_scores_are_the_originals(made: Made) -> None:
    source, bundle = made("clip")
    original = transformers.CLIPModel.from_pretrained(source).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(source)
    processor = transformers.AutoImageProcessor.from_pretrained(source, use_fast=False)
    labels = ["cat", "dog", "parcel"]
    tokens = tokenizer([f"a photo of a {label}." for label in labels], return_tensors="pt", padding=True)
    tokens.pop("token_type_ids", None)
    pixels = processor(images=picture(60, 60), return_tensors="pt")
    with torch.inference_mode():
        wanted = original(**tokens, **pixels).logits_per_image.softmax(-1)[0]
    embedder = Models(bundle).embedder
    got = embedder.classify(embedder.embed_image(picture(60, 60)), labels)
    assert list(got.values()) == pytest.approx(wanted.tolist(), abs=0.02)


@pytest.mark.parametrize(
    ("kind", "arguments", "pool"),
    [
        pytest.param("bert", (), "mean", id="a bare encoder: mean"),
        pytest.param("roberta", (), "mean", id="positions that begin late"),
        pytest.param("sentence_transformer", ("mean_tokens",), "mean", id="sentence-transformers: mean"),
        pytest.param("sentence_transformer", ("cls_token",), "cls", id="sentence-transformers: first token"),
        pytest.param("sentence_transformer", ("max_tokens",), "max", id="sentence-transformers: largest"),
    ],
)
def test_sentences_lie_where_the_original_puts_them(
    made: Made, kind: str, arguments: tuple[str, ...], pool: str
) -> None:
    source, bundle = made(kind, *arguments)
    original = transformers.AutoModel.from_pretrained(source).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(source)
    part = Manifest.load(bundle).text
    assert part is not None
    assert part.max_tokens == (24 if arguments else 48 if kind == "bert" else 49)
    found = Models(bundle).embedder.embed_text(TEXTS)
    for text, vector in zip(TEXTS, found, strict=True):
        tokens = tokenizer(text, return_tensors="pt", truncation=True, max_length=part.max_tokens, padding=False)
        tokens.pop("token_type_ids", None)
        with torch.inference_mode():
            states = original(**tokens).last_hidden_state
        wanted = {"mean": states.mean(1), "cls": states[:, 0], "max": states.max(1).values}[pool]
        assert vector == pytest.approx(unit(wanted)[0], abs=1e-4)


@pytest.mark.parametrize(
    ("kind", "labels"),
    [
        pytest.param("vit", ["cat", "dog", "parcel"], id="transformer, squeezed pictures, names cut at the comma"),
        pytest.param("resnet", ["LABEL_0", "LABEL_1", "LABEL_2", "LABEL_3"], id="convolutions, cut-out middle"),
    ],
)
def test_pictures_are_named_as_the_original_names_them(made: Made, kind: str, labels: list[str]) -> None:
    source, bundle = made(kind)
    original = transformers.AutoModelForImageClassification.from_pretrained(source).eval()
    processor = transformers.AutoImageProcessor.from_pretrained(source, use_fast=False)
    for image in (picture(50, 90), picture(200, 200)):
        with torch.inference_mode():
            wanted = original(**processor(images=image, return_tensors="pt")).logits.softmax(-1)[0]
        got = Models(bundle).classifier.classify(image)
        assert list(got) == labels
        assert list(got.values()) == pytest.approx(wanted.tolist(), abs=0.02)


@pytest.mark.parametrize(
    ("kind", "small"),
    [
        pytest.param("clip", {"image", "text"}, id="both towers of clip"),
        pytest.param("siglip", {"image", "text"}, id="both towers of siglip"),
        pytest.param("bert", {"text"}, id="a sentence encoder"),
        pytest.param("vit", {"image"}, id="a transformer of pictures"),
        pytest.param("resnet", set(), id="convolutions without calibration stay as they are"),
        pytest.param("whisper", {"encoder", "decoder"}, id="both halves of whisper"),
        pytest.param("moonshine", {"encoder", "decoder"}, id="both halves of moonshine"),
    ],
)
def test_int8_is_small_and_says_what_it_costs(made: Made, kind: str, small: set[str]) -> None:
    _, bundle = made(kind, int8=True)
    manifest = Manifest.load(bundle)
    manifest.verify()
    for tower, numbers in manifest.numbers.items():
        assert numbers["export_max_error"] <= numbers["tolerance"]
        assert ("int8_worst_cosine" in numbers) == (tower in small)
        if tower in small:
            assert manifest.files[f"{tower}.onnx"].bytes < 0.8 * numbers["bytes_fp32"]
            assert 0.98 < numbers["int8_worst_cosine"] <= numbers["int8_mean_cosine"] <= 1.0001
            assert manifest.built["how"][f"{tower}.onnx"].endswith("INT8 dynamic")


def test_convolutions_become_int8_with_pictures_to_scale_by(tmp_path: Path) -> None:
    cv2 = pytest.importorskip("cv2")
    (tmp_path / "pictures").mkdir()
    for index in range(16):
        cv2.imwrite(str(tmp_path / "pictures" / f"{index}.png"), picture(60 + 5 * index, 80))
    source = tiny_models.resnet(tmp_path / "source")
    said: list[str] = []
    maker.make(Order(str(source), tmp_path / "bundle", calibrate=tmp_path / "pictures"), said.append)
    manifest = Manifest.load(tmp_path / "bundle")
    assert manifest.built["how"]["image.onnx"].endswith("INT8 static"), said
    assert manifest.numbers["image"]["measured_on"] == "4 pictures of pictures"
    assert manifest.numbers["image"]["int8_mean_cosine"] > 0.98


def test_the_manifest_says_where_the_model_is_from_and_not_where_it_lay(made: Made) -> None:
    source, bundle = made("bert")
    manifest = Manifest.load(bundle)
    assert manifest.license == "apache-2.0"
    assert manifest.sources == ("source (local)",)
    assert str(source.parent) not in (bundle / "manifest.json").read_text()
    assert {path.name for path in bundle.iterdir()} == {*manifest.files, "manifest.json"}


@pytest.mark.parametrize(
    ("card", "said"),
    [
        pytest.param("---\nlicense: mit\n---\n", "mit", id="named"),
        pytest.param("---\nlicense: other\nlicense_name: own-terms\n---\n", "own-terms", id="a name of its own"),
        pytest.param("---\nlicense: [mit, apache-2.0]\n---\n", "mit, apache-2.0", id="several"),
        pytest.param("# A model\n", "unknown, ask the model's author", id="not named"),
        pytest.param(None, "unknown, ask the model's author", id="no card"),
        pytest.param("---\nlicense: [\n---\n", "unknown, ask the model's author", id="front matter that is none"),
    ],
)
def test_the_licence_is_the_cards(tmp_path: Path, card: str | None, said: str) -> None:
    from edge_runtime.making.source import licence  # noqa: PLC0415 - needs the extra

    if card is not None:
        (tmp_path / "README.md").write_text(card)
    assert licence(tmp_path / "README.md") == said


def test_an_export_that_took_a_length_for_fixed_is_refused(tmp_path: Path) -> None:
    from edge_runtime.making.exporting import export  # noqa: PLC0415 - needs the extra
    from edge_runtime.making.tower import Tower  # noqa: PLC0415

    class Fixed(torch.nn.Module):  # type: ignore[misc, name-defined]
        config = transformers.BertConfig()

        def forward(self, values: Any) -> dict[str, Any]:
            return {"sum": values.sum(1) / float(values.shape[1])}

    examples = tuple({"values": np.ones((1, length), np.float32) * 3} for length in (4, 7))
    tower = Tower("x.onnx", Fixed(), {"values": {1: "length"}}, {"sum": {}}, examples)
    with pytest.raises(InputError, match=r"x\.onnx: ONNX and torch differ by 2\.2"):
        export(tower, tmp_path / "x.onnx")


def test_a_slow_tokenizer_becomes_one_that_the_runtime_reads(tmp_path: Path) -> None:
    pieces = pytest.importorskip("sentencepiece", reason="the build extra is not installed")
    from edge_runtime.making.loading import Words  # noqa: PLC0415 - needs the extra
    from edge_runtime.making.source import Original  # noqa: PLC0415

    corpus = tmp_path / "corpus.txt"
    corpus.write_text("a photo of a cat on the kitchen table\nis there anybody at the front door\n" * 40)
    pieces.SentencePieceTrainer.train(
        input=str(corpus), model_prefix=str(tmp_path / "spiece"), vocab_size=99, hard_vocab_limit=False
    )
    folder = tmp_path / "source"
    transformers.SiglipTokenizer(str(tmp_path / "spiece.model")).save_pretrained(folder)
    (folder / "config.json").write_text(json.dumps({"model_type": "siglip"}))
    words = Words(Original(folder, "x", "x", "local", "", {}))
    slow = transformers.SiglipTokenizer.from_pretrained(folder)
    for text in ("a photo of a cat.", "Is there  anybody at the front-door?!", "kitchen, table"):
        assert words.fast.encode(text).ids == slow(text.lower())["input_ids"]
