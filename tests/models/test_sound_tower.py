"""The ears: the teacher's layers and padding, what a kind of sound is heard by, what is made of quiet and silence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the ears are made with the extra [build]")
pytest.importorskip("ai_edge_litert", reason="the teacher is read with the extra [build]")

from torch import nn  # noqa: E402  # after the skips
from torch.nn import functional  # noqa: E402

from edge_runtime.decision.hearing import SoundEvents  # noqa: E402
from edge_runtime.inference.log_mel import BANDS, FRAMES, HOP_SAMPLES, PATCH_SAMPLES, patches  # noqa: E402
from models.omni_nano import (  # noqa: E402
    sounds,
    sounds_data,
    sounds_judging,
    sounds_making,
    sounds_shaping,
    sounds_teacher,
    sounds_words,
)
from scripts.stage import REPOSITORY  # noqa: E402

if TYPE_CHECKING:
    from torch import Tensor

TEACHER = REPOSITORY.parent / "shared" / "teachers" / sounds_teacher.FILE
WANTED = sounds.Wanted(4, ((0, 1),), (((0, 0.0),), ((1, 0.0), (2, 1.0)), ((4, 0.0),)), ((), (3,), ()))


def tower(**shape: Any) -> sounds.SoundTower:
    """Return a small-headed tower with weights of its own; the classes' vectors are the axes."""
    torch.manual_seed(1)
    made = sounds.SoundTower(WANTED, **shape)
    made.vectors.copy_(torch.eye(4, sounds.SIZE))
    made.eval()
    return made


def as_tensorflow(trunk: sounds.Trunk, log_mel: Tensor) -> Tensor:
    """Compute a trunk as TensorFlow does: forwards, padded below and to the right at stride 2, kernels turned round."""
    x = log_mel.unsqueeze(1)
    for module in trunk.modules():
        if isinstance(module, nn.Conv2d):
            kernel = module.weight.flip(2, 3)
            pad = (0, 1, 0, 1) if module.stride == (2, 2) else (1, 1, 1, 1) if kernel.shape[2] == 3 else (0, 0, 0, 0)
            x = functional.conv2d(functional.pad(x, pad), kernel, module.bias, module.stride, 0, 1, module.groups)
            x = functional.relu6(x)
    return x.mean((2, 3))


def test_reading_backwards_is_what_tensorflow_pads() -> None:
    torch.manual_seed(0)
    trunk, log_mel = sounds.Trunk().eval(), torch.randn(2, FRAMES, BANDS)
    with torch.inference_mode():
        assert torch.allclose(trunk(log_mel), as_tensorflow(trunk, log_mel), atol=1e-4)


@pytest.mark.parametrize(
    ("logits", "label", "expected"),
    [
        pytest.param([2, 0, 0, 0, 0], 0, 2.0, id="a kind heard by one class is as sure as that"),
        pytest.param([0, 1, 5, 0, 0], 1, 4.0, id="the surest class counts, less what is taken off it"),
        pytest.param([0, 1, 0, 3, 0], 1, 0.0, id="half of a rival's lead is taken off"),
        pytest.param([0, 3, 0, 1, 0], 1, 3.0, id="a rival that is behind takes nothing"),
        pytest.param([9, 9, 9, 9, 1], 2, 1.0, id="a blend has a logit of its own"),
        pytest.param([0, 0, 0, 9, 0], 0, 0.0, id="a kind without rivals has none"),
    ],
)
def test_a_kind_of_sound_is_heard_by_its_classes(logits: list[float], label: int, expected: float) -> None:
    assert tower(rivalry=0.5).sounds(torch.tensor([logits]).float())[0, label] == pytest.approx(expected)


def test_a_sound_lies_among_the_names_of_what_is_heard() -> None:
    made = tower(sharpness=1.0)
    clear, nothing = made.embed(torch.tensor([[9.0, -9, -9, -9, 0], [-90, -90, -90, -90, 0]]))
    assert clear.norm().item() == pytest.approx(1)
    assert clear[0] > 0.99
    assert torch.allclose(nothing[:4], torch.full((4,), 0.5)), "one that hears nothing still gives a direction"


@pytest.mark.parametrize(
    ("gain", "louder"),
    [
        pytest.param(0.01, 10.0, id="a quiet patch is brought up, but by 20 dB at most"),
        pytest.param(0.1, 5.0, id="or as far as is enough"),
        pytest.param(10.0, 1.0, id="a loud patch stays"),
    ],
)
def test_quiet_patches_are_lifted(gain: float, louder: float) -> None:
    bands = torch.rand(1, FRAMES, BANDS) + 0.5
    bands *= 100 / bands.sum(2).max() * gain
    lifted = sounds.lift((bands + sounds.OFFSET).log(), 50.0, 10.0).exp() - sounds.OFFSET
    assert torch.allclose(lifted, bands * louder, rtol=0.02)


