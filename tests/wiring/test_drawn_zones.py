from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from edge_runtime.errors import InputError
from edge_runtime.watch_sections import ZoneSettings
from edge_runtime.wiring.drawn_zones import DrawnZones, as_settings

if TYPE_CHECKING:
    from pathlib import Path

CORNERS = ((0.1, 0.1), (0.9, 0.1), (0.5, 0.9))
YARD = ZoneSettings(name="yard", polygon=CORNERS, labels=("person",), schedule=("mon 08:00-09:00",))
POND = ZoneSettings(name="pond", polygon=CORNERS, dwell_s=2.5)


def test_drawn_zones_outlive_the_program(tmp_path: Path) -> None:
    drawn = DrawnZones(tmp_path / "new")
    assert drawn.of("door") == ()
    drawn.draw("door", [YARD, POND])
    drawn.draw("garden", [POND])
    drawn.draw("garden", [])
    again = DrawnZones(tmp_path / "new")
    assert again.of("door") == (YARD, POND)
    assert again.of("garden") == ()


@pytest.mark.parametrize(
    ("zones", "said"),
    [
        pytest.param([YARD, YARD], "two drawn zones are called 'yard'", id="name-twice"),
        pytest.param([YARD.model_copy(update={"name": f"z{i}"}) for i in range(51)], "more than the 50", id="too-many"),
    ],
)
def test_impossible_drawings_are_refused(tmp_path: Path, zones: list[ZoneSettings], said: str) -> None:
    drawn = DrawnZones(tmp_path)
    drawn.draw("door", [POND])
    with pytest.raises(InputError, match=said):
        drawn.draw("door", zones)
    assert drawn.of("door") == (POND,), "what was there is kept"


@pytest.mark.parametrize(
    "content",
    [
        pytest.param("{", id="no-json"),
        pytest.param("[]", id="no-mapping"),
        pytest.param("[" * 10**5, id="too-deep"),
        pytest.param('{"door": 3}', id="no-zones"),
        pytest.param('{"door": [{"name": "../x", "polygon": []}]}', id="zone-that-is-none"),
        pytest.param(b"\xff\xfe", id="binary"),
    ],
)
def test_a_damaged_file_is_set_aside_and_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, content: str | bytes
) -> None:
    path = tmp_path / "drawn_zones.json"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    assert DrawnZones(tmp_path).of("door") == ()
    assert "no drawn zone is watched" in caplog.text
    assert (tmp_path / "drawn_zones.damaged").exists()
    DrawnZones(tmp_path).draw("door", [POND])
    assert json.loads(path.read_text())["door"][0]["name"] == "pond"


def test_a_wrong_drawing_is_explained_in_one_line() -> None:
    crossed = {"name": "yard", "polygon": [[0, 0], [1, 1], [1, 0], [0, 1]]}
    with pytest.raises(InputError, match=r"zone yard: polygon: its edges 1 .* cross"):
        as_settings([{"name": "pond", "polygon": CORNERS}, crossed])
    with pytest.raises(InputError, match="zone 1: "):
        as_settings(["yard"])
    assert as_settings([POND.model_dump(mode="json")]) == (POND,)
