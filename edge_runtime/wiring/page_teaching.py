"""Teaching by pictures as the page does it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from edge_runtime.api.page_services import Taught
from edge_runtime.errors import InputError
from edge_runtime.wiring.teaching_pictures import teach_picture

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edge_runtime.config import Settings
    from edge_runtime.types import Image
    from edge_runtime.wiring.assembly import Models

_NEXT = "It counts from the next start of the box, in alerts that name it."


class PageTeaching:
    """Teaches one thing after the other; safe across threads.

    Args:
        settings: say where it is kept.
        models: see the pictures.
    """

    def __init__(self, settings: Settings, models: Models) -> None:
        self._folder = settings.device.data_dir.expanduser()
        self._models = models
        self._teaching = threading.Lock()

    def __call__(self, name: str, pictures: Sequence[Image]) -> Taught:
        """Learn what `pictures` show under `name`.

        Raises:
            InputError: the name cannot be used, or the pictures are not enough; nothing is kept then.
        """
        with self._teaching:
            record = teach_picture(self._folder, self._models, name, pictures)
        if not record["kept"]:
            raise InputError(f"{name} was not learnt: {record['shortage']}")
        found = f"{record['found']} of {record['clips']} pictures would be found by the others."
        return Taught(name, record["clips"], (found, _NEXT))
