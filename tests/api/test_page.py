"""The page in a real browser, of a real box that watches a film."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pytest
import soundfile
from browsers import PHONE, WIDE, Visit, browser
from http_box import TOKEN, open_api, until, written
from page_box import PageBox, told
from running import Running

from edge_runtime import demo

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

DEMO = Path(demo.__file__).parent
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
HOSTILE = "<img src=x onerror=document.title='broken'>"


@pytest.fixture(scope="module", name="speech")
def spoken_command(tmp_path_factory: pytest.TempPathFactory) -> Path:
    samples, rate_hz = soundfile.read(DEMO / "commands.wav", dtype="float32")
    path = tmp_path_factory.mktemp("speech") / "command.wav"
    command = samples[: round(2.5 * rate_hz)]
    soundfile.write(path, np.concatenate([command, np.zeros(20 * rate_hz, np.float32)]), rate_hz, subtype="PCM_16")
    return path


@pytest.fixture(scope="module", name="chromium")
def one_browser(speech: Path) -> Iterator[Browser]:
    with browser(speech) as started:
        yield started


@pytest.fixture(name="house")
def running_house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Run a box with a camera; return the address of its page."""
    if not shutil.which("ffmpeg"):
        pytest.skip("ffmpeg is not installed")
    film = tmp_path / "film.mp4"
    loop = ["ffmpeg", "-v", "error", "-stream_loop", "20", "-i", str(DEMO / "clip.mp4"), "-c", "copy", str(film)]
    subprocess.run(loop, check=True, timeout=30)
    settings = tmp_path / "settings.yaml"
    settings.write_text(
        f"device: {{name: home, data_dir: {tmp_path}/data}}\nmqtt: {{enabled: false}}\n"
        f"api: {{enabled: true, port: 0}}\nevidence: {{after_s: 1}}\n"
        f"cameras: [{{name: door, url: {film}, fps: 6, realtime: true}}]\n"
    )
    monkeypatch.setenv("EDGE_API_TOKEN", TOKEN)
    running = Running(tmp_path, "--config", str(settings))
    log = next(tmp_path.glob("stderr-*"))
    found: list[str] = []

    def listening() -> bool:
        found.extend(re.findall(r"listening on (http://127\.0\.0\.1:\d+)/v1", log.read_text()))
        return bool(found)

    try:
        assert until(listening), log.read_text()
        yield f"{found[0]}/"
    finally:
        status, err = running.end(signal.SIGTERM)
        assert status == 0, err


def test_a_person_watches_asks_draws_a_zone_and_answers_an_alert(chromium: Browser, house: str) -> None:
    visit = Visit(chromium, house)
    page = visit.page
    visit.log_in("not-the-token-of-this-box")
    page.get_by_text("That is not the token of this box.").wait_for()
    assert [complaint for complaint in visit.complaints if "401" not in complaint] == []
    visit.complaints.clear()
    visit.log_in(TOKEN)
    frames_move(page)
    assert page.get_by_role("heading", name="home").is_visible()

    ask(page, "How many people are there?")
    answer = page.locator("#answers li").first
    # There is no cloud here, and on the edge of the film it may not be sure.
    assert answer.locator("[data-origin]").get_attribute("data-origin") in {"local", "abstained"}
    assert re.search("people|person", answer.locator(".said").inner_text())
    ask(page, "What is 12 * 7?")
    assert answer.locator(".said").inner_text() == "That is 84."
    assert answer.locator("[data-origin]").inner_text() == "Answered here"
    assert answer.locator("[data-confidence]").inner_text() == "100 % sure"

    draw_zone(page, "porch", ((0.02, 0.02), (0.98, 0.02), (0.98, 0.98), (0.02, 0.98)))
    entered = page.locator("li.is-alert", has_text="entered porch").first
    # Others may come before it in the list.
    alert = page.locator(f"li[data-id='{entered.get_attribute('data-id')}']")
    alert.locator(".thumb img[src^='blob:']").wait_for()
    alert.get_by_role("button", name="That was fine").click()
    alert.get_by_text("You said: that was fine").wait_for()
    alert.locator(".thumb.has-film").wait_for()
    assert visit.barriers() == []

    alert.locator(".thumb").click()
    page.get_by_role("button", name="Play the film").click()
    page.locator(".screen canvas").wait_for()
    assert page.locator(".screen canvas").evaluate("canvas => canvas.width") > 100
    page.locator("#viewer").get_by_role("button", name="Close").click()

    page.get_by_role("link", name="Box").click()
    switch = page.get_by_role("switch", name="Door detection")
    switch.click()
    page.locator("[role=switch][aria-checked=false]").wait_for()
    page.get_by_role("link", name="Watch").click()
    page.locator(".camera", has_text="Live, detection off").wait_for()
    assert visit.complaints == []
    assert visit.elsewhere == []


