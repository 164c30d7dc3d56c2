"""The token of the API's clients: whole or not there."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from edge_runtime.config import Settings
from edge_runtime.wiring.api_door import TOKEN_FILE, token_of

if TYPE_CHECKING:
    from pathlib import Path

STARTS = 16


def test_programs_that_start_at_once_agree_on_one_token(tmp_path: Path) -> None:
    settings = Settings.model_validate({"device": {"data_dir": tmp_path / "new"}})
    together = threading.Barrier(STARTS)

    def start(_: int) -> str:
        together.wait(30)
        return token_of(settings)[0]

    with ThreadPoolExecutor(STARTS) as pool:
        (token,) = set(pool.map(start, range(STARTS)))
    assert (tmp_path / "new" / TOKEN_FILE).read_text() == f"{token}\n"
    assert [file.name for file in (tmp_path / "new").iterdir()] == [TOKEN_FILE], "no drafts are left"
