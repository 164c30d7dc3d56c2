from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from models.omni_nano import reporting, scoring
from models.omni_nano.scoring import Row

if TYPE_CHECKING:
    from pathlib import Path

VOID = {"meta", "img", "br", "hr", "link", "input"}


class Page(HTMLParser):
    """Reads a page strictly: every element is closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def evaluation() -> dict[str, Any]:
    rng = np.random.default_rng(0)
    chances = rng.random(300)
    right = rng.random(300) < chances
    hits = scoring.mean_of(right)
    rows = [
        Row("person_96_accuracy", "person or none", 300, hits, hits, 0.4),
        Row("person_96_ece", "error of <person>", 300, hits, hits, 0.05, least=False),
    ]
    risk = {**scoring.coverage(chances, ~right), "kept": scoring.kept_above(chances, ~right, 0.8)}
    numbers = {"accuracy": 0.9, "balanced": 0.9, "error": 0.03, "debiased": 0.01, "by_chance_95": 0.05, "box_f1": 0.5}
    return {
        "rows": [scoring.answered(row, draws=50) for row in rows],
        "sizes": [{"name": "image", "mb": 4.43, "bar": 6.0, "reached": True}],
        "curves": {
            "reliability": {"person, 96 x 96": scoring.reliability(chances, right)},
            "risk": {"is there a ...?": risk},
            "cameras": [{"camera": "96 x 96", "count": 300, **numbers}],
            "lengths": [
                {"length": 5, "count": 9, **{k: 0.5 for k in numbers if k not in {"balanced", "box_f1"}}, "a": 1}
            ],
            "clips": [{"clip": "walk.mkv", "frames": 20, "box_f1": 0.8, "people": 20, "false": 1}],
            "confused": [{"true": "fox", "taken_for": "wolf & co", "count": 4, "of": 6, "back": 1}],
            "gate": {"local_threshold": 0.8, "alpha": 0.05},
        },
    }


def about(speed: dict[str, Any] | None = None) -> dict[str, Any]:
    detector = {
        "labels": ["person"],
        "thresholds": {"person": 0.4},
        "presence": {"person": [1.5, -0.2]},
        "calibration": {"person": [1.2, -1.0]},
    }
    return {"name": "tiny", "version": "0.1", "detector": detector, "template": "a photo of a {}", "speed": speed}


SPEED = {
    "threads": 2,
    "milliseconds": {"INT8": 3.1},
    "milliseconds_median": {"INT8": 3.4},
    "rows": [{"name": "INT8 over FP32", "value": 0.55, "bar": 0.6, "reached": True}],
}


@pytest.mark.parametrize(
    ("speed", "says"),
    [
        pytest.param(None, "Not measured with this build", id="nobody has timed it"),
        pytest.param(SPEED, "INT8 over FP32", id="it has been timed"),
    ],
)
def test_the_page_is_whole_and_names_what_it_shows(speed: dict[str, Any] | None, says: str) -> None:
    text = reporting.page(evaluation(), about(speed), [])
    page = Page(text)
    assert not page.open
    assert page.elements[0] == ("html", {"lang": "en"})
    assert len(page.all("h1")) == 1
    assert says in text
    # What comes from names is text, never markup.
    assert "error of &lt;person&gt;" in text
    assert "wolf &amp; co" in text
    assert len(page.all("caption")) == len(page.all("table"))
    assert all(cell.get("scope") for cell in page.all("th"))


def test_the_page_asks_nobody_else_for_anything() -> None:
    text = reporting.page(evaluation(), about(SPEED), [])
    assert not re.search(r"https?:|//|<script|<link|@import", text)


def test_the_card_says_in_short_what_the_page_shows() -> None:
    found = evaluation()
    text = reporting.summary(found, "report")
    assert "| person, 96 x 96 |" in text
    assert "fox for wolf & co (4 of 6)" in text
    assert "(report/index.html)" in text


def test_pictures_are_small_have_words_and_replace_older_ones(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="the extra [build] is not installed")
    (tmp_path / "risk-of-old.png").write_bytes(b"old")
    reporting.write(tmp_path, evaluation(), about())
    drawn = {path.name: path.read_bytes() for path in tmp_path.glob("*.png")}
    images = Page((tmp_path / "index.html").read_text(encoding="utf-8")).all("img")
    assert {image["src"] for image in images} == set(drawn)
    assert sorted(drawn) == ["reliability-person-96-x-96.png", "risk-is-there-a.png"]
    assert all(len(image["alt"] or "") > 60 for image in images)
    assert all(data.startswith(b"\x89PNG") and len(data) < 100_000 for data in drawn.values())
    reporting.write(tmp_path, evaluation(), about())
    assert {path.name: path.read_bytes() for path in tmp_path.glob("*.png")} == drawn


def test_times_are_read_where_there_are_any(tmp_path: Path) -> None:
    assert reporting.read_speed(tmp_path / "model.json") is None
    (tmp_path / "model.json").write_text(json.dumps(SPEED), encoding="utf-8")
    assert reporting.read_speed(tmp_path / "model.json") == SPEED