def ask(page: Page, question: str) -> None:
    page.get_by_label("Your question").fill(question)
    page.get_by_role("button", name="Ask", exact=True).click()
    page.locator("#answers li", has_text=question).locator("[data-origin]").wait_for()


def frames_move(page: Page) -> None:
    """Wait for three pictures, each another than the one before."""
    seen = set()

    def more() -> bool:
        seen.add(page.locator(".picture").first.get_attribute("src"))
        return len(seen - {None}) >= 3

    page.locator(".picture:not([hidden])").first.wait_for()
    deadline = time.monotonic() + 20
    while not more():
        assert time.monotonic() < deadline, "the picture stands still"
        page.wait_for_timeout(50)


def draw_zone(page: Page, name: str, corners: tuple[tuple[float, float], ...]) -> None:
    page.get_by_role("button", name="Zones of door").click()
    frame = page.locator("#zone-stage").bounding_box()
    assert frame
    for x, y in corners:
        page.mouse.click(frame["x"] + x * frame["width"], frame["y"] + y * frame["height"])
    page.get_by_label("Name of the zone").fill(name)
    page.get_by_role("button", name="Save zone").click()
    page.locator(".zone-list", has_text=name).wait_for()
    page.locator("#zone-editor").get_by_role("button", name="Close").click()


def test_a_person_speaks_to_the_page(chromium: Browser, tmp_path: Path) -> None:
    heard: list[float] = []

    def write(chunk: Any) -> str:
        heard.append(len(chunk.samples) / 16_000 if np.abs(chunk.samples).max() > 0.05 else 0.0)
        return "turn on the kitchen light"

    box = PageBox(tmp_path)
    with open_api(replace(box.can(), transcribe=write)) as api:
        visit = Visit(chromium, f"http://127.0.0.1:{api.port}/")
        visit.log_in(TOKEN)
        visit.page.get_by_role("button", name="Speak").click()
        visit.page.get_by_text("Listening.").wait_for()
        visit.page.wait_for_timeout(1500)
        visit.page.get_by_role("button", name="Speak").click()
        visit.page.locator("#answers .asked", has_text="turn on the kitchen light").wait_for()
        visit.page.get_by_text("You said turn on the kitchen light.").wait_for()
        assert visit.complaints == []
        visit.context.close()
    assert len(heard) == 1
    assert 1 < heard[0] < 5, "the box could read what the browser recorded, and there was sound in it"


@pytest.fixture(name="crowd")
def crowded_box(tmp_path: Path) -> PageBox:
    """Return a box with every kind of thing on its page, named by somebody who means harm."""
    box = PageBox(tmp_path, name=HOSTILE)
    box.cameras.names, box.cameras.label = ("door", "yard", "attic"), HOSTILE
    kinds: list[tuple[str, dict[str, Any]]] = [
        ("zone", {"zone": HOSTILE, "type": "enter"}), ("alert", {"prompt": HOSTILE}),
        ("anomaly", {"unusual": "place", "where": [0, 0, 1, 1]}), ("sound", {}), ("intent", {"transcript": HOSTILE}),
        ("answered", {"question": HOSTILE, "text": HOSTILE}), ("source_status", {"status": "lost", "reason": HOSTILE}),
        ("switch", {"switch": HOSTILE, "on": True}), ("object", {"type": "end", "seen_s": 70}),
        (HOSTILE, {}),
    ]  # fmt: skip
    box.events.past = [
        told(kind, data=data, label=HOSTILE, at=time.time() - age) for age, (kind, data) in enumerate(kinds)
    ]
    for event in box.events.past[:3]:
        picture = np.full((90, 160, 3), 120, np.uint8)
        (tmp_path / f"{event.id}.jpg").write_bytes(written(picture, ".jpg"))
    box.switches.states[HOSTILE] = False
    box.spending = [{"name": "day", "period": "2026-11-22", "spent_usd": 0.02, "reserved_usd": 0.0, "cap_usd": 0.1}]
    box.left = [
        {
            "at": "2026-11-22T10:00:00.000Z", "source": "http", "why": HOSTILE, "policy": "text", "to": HOSTILE,
            "texts": [HOSTILE], "masked": {"name": 1}, "cost_usd": None, "outcome": None,
            "picture": {"width": 320, "height": 200, "bytes": 9000, "hidden": {"face": 1}},
        }
    ]  # fmt: skip
    return box


def open_to_all(visit: Visit, view: str) -> None:
    for scheme in SCHEMES:
        visit.page.emulate_media(color_scheme=scheme)
        assert visit.barriers() == [], (view, scheme)
    assert visit.too_wide() <= 0, view