def test_squeezing_keeps_what_typical_patches_give() -> None:
    torch.manual_seed(2)
    trunk, log_mel = sounds.Trunk().eval(), torch.randn(8, FRAMES, BANDS)
    with torch.inference_mode():
        whole = trunk(log_mel)
        near, far = (
            float((sounds_teacher.squeeze(trunk, log_mel, rank, doubt=1e-4)(log_mel) - whole).abs().max())
            for rank in (1024, 2)
        )
    assert near < 1e-3
    assert near < far


def test_every_class_has_a_name_of_its_own() -> None:
    known = sounds_words.classes()
    names = [heard.phrases[0] for heard in known]
    assert len(set(names)) == len(names)
    assert names[[heard.channel for heard in known].index(20)] == "a crying baby"
    assert all(phrase and phrase == phrase.strip() for heard in known for phrase in heard.phrases)


def test_blends_come_after_the_classes() -> None:
    known = sounds_words.classes()[:4]
    one, other = known[1].phrases[0], known[3].phrases[0]
    settings = {"labels": {"a": {one: 0.5, f"{one} & {other}": 0.0}, "b": {other: 0.0}}, "rivals": {"b": [one]}}
    expected = sounds.Wanted(4, ((1, 3),), (((1, 0.5), (4, 0.0)), ((3, 0.0),)), ((), (1,)))
    assert sounds_words.wanted(settings, known) == expected


@pytest.mark.parametrize("name", ["a unicorn", "a dog & a unicorn"])
def test_a_class_that_there_is_not_is_named(name: str) -> None:
    with pytest.raises(SystemExit, match="unicorn"):
        sounds_words.wanted({"labels": {"x": {name: 0.0}}, "rivals": {}}, sounds_words.classes())


@pytest.mark.parametrize("name", sounds_making.MAKERS)
def test_arithmetic_makes_five_seconds_the_same_each_time(name: str) -> None:
    first, again = (sounds_making.MAKERS[name](np.random.default_rng(3)) for _ in range(2))
    assert first.shape == (sounds_making.LENGTH,)
    assert np.isfinite(first).all()
    assert first.std() > 0
    assert np.array_equal(first, again)


def test_a_mixture_keeps_within_full_scale() -> None:
    dice = np.random.default_rng(4)
    clips = [sounds_data.Clip("made", "tone", np.sin(np.arange(n) / 9).astype(np.float32)) for n in (9000, 200_000)]
    for _ in range(20):
        mixed = sounds_data.mixture(dice, clips[0], clips[1] if dice.random() < 0.5 else None)
        assert mixed.shape == (sounds_making.LENGTH,)
        assert mixed.dtype == np.float32
        assert 0 < np.abs(mixed).max() <= 1


@pytest.mark.parametrize("seed", range(20))
def test_what_counts_for_a_clip_is_what_begins_a_sound(seed: int) -> None:
    dice = np.random.default_rng(seed)
    count = int(dice.integers(1, 9))
    samples = dice.uniform(-0.1, 0.1, PATCH_SAMPLES + (count - 1) * HOP_SAMPLES).astype(np.float32)
    assert len(patches(samples)) == count
    logits = dice.normal(-1, 2, (count, 1)).astype(np.float32)
    events = SoundEvents({"x": 0.5})
    told = []
    for i, p in enumerate(1 / (1 + np.exp(-logits[:, 0].astype(float)))):
        told += events.update(i * 0.48, i * 0.48 + 0.975, {"x": float(p)})
    told += events.finish()
    assert bool(told) == bool(sounds_judging.sureness(logits, samples)[0] >= 0)


def test_silence_counts_for_nothing() -> None:
    silent = np.zeros(PATCH_SAMPLES, np.float32)
    assert sounds_judging.sureness(np.ones((1, 2), np.float32), silent).tolist() == [sounds_judging.NOTHING] * 2


@pytest.mark.skipif(not TEACHER.exists(), reason="the teacher is not here; it lies in ../shared/teachers")
def test_the_copy_of_the_teacher_says_what_the_teacher_says() -> None:
    teacher = sounds_teacher.Teacher(TEACHER)
    trunk, head = sounds_teacher.start(teacher)
    makers = ("siren", "cat", "music", "bird", "hiss")
    heard = [sounds_making.MAKERS[name](np.random.default_rng(5))[: 2 * sounds_shaping.RATE] for name in makers]
    rows = np.concatenate([patches((0.3 * x / np.abs(x).max()).astype(np.float32)) for x in heard])
    with torch.inference_mode():
        copied = torch.sigmoid(head(trunk(torch.from_numpy(rows)))).numpy()
    assert np.abs(teacher(rows) - copied).mean() < 2e-3
