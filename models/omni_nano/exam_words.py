"""What a built text tower is asked about sentences that no training has seen, INT8 and FP32 side by side."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from models.omni_nano import scoring, sentences, text_teacher
from models.omni_nano.scoring import Row

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from models.omni_nano.exam import Answers, Pair
    from scripts.stage import Workshop


def about_words(pair: Pair, workshop: Workshop) -> list[Row]:
    """Compare sentence vectors with the teacher's, and learn CLINC150's intents from them."""
    corpus = sentences.corpora(workshop.data, workshop.teachers, workshop.settings["text"]["seed"])
    _, dev = sentences.split(corpus)
    near: list[dict[str, NDArray[np.float64]]] = [{}, {}]
    for name, texts in dev.items():
        wanted = np.load(text_teacher.teach(texts, workshop.folder("distil") / "dev", 512)[1])
        for found, one in zip(near, pair, strict=True):
            found[name] = (one.eyes.embedder.embed_text(texts) * wanted).sum(1).astype(np.float64)
    bar = [np.concatenate([f["nlu_home"], f["coco"], f["flickr"]]) for f in near]
    kind = np.arange(len(bar[0])) >= len(near[0]["nlu_home"])
    what = "mean cosine with MiniLM, home sentences and captions alike"
    measures = [scoring.mean_of(values, kind) for values in bar]
    rows = [Row("text_cosine", what, len(kind), measures[0], measures[1], 0.93)]
    for name in dev:
        measures = [scoring.mean_of(f[name]) for f in near]
        rows.append(Row(f"text_cosine_{name}", f"the same, {name} alone", len(dev[name]), measures[0], measures[1]))
    hits = [probe(one, workshop.data) for one in pair]
    measures = [scoring.mean_of(values) for values in hits]
    what = "linear probe on CLINC150's 150 intents"
    return [*rows, Row("clinc150_probe", what, len(hits[0]), measures[0], measures[1], 0.9)]


def probe(one: Answers, data: Path) -> NDArray[np.bool_]:
    """Tell for CLINC150's val whether a linear classifier learned on its train is right, the 150 in-scope intents."""
    clinc = json.loads((data / "text" / "clinc150_train_val.json").read_text(encoding="utf-8"))
    names = {intent: number for number, intent in enumerate(sorted({intent for _, intent in clinc["train"]}))}
    x, y = {}, {}
    for part in ("train", "val"):
        x[part] = torch.from_numpy(one.eyes.embedder.embed_text([text for text, _ in clinc[part]]))
        y[part] = torch.tensor([names[intent] for _, intent in clinc[part]])
    layer = nn.Linear(x["train"].shape[1], len(names))
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    optimiser = torch.optim.LBFGS(layer.parameters(), max_iter=200, line_search_fn="strong_wolfe")

    def step() -> Tensor:
        optimiser.zero_grad()
        # The inverse of C = 10 per sample, as scikit-learn's LogisticRegression counts it.
        penalty = layer.weight.square().sum() / (2 * 10 * len(y["train"]))
        loss = nn.functional.cross_entropy(layer(x["train"]), y["train"]) + penalty
        loss.backward()
        return loss

    optimiser.step(step)
    right: NDArray[np.bool_] = (layer(x["val"]).argmax(1) == y["val"]).numpy()
    return right
