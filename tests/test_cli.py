from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest
from openai_server import KEY, serving

from edge_runtime.bundles.manifest import default_bundle

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def run(
    monkeypatch: pytest.MonkeyPatch, command_line: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> Callable[..., Any]:
    """Run the command line in a folder of its own; returns exit status, JSON lines of stdout, and stderr."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("EDGE_CLOUD_API_KEY", raising=False)

    def call(*arguments: str, stdin: str = "") -> tuple[int, list[dict[str, Any]], str]:
        status, out, err = command_line(*arguments, stdin=stdin)
        lines = [json.loads(line) for line in out.splitlines()] if "--json" in arguments else []
        return status, lines, err

    return call


@pytest.fixture
def picture(tmp_path: Path) -> str:
    random = np.random.default_rng(0)
    cv2.imwrite(str(tmp_path / "noise.png"), random.integers(0, 255, (90, 120, 3), np.uint8))
    return "noise.png"


@pytest.fixture
def broken_bundle(tmp_path: Path) -> str:
    folder = tmp_path / "bundle"
    shutil.copytree(default_bundle(), folder)
    with (folder / "image.onnx").open("r+b") as file:
        file.seek(1000)
        file.write(b"?")
    return "bundle"


@pytest.mark.parametrize(
    ("arguments", "files", "said"),
    [
        pytest.param(["detect", "nope.jpg"], {}, "nope.jpg", id="missing-file"),
        pytest.param(["detect", "empty.jpg"], {"empty.jpg": ""}, "empty.jpg", id="zero-byte-picture"),
        pytest.param(["detect", "text.jpg"], {"text.jpg": "hello"}, "text.jpg", id="picture-that-is-none"),
        pytest.param(["embed", "--image", "nope.jpg"], {}, "nope.jpg", id="missing-file-to-embed"),
        pytest.param(["embed", "word"], {}, "one of --image, --text and --audio", id="values-of-no-kind"),
        pytest.param(
            ["embed", "--text", "--image", "word"], {}, "one of --image, --text and --audio", id="values-of-both-kinds"
        ),
        pytest.param(["classify", "--labels", "", "a.jpg"], {}, "one is empty", id="no-labels"),
        pytest.param(["classify", "--labels", "a,a", "a.jpg"], {}, "'a' is given twice", id="label-twice"),
        pytest.param(["classify", "--labels", "@nope.txt", "a.jpg"], {}, "nope.txt", id="unknown-label-list"),
        pytest.param(
            ["classify", "--labels", "a", "--template", "x", "noise.png"], {}, "{}", id="template-without-gap"
        ),
        pytest.param(["command", "nope.wav"], {}, "nope.wav", id="missing-sound"),
        pytest.param(["command", "text.wav"], {"text.wav": "hello"}, "text.wav", id="sound-that-is-none"),
        pytest.param(["command", "--sentences", "nope.yaml", "a.wav"], {}, "nope.yaml", id="missing-sentences"),
        pytest.param(["ask", "who?", "--image", "nope.jpg"], {}, "nope.jpg", id="missing-picture-to-ask-about"),
        pytest.param(["ask", " "], {}, "empty", id="empty-question"),
        pytest.param(["run", "nope.mp4", "--once"], {}, "nope.mp4", id="missing-video"),
        pytest.param(["run", "text.mp4", "--once"], {"text.mp4": "hello"}, "text.mp4", id="unreadable-video"),
        pytest.param(["run", "--once"], {}, "nothing to watch", id="nothing-to-do"),
        pytest.param(["run", "--config", "a.yaml"], {"a.yaml": "mqtt: {hots: x}"}, "mqtt.host", id="wrong-key"),
        pytest.param(["run", "--config", "a.yaml"], {"a.yaml": "mqtt: {port: x}"}, "mqtt.port", id="wrong-type"),
        pytest.param(
            ["run", "noise.png", "--once", "--config", "a.yaml"],
            {"a.yaml": "vision: {labels: [purson]}"},
            "did you mean 'person'?",
            id="unknown-label",
        ),
        pytest.param(["detect", "--bundle", "nowhere", "noise.png"], {}, "nowhere", id="missing-bundle"),
        pytest.param(["doctor", "--config", "a.toml"], {"a.toml": "=="}, "a.toml", id="broken-settings"),
    ],
)
@pytest.mark.usefixtures("picture")
def test_bad_input_is_one_line_and_exit_2(
    run: Callable[..., Any], tmp_path: Path, arguments: list[str], files: dict[str, str], said: str
) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    status, _, err = run(*arguments)
    assert status == 2
    assert len(err.strip().splitlines()) == 1, err
    assert said in err
    assert "Traceback" not in err


def test_a_changed_byte_in_the_bundle_names_the_sha256(
    run: Callable[..., Any], broken_bundle: str, picture: str
) -> None:
    status, _, err = run("detect", "--bundle", broken_bundle, picture)
    assert status == 2
    assert "image.onnx has sha256" in err
    assert len(err.strip().splitlines()) == 1


def test_a_file_that_fails_does_not_stop_the_others(run: Callable[..., Any], picture: str) -> None:
    status, lines, err = run("detect", "--json", picture, "nope.jpg", picture)
    assert [line["path"] for line in lines] == [picture, "nope.jpg", picture]
    assert ["error" in line for line in lines] == [False, True, False]
    assert status == 2
    assert "nope.jpg" in err


def test_names_come_from_standard_input(run: Callable[..., Any], picture: str) -> None:
    status, lines, _ = run("detect", "--json", "-", stdin=f"{picture}\n\n{picture}\n")
    assert status == 0
    assert len(lines) == 2


def test_embeddings_are_unit_vectors_of_the_joint_space(run: Callable[..., Any], picture: str) -> None:
    _, texts, _ = run("embed", "--json", "--text", "a dog", "a puppy", "the kitchen light")
    _, pictures, _ = run("embed", "--json", "--image", picture)
    vectors = np.array([line["embedding"] for line in (*texts, *pictures)])
    assert vectors.shape == (4, 384)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-3)
    assert vectors[0] @ vectors[1] > vectors[0] @ vectors[2], "a dog is more like a puppy than like a light"
    assert [line["input"] for line in texts] == ["a dog", "a puppy", "the kitchen light"]


def test_classify_gives_a_probability_to_every_label(run: Callable[..., Any], picture: str) -> None:
    _, (line,), _ = run("classify", "--json", "--labels", "cat,dog, noise", picture)
    assert set(line["scores"]) == {"cat", "dog", "noise"}
    assert line["label"] == max(line["scores"], key=line["scores"].get)
    assert sum(line["scores"].values()) == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize(
    ("question", "origin"),
    [
        pytest.param("what time is it?", "local", id="what-the-box-knows"),
        pytest.param("who was the first king of Scotland?", "abstained", id="what-it-does-not-know"),
    ],
)
def test_an_answer_says_who_gave_it(run: Callable[..., Any], question: str, origin: str) -> None:
    status, (line,), _ = run("ask", "--json", question)
    assert status == 0
    assert line["origin"] == origin
    assert set(line) == {"text", "confidence", "origin", "cost_usd", "elapsed_s", *PROVENANCE}
    assert line["cost_usd"] == 0


PROVENANCE = ("skill", "model", "prompt", "cached", "sources")


def test_config_explains_every_key(run: Callable[..., Any]) -> None:
    status, lines, _ = run("config", "--explain", "--json")
    assert status == 0
    assert {"key": "mqtt.port", "default": "1883", "description": "Broker port."} in lines


def test_config_shows_what_is_in_force_without_passwords(run: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("cameras: [{name: door, url: 'rtsp://me:S3cret@10.0.0.2/x'}]")
    status, (shown,), _ = run("config", "--json", "--config", "a.yaml")
    assert status == 0
    assert shown["cameras"][0]["url"] == "rtsp://me:***@10.0.0.2/x"
    assert "S3cret" not in str(shown)


def test_doctor_says_what_to_do(run: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("mqtt: {port: 1}\ndevice: {data_dir: data}\ncameras: [{name: a, url: noise.png}]")
    status, lines, _ = run("doctor", "--json", "--config", "a.yaml")
    found = {line["check"]: line for line in lines}
    assert status == 1, "a broker that does not answer is a failure"
    assert found["model"]["status"] == "ok"
    assert found["broker"]["status"] == "fail"
    assert "127.0.0.1:1" in found["broker"]["detail"]
    assert found["broker"]["advice"]
    assert found["camera a"]["status"] == "fail", "the file does not exist"


@pytest.mark.parametrize(
    ("settings", "check", "status", "says"),
    [
        pytest.param("", "gate", "ok", "none was fitted", id="the gate of the bundle"),
        pytest.param("answering: {gate: none.json}", "gate", "fail", "none.json", id="a gate that is not there"),
        pytest.param("mind: {bundle: nowhere}", "mind", "fail", "nowhere", id="a mind that is not there"),
        pytest.param("knowledge: {paths: [a.md]}", "knowledge", "ok", "a.md can be read", id="texts"),
        pytest.param("knowledge: {paths: [b.csv]}", "knowledge", "fail", "b.csv:1", id="texts with a fault"),
        pytest.param("api: {enabled: true}", "api", "ok", "127.0.0.1:8471", id="an API for this machine alone"),
        pytest.param("api: {enabled: true, host: 0.0.0.0}", "api", "warn", "without encryption", id="and for all"),
    ],
)
def test_doctor_looks_at_who_answers(
    run: Callable[..., Any], tmp_path: Path, settings: str, check: str, status: str, says: str
) -> None:
    (tmp_path / "a.md").write_text("# Boiler\nRefill it with the black tap.\n")
    (tmp_path / "b.csv").write_text("one,two\n")
    (tmp_path / "a.yaml").write_text(f"device: {{data_dir: data}}\nmqtt: {{enabled: false}}\n{settings}\n")
    _, lines, _ = run("doctor", "--json", "--config", "a.yaml")
    (found,) = (line for line in lines if line["check"] == check)
    assert (found["status"], bool(found["advice"])) == (status, status != "ok")
    assert says in found["detail"]


@pytest.mark.parametrize(
    ("keys", "status", "says"),
    [
        pytest.param((), "fail", "switched on without a key", id="no key"),
        pytest.param(("EDGE_CLOUD_API_KEY",), "warn", "one (gpt-4o-mini at api.openai.com)", id="one key of two"),
        pytest.param(("EDGE_CLOUD_API_KEY", "EDGE_TWO"), "ok", "192.168.1.2:11434); at most 0.02 USD", id="all keys"),
    ],
)
def test_doctor_names_providers_and_caps(
    run: Callable[..., Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    keys: tuple[str, ...],
    status: str,
    says: str,
) -> None:
    for key in keys:
        monkeypatch.setenv(key, KEY)
    (tmp_path / "a.yaml").write_text(
        "device: {data_dir: data}\nmqtt: {enabled: false}\ncloud:\n  enabled: true\n  providers:\n    - {name: one}\n"
        "    - {name: two, base_url: 'http://me:word@192.168.1.2:11434/v1', model: small, key_env: EDGE_TWO}\n"
    )
    _, lines, _ = run("doctor", "--json", "--config", "a.yaml")
    (cloud,) = (line for line in lines if line["check"] == "cloud")
    assert cloud["status"] == status
    assert says in cloud["detail"]
    assert "word" not in str(cloud)
    assert KEY not in str(cloud)
    assert ("EDGE_TWO" in cloud["advice"]) is ("EDGE_TWO" not in keys)


@pytest.mark.parametrize(
    ("cloud", "key", "origin", "said", "asked"),
    [
        pytest.param("enabled: true", True, "cloud", "A red ball.", 1, id="allowed"),
        pytest.param(
            "enabled: true, budget: {usd_per_day: 0.000001}", True, "abstained", "budget", 0, id="money-cap-reached"
        ),
        pytest.param("enabled: true", False, "abstained", "EDGE_CLOUD_API_KEY", 0, id="no-key"),
        pytest.param("enabled: false", True, "abstained", "switched off", 0, id="switched-off"),
    ],
)
def test_the_cloud_is_asked_only_when_it_may_be(
    run: Callable[..., Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    cloud: str,
    key: bool,
    origin: str,
    said: str,
    asked: int,
) -> None:
    with serving() as endpoint:
        if key:
            monkeypatch.setenv("EDGE_CLOUD_API_KEY", KEY)
        (tmp_path / "a.yaml").write_text(
            f"cloud: {{{cloud}, providers: [{{base_url: '{endpoint.url}'}}]}}\ndevice: {{data_dir: data}}\n"
        )
        status, (line,), err = run("ask", "--json", "what is the capital of Peru?", "--config", "a.yaml")
    assert status == 0
    assert line["origin"] == origin
    assert said in line["text"]
    assert len(endpoint.requests) == asked
    assert (line["cost_usd"] > 0) is (origin == "cloud")
    assert KEY not in err + json.dumps(line)


@pytest.mark.parametrize(
    ("permission", "pictures"),
    [
        pytest.param("picture", 1, id="allowed"),
        pytest.param("redacted_picture", 1, id="allowed when redacted"),
        pytest.param("text", 0, id="not-allowed"),
    ],
)
def test_a_picture_leaves_only_with_permission(
    run: Callable[..., Any],
    picture: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    permission: str,
    pictures: int,
) -> None:
    monkeypatch.setenv("EDGE_CLOUD_API_KEY", KEY)
    with serving() as endpoint:
        (tmp_path / "a.yaml").write_text(
            f"cloud: {{enabled: true, providers: [{{base_url: '{endpoint.url}'}}]}}\n"
            f"egress: {{default: {permission}}}\ndevice: {{data_dir: data}}\n"
        )
        run("ask", "what colour is the ball in the picture?", "--image", picture, "--config", "a.yaml")
    assert sum("data:image/jpeg;base64" in json.dumps(sent) for sent in endpoint.requests) == pictures
