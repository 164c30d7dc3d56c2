"""What the page asks the box for: pictures, events, evidence, zones, switches, feedback, teaching, over HTTP."""

from __future__ import annotations

import json
import threading
from http.client import HTTPConnection
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from http_box import TOKEN, open_api, until, written
from page_box import PageBox, told

from edge_runtime.api.limits import HttpLimits

if TYPE_CHECKING:
    from collections.abc import Iterator

    from http_box import Api

BEARER = {"Authorization": f"Bearer {TOKEN}"}
UNKNOWN = "f" * 32
CORNERS = [[0.1, 0.1], [0.9, 0.1], [0.5, 0.9]]


@pytest.fixture(scope="module", name="served")
def served_box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[PageBox, Api]]:
    box = PageBox(tmp_path_factory.mktemp("evidence"))
    with open_api(box.can()) as api:
        yield box, api


@pytest.fixture(name="box")
def page_box(served: tuple[PageBox, Api]) -> PageBox:
    served[0].reset()
    return served[0]


@pytest.fixture(name="api")
def page_api(served: tuple[PageBox, Api]) -> Api:
    return served[1]


def call(api: Api, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, dict[str, str], bytes]:
    """Send one request; JSON unless the body is bytes already."""
    wire = HTTPConnection("127.0.0.1", api.port, timeout=30)
    data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    kind = {} if data is None or "content_type" in headers else {"Content-Type": "application/json"}
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    try:
        wire.request(method, path, data, {**BEARER, **kind, **given})
        reply = wire.getresponse()
        return reply.status, {name.lower(): value for name, value in reply.getheaders()}, reply.read()
    finally:
        wire.close()


def read(api: Api, path: str) -> Any:
    status, _, body = call(api, "GET", path)
    assert status == 200, body
    return json.loads(body)


def form(name: str, files: list[bytes]) -> tuple[bytes, str]:
    """Return a form with a name and files, and its content type."""
    parts = [b'--x\r\nContent-Disposition: form-data; name="name"\r\n\r\n' + name.encode()]
    head = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.jpg"\r\nContent-Type: image/jpeg\r\n\r\n'
    parts += [head + file for file in files]
    return b"\r\n".join([*parts, b"--x--\r\n"]), "multipart/form-data; boundary=x"


