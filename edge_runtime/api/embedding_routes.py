"""The address that turns texts and pictures into vectors: /v1/embeddings."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import numpy as np
from fastapi import APIRouter, Request, Response

from edge_runtime.api.bodies import EmbeddingBody, PictureInput
from edge_runtime.api.cutting import tokens
from edge_runtime.api.going import unless_gone
from edge_runtime.api.json_reply import JsonReply
from edge_runtime.api.picture_source import is_data
from edge_runtime.api.refusal import RequestError
from edge_runtime.api.replies import EmbeddingsReply, documented

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edge_runtime.api.capabilities import Capabilities
    from edge_runtime.api.hands import Hands
    from edge_runtime.api.model_names import ModelNames
    from edge_runtime.api.picture_source import PictureSource
    from edge_runtime.types import Vector

_BATCH = 16
_LONGEST = 32_000


def embedding_routes(can: Capabilities, names: ModelNames, pictures: PictureSource, hands: Hands) -> APIRouter:
    """Return the address that turns texts and pictures into vectors."""
    router = APIRouter()
    space = _Space(can, pictures, hands)

    @router.post(
        "/v1/embeddings",
        responses={**documented(), 200: {"model": EmbeddingsReply}},
        summary="Put texts and pictures into one space",
    )
    async def embed(body: EmbeddingBody, request: Request) -> Response:
        names.check(body.model)
        inputs = body.input if isinstance(body.input, list) else [body.input]
        vectors = await unless_gone(request.receive, space.vectors(inputs))
        if body.dimensions not in {None, len(vectors[0])}:
            why = f"dimensions is {body.dimensions}; the model has {len(vectors[0])}"
            raise RequestError(why, param="dimensions", code="invalid_value")
        asked = sum(tokens(one) for one in inputs if isinstance(one, str) and not is_data(one))
        data = [
            {"object": "embedding", "index": at, "embedding": _written(vector, body.encoding_format)}
            for at, vector in enumerate(vectors)
        ]
        usage = {"prompt_tokens": asked, "total_tokens": asked}
        reply = {"object": "list", "data": data, "model": body.model, "usage": usage}
        return JsonReply(reply)

    return router


def _written(vector: Vector, form: str | None) -> Any:
    if form == "base64":
        return base64.b64encode(vector.astype("<f4").tobytes()).decode("ascii")
    return [round(float(number), 7) for number in vector]


class _Space:
    """The space of words and pictures."""

    def __init__(self, can: Capabilities, pictures: PictureSource, hands: Hands) -> None:
        self._can = can
        self._pictures = pictures
        self._hands = hands

    async def vectors(self, inputs: Sequence[str | PictureInput]) -> list[Vector]:
        """Return the vectors of texts and pictures, in their order."""
        shown = [one.image if isinstance(one, PictureInput) else one if is_data(one) else None for one in inputs]
        texts = {at: one for at, one in enumerate(inputs) if isinstance(one, str) and shown[at] is None}
        for at, text in texts.items():
            if not text.strip() or len(text) > _LONGEST:
                why = f"the text is empty or longer than {_LONGEST} characters"
                raise RequestError(why, param=f"input[{at}]" if len(inputs) > 1 else "input", code="invalid_value")
        found = await self._of_texts(texts)
        for at, url in enumerate(shown):
            if url is not None:
                found[at] = await self._of_picture(url, f"input[{at}]")
        return [found[at] for at in range(len(inputs))]

    async def _of_texts(self, texts: dict[int, str]) -> dict[int, Vector]:
        embed = self._can.embed_text
        if texts and isinstance(embed, str):
            raise RequestError(f"this box cannot embed texts: {embed}", 404, param="input", code="model_not_found")
        found: dict[int, Vector] = {}
        places = list(texts)
        # In small steps: a client that goes away stops the rest, and others get their turn.
        for start in range(0, len(places), _BATCH):
            batch = places[start : start + _BATCH]
            found.update(await self._hands.do(self._each, {at: texts[at] for at in batch}))
        return found

    def _each(self, texts: dict[int, str]) -> dict[int, Vector]:
        """Return the vectors of texts, one by one: an INT8 model's vector of one depends a little on its neighbours."""
        embed = self._can.embed_text
        assert not isinstance(embed, str)  # noqa: S101 - refused before
        return {at: embed([text])[0] for at, text in texts.items()}

    async def _of_picture(self, url: str, param: str) -> Vector:
        embed = self._can.embed_image
        if isinstance(embed, str):
            raise RequestError(f"this box cannot embed pictures: {embed}", 404, param=param, code="model_not_found")
        vector = await self._hands.do(embed, await self._pictures.of(url, param))
        return np.asarray(vector, np.float32)
