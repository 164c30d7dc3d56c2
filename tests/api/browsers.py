"""A real browser: Debian's chromium, driven by Playwright and judged by axe."""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Page

CHROMIUM = shutil.which("chromium")
FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
)  # fmt: skip
GRAVE = {"serious", "critical"}
WIDE, PHONE = (1280, 800), (360, 740)


@contextmanager
def browser(speech: Path | None = None) -> Iterator[Browser]:
    """Start the browser, headless; `speech` is a WAV file that its microphone hears. Skips where there is none."""
    if not CHROMIUM:
        pytest.skip("chromium is not installed")
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")
    heard = [f"--use-file-for-fake-audio-capture={speech}%noloop"] if speech else []
    with playwright.sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=CHROMIUM, headless=True, args=[*FLAGS, *heard])
        try:
            yield started
        finally:
            started.close()


class Visit:
    """One page of the browser; `complaints` are its console's errors and all that its scripts did not catch."""

    def __init__(self, of: Browser, url: str, size: tuple[int, int] = WIDE) -> None:
        self.context = of.new_context(viewport={"width": size[0], "height": size[1]})
        self.page: Page = self.context.new_page()
        self.page.set_default_timeout(20_000)
        self.complaints: list[str] = []
        self.elsewhere: list[str] = []
        self.page.on("console", lambda said: self.complaints.append(said.text) if said.type == "error" else None)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on(
            "request", lambda sent: self.elsewhere.append(sent.url) if not self._is_ours(sent.url, url) else None
        )
        self.page.goto(url)

    @staticmethod
    def _is_ours(address: str, url: str) -> bool:
        return address.startswith((url, f"blob:{url}", "data:"))

    def log_in(self, token: str) -> None:
        self.page.get_by_label("Token").fill(token)
        self.page.get_by_role("button", name="Log in").click()

    def barriers(self) -> list[str]:
        """Return the serious faults that axe finds for people with disabilities."""
        from axe_playwright_python.sync_playwright import Axe  # noqa: PLC0415 - it may not be installed

        found = Axe().run(self.page).response
        assert found["passes"], "axe has looked at something"
        return [
            f"{one['id']}: {one['nodes'][0]['html'][:200]}" for one in found["violations"] if one["impact"] in GRAVE
        ]

    def too_wide(self) -> int:
        """Return by how many pixels the page is wider than its window."""
        return int(self.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))
