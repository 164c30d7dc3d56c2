from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the extra [build] is not installed")
phones = pytest.importorskip("models.omni_nano.phones", reason="the extra [build] is not installed")


def read(path: tuple[int, ...]) -> list[int]:
    """Return what a way through the frames says."""
    return [now for now, _ in itertools.groupby(path) if now]


def by_hand(log_probs: Any, wanted: list[int]) -> float:
    """Return CTC's loss as the sum over every way through the frames."""
    frames, channels = log_probs.shape
    ways = (way for way in itertools.product(range(channels), repeat=frames) if read(way) == wanted)
    return -float(np.logaddexp.reduce([sum(log_probs[at, one] for at, one in enumerate(way)) for way in ways]))


def random_frames(clips: int, frames: int, channels: int) -> Any:
    logits = np.random.default_rng(5).normal(0, 2, (clips, frames, channels)).astype(np.float32)
    return torch.log_softmax(torch.from_numpy(logits), -1)


@pytest.mark.parametrize(
    "wanted",
    [
        pytest.param([[1], [2]], id="one phone"),
        pytest.param([[1, 2], [2, 1]], id="two"),
        pytest.param([[1, 1], [2, 2]], id="the same twice, a blank between"),
        pytest.param([[1, 2, 3], [3]], id="of different lengths"),
        pytest.param([[], [1]], id="nothing said"),
    ],
)
def test_the_loss_is_the_sum_over_all_ways_for_each_frame(wanted: list[list[int]]) -> None:
    frames = random_frames(2, 5, 4)
    each = [by_hand(clip.numpy(), said) for clip, said in zip(frames, wanted, strict=True)]
    assert float(phones.loss(frames, wanted)) == pytest.approx(sum(each) / 10, rel=1e-4)


def test_more_phones_than_frames_teach_nothing() -> None:
    frames = random_frames(1, 2, 4).requires_grad_()
    lost = phones.loss(frames, [[1, 2, 3]])
    lost.backward()
    assert float(lost.detach()) == 0
    assert torch.isfinite(frames.grad).all()


@pytest.mark.parametrize(
    ("best", "said"),
    [
        pytest.param([0, 0, 0], [], id="nothing"),
        pytest.param([1, 1, 1], [1], id="one, held"),
        pytest.param([1, 0, 1], [1, 1], id="twice, a blank between"),
        pytest.param([0, 1, 2, 2, 0], [1, 2], id="two"),
        pytest.param([3], [3], id="a single frame"),
    ],
)
def test_greedy_reads_the_likeliest_way(best: list[int], said: list[int]) -> None:
    frames = torch.full((len(best), 4), -9.0)
    frames[range(len(best)), best] = 0.0
    assert phones.greedy(frames) == said


@pytest.mark.parametrize(
    ("said", "wanted", "far"),
    [
        ([], [], 0),
        ([1, 2], [1, 2], 0),
        ([], [1, 2], 2),
        ([1, 2], [], 2),
        ([1, 3], [1, 2], 1),
        ([1, 2, 3], [1, 3], 1),
        ([2, 1], [1, 2], 2),
        ([1, 2, 3, 4], [2, 3, 4, 5], 2),
    ],
)
def test_distance_counts_what_must_change(said: list[int], wanted: list[int], far: int) -> None:
    assert phones.distance(said, wanted) == phones.distance(wanted, said) == far


def test_the_word_that_is_said_loses_least_in_its_best_way() -> None:
    frames = torch.full((6, 4), -6.0)
    frames[range(6), [0, 1, 0, 2, 2, 0]] = 0.0
    frames = torch.log_softmax(frames, -1)
    losses = phones.word_losses(frames, {"said": [[3, 3], [1, 2]], "other": [[2, 1]]})
    assert losses["said"] == pytest.approx(
        by_hand(frames.numpy(), [1, 2]) + float(frames.max(-1).values.sum()), abs=1e-3
    )
    assert losses["said"] < 0.1 < losses["other"]


@pytest.fixture
def weights() -> Any:
    pytest.importorskip("moonshine_voice", reason="the package moonshine-voice is not installed")
    return phones.teacher_folder() / phones.ENCODER


def test_the_start_hears_what_moonshine_hears(weights: Any) -> None:
    ort = pytest.importorskip("onnxruntime")
    session = ort.InferenceSession(str(weights), providers=["CPUExecutionProvider"])
    at = np.arange(24_000) / 16_000
    samples = (0.3 * np.sin(2 * np.pi * 180 * at) * np.sin(9 * at)).astype(np.float32)[None]
    given = {one.name: one.type for one in session.get_inputs()}
    feeds = {name: samples if "float" in kind else np.ones(samples.shape, np.int64) for name, kind in given.items()}
    wanted = session.run(None, feeds)[0]
    with torch.no_grad():
        got = phones.start(6, weights).eval().encoder(torch.from_numpy(samples)).numpy()
    assert got.shape == wanted.shape
    cosine = (got * wanted).sum(-1) / np.linalg.norm(got, axis=-1) / np.linalg.norm(wanted, axis=-1)
    # Its matrices are INT8 and its activations rounded as well.
    assert cosine.mean() > 0.97


def test_fewer_layers_are_the_lower_ones_and_most_frames_begin_blank(weights: Any) -> None:
    few, all_of_it = phones.start(2, weights), phones.encoder_weights(weights)
    own = few.encoder.state_dict()
    assert {name for name in all_of_it if name not in own} == {
        name for name in all_of_it if name.startswith("layers.") and int(name.split(".")[1]) >= 2
    }
    assert all(torch.equal(own[name], all_of_it[name]) for name in own)
    assert few.phones.bias.tolist() == [2.0] + [0.0] * 39


def test_without_the_package_one_line_says_which(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(SystemExit, match="pip install --no-deps moonshine-voice"):
        phones.teacher_folder()
