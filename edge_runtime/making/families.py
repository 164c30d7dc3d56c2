"""Which pieces of which model become a bundle: CLIP, SigLIP, sentence encoders, classifiers; others have own files."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from transformers import AutoModel, AutoModelForImageClassification, CLIPModel, SiglipModel

from edge_runtime.errors import InputError
from edge_runtime.inference.preprocess import token_ids
from edge_runtime.making import generating, speech
from edge_runtime.making.loading import Words, weights
from edge_runtime.making.pictures import preparation
from edge_runtime.making.samples import SENTENCES, Pictures
from edge_runtime.making.tower import Axes, Plan, Tower
from edge_runtime.making.towers import (
    Classifier,
    ImageEmbedder,
    PaddedTextEmbedder,
    SentenceEmbedder,
    TextEmbedder,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from edge_runtime.bundles.parts import ImagePart
    from edge_runtime.making.order import Order
    from edge_runtime.making.source import Original
    from edge_runtime.making.tower import Feeds

_PICTURES: Axes = {"pixel_values": {0: "batch"}}
_TOKENS = {0: "batch", 1: "tokens"}
_EMBEDDING: Axes = {"embedding": {0: "batch"}}
_ENCODERS = {
    "albert",
    "bert",
    "camembert",
    "distilbert",
    "electra",
    "modernbert",
    "mpnet",
    "roberta",
    "xlm-roberta",
}
# These number positions from behind the padding token's.
_LATE_POSITIONS = {"camembert", "mpnet", "roberta", "xlm-roberta"}
_MEASURED_TEXT = f"{len(SENTENCES)} sentences"


def plan(original: Original, order: Order) -> Plan:
    """Return what becomes of a model.

    Raises:
        InputError: its kind is not known here, or it is not whole.
    """
    kind = str(original.config.get("model_type", ""))
    architectures = [str(name) for name in original.config.get("architectures") or []]
    planners: dict[str, Callable[[Original, Order], Plan]] = {
        "clip": _clip,
        "siglip": _siglip,
        "whisper": speech.whisper,
        "moonshine": speech.moonshine,
    }
    if kind in planners:
        return planners[kind](original, order)
    if any(name.endswith("ForImageClassification") for name in architectures):
        return _classifier(original, order)
    if kind in _ENCODERS:
        return _sentence_encoder(original, order)
    if any(name.endswith(("ForCausalLM", "LMHeadModel")) for name in architectures):
        return generating.writer(original, order)
    raise InputError(
        f"{original.source}: no bundle can be made of model type {kind!r} ({', '.join(architectures) or 'no name'}); "
        f"known are clip, siglip, whisper, moonshine, picture classifiers, causal language models, and sentence "
        f"encoders of the types {', '.join(sorted(_ENCODERS))}"
    )


def _clip(original: Original, order: Order) -> Plan:
    model, words = weights(original, CLIPModel), Words(original)
    texts = model.config.text_config
    text = {
        "max_tokens": _longest(words, texts.max_position_embeddings),
        "pad_id": words.pad_id,
        "pad_to": None,
        "lowercase": False,
    }
    # The closing token is found by being the largest, or else by its number; neither survives a foreign tokenizer.
    closing = words.fast.encode("dog").ids[-1]
    last = texts.vocab_size - 1 if texts.eos_token_id == 2 else texts.eos_token_id
    if closing != last:
        raise InputError(f"{original.source}: its tokenizer ends a text with token {closing}, its model wants {last}")
    template = "a photo of a {}."
    return _joint(original, order, (model, model.config.projection_dim), (words, text, TextEmbedder(model)), template)


def _siglip(original: Original, order: Order) -> Plan:
    model, words = weights(original, SiglipModel), Words(original)
    places = model.config.text_config.max_position_embeddings
    text = {"max_tokens": places, "pad_id": words.pad_id, "pad_to": places, "lowercase": True, "mask": None}
    size = model.config.text_config.projection_size
    return _joint(original, order, (model, size), (words, text, PaddedTextEmbedder(model)), "This is a photo of {}.")


def _joint(
    original: Original,
    order: Order,
    seeing: tuple[Any, int],
    reading: tuple[Words, dict[str, Any], Any],
    template: str,
) -> Plan:
    """Return the plan of a model with one space for pictures and texts."""
    (model, size), (words, text, embedder) = seeing, reading
    pictures = Pictures(order.calibrate)
    part, difference = preparation(original, model.config.vision_config.image_size, "embedding", pictures.images())
    text_part = {"file": "text.onnx", "tokenizer": "tokenizer.json", **text}
    return Plan(
        towers=(
            _image_tower(ImageEmbedder(model), part, pictures, _EMBEDDING),
            Tower("text.onnx", embedder, _token_axes(text_part), _EMBEDDING, _sentences(words, text_part)),
        ),
        parts={
            "embedding_size": size,
            "image": part.model_dump(mode="json", exclude_none=True),
            "text": text_part,
            "classify": {"temperature": math.exp(-float(model.logit_scale)), "templates": [template]},
        },
        tokenizer=words.fast.to_str(),
        measured_on={"image": pictures.words, "text": _MEASURED_TEXT},
        numbers={"image": {"preparation_difference": difference}},
    )


def _classifier(original: Original, order: Order) -> Plan:
    model = weights(original, AutoModelForImageClassification)
    pictures = Pictures(order.calibrate)
    size = getattr(model.config, "image_size", None)
    part, difference = preparation(original, size if isinstance(size, int) else None, None, pictures.images())
    names = model.config.id2label
    labels = [str(names[index]).split(",")[0].strip() for index in range(model.config.num_labels)]
    labels = [label if labels.count(label) == 1 else str(names[index]) for index, label in enumerate(labels)]
    return Plan(
        towers=(_image_tower(Classifier(model), part, pictures, {"logits": {0: "batch"}}),),
        parts={
            # A picture model without an embedding says so with null.
            "image": {**part.model_dump(mode="json", exclude_none=True), "embedding": None},
            "labels": {"labels": labels},
        },
        measured_on={"image": pictures.words},
        numbers={"image": {"preparation_difference": difference}},
    )


def _sentence_encoder(original: Original, _order: Order) -> Plan:
    # The pooler stands beside the states that are pooled here.
    model, words = weights(original, AutoModel, optional=("pooler.",)), Words(original)
    pooling, size, lowercase = _pooling(original)
    places = model.config.max_position_embeddings
    if original.config["model_type"] in _LATE_POSITIONS:
        places -= model.config.pad_token_id + 1
    text = {
        "file": "text.onnx",
        "tokenizer": "tokenizer.json",
        "max_tokens": min(_longest(words, places), size or places),
        "pad_id": words.pad_id,
        "lowercase": lowercase,
    }
    tower = Tower("text.onnx", SentenceEmbedder(model, pooling), _token_axes(text), _EMBEDDING, _sentences(words, text))
    return Plan(
        towers=(tower,),
        parts={"embedding_size": model.config.hidden_size, "text": text},
        tokenizer=words.fast.to_str(),
        measured_on={"text": _MEASURED_TEXT},
        numbers={"text": {"pooling": pooling}},
    )


def _pooling(original: Original) -> tuple[str, int | None, bool]:
    """Return how a sentence encoder pools its tokens, how many it takes at most, and whether it wants lower case."""
    modules = original.modules()
    if modules is None:
        return "mean", None, False
    pooling, known = "mean", {"Transformer", "Pooling", "Normalize"}
    for module in modules:
        kind = str(module.get("type", "")).split(".")[-1]
        if kind not in known:
            raise InputError(
                f"{original.source}: modules.json adds a step {kind!r}; known are {', '.join(sorted(known))}"
            )
        if kind == "Pooling":
            table = original.table(f"{module['path']}/config.json") or {}
            modes = [name for name, chosen in table.items() if name.startswith("pooling_mode_") and chosen]
            names = {
                "pooling_mode_mean_tokens": "mean",
                "pooling_mode_cls_token": "cls",
                "pooling_mode_max_tokens": "max",
            }
            if len(modes) != 1 or modes[0] not in names:
                raise InputError(
                    f"{original.source}: pooling is {modes or 'not named'}; known are one of {', '.join(names)}"
                )
            pooling = names[modes[0]]
    table = original.table("sentence_bert_config.json") or {}
    return pooling, table.get("max_seq_length"), bool(table.get("do_lower_case"))


def _image_tower(module: Any, part: ImagePart, pictures: Pictures, outputs: Axes) -> Tower:
    return Tower("image.onnx", module, _PICTURES, outputs, pictures.compared(part), pictures.calibration(part))


def _token_axes(text: dict[str, Any]) -> Axes:
    names = ["input_ids"] if text.get("mask", "") is None else ["input_ids", "attention_mask"]
    return {name: {0: "batch"} if text.get("pad_to") else _TOKENS for name in names}


def _longest(words: Words, places: int) -> int:
    return min(places, words.longest or places)


def _sentences(words: Words, text: dict[str, Any]) -> tuple[Feeds, ...]:
    """Return the sample sentences as the runtime feeds them: all in one go, and two alone."""
    samples = [sentence.lower() if text["lowercase"] else sentence for sentence in SENTENCES]
    found = []
    for texts in (samples, samples[:1], samples[-1:]):
        both = token_ids(words.fast, texts, text["max_tokens"], pad_id=text["pad_id"], pad_to=text.get("pad_to"))
        found.append(dict(zip(_token_axes(text), both, strict=False)))
    return tuple(found)
