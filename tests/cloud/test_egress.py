"""Nothing private leaves: asked through the real cloud path, the loopback endpoint shows what it received."""

from __future__ import annotations

import base64
import json
import time
from importlib import resources
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest
from openai_server import KEY, serving

from edge_runtime.answer_sections import EgressSettings
from edge_runtime.cloud.egress import Destination, EgressGate, Outgoing
from edge_runtime.cloud.ledger import Ledger
from edge_runtime.cloud.ledger_check import check, entries
from edge_runtime.cloud.picture import Area, render
from edge_runtime.cloud.responder import CloudResponder
from edge_runtime.config import Settings
from edge_runtime.errors import CloudError, EgressRefusedError
from edge_runtime.prompts.book import Prompt, PromptBook
from edge_runtime.sources.files import read_picture
from edge_runtime.types import AudioChunk, Frame, Origin, Question, Request, Turn
from edge_runtime.wiring.assembly import Models
from edge_runtime.wiring.cloud import make_cloud
from edge_runtime.wiring.egress import PrivateAreas, ledger_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from openai_server import Endpoint

    from edge_runtime.types import Image

SECRETS = {
    "e-mail": "joe.miller@example.org",
    "phone": "+49 170 1234567",
    "card": "4111 1111 1111 1111",
    "bank account": "DE89 3704 0044 0532 0130 00",
    "street": "12 Baker Street",
    "post code": "NW1 6XE",
    "place": "52.5200, 13.4050",
    "ip": "192.168.1.77",
    "mac": "aa:bb:cc:dd:ee:ff",
    "endpoint key": "sk-proj-abcdefghijklmnop1234",
    "access key": "AKIAIOSFODNN7EXAMPLE",
    "map key": "AIzaSyA-1234567890abcdefghijklmnopqrstu",
    "code key": "ghp_abcdefghijklmnopqrstuvwxyz0123456789",
    "web token": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl",
    "camera login": "admin:pa55word@",
    "private word": "Rumpelstiltskin",
    "hidden e-mail": "eve\u200b@example.com",
}
ASKED = (
    "What is this? " + ". ".join(SECRETS.values()) + ". See rtsp://admin:pa55word@cam.local/1, my password is hunter2, "
    'pin: 4711, and {"api_key": "tiny-value", "phone": 5558675309}'
)  # fmt: skip
PLANTED = (*SECRETS.values(), "hunter2", "4711", "5558675309", "pa55word", "tiny-value", "eve@example.com")
GPS = b"GPS-52.5200-13.4050-serial-12345"


@pytest.fixture(scope="module")
def person() -> Image:
    """A picture with a face: of the embedded clip, with a number plate painted into it."""
    with resources.as_file(resources.files("edge_runtime.demo").joinpath("clip.mp4")) as path:
        video = cv2.VideoCapture(str(path))
        video.set(cv2.CAP_PROP_POS_FRAMES, int(video.get(cv2.CAP_PROP_FRAME_COUNT)) // 2)
        read, picture = video.read()
        video.release()
    assert read
    cv2.rectangle(picture, (450, 60), (625, 110), (255, 255, 255), -1)
    cv2.putText(picture, "B AB 1234", (458, 98), cv2.FONT_HERSHEY_SIMPLEX, 1.0, (0, 0, 0), 2, cv2.LINE_AA)
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), np.uint8)


@pytest.fixture
def photograph(person: Image, tmp_path: Path) -> Path:
    """The same as a JPEG file with an EXIF block and a comment."""
    _, jpeg = cv2.imencode(".jpg", cv2.cvtColor(person, cv2.COLOR_RGB2BGR), (cv2.IMWRITE_JPEG_QUALITY, 95))
    raw = jpeg.tobytes()
    exif = b"Exif\0\0" + b"II*\0\x08\0\0\0\0\0" + GPS
    segments = b"".join(
        bytes([0xFF, kind]) + (len(data) + 2).to_bytes(2, "big") + data for kind, data in ((0xE1, exif), (0xFE, GPS))
    )
    path = tmp_path / "photo.jpg"
    path.write_bytes(raw[:2] + segments + raw[2:])
    return path


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    with serving() as running:
        yield running