@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["wide", "phone"])
def test_every_view_is_open_to_all_and_words_stay_words(
    chromium: Browser, crowd: PageBox, size: tuple[int, int]
) -> None:
    with open_api(crowd.can()) as api:
        visit = Visit(chromium, f"http://127.0.0.1:{api.port}/", size)
        page = visit.page
        page.get_by_label("Token").wait_for()
        open_to_all(visit, "login")
        visit.log_in(TOKEN)
        page.locator("#cameras .picture:not([hidden])").nth(2).wait_for()
        page.locator(".thumb").first.scroll_into_view_if_needed()
        page.locator(".thumb img[src^='blob:']").first.wait_for()
        open_to_all(visit, "watch")
        page.get_by_role("button", name="Zones of yard").click()
        page.get_by_role("button", name="Add corner").click(click_count=3)
        open_to_all(visit, "zones")
        page.locator("#zone-editor").get_by_role("button", name="Close").click()
        page.get_by_role("link", name="Box").click()
        page.get_by_role("switch").first.wait_for()
        open_to_all(visit, "box")
        page.get_by_role("link", name="Watch").click()
        page.locator(".thumb").first.click()
        page.locator(".screen img[src^='blob:']").wait_for()
        open_to_all(visit, "viewer")
        assert page.locator(".event").count() == len(crowd.events.past)
        assert page.locator(".event .title", has_text=HOSTILE).count() >= 7, "what was said is shown as it was said"
        assert page.title() == f"{HOSTILE} · edge-runtime"
        assert page.locator("img[src='x']").count() == 0
        assert visit.complaints == []
        assert visit.elsewhere == []
        visit.context.close()


def test_filters_leave_what_was_asked_for_and_older_events_follow(chromium: Browser, tmp_path: Path) -> None:
    box, now = PageBox(tmp_path), time.time()
    kinds = ("zone", "sound")
    box.events.past = [
        told(kinds[age % 2], source=("door", "yard")[age % 2], label=f"thing {age}", at=now - age) for age in range(60)
    ]
    left = {"zone": "step", "type": "leave"}
    box.events.past += [told(data=left, alert=False, at=now - 60 - age) for age in range(50)]
    box.events.past += [told(data={"zone": "step", "type": "enter"}, label="early bird", at=now - 200)]
    with open_api(box.can()) as api:
        visit = Visit(chromium, f"http://127.0.0.1:{api.port}/")
        page = visit.page
        visit.log_in(TOKEN)
        rows = page.locator(".event")
        rows.nth(39).wait_for()
        page.get_by_role("button", name="Older events").click()
        rows.nth(59).wait_for()
        page.get_by_role("button", name="Alerts", exact=True).click()
        page.locator(".event[data-kind='sound']").first.wait_for(state="detached")
        rows.nth(29).wait_for()
        assert rows.count() == 30, "that somebody left is no alert"
        page.get_by_role("button", name="Older events").click()
        page.get_by_role("button", name="Older events").click()
        page.get_by_text("Early bird entered step").wait_for()
        assert rows.count() == 31
        page.get_by_label("Source").select_option("yard")
        page.get_by_text("No alerts. Draw a zone").wait_for()
        box.events.happen(told("sound", source="yard"))
        box.events.happen(told(source="yard", data={"zone": "gate", "type": "enter"}))
        page.get_by_text("Person entered gate").first.wait_for()
        assert rows.count() == 1, "what is filtered out does not come in as it happens either"
        page.get_by_role("button", name="All", exact=True).click()
        rows.nth(31).wait_for()
        assert visit.complaints == []
        visit.context.close()


def test_a_part_of_an_alert_and_a_file_are_taught_together(chromium: Browser, tmp_path: Path) -> None:
    box, alert = PageBox(tmp_path), told()
    box.events.past = [alert]
    picture = np.full((200, 400, 3), 120, np.uint8)
    for kind in (".jpg", ".png"):
        (tmp_path / f"{alert.id}{kind}").write_bytes(written(picture, kind))
    with open_api(box.can()) as api:
        visit = Visit(chromium, f"http://127.0.0.1:{api.port}/")
        page = visit.page
        visit.log_in(TOKEN)
        page.locator(".thumb").click()
        page.get_by_role("button", name="Teach from this").click()
        page.get_by_text("Draw a frame around the thing").wait_for()
        frame = page.locator(".marking").bounding_box()
        assert frame
        page.mouse.move(frame["x"] + frame["width"] * 0.25, frame["y"] + frame["height"] * 0.5)
        page.mouse.down()
        page.mouse.move(frame["x"] + frame["width"] * 0.75, frame["y"] + frame["height"] * 1.2)
        page.mouse.up()
        assert visit.barriers() == []
        page.get_by_role("button", name="Keep for teaching").click()
        page.get_by_text("Kept, 1 so far.").wait_for()
        page.locator("#viewer").get_by_role("button", name="Close").click()
        page.get_by_role("link", name="Box").click()
        page.get_by_label("What it is").fill("our cat")
        page.get_by_label("Pictures", exact=True).set_input_files(tmp_path / f"{alert.id}.jpg")
        page.get_by_role("button", name="Teach", exact=True).click()
        page.get_by_text("Learnt our cat. show it from the side too").wait_for()
        assert visit.complaints == []
        visit.context.close()
    ((name, shapes),) = box.taught
    assert name == "our cat"
    assert shapes[1] == (200, 400, 3)
    assert np.allclose(shapes[0], (100, 200, 3), atol=2), "the part that was marked, no further than the picture goes"


