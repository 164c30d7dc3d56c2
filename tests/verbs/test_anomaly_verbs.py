from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest

from edge_runtime.sources.files import read_picture

if TYPE_CHECKING:
    from collections.abc import Callable

    Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def config(tmp_path: Path) -> str:
    path = tmp_path / "box.yaml"
    path.write_text(f"device: {{data_dir: {tmp_path / 'data'}}}\n", encoding="utf-8")
    return str(path)


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "normal"
    folder.mkdir()
    for seed in range(8):
        grain = np.random.default_rng(seed).normal(150, 12, (120, 120, 1)).repeat(3, 2)
        cv2.imwrite(str(folder / f"{seed}.png"), np.clip(grain, 0, 255).astype(np.uint8))
    return folder


def test_learn_list_score_and_forget(command_line: Run, config: str, pictures: Path, tmp_path: Path) -> None:
    status, out, _ = command_line("anomaly", "learn", "paper", str(pictures), "--config", config, "--json")
    assert status == 0
    learnt = json.loads(out)
    assert {key: learnt[key] for key in ("name", "kind", "learnt", "files", "failed")} == {
        "name": "paper",
        "kind": "picture",
        "learnt": 8,
        "files": 8,
        "failed": [],
    }
    torn = read_picture(pictures / "0.png").copy()
    cv2.line(torn, (20, 20), (90, 70), (10, 10, 10), 5)
    cv2.imwrite(str(tmp_path / "torn.png"), torn)
    names = f"{tmp_path / 'torn.png'}\n{tmp_path / 'gone.png'}\n"
    heat = tmp_path / "heat"
    options = ("--heatmap", str(heat), "--config", config, "--json")
    status, out, err = command_line("anomaly", "score", "paper", "-", *options, stdin=names)
    torn_record, gone_record = map(json.loads, out.splitlines())
    assert status == 2
    assert "gone.png" in err
    assert set(torn_record) == {"path", "score", "threshold", "anomalous", "heatmap"}
    assert torn_record["anomalous"]
    assert torn_record["score"] > torn_record["threshold"]
    assert read_picture(Path(torn_record["heatmap"])).shape == (120, 120, 3)
    assert set(gone_record) == {"path", "error"}

    status, out, _ = command_line("anomaly", "list", "--config", config)
    assert (status, out.split(",")[0]) == (0, "paper: 8 picture files")
    status, out, _ = command_line("anomaly", "score", "paper", str(tmp_path / "torn.png"), "--config", config)
    assert (status, "UNUSUAL" in out) == (0, True)
    assert command_line("anomaly", "forget", "paper", "--config", config)[:2] == (0, "paper is forgotten\n")
    status, _, err = command_line("anomaly", "score", "paper", str(pictures), "--config", config)
    assert status == 2
    assert "nothing is learnt under 'paper'; learnt: nothing" in err


def test_a_bad_picture_among_those_to_learn_is_told_and_the_rest_learnt(
    command_line: Run, config: str, pictures: Path
) -> None:
    (pictures / "damaged.png").write_bytes(b"no picture")
    status, out, err = command_line("anomaly", "learn", "paper", str(pictures), "--config", config)
    assert status == 2
    assert "damaged.png" in err
    assert out == "paper: learnt 8 picture files; 1 files could not be used\n"


@pytest.mark.parametrize(
    ("names", "said"),
    [
        pytest.param(("gone.png",), "gone.png: no such file or directory", id="one-that-is-not-there"),
        pytest.param(("gone", "away"), "none of 2 files can be used; ", id="none-that-is-there"),
        pytest.param((".",), "the folder holds no pictures and no sounds", id="folder-without"),
    ],
)
def test_why_nothing_can_be_learnt_is_told(
    command_line: Run, config: str, tmp_path: Path, names: tuple[str, ...], said: str
) -> None:
    status, _, err = command_line(
        "anomaly", "learn", "paper", *(str(tmp_path / name) for name in names), "--config", config
    )
    assert status == 2
    assert said in err