@pytest.fixture
def make(endpoint: Endpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Any]]:
    every: list[CloudResponder] = []
    monkeypatch.setenv("TEST_CLOUD_KEY", KEY)

    def responder(**egress: Any) -> tuple[CloudResponder, Settings]:
        settings = Settings.model_validate(
            {
                "device": {"data_dir": str(tmp_path / "data")},
                "cloud": {
                    "enabled": True,
                    "providers": [{"base_url": endpoint.url, "key_env": "TEST_CLOUD_KEY"}],
                    "budget": {"usd_per_minute": 1, "usd_per_day": 1},
                },
                "cameras": [{"name": "door", "url": "0"}],
                "egress": {"private_words": ["Rumpelstiltskin"], **egress},
            }
        )
        made = make_cloud(settings, Models.of(settings), PromptBook())
        assert isinstance(made, CloudResponder)
        every.append(made)
        return made, settings

    yield responder
    for made in every:
        made.close()


def request(text: str, image: Image | None = None, source: str = "terminal", camera: str = "terminal") -> Request:
    chunk = AudioChunk(source, 0.0, np.full(16_000, 0.123456, np.float32))
    frame = None if image is None else Frame(camera, 0.0, image)
    history = (Turn("user", f"before: {ASKED}"), Turn("assistant", "I see."))
    return Request(Question(text, source, 0.0, frame, chunk, history), None, time.monotonic() + 30)


def test_nothing_that_was_planted_reaches_the_cloud_and_all_that_does_is_in_the_ledger(
    make: Callable[..., Any], endpoint: Endpoint, photograph: Path, person: Image
) -> None:
    responder, settings = make(default="redacted_picture")
    image = read_picture(photograph)
    assert responder.answer(request(ASKED, image)).origin is Origin.CLOUD
    (received,) = endpoint.requests
    body = json.dumps(received, ensure_ascii=False)
    texts, url = received["messages"][-1]["content"]
    jpeg = base64.b64decode(url["image_url"]["url"].partition(",")[2])
    for secret in PLANTED:
        assert secret not in body
        assert secret.replace(" ", "").lower() not in body.replace(" ", "").lower()
    assert set(received) <= {"model", "messages", "max_tokens", "max_completion_tokens", "stream", "stream_options"}
    assert "audio" not in body
    assert GPS not in jpeg
    assert b"Exif" not in jpeg
    assert {jpeg[at + 1] for at in markers(jpeg)} <= {0xD8, 0xE0, 0xDB, 0xC0, 0xC4, 0xDA, 0xDD}, "pixels alone"
    (sent, settled) = entries(ledger_folder(settings))
    assert [texts["text"], *(turn["content"] for turn in received["messages"] if "before:" in str(turn))][0] in sent[
        "texts"
    ]
    assert sent["picture"]["bytes"] == len(jpeg)
    assert sent["picture"]["hidden"]["face"] >= 1
    assert (settled["of"], settled["outcome"]) == (sent["id"], "answered")
    assert check(ledger_folder(settings)) == []
    shown, before = pixels(jpeg), pixels(render(person).jpeg)
    for x0, y0, x1, y1 in ((190, 85, 245, 150), (362, 50, 500, 86)):
        assert detail(shown[y0:y1, x0:x1]) < 0.1 * detail(before[y0:y1, x0:x1]), "no face, no letters"
    assert not [face for face in PrivateAreas(Models()).find(shown) if face.kind == "face" and holds(face)]


def holds(area: Area) -> bool:
    """Tell whether an area lies where the face was."""
    x, y = (area.box[0] + area.box[2]) / 2, (area.box[1] + area.box[3]) / 2
    return 0.36 < x < 0.5 and 0.25 < y < 0.55


def pixels(jpeg: bytes) -> Image:
    picture = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), np.uint8)


def detail(image: Image) -> float:
    """Return how much of a picture a blur would take away."""
    return float(cv2.Laplacian(image, cv2.CV_64F).var())


def markers(jpeg: bytes) -> Iterator[int]:
    """Yield where the segments of a JPEG begin, up to its pixels."""
    at = 0
    while at < len(jpeg) and jpeg[at] == 0xFF:
        yield at
        if jpeg[at + 1] == 0xDA:
            return
        at += 2 if jpeg[at + 1] == 0xD8 else 2 + int.from_bytes(jpeg[at + 2 : at + 4], "big")


