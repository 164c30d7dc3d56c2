from __future__ import annotations

import re
from pathlib import Path

import pytest

import edge_runtime
from edge_runtime.config import Settings
from edge_runtime.errors import ConfigError
from edge_runtime.settings_help import explain

CAMERA = "cameras: [{name: door, url: 'rtsp://me:hunter2@cam/1'"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param("mqtt: {hots: x}", "unknown key 'mqtt.hots'; did you mean 'mqtt.host'?", id="nearest-key"),
        pytest.param("camera: []", "unknown key 'camera'; did you mean 'cameras'?", id="nearest-section"),
        pytest.param("mqtt: {qqqq: x}", "known here: enabled, host, port", id="no-near-key-lists-them"),
        pytest.param(CAMERA + ", zone: []}]", "did you mean 'cameras.0.zones'?", id="nearest-in-a-list"),
        pytest.param("mqtt: {port: abc}", "mqtt.port is 'abc'", id="wrong-type"),
        pytest.param("mqtt: {port: 99999}", "mqtt.port is 99999", id="out-of-range"),
        pytest.param("cameras: 3", "cameras is 3", id="number-for-a-list"),
        pytest.param(
            "cameras: {name: door}", "cameras is keys with values: write a list: [one, two]", id="one-for-a-list"
        ),
        pytest.param("alerts: a dog", "alerts is 'a dog': write a list", id="words-for-a-list"),
        pytest.param("mqtt: broker", "mqtt is 'broker': write keys with their values", id="word-for-a-section"),
        pytest.param("cameras: [{name: door}]", "cameras.0.url is missing", id="missing-key"),
        pytest.param(
            "device: {name: 'a/b'}",
            "device.name is 'a/b': write 1 to 64 letters (a to z), digits and any of _ -",
            id="name-that-is-no-topic-level",
        ),
        pytest.param("- a", "holds a list", id="not-a-mapping"),
        pytest.param("a: [", "not valid YAML at line 1", id="broken-yaml"),
        pytest.param("secrets: {mqtt_password: hunter2}", "EDGE_* environment", id="secret-in-the-file"),
        pytest.param(
            CAMERA + ", zones: [{name: a, polygon: [[0, 0], [1, 1], [1, 0], [0, 1]]}]}]",
            "cameras.0.zones.0.polygon: its edges 1",
            id="zone-that-crosses-itself",
        ),
        pytest.param(
            CAMERA + ", lines: [{name: a, start: [0, 1], end: [0, 1]}]}]",
            "cameras.0.lines.0: line 'a' starts and ends at",
            id="line-without-length",
        ),
        pytest.param(
            CAMERA + ", lines: [{name: a, start: [0, 1], end: [1, 1], schedule: mno}]}]",
            "'mno' is no day; did you mean 'mon'?",
            id="day-misspelt",
        ),
        pytest.param(
            CAMERA + ", lines: [{name: a, start: [0, 1], end: [1, 1], min_size: 0.2, max_size: 0.1}]}]",
            "no object would count",
            id="sizes-the-wrong-way-round",
        ),
        pytest.param(
            CAMERA + ", lines: [{name: a, start: [0, 1], end: [1, 1]}, {name: a, start: [0, 0], end: [1, 1]}]}]",
            "two zones or lines are called 'a'",
            id="rule-named-twice",
        ),
        pytest.param("alerts: [a dog, A Dog]", "alerts: 'A Dog' is there twice", id="alert-asked-for-twice"),
        pytest.param("alerts: ['...']", "alerts: '...' says nothing", id="alert-without-words"),
        pytest.param(f"alerts: [{'a' * 201}]", "alerts.0 is", id="alert-too-long"),
        pytest.param(CAMERA + ", alerts: ['  ']}]", "cameras.0.alerts.0 is", id="alert-empty"),
        pytest.param("alerting: {quiet_hours: ['22:00-22:00']}", "no time at all", id="quiet-hours-that-never-are"),
        pytest.param(CAMERA + "}, {name: door, url: b}]", "two sources are called 'door'", id="name-given-twice"),
        pytest.param(
            "microphones: [{name: vision}]",
            "no source can be called 'vision', as a part",
            id="name-of-a-part-of-the-box",
        ),
    ],
)
def test_wrong_settings_are_explained_in_one_line(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "edge.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        Settings.load(file)
    message = str(caught.value)
    assert said in message
    assert str(file) in message
    assert "\n" not in message
    assert "hunter2" not in message, "secrets never reach an error"


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        pytest.param("edge.toml", "a = ", "not valid TOML", id="broken-toml"),
        pytest.param("edge.yaml", None, "cannot be read", id="missing-file"),
        pytest.param("edge.yaml", b"\xff\xfe\x00", "UTF-8", id="binary"),
    ],
)
def test_unreadable_files_are_explained(tmp_path: Path, name: str, text: str | bytes | None, said: str) -> None:
    file = tmp_path / name
    if text is not None:
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ConfigError, match=said):
        Settings.load(file)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        pytest.param("edge.yaml", "mqtt: {host: broker}\ncameras: [{name: door, url: clip.mp4}]", id="yaml"),
        pytest.param("edge.toml", '[mqtt]\nhost = "broker"\n[[cameras]]\nname = "door"\nurl = "clip.mp4"', id="toml"),
    ],
)
def test_yaml_and_toml_say_the_same(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / "clip.mp4").touch()
    (tmp_path / name).write_text(text)
    settings = Settings.load(tmp_path / name)
    assert settings.mqtt.host == "broker"
    assert settings.cameras[0].url == str(tmp_path / "clip.mp4"), "files are found beside the settings"


