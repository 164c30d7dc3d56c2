from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest

from edge_runtime.config import Settings
from edge_runtime.decision.places import Line
from edge_runtime.errors import ConfigError
from edge_runtime.watch_sections import CameraSettings, LineSettings, ZoneSettings
from edge_runtime.wiring.drawn_zones import DrawnZones
from edge_runtime.wiring.hours import quiet_hours
from edge_runtime.wiring.watching import as_lines, make_rules

if TYPE_CHECKING:
    from pathlib import Path

    from edge_runtime.wiring.assembly import Models

MODELS = cast("Models", SimpleNamespace(labels=("person", "dog", "cat")))
CORNERS = ((0.1, 0.1), (0.9, 0.1), (0.5, 0.9))


def settings(folder: Path, **sections: object) -> Settings:
    return Settings.model_validate({"device": {"data_dir": folder}, **sections})


def camera(**rules: object) -> CameraSettings:
    return CameraSettings.model_validate({"name": "door", "url": "clip.mp4", **rules})


def zone(name: str, *labels: str, **more: object) -> ZoneSettings:
    return ZoneSettings.model_validate({"name": name, "polygon": CORNERS, "labels": labels, **more})


@pytest.mark.parametrize(
    ("rules", "vision", "said"),
    [
        pytest.param({"zones": [zone("yard", "dgo")]}, {}, "yard.*no label 'dgo'.*'dog'", id="label-misspelt"),
        pytest.param(
            {"lines": [LineSettings(name="gate", start=(0, 0), end=(1, 1), labels=("cow",))]},
            {},
            "gate.*no label 'cow'; it knows person, dog, cat",
            id="label-of-a-line",
        ),
        pytest.param(
            {"zones": [zone("yard", "dog")]}, {"labels": ["person"]}, "vision.labels leaves it out", id="never-reported"
        ),
    ],
)
def test_rules_that_could_never_hold_are_refused(
    tmp_path: Path, rules: dict[str, object], vision: dict[str, object], said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        make_rules(camera(**rules), settings(tmp_path, vision=vision), MODELS)


def watched(state: object) -> dict[str, float]:
    zones = cast("dict[str, dict[str, list[dict[str, object]]]]", state)["zones"]["zones"]
    return {str(one["name"]): cast("float", one["dwell_s"]) for one in zones}


def test_drawn_zones_are_watched_beside_those_of_the_settings(tmp_path: Path) -> None:
    DrawnZones(tmp_path).draw("door", [zone("yard", dwell_s=9), zone("pond", dwell_s=3)])
    rules = make_rules(camera(zones=[zone("yard", dwell_s=1)]), settings(tmp_path), MODELS)
    assert watched(rules.state()[0]) == {"yard": 1, "pond": 3}, "where names meet, the settings count"


def test_lines_are_watched_as_the_settings_say() -> None:
    ends = {"start": (0.1, 0.2), "end": (0.9, 0.2)}
    both = as_lines([LineSettings.model_validate({"name": "a", **ends})])
    one = as_lines([LineSettings.model_validate({"name": "b", **ends, "direction": "left_to_right", "cooldown_s": 3})])
    assert both == [Line("a", (0.1, 0.2), (0.9, 0.2))]
    assert one == [Line("b", (0.1, 0.2), (0.9, 0.2), direction="left_to_right", cooldown_s=3)]


@pytest.mark.parametrize(
    ("of_all", "of_camera", "spans"),
    [
        pytest.param("sat", None, ("sat",), id="of-all"),
        pytest.param("sat", ["sun"], ("sun",), id="its-own-instead"),
        pytest.param("sat", [], None, id="never-for-this-one"),
        pytest.param([], None, None, id="never"),
    ],
)
def test_a_camera_has_its_own_quiet_hours_or_those_of_all(
    tmp_path: Path, of_all: object, of_camera: object, spans: tuple[str, ...] | None
) -> None:
    quiet = quiet_hours(camera(quiet_hours=of_camera), settings(tmp_path, alerting={"quiet_hours": of_all}))
    assert (quiet and quiet.spans) == spans


def test_a_drawn_zone_that_the_model_no_longer_knows_is_told_and_left_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    DrawnZones(tmp_path).draw("door", [zone("stable", "horse"), zone("pond", dwell_s=3)])
    rules = make_rules(camera(), settings(tmp_path), MODELS)
    assert watched(rules.state()[0]) == {"pond": 3}
    assert "no label 'horse'" in caplog.text
