from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest
import soundfile
from remembering import Memory
from tiny_ears import HIGH_HZ, LOW_HZ, bundle_with_ears, silence, tone

from edge_runtime.app import App
from edge_runtime.bundles.manifest import default_bundle
from edge_runtime.config import Settings
from edge_runtime.errors import ConfigError
from edge_runtime.runtime import ExitStatus

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


RATE = 16_000


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a bundle that has ears, sounds, a picture, and files that are neither."""
    folder = tmp_path_factory.mktemp("hear")
    bundle_with_ears(folder / "bundle")
    mixed = np.concatenate([silence(2), tone(LOW_HZ, 2), silence(3), tone(HIGH_HZ, 2), silence(2)])
    soundfile.write(folder / "mixed.wav", mixed, RATE)
    soundfile.write(folder / "low.flac", tone(LOW_HZ, 1), RATE)
    soundfile.write(folder / "short.wav", tone(LOW_HZ, 0.8), RATE)
    soundfile.write(folder / "stereo.ogg", np.stack([tone(HIGH_HZ, 3)] * 2, 1), RATE)
    soundfile.write(folder / "telephone.wav", tone(LOW_HZ, 4)[::2], RATE // 2)
    soundfile.write(folder / "silence.wav", silence(5), RATE)
    soundfile.write(folder / "empty.wav", silence(0), RATE)
    (folder / "sound-named-so.jpg").write_bytes((folder / "low.flac").read_bytes())
    (folder / "text.wav").write_text("no sound")
    (folder / "nothing.wav").write_text("")
    noise = np.random.default_rng(0).integers(0, 255, (90, 120, 3), np.uint8)
    cv2.imwrite(str(folder / "noise.png"), noise)
    return folder


@pytest.fixture
def run(
    world: Path, monkeypatch: pytest.MonkeyPatch, command_line: Callable[..., tuple[int, str, str]]
) -> Callable[..., Any]:
    """Run a verb on the bundle with ears; returns exit status, JSON lines, stdout and stderr."""
    monkeypatch.chdir(world)

    def call(verb: str, *arguments: str, stdin: str = "") -> tuple[int, list[dict[str, Any]], str, str]:
        status, out, err = command_line(verb, "--bundle", "bundle", *arguments, stdin=stdin)
        return status, [json.loads(line) for line in out.splitlines()] if "--json" in arguments else [], out, err

    return call


def test_hear_tells_what_and_from_when_to_when(run: Any) -> None:
    status, [record], _, _ = run("hear", "mixed.wav", "--json")
    assert status == 0
    assert list(record) == ["path", "events"]
    assert record["path"] == "mixed.wav"
    assert [list(event) for event in record["events"]] == [["label", "score", "start_s", "end_s"]] * 2
    low, high = record["events"]
    assert (low["label"], high["label"]) == ("low tone", "high tone")
    assert (low["start_s"], low["end_s"]) == pytest.approx((2, 4), abs=0.5)
    assert (high["start_s"], high["end_s"]) == pytest.approx((7, 9), abs=0.5)
    assert all(0.5 < event["score"] <= 1 for event in record["events"])


@pytest.mark.parametrize(
    ("path", "label"),
    [
        pytest.param("short.wav", "low tone", id="shorter-than-a-patch"),
        pytest.param("stereo.ogg", "high tone", id="two-channels"),
        pytest.param("telephone.wav", "low tone", id="another-rate"),
        pytest.param("sound-named-so.jpg", "low tone", id="whatever-its-name"),
        pytest.param("silence.wav", None, id="silence"),
    ],
)
def test_hear_takes_any_sound_file(run: Any, path: str, label: str | None) -> None:
    status, [record], _, _ = run("hear", path, "--json")
    assert status == 0
    assert [event["label"] for event in record["events"]] == [label] * (label is not None)


@pytest.mark.parametrize(
    "path",
    [
        pytest.param("nope.wav", id="missing"),
        pytest.param("text.wav", id="no-sound-file"),
        pytest.param("nothing.wav", id="zero-bytes"),
        pytest.param("empty.wav", id="no-sample-in-it"),
        pytest.param("noise.png", id="a-picture"),
        pytest.param(".", id="a-folder"),
    ],
)
@pytest.mark.parametrize("verb", [["hear"], ["embed", "--audio"]], ids=["hear", "embed"])
def test_a_bad_file_is_one_line_and_the_rest_goes_on(run: Any, verb: list[str], path: str) -> None:
    status, records, _, said = run(*verb, path, "low.flac", "--json")
    assert status == ExitStatus.BAD_INPUT
    bad, good = records
    assert path in bad["error"]
    assert "error" not in good
    assert said.count("\n") == 1
    assert said.startswith(f"edge-runtime: {path}")


def test_hear_reads_names_from_standard_input_and_speaks_to_people(run: Any) -> None:
    status, _, words, _ = run("hear", "-", stdin="mixed.wav\nsilence.wav\n")
    assert status == 0
    assert words.splitlines()[0] == "mixed.wav:"
    assert "s  low tone " in words
    assert words.splitlines()[-1] == "silence.wav: nothing"


def test_min_score_replaces_every_threshold(run: Any) -> None:
    _, [record], _, _ = run("hear", "mixed.wav", "--min-score", "1", "--json")
    assert record["events"] == []


def test_embed_gives_a_sound_s_vector(run: Any) -> None:
    _, [record], _, _ = run("embed", "--audio", "low.flac", "--json")
    assert list(record) == ["input", "embedding"]
    assert np.linalg.norm(record["embedding"]) == pytest.approx(1, abs=1e-4)
    assert len(record["embedding"]) == 384


def test_classify_takes_pictures_and_sounds_in_one_go(run: Any) -> None:
    paths = ["low.flac", "noise.png", "sound-named-so.jpg"]
    status, records, _, _ = run("classify", "--labels", "dog barking,smoke alarm", *paths, "--json")
    assert status == 0
    assert [record["path"] for record in records] == paths
    for record in records:
        assert set(record["scores"]) == {"dog barking", "smoke alarm"}
        assert sum(record["scores"].values()) == pytest.approx(1, abs=1e-4)
        assert record["scores"][record["label"]] == max(record["scores"].values())
    assert records[0]["scores"] == records[2]["scores"], "the same sound under another name"


def test_classify_says_what_is_wrong_with_a_file_that_is_neither(run: Any) -> None:
    status, [bad, good], _, said = run("classify", "--labels", "a,b", "text.wav", "low.flac", "--json")
    assert status == ExitStatus.BAD_INPUT
    assert "text.wav: neither a picture nor a sound" in bad["error"]
    assert "label" in good
    assert said.count("\n") == 1


def settings(world: Path, folder: Path, **sounds: object) -> Settings:
    return Settings.model_validate(
        {
            "device": {"data_dir": folder},
            "vision": {"bundle": world / "bundle"},
            "mqtt": {"enabled": False},
            "microphones": [{"name": "kitchen", "device": str(world / "mixed.wav")}],
            "sounds": sounds,
        }
    )


@pytest.mark.parametrize(
    ("sounds", "labels"),
    [
        pytest.param({}, ["low tone", "high tone"], id="all-it-knows"),
        pytest.param({"labels": ["high tone"]}, ["high tone"], id="one-label"),
        pytest.param({"min_score": 1.0}, [], id="a-threshold-out-of-reach"),
        pytest.param({"enabled": False}, [], id="switched-off"),
    ],
)
def test_a_running_box_tells_sounds(world: Path, tmp_path: Path, sounds: dict[str, object], labels: list[str]) -> None:
    memory = Memory()
    box = App(settings(world, tmp_path, **sounds), once=True, console=memory)
    assert box.runtime.run() is ExitStatus.OK
    heard = [event for event in memory.events if event.kind == "sound"]
    assert [(event.source, event.data["label"]) for event in heard] == [("kitchen", label) for label in labels]
    assert box.summary().get("sound_events", 0) == len(labels)
    patches = box.metrics.registry.get_sample_value("edge_sound_patches_total", {"source": "kitchen"})
    assert bool(patches) is (sounds.get("enabled") is not False)


def test_a_sound_the_model_does_not_know_is_found_in_the_settings(world: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"sounds\.labels.*'low tone'"):
        App(settings(world, tmp_path, labels=["low tonne"]), once=True)


def test_omni_nano_hears_no_alarm_in_noise(run: Any, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).normal(0, 0.05, 5 * RATE).astype(np.float32)
    soundfile.write(tmp_path / "noise.wav", noise, RATE)
    _, [record], _, _ = run("hear", "--bundle", str(default_bundle()), str(tmp_path / "noise.wav"), "--json")
    assert not {event["label"] for event in record["events"]} & {"baby crying", "smoke or fire alarm", "glass breaking"}
