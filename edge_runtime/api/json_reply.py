"""A reply in JSON, as clients of OpenAI's API expect it."""

from __future__ import annotations

from typing import Any

from fastapi import Response

from edge_runtime.api.refusal import json_bytes


class JsonReply(Response):
    """A value as JSON."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        """Return the body."""
        return json_bytes(content)