@pytest.mark.parametrize(
    ("policies", "source", "camera", "leaves"),
    [
        pytest.param({"default": "nothing"}, "terminal", "terminal", None, id="nothing from anywhere"),
        pytest.param({"default": "picture", "sources": {"kitchen": "nothing"}}, "kitchen", "door", None,
                     id="nothing from who asks"),
        pytest.param({"default": "text"}, "terminal", "terminal", "text", id="text alone"),
        pytest.param({"default": "redacted_picture"}, "terminal", "terminal", "redacted_picture", id="redacted"),
        pytest.param({"default": "picture"}, "terminal", "terminal", "picture", id="as it is"),
        pytest.param({"default": "picture", "sources": {"door": "text"}}, "terminal", "door", "text",
                     id="the camera is stricter"),
        pytest.param({"default": "picture", "sources": {"door": "nothing"}}, "terminal", "door", "nothing",
                     id="the camera lets nothing out"),
        pytest.param({"default": "picture", "sources": {"mqtt": "text"}}, "mqtt", "door", "text",
                     id="who asks is stricter"),
        pytest.param({"default": "text", "sources": {"terminal": "picture"}}, "terminal", "upload", "picture",
                     id="a picture that came with the question"),
        pytest.param({"default": "text", "sources": {"terminal": "picture"}}, "terminal", "door", "text",
                     id="a camera that is not named has the default"),
    ],
)  # fmt: skip
def test_the_stricter_policy_counts(
    tmp_path: Path, person: Image, policies: dict[str, Any], source: str, camera: str, leaves: str | None
) -> None:
    face = Area("face", (0.3, 0.2, 0.5, 0.6))
    gate = EgressGate(EgressSettings(**policies), Ledger(tmp_path), lambda _: [face], ["door"])
    outgoing = Outgoing(source, "a test", ("what is at a@b.org?",), Frame(camera, 0.0, person))
    if leaves is None:
        with pytest.raises(EgressRefusedError, match=source):
            gate.prepare(outgoing)
        return
    parcel = gate.prepare(outgoing)
    assert (parcel.policy, parcel.texts) == (leaves, ("what is at [email]?",))
    assert (parcel.picture is not None) is leaves.endswith("picture")
    if parcel.picture:
        assert parcel.picture.hidden == ({"face": 1} if leaves == "redacted_picture" else {})


def test_nothing_is_sent_where_it_cannot_be_written_down(make: Callable[..., Any], endpoint: Endpoint) -> None:
    responder, settings = make(default="text")
    ledger_folder(settings).parent.mkdir(exist_ok=True)
    ledger_folder(settings).write_text("a file in the way")
    with pytest.raises(CloudError, match="so nothing is sent"):
        responder.answer(request("what is this?"))
    assert endpoint.requests == []


def test_what_is_sent_is_on_disk_before_it_leaves(make: Callable[..., Any], endpoint: Endpoint) -> None:
    responder, settings = make(default="text")
    seen: list[list[str]] = []
    handle = endpoint.handle

    def look_first(http: Any) -> None:
        seen.append([entry["kind"] for entry in entries(ledger_folder(settings))])
        handle(http)

    endpoint.handle = look_first  # type: ignore[method-assign]
    responder.answer(request("what is this?"))
    assert seen == [["send"]]


def test_the_same_picture_becomes_the_same_bytes(person: Image) -> None:
    find = PrivateAreas(Models()).find
    first, second = (render(person.copy(), None, find) for _ in range(2))
    assert first.jpeg == second.jpeg
    assert first.hidden["face"] >= 1


def test_a_picture_is_cut_to_what_it_is_about(person: Image) -> None:
    whole, part = render(person), render(person, (0.75, 0.1, 0.95, 0.4))
    assert (whole.width, whole.height) == (512, 288)
    assert part.width < 0.35 * person.shape[1]
    assert part.height < 0.5 * person.shape[0]
    assert render(person, (0.5, 0.5, 0.5, 0.5)).width >= 1, "even of nothing a pixel is shown"


@pytest.mark.parametrize("shape", [(1, 1), (3, 900), (900, 3), (20, 20), (2000, 30)], ids=str)
def test_pictures_of_any_shape_pass(shape: tuple[int, int]) -> None:
    image = np.full((*shape, 3), 90, np.uint8)
    assert render(image, None, PrivateAreas(Models()).find).jpeg


def test_a_person_without_a_face_has_a_head_all_the_same(person: Image) -> None:
    """Seen from behind, as far as the pixels tell: the face is painted over with hair."""
    back = person.copy()
    cv2.ellipse(back, (275, 145), (52, 62), 0, 0, 360, (120, 90, 50), -1)
    found = PrivateAreas(Models()).find(back)
    assert any(holds(area) or covers(area) for area in found if area.kind in {"head", "face"})


