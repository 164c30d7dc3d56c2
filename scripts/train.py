"""Teach omni-nano's eyes: boxes, labels and captions on one backbone."""

from __future__ import annotations

import copy
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.omni_nano import cutouts, data, lessons, objectives, teachers, text_teacher, words
from models.omni_nano.batches import Batch, Curriculum, agreed
from models.omni_nano.drawing import prefetched, seeded
from models.omni_nano.network import STRIDES, Convolution, ImageModel
from scripts.caches import claim
from scripts.checkpoints import Checkpoints
from scripts.stage import Stage, Workshop, progress, save_checkpoint

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

SOURCES = (
    *("network", "data", "lessons", "batches", "augment", "everyday", "objectives", "teachers", "words"),
    *("cutouts", "scenes", "things", "drawing"),
)
# What the teachers have answered, and the code that asks them.
KEPT = {
    "boxes.pt": ("data.py", "lessons.py", "teachers.py"),
    "boxes-part.pt": ("data.py", "lessons.py", "teachers.py"),
    "opinions.pt": ("data.py", "lessons.py", "network.py", "teachers.py"),
    "words.pt": ("data.py", "everyday.py", "teachers.py", "things.py", "words.py"),
    "cutouts.pt": ("batches.py", "cutouts.py", "data.py", "everyday.py", "lessons.py", "teachers.py"),
}


def start(settings: dict[str, Any], folder: Path, vocabulary: words.Words) -> ImageModel:
    """Make the model from its teacher's weights; its joint head starts as that teacher's labels put into words."""
    model = ImageModel(len(settings["labels"]), settings["width"], settings["hidden"])
    layers = teachers.folded_layers(folder / "mobilenet_v2_1.0_224_ptq.tflite")
    teachers.start_from(model.backbone, layers[:-1])
    weight, bias = (part[1:].flatten(1) if part.ndim > 1 else part[1:] for part in layers[-1])
    names = vocabulary.classes.mean(0)
    names = names - names.mean(0)
    # The least-squares vector whose products with the names are the teacher's logits.
    solve = torch.linalg.solve(names.T @ names + 1e-2 * len(names) / 384 * torch.eye(384), names.T)
    model.joint.direct.weight.data.copy_((solve @ (weight - weight.mean(0)))[..., None, None])
    model.joint.direct.bias.data.copy_(solve @ (bias - bias.mean()))  # type: ignore[union-attr]
    return model


def centres(shape: tuple[int, int]) -> Tensor:
    """Return every cell's centre as fractions (N, 2), in the order of the model's outputs."""
    found = []
    for stride in STRIDES:
        rows, columns = shape[0] // stride, shape[1] // stride
        y, x = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
        found.append(torch.stack([(x.flatten() + 0.5) / columns, (y.flatten() + 0.5) / rows], 1))
    return torch.cat(found)