def test_the_keyboard_does_all_that_the_mouse_does(chromium: Browser, tmp_path: Path) -> None:
    box = PageBox(tmp_path)
    with open_api(box.can()) as api:
        visit = Visit(chromium, f"http://127.0.0.1:{api.port}/")
        page, keys = visit.page, visit.page.keyboard
        keys.type(TOKEN)
        keys.press("Enter")
        page.locator(".picture:not([hidden])").wait_for()
        page.get_by_role("button", name="Zones of door").focus()
        keys.press("Enter")
        page.get_by_role("button", name="Add corner").focus()
        for _ in range(3):
            page.get_by_role("button", name="Add corner").focus()
            keys.press("Enter")
        for key in ("ArrowRight", "Shift+ArrowDown"):
            keys.press(key)
        page.get_by_label("Name of the zone").focus()
        keys.type("step")
        keys.press("Enter")
        page.locator(".zone-list", has_text="step").wait_for()
        assert box.zones.kept["door"][0]["polygon"] == [[0.3, 0.7], [0.5, 0.3], [0.71, 0.75]]
        keys.press("Escape")
        box.events.happen(told(data={"zone": "step", "type": "enter"}))
        page.get_by_text("Person entered step").first.wait_for()
        assert page.locator("#announcer").inner_text() == "Person entered step, door"
        page.get_by_role("button", name="That was right").focus()
        keys.press("Enter")
        page.get_by_text("You said: that was right").wait_for()
        assert [verdict for _, verdict in box.verdicts] == ["right"]
        page.get_by_role("link", name="Box").focus()
        keys.press("Enter")
        page.get_by_role("switch", name="Mute").focus()
        keys.press("Space")
        assert until(lambda: box.switches.states["mute"])
        assert visit.complaints == []
        visit.context.close()


def test_nothing_is_offered_that_the_box_cannot_do_and_a_still_picture_is_not_called_live(
    chromium: Browser, tmp_path: Path
) -> None:
    box = PageBox(tmp_path)
    box.events.past = [told()]
    parts = ("evidence", "zones", "give_feedback", "switches", "teach_picture")
    with open_api(replace(box.can(**dict.fromkeys(parts, "switched off")), transcribe="no ears")) as api:
        visit = Visit(chromium, f"http://127.0.0.1:{api.port}/")
        page = visit.page
        page.clock.install()
        visit.log_in(TOKEN)
        page.locator(".picture:not([hidden])").wait_for()
        page.locator(".event").wait_for()
        page.get_by_text("Live", exact=True).last.wait_for()
        page.get_by_role("link", name="Box").click()
        page.get_by_text("Not available: switched off.").nth(1).wait_for()
        page.get_by_role("link", name="Watch").click()
        page.get_by_role("button", name="Speak").click()
        page.get_by_text("no ears").wait_for()
        for name in ("That was fine", "Zones of door"):
            assert page.get_by_role("button", name=name).count() == 0
        for _ in range(20):
            page.clock.run_for(1000)
        page.get_by_text(re.compile("No new picture for .* seconds")).wait_for()
        box.cameras.tag = "2"
        page.clock.run_for(2000)
        page.locator(".state.good", has_text="Live").wait_for()
        assert visit.complaints == []
        visit.context.close()


def test_the_token_stays_in_the_tab_unless_it_is_wanted_for_longer(chromium: Browser, tmp_path: Path) -> None:
    with open_api(PageBox(tmp_path).can()) as api:
        url = f"http://127.0.0.1:{api.port}/"
        visit = Visit(chromium, url)
        visit.log_in(TOKEN)
        visit.page.locator(".picture:not([hidden])").wait_for()
        other = visit.context.new_page()
        other.goto(url)
        other.get_by_label("Token").wait_for()
        other.get_by_label("Stay logged in").check()
        other.get_by_label("Token").fill(TOKEN)
        other.get_by_label("Token").press("Enter")
        other.locator(".picture:not([hidden])").wait_for()
        third = visit.context.new_page()
        third.goto(url)
        third.locator(".picture:not([hidden])").wait_for()
        third.get_by_role("button", name="Log out").click()
        third.reload()
        third.get_by_label("Token").wait_for()
        assert third.evaluate("localStorage.length + sessionStorage.length") == 0
        assert visit.context.cookies() == []
        visit.context.close()