def covers(area: Area) -> bool:
    return area.box[0] < 0.36 and area.box[2] > 0.5 and area.box[1] < 0.25 and area.box[3] > 0.5


def test_a_preview_shows_both_and_writes_nothing_down(tmp_path: Path, person: Image) -> None:
    gate = EgressGate(EgressSettings(default="redacted_picture"), Ledger(tmp_path / "ledger"), lambda _: [])
    shown = gate.preview(Outgoing("terminal", "a test", ("mail a@b.org",), Frame("terminal", 0.0, person)))
    assert shown["texts"] == [{"before": "mail a@b.org", "after": "mail [email]"}]
    assert shown["picture"]["jpeg"].startswith(b"\xff\xd8")
    assert not (tmp_path / "ledger").exists()


def test_a_dry_run_shows_what_would_leave(
    photograph: Path, tmp_path: Path, command_line: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    settings = tmp_path / "settings.yaml"
    settings.write_text(
        f"device: {{data_dir: {tmp_path / 'data'}}}\negress: {{default: redacted_picture}}\n", encoding="utf-8"
    )
    asked = ("ask", "--dry-run", "is joe@x.org here?", "--image", str(photograph), "--config", str(settings))
    status, out, _ = command_line(*asked)
    assert status == 0
    for said in (
        "nothing was sent",
        "is joe@x.org here?",
        "is [email] here?",
        "1 face",
        "gpt-4o-mini at api.openai.com",
    ):
        assert said in out.replace("2 face", "1 face")
    after = (tmp_path / "run-output" / "after.jpg").read_bytes()
    assert GPS not in after
    assert (tmp_path / "run-output" / "before.jpg").exists()
    assert not (tmp_path / "data" / "ledger").exists()
    settings.write_text(f"device: {{data_dir: {tmp_path}}}\negress: {{default: nothing}}\n", encoding="utf-8")
    assert "nothing: nothing may leave the box from terminal" in command_line(*asked)[1]


def test_an_entry_says_what_it_cost_and_for_what(tmp_path: Path) -> None:
    gate = EgressGate(EgressSettings(), Ledger(tmp_path), lambda _: [], now=lambda: 1_800_000_000.25)
    parcel = gate.prepare(Outgoing("door", "nobody knew", ("what?",), mark="general@1:abc"))
    entry = gate.send(parcel, Destination("first", "api.example.org", "m"), 2 * 10**9)
    gate.settle(entry, 10**9, "answered")
    sent, settled = entries(tmp_path)
    assert sent["at"] == "2027-01-15T08:00:00.250Z"
    assert (sent["source"], sent["why"], sent["policy"]) == ("door", "nobody knew", "text")
    assert sent["to"] == {"provider": "first", "host": "api.example.org", "model": "m"}
    assert (sent["worst_case_usd"], sent["prompt"], sent["picture"]) == (0.002, "general@1:abc", None)
    assert (settled["of"], settled["cost_usd"], settled["outcome"]) == (entry.id, 0.001, "answered")


def test_what_is_private_in_a_prompt_of_the_owners_stays_here(make: Callable[..., Any], endpoint: Endpoint) -> None:
    responder, _ = make(private_words=("plain",))
    responder.answer(request("who won the cup?"))
    (sent,) = endpoint.requests
    assert "plain" not in str(sent["messages"]), "the shipped persona wants plain sentences"
    assert "who won the cup?" in str(sent["messages"])


def test_what_is_private_in_the_schema_of_a_prompt_of_the_owners_stays_here(tmp_path: Path) -> None:
    gate = EgressGate(EgressSettings(private_words=("Anna",)), Ledger(tmp_path, 1), lambda _: ())
    prompt = Prompt("who", 1, "Say who.", output={"type": "string", "enum": ["Anna", "somebody"]})
    assert gate.cleaned(prompt).output == {"type": "string", "enum": ["[private]", "somebody"]}


def test_the_shipped_prompts_leave_as_they_are(tmp_path: Path) -> None:
    gate = EgressGate(EgressSettings(), Ledger(tmp_path, 1), lambda _: ())
    assert [gate.cleaned(prompt) for prompt in PromptBook()] == list(PromptBook())