class Lesson:
    """The losses of one batch; its temperatures are learnt along with the model."""

    def __init__(self, vocabulary: words.Words, known: list[data.Example], settings: dict[str, Any]) -> None:
        self.words = vocabulary
        self.weights = settings["losses"]
        # "Is anybody there?" is what a home asks most.
        self.say = torch.tensor([settings["person_say"] if label == "person" else 1.0 for label in settings["labels"]])
        keep = torch.tensor([not known[int(i)].held_out for i in vocabulary.owner])
        self.captions, self.owner = vocabulary.captions[keep], vocabulary.owner[keep]
        self.scales = nn.Parameter(torch.tensor([math.log(40.0), math.log(20.0)]))

    def __call__(self, model: ImageModel, batch: Batch, step: int) -> dict[str, Tensor]:
        """Return every loss by name, already weighted."""
        shape = (int(batch.pictures.shape[2]), int(batch.pictures.shape[3]))
        pictures = batch.pictures.contiguous(memory_format=torch.channels_last)
        with torch.autocast("cpu", torch.bfloat16):
            sight, features = model.study(pictures)
        logits, embedding = sight.logits.float(), sight.embedding.float()
        losses = objectives.detection_loss(sight.boxes.float(), logits, centres(shape), batch.truths)
        losses["presence"] = objectives.presence_loss(logits, batch.present, self.say)
        generator = torch.Generator().manual_seed(step)
        template = int(torch.randint(len(self.words.classes), (1,), generator=generator))
        scale = self.scales.exp()
        labels = scale[0] * embedding @ self.words.classes[template].T
        losses["labels"] = objectives.soft_cross_entropy(labels, batch.soft, batch.soft_weight)
        groups = scale[0] * embedding @ self.words.groups(template, generator).T
        losses["groups"] = objectives.soft_cross_entropy(groups, batch.group, batch.group_weight)
        losses["things"] = self.things(scale[0] * embedding, batch)
        losses |= self.speech(embedding, batch.captions, scale[1])
        away = 1 - functional.cosine_similarity(features.float(), batch.features, dim=1)
        losses["features"] = (away * batch.features_weight).sum() / batch.features_weight.sum().clamp(min=1.0)
        return {name: loss * self.weights[name] for name, loss in losses.items()}

    def things(self, scaled: Tensor, batch: Batch) -> Tensor:
        """Compare pictures with two thousand names, of which those that CLIP finds alike share the credit."""
        known = torch.cat([batch.soft, (1 - batch.soft_weight)[:, None] * batch.group], 1)
        target = known @ self.words.spread
        share = target.sum(1, keepdim=True)
        target = target / share.clamp(min=1e-6)
        return objectives.soft_cross_entropy(scaled @ self.words.things.T, target, (share[:, 0] > 0.5).float())

    def speech(self, embedding: Tensor, spoken: Tensor, scale: Tensor) -> dict[str, Tensor]:
        """Compare pictures with all captions: their own against everybody's, and their own captions' mean direction."""
        rows = (spoken >= 0).nonzero().flatten()
        if not len(rows):
            return {}
        own = (self.owner[None] == spoken[rows, None]).float()
        mean = functional.normalize(own @ self.captions, dim=1)
        # Captions of other pictures that say nearly the same are not wrong.
        alike = functional.softmax(mean @ self.captions.T / 0.05, dim=1)
        target = 0.6 * own / own.sum(1, keepdim=True) + 0.4 * alike
        z = scale * embedding[rows] @ self.captions.T
        return {
            "captions": objectives.soft_cross_entropy(z, target, torch.ones(len(rows))),
            "cosine": (1 - (embedding[rows] * mean).sum(1)).mean(),
        }


def parameters(model: ImageModel, lesson: Lesson, settings: dict[str, Any]) -> list[dict[str, Any]]:
    """Group the parameters: the teacher's own layers learn slowly, the new heads fast."""
    for module in [model.backbone.stem, *list(model.backbone.blocks)[: settings["frozen_blocks"]]]:
        module.requires_grad_(requires_grad=False)
    slow = [p for p in model.backbone.parameters() if p.requires_grad]
    taught = {id(p) for p in model.backbone.parameters()}
    fast = [p for p in model.parameters() if id(p) not in taught]
    return [
        {"params": slow, "base": settings["backbone_rate"], "weight_decay": 0.0},
        {"params": fast, "base": settings["head_rate"], "weight_decay": 0.02},
        {"params": [lesson.scales], "base": 1e-2, "weight_decay": 0.0},
    ]


def deep_layers(model: ImageModel, first: int) -> Iterator[nn.Module]:
    """Yield the layers of the backbone's last blocks, the ones that suffer from INT8."""
    for block in [*list(model.backbone.blocks)[first:], model.backbone.last]:
        yield from block.modules()


def rate(done: float) -> float:
    """Return the share of the learning rate at a share of the training: a short rise, then half a cosine."""
    return min(1.0, done / 0.03 + 0.02) * (0.02 + 0.98 * (1 + math.cos(math.pi * min(1.0, done))) / 2)


@torch.no_grad()
def follow(average: ImageModel, model: ImageModel, step: int) -> None:
    """Move the averaged model a little towards the trained one."""
    keep = min(0.998, (step + 1) / (step + 10))
    for slow, fast in zip(average.state_dict().values(), model.state_dict().values(), strict=True):
        if slow.is_floating_point():
            slow.mul_(keep).add_(fast, alpha=1 - keep)
        else:
            slow.copy_(fast)


