from __future__ import annotations

import importlib

import pytest

torch = pytest.importorskip("torch", reason="the extra [build] is not installed")
network = importlib.import_module("models.omni_nano.network")
objectives = importlib.import_module("models.omni_nano.objectives")


def test_an_object_is_answered_for_by_cells_inside_it() -> None:
    centres = torch.tensor([[0.25, 0.25], [0.75, 0.25], [0.25, 0.75], [0.75, 0.75]])
    guesses = torch.tensor([[0.0, 0.0, 0.5, 0.5]]).repeat(4, 1)
    truth = objectives.Boxes(
        torch.tensor([[0.0, 0.0, 0.5, 0.5]]), torch.tensor([1]), torch.ones(1), torch.zeros(0, 4), torch.zeros(0).long()
    )
    target, owner, judged = objectives.assign(guesses, torch.full((4, 2), 0.1), centres, truth)
    assert owner.tolist() == [0, -1, -1, -1]
    assert target[0, 1] == pytest.approx(1.0)
    assert target.sum() == pytest.approx(1.0)
    assert judged.all()


def test_nobody_is_blamed_for_what_the_teachers_are_unsure_of() -> None:
    centres = torch.tensor([[0.25, 0.25], [0.75, 0.75]])
    nothing = torch.zeros(0, 4), torch.zeros(0).long(), torch.zeros(0)
    truth = objectives.Boxes(*nothing, torch.tensor([[0.0, 0.0, 0.5, 0.5]]), torch.tensor([0]))
    _, _, judged = objectives.assign(torch.zeros(2, 4), torch.zeros(2, 2), centres, truth)
    assert judged.tolist() == [[0.0, 1.0], [1.0, 1.0]]


def test_training_at_int8_precision_rounds_and_still_learns() -> None:
    x = torch.linspace(-1, 3, 1000, requires_grad=True)
    y = network.rounded(x)
    assert len(y.unique()) <= 256
    assert (y - x).abs().max() <= 4 / 255
    y.sum().backward()
    assert x.grad is not None
    assert (x.grad == 1).all()


def test_boxes_come_out_as_fractions_in_the_order_of_the_cells() -> None:
    cells = network.cells(torch.zeros(1, 1, 2, 3), 8)
    assert cells.tolist() == [[4, 4, 8], [12, 4, 8], [20, 4, 8], [4, 12, 8], [12, 12, 8], [20, 12, 8]]
