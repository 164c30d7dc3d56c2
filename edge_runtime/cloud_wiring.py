"""The cloud as the settings want it: providers, money, cache and what may leave."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edge_runtime.assembly import Models
    from edge_runtime.cloud.responder import CloudResponder
    from edge_runtime.config import Settings
    from edge_runtime.prompts.book import PromptBook


def make_cloud(settings: Settings, models: Models, book: PromptBook) -> CloudResponder | str:
    """Return who is asked, or the end of "I am not sure, and ..."."""
    del models, book
    if not settings.cloud.enabled:
        return "asking the cloud is switched off"
    raise NotImplementedError