def test_secrets_come_from_the_environment_and_hide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGE_CLOUD_API_KEY", "sk-hunter2")
    settings = Settings.load(None)
    assert settings.secrets.cloud_api_key is not None
    assert settings.secrets.cloud_api_key.get_secret_value() == "sk-hunter2"
    assert "hunter2" not in repr(settings) + settings.model_dump_json()


def test_every_key_is_explained() -> None:
    rows = list(explain(Settings))
    assert {"mqtt.host", "cameras[].zones[].polygon", "EDGE_MQTT_PASSWORD"} <= {key for key, _, _ in rows}
    assert all(description.endswith(".") for _, _, description in rows)


def test_the_defaults_let_nothing_out() -> None:
    settings = Settings.load(None)
    assert not settings.cloud.enabled
    assert settings.egress.default == "text"
    assert not settings.api.enabled


def test_a_policy_of_a_source_that_is_not_there_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("cameras: [{name: door, url: door.mp4}]\negress: {sources: {dor: nothing}}")
    with pytest.raises(ConfigError, match="names 'dor', which asks nothing; known: door, mqtt, http"):
        Settings.load(tmp_path / "a.yaml")
    (tmp_path / "a.yaml").write_text("cameras: [{name: door, url: door.mp4}]\negress: {sources: {door: nothing}}")
    assert Settings.load(tmp_path / "a.yaml").egress.sources == {"door": "nothing"}


@pytest.mark.parametrize("value", [".inf", ".nan"])
def test_a_cap_is_a_number(tmp_path: Path, value: str) -> None:
    (tmp_path / "a.yaml").write_text(f"cloud: {{budget: {{usd_per_day: {value}}}}}")
    with pytest.raises(ConfigError, match=r"cloud\.budget\.usd_per_day is (inf|nan): input should be a finite number"):
        Settings.load(tmp_path / "a.yaml")


def test_every_part_of_the_box_keeps_its_name_to_itself(tmp_path: Path) -> None:
    code = "".join(path.read_text() for path in Path(edge_runtime.__file__).parent.rglob("*.py"))
    names = set(re.findall(r'(?:add_server|Worker)\("([a-z-]+)"', code))
    assert {"vision", "http", "home-assistant"} <= names
    for name in names:
        (tmp_path / "a.yaml").write_text(f"cameras: [{{name: {name}, url: a.mp4}}]")
        with pytest.raises(ConfigError, match=f"no source can be called '{name}'"):
            Settings.load(tmp_path / "a.yaml")