REFUSED: dict[str, tuple[str, str, Any, int, str]] = {
    "a camera that there is not": ("GET", "/v1/cameras/attic/picture", None, 404, "camera_not_found"),
    "a camera with a path for a name": ("GET", "/v1/cameras/..%2F..%2Fetc/picture", None, 404, ""),
    "a picture as large as a wall": ("GET", "/v1/cameras/door/picture?width=100000", None, 400, "less_than_equal"),
    "zones of nowhere": ("PUT", "/v1/cameras/attic/zones", {"zones": []}, 404, "camera_not_found"),
    "a zone of two corners": (
        "PUT", "/v1/cameras/door/zones", {"zones": [{"name": "a", "polygon": CORNERS[:2]}]}, 400, "too_short",
    ),
    "a zone beyond the picture": (
        "PUT", "/v1/cameras/door/zones", {"zones": [{"name": "a", "polygon": [*CORNERS, [1.1, 0]]}]}, 400,
        "less_than_equal",
    ),
    "a zone with a path for a name": (
        "PUT", "/v1/cameras/door/zones", {"zones": [{"name": "../a", "polygon": CORNERS}]}, 400,
        "string_pattern_mismatch",
    ),
    "a zone that the box refuses": (
        "PUT", "/v1/cameras/door/zones", {"zones": [{"name": "taken", "polygon": CORNERS}]}, 400, "",
    ),
    "the picture of no event": ("GET", f"/v1/events/{UNKNOWN}/snapshot", None, 404, "no_evidence"),
    "the film of no event": ("GET", f"/v1/events/{UNKNOWN}/clip", None, 404, "no_evidence"),
    "an id that is none": ("GET", "/v1/events/..%2Fetc/snapshot", None, 404, ""),
    "an id in another alphabet": ("GET", f"/v1/events/{'G' * 32}/snapshot", None, 400, "string_pattern_mismatch"),
    "feedback on no event": ("POST", f"/v1/events/{UNKNOWN}/feedback", {"verdict": "fine"}, 400, ""),
    "a verdict that is none": ("POST", f"/v1/events/{UNKNOWN}/feedback", {"verdict": "good"}, 400, "literal_error"),
    "a switch that there is not": ("PUT", "/v1/switches", {"switches": {"attic": True}}, 400, "switch_not_found"),
    "a switch half on": ("PUT", "/v1/switches", {"switches": {"mute": "yes"}}, 400, "bool_type"),
    "a page file that there is not": ("GET", "/page/secrets.js", None, 404, ""),
    "a way out of the page's folder": ("GET", "/page/..%2Fserver.py", None, 404, ""),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_is_refused_in_openais_shape(api: Api, case: str) -> None:
    method, path, body, status, code = REFUSED[case]
    got, _, text = call(api, method, path, body)
    assert got == status, text
    error = json.loads(text)["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert code in {"", error["code"]}


NEEDS_TOKEN = (
    "/v1/cameras", "/v1/cameras/door/picture", "/v1/cameras/door/zones", "/v1/events", "/v1/events/stream",
    f"/v1/events/{UNKNOWN}/snapshot", f"/v1/events/{UNKNOWN}/clip", "/v1/box", "/v1/switches", "/page", "//",
)  # fmt: skip


@pytest.mark.parametrize("path", NEEDS_TOKEN)
def test_nothing_but_the_page_itself_opens_without_a_token(api: Api, path: str) -> None:
    status, _, body = call(api, "GET", path, Authorization="")
    assert (status, json.loads(body)["error"]["code"]) == (401, "invalid_api_key")


def test_the_page_is_whole_without_a_token_and_lets_nothing_else_in(api: Api) -> None:
    status, headers, body = call(api, "GET", "/", Authorization="")
    assert (status, headers["content-type"]) == (200, "text/html; charset=utf-8")
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert headers["x-frame-options"] == "DENY"
    folder = Path(__file__).parents[2] / "edge_runtime/api/dashboard"
    for file in folder.iterdir():
        path = "/" if file.name == "index.html" else f"/page/{file.name}"
        status, headers, body = call(api, "GET", path, Authorization="")
        assert (status, body) == (200, file.read_bytes()), path
        assert headers["x-content-type-options"] == "nosniff"
        # Nothing is fetched from elsewhere, and nothing that came from a box becomes HTML.
        text = body.decode()
        outside = [word for word in text.replace('"', " ").split() if word.startswith(("http://", "https://"))]
        assert set(outside) <= {"http://www.w3.org/2000/svg;", "http://www.w3.org/2000/svg"}
        assert not [word for word in ("innerHTML", "insertAdjacentHTML", "document.write", "eval(") if word in text]
    assert call(api, "POST", "/", {}, Authorization="")[0] == 401, "only reading is open"


def test_a_picture_is_sent_once_until_there_is_another(api: Api, box: PageBox) -> None:
    status, headers, body = call(api, "GET", "/v1/cameras/door/picture?width=320")
    assert (status, headers["content-type"]) == (200, "image/jpeg")
    assert body.startswith(b"\xff\xd8")
    found = json.loads(headers["x-edge-detections"])
    assert found == [{"label": "person", "score": 0.9, "box": [0.1, 0.2, 0.6, 0.9]}]
    status, _, body = call(api, "GET", "/v1/cameras/door/picture?width=320", If_None_Match=headers["etag"])
    assert (status, body) == (304, b"")
    box.cameras.tag = "2"
    assert call(api, "GET", "/v1/cameras/door/picture", If_None_Match=headers["etag"])[0] == 200
    box.cameras.shown = False
    assert call(api, "GET", "/v1/cameras/door/picture")[0] == 503
    assert read(api, "/v1/cameras")["data"][0]["width"] is None


def test_live_pictures_leave_room_for_other_requests(box: PageBox) -> None:
    with open_api(box.can(), HttpLimits(requests_per_minute=5, pictures_per_minute=20)) as api:
        statuses = [call(api, "GET", "/v1/cameras/door/picture?width=64")[0] for _ in range(25)]
        assert statuses[:20] == [200] * 20
        assert 429 in statuses, "pictures have a limit too"
        assert [call(api, "GET", "/v1/box")[0] for _ in range(5)] == [200] * 5
        assert 429 in {call(api, "GET", "/v1/box")[0] for _ in range(3)}
        assert {call(api, "GET", "/", Authorization="")[0] for _ in range(5)} == {200}
        strangers = [call(api, "GET", "/v1/cameras/door/picture", Authorization="")[0] for _ in range(8)]
        assert strangers == [401] * 5 + [429] * 3, "who has no token gets no room of the pictures"


def test_filters_reach_the_past_and_evidence_is_told(api: Api, box: PageBox) -> None:
    bare, kept = told(), told("alert")
    (box.folder / f"{kept.id}.jpg").write_bytes(b"\xff\xd8picture")
    (box.folder / f"{kept.id}.avi").write_bytes(b"RIFFfilm")
    box.events.past[:] = [bare, kept]
    found = read(api, "/v1/events?kind=zone&kind=alert&source=door&since=5&before=1e10&limit=7")["data"]
    wanted = box.events.asked[0]
    assert (wanted.kinds, wanted.sources) == (frozenset({"zone", "alert"}), frozenset({"door"}))
    assert (wanted.since, wanted.before, wanted.limit) == (5, 1e10, 7)
    assert [(one["id"], one["snapshot"], one["clip"]) for one in found] == [
        (bare.id, False, False), (kept.id, True, True),
    ]  # fmt: skip
    status, headers, body = call(api, "GET", f"/v1/events/{kept.id}/snapshot")
    assert (status, headers["content-type"], body) == (200, "image/jpeg", b"\xff\xd8picture")
    (box.folder / f"{kept.id}.png").write_bytes(b"plain")
    status, headers, body = call(api, "GET", f"/v1/events/{kept.id}/snapshot?boxes=false")
    assert (status, headers["content-type"], body) == (200, "image/png", b"plain")
    status, headers, body = call(api, "GET", f"/v1/events/{kept.id}/clip")
    assert (status, headers["content-type"], body) == (200, "video/x-msvideo", b"RIFFfilm")


def test_events_come_as_they_happen_and_a_follower_that_goes_is_forgotten(api: Api, box: PageBox) -> None:
    wire = HTTPConnection("127.0.0.1", api.port, timeout=30)
    wire.request("GET", "/v1/events/stream", headers=BEARER)
    reply = wire.getresponse()
    assert reply.getheader("content-type", "").startswith("text/event-stream")
    assert until(lambda: bool(box.events.followers))
    threading.Timer(0.05, box.events.happen, [told(label='<img src=x onerror="x">\n\nevent: lie')]).start()
    lines = [reply.readline() for _ in range(5)]
    assert lines[0].startswith(b":")
    assert lines[3] == b"event: event\n"
    got = json.loads(lines[4].removeprefix(b"data: "))
    assert got["label"] == '<img src=x onerror="x">\n\nevent: lie', "line breaks of an event end no message"
    reply.close()
    wire.close()
    for _ in range(3):
        box.events.happen(told())
    assert until(lambda: not box.events.followers)


def test_zones_are_drawn_and_told(api: Api, box: PageBox) -> None:
    zone = {"name": "step", "polygon": CORNERS, "labels": ["person", "person"], "schedule": ["22:00-06:00"]}
    status, _, body = call(api, "PUT", "/v1/cameras/door/zones", {"zones": [zone]})
    assert status == 200, body
    drawn = read(api, "/v1/cameras/door/zones")
    assert drawn == json.loads(body)
    assert (drawn["drawn"][0]["polygon"], drawn["drawn"][0]["schedule"]) == (CORNERS, ["22:00-06:00"])
    assert drawn["labels"] == ["person", "cat"]
    assert box.zones.kept["door"][0]["dwell_s"] == 0


def test_feedback_switches_and_teaching_reach_the_box(api: Api, box: PageBox) -> None:
    event = told()
    box.events.past[:] = [event]
    assert call(api, "POST", f"/v1/events/{event.id}/feedback", {"verdict": "fine"})[0] == 200
    assert box.verdicts == [(event.id, "fine")]
    status, _, body = call(api, "PUT", "/v1/switches", {"switches": {"mute": True}})
    assert (status, json.loads(body)["switches"]) == (200, {"door_detection": True, "mute": True})
    picture = written(np.full((40, 60, 3), 200, np.uint8), ".jpg")
    data, kind = form("our cat", [picture, picture])
    status, _, body = call(api, "POST", "/v1/teach/picture", data, content_type=kind)
    assert (status, json.loads(body)) == (
        200, {"name": "our cat", "pictures": 2, "notes": ["show it from the side too"]},
    )  # fmt: skip
    assert box.taught == [("our cat", [(40, 60, 3), (40, 60, 3)])]
    data, kind = form("our cat", [b"no picture"])
    status, _, body = call(api, "POST", "/v1/teach/picture", data, content_type=kind)
    assert (status, json.loads(body)["error"]["code"]) == (400, "invalid_image")
    data, kind = form("our cat", [picture] * 21)
    status, _, body = call(api, "POST", "/v1/teach/picture", data, content_type=kind)
    assert (status, json.loads(body)["error"]["code"]) == (400, "too_many_images")


def test_what_a_box_cannot_do_is_told_with_its_reason(box: PageBox) -> None:
    parts = ("evidence", "zones", "give_feedback", "switches", "teach_picture")
    with open_api(box.can(**dict.fromkeys(parts, "it is switched off"))) as api:
        missing = read(api, "/v1/box")["missing"]
        assert missing == {
            **dict.fromkeys(("evidence", "zones", "feedback", "switches", "teach"), "it is switched off"),
            "spending": "the cloud is switched off",
        }
        status, _, body = call(api, "GET", "/v1/switches")
        assert (status, json.loads(body)["error"]["code"]) == (404, "not_available")


def test_the_box_tells_what_it_spent_and_what_left(api: Api, box: PageBox) -> None:
    cap = {"name": "day", "period": "2026-11-22", "spent_usd": 0.01, "reserved_usd": 0.0, "cap_usd": 0.1}
    left = {
        "at": "2026-11-22T10:00:00.000Z", "source": "http", "why": "the box was not sure", "policy": "text",
        "to": "openai/gpt", "texts": ["why?"], "masked": {"name": 1}, "picture": None, "cost_usd": 0.1,
        "outcome": "ok",
    }  # fmt: skip
    box.spending, box.left = [cap], [left]
    now = read(api, "/v1/box")
    assert (now["spending"], now["left"], now["status"]) == ([cap], [left], "ok")