class Course:
    """A model on its way: what is trained, its slow average that is kept, and how to go on after a kill."""

    def __init__(self, model: ImageModel, lesson: Lesson, settings: dict[str, Any]) -> None:
        self.model, self.average, self.lesson, self.settings = model, copy.deepcopy(model), lesson, settings
        self.optimiser = torch.optim.AdamW(parameters(model, lesson, settings), lr=1e-3, betas=(0.9, 0.99))
        self.rounding = [m for m in deep_layers(model, settings["rounded_blocks"]) if isinstance(m, Convolution)]
        self.recent: dict[str, float] = {}
        self.early: dict[str, Tensor] = {}

    def resume(self, state: Mapping[str, Any]) -> None:
        """Take up what `state` returned."""
        self.model.load_state_dict(state["model"])
        self.average.load_state_dict(state["average"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.lesson.scales.data.copy_(state["scales"])
        self.recent, self.early = dict(state["recent"]), dict(state["early"])

    def state(self) -> dict[str, Any]:
        """Return all that the next steps depend on."""
        return {
            "model": self.model.state_dict(),
            "average": self.average.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "scales": self.lesson.scales.data,
            "recent": self.recent,
            "early": self.early,
        }

    def advance(self, batch: Batch, step: int) -> dict[str, float]:
        """Learn one batch; return the losses, smoothed."""
        for group in self.optimiser.param_groups:
            group["lr"] = group["base"] * rate(step / self.settings["steps"])
        for layer in self.rounding:
            layer.rounding = step >= self.settings["rounded_from"]
        losses = self.lesson(self.model, batch, step)
        sum(losses.values(), torch.zeros(())).backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.model.parameters(), self.settings["clip"])
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)
        follow(self.average, self.model, step)
        for name, loss in losses.items():
            value = float(loss.detach())
            self.recent[name] = 0.98 * self.recent.get(name, value) + 0.02 * value
        if step + 1 == self.settings.get("blend", {}).get("step"):
            self.early = {name: value.clone() for name, value in self.average.state_dict().items()}
        return self.recent

    def result(self) -> dict[str, Tensor]:
        """Return the weights to keep: the slow average, blended with an earlier one that knows less by heart."""
        late = self.average.state_dict()
        if not self.early:
            return late
        share = float(self.settings["blend"]["share"])
        return {n: v.lerp(self.early[n], share) if v.is_floating_point() else v for n, v in late.items()}


def train(stage: Stage, settings: dict[str, Any]) -> dict[str, float]:
    """Train for the recipe's steps, going on from the last checkpoint; return the last losses."""
    workshop, cache = stage.workshop, claim(stage.folder / "cache", stage, KEPT)
    examples = data.load(workshop.data)
    answers = lessons.lessons(examples, workshop.teachers, cache)
    vocabulary = words.words(examples, workshop.teachers, cache)
    things = cutouts.cut_outs(examples, agreed(examples, answers), workshop.teachers, cache)
    # After the teachers, which draw or not, depending on what they have answered before.
    torch.manual_seed(settings["seed"])
    curriculum = Curriculum(examples, answers, settings["labels"], settings["mix"], things)
    model = start(settings, workshop.teachers, vocabulary).to(memory_format=torch.channels_last).train()
    course = Course(model, Lesson(vocabulary, examples, settings), settings)
    checkpoints, first, steps = Checkpoints(stage, settings["checkpoint_s"]), 0, int(settings["steps"])
    saved = checkpoints.restore()
    if saved is not None:
        first = saved[0]
        course.resume(saved[1])
    shapes = [(int(rows), int(columns)) for rows, columns in settings["shapes"]]

    def draw(step: int) -> Batch:
        rng = seeded(settings["seed"], step)
        shape = shapes[int(rng.choice(len(shapes), p=settings["shape_chances"]))]
        size = max(8, round(settings["batch_pixels"] / (shape[0] * shape[1])))
        return curriculum.batch(size, shape, rng)

    ready = prefetched(draw, first, steps)
    bar = progress(range(first, steps), "eyes", total=steps, done=first)
    with checkpoints:
        for step in bar:
            recent = course.advance(next(ready), step)
            bar.set_postfix({name: f"{value:.3f}" for name, value in recent.items()}, refresh=False)
            checkpoints.reached(step + 1, course.state)
    save_checkpoint(stage.folder / "image.pt", model=course.result(), settings=settings)
    return {name: round(value, 4) for name, value in course.recent.items()}


def run(workshop: Workshop) -> None:
    """Train the picture tower and the detector of a recipe."""
    settings = workshop.table("vision")
    torch.set_num_threads(int(settings["threads"]))
    code = [Path(__file__), *(Path(str(data.__file__)).with_name(f"{name}.py") for name in SOURCES)]
    inputs = {
        "vision": workshop.data / "vision",
        "video": workshop.data / "video",
        "teachers": workshop.teachers,
        "teachers/all-MiniLM-L6-v2": text_teacher.folder(),
    }
    stage = Stage(workshop, "train", inputs, code, ("vision",), ("image.pt",))
    if stage.fresh():
        print("train: nothing has changed")
        return
    with stage:
        stage.numbers |= train(stage, settings)


def main() -> None:
    """Train the picture tower and the detector of a recipe."""
    run(Workshop.from_arguments(__doc__))


if __name__ == "__main__":
    main()
