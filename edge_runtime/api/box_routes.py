"""The addresses that tell about the box: its models, its health, its figures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Response

from edge_runtime.api.admission import OPEN
from edge_runtime.api.json_reply import JsonReply
from edge_runtime.api.replies import HealthReply, ModelReply, ModelsReply, documented

if TYPE_CHECKING:
    from edge_runtime.api.capabilities import Capabilities
    from edge_runtime.api.model_names import ModelNames

_CREATED = 1_735_689_600
"""Clients want a date, a bundle has none: the first of January 2025."""
_ALWAYS = (400, 401, 405, 408, 413, 421, 429, 500, 503)


def box_routes(can: Capabilities, names: ModelNames) -> APIRouter:
    """Return the addresses that tell about the box."""
    router = APIRouter()
    _models(router, names)
    _state(router, can)
    return router


def _models(router: APIRouter, names: ModelNames) -> None:
    @router.get(
        "/v1/models", responses={**documented(*_ALWAYS), 200: {"model": ModelsReply}}, summary="List the models"
    )
    async def models() -> Response:
        return JsonReply({"object": "list", "data": [_model(name) for name in names.listed]})

    @router.get(
        "/v1/models/{model}", responses={**documented(), 200: {"model": ModelReply}}, summary="Tell about a model"
    )
    async def model(model: str) -> Response:
        names.check(model)
        return JsonReply(_model(model))


def _state(router: APIRouter, can: Capabilities) -> None:
    @router.get(
        OPEN,
        responses={
            **documented(400, 405, 408, 413, 421, 500),
            200: {"model": HealthReply, "description": "It answers"},
            503: {"model": HealthReply, "description": "It does not answer yet, or not any more"},
        },
        summary="Tell how the box is; needs no token",
        openapi_extra={"security": []},
    )
    async def health() -> Response:
        found = can.health()
        return JsonReply({"status": found.status, "parts": dict(found.states)}, 200 if found.ready else 503)

    @router.get(
        "/metrics",
        responses={**documented(*_ALWAYS), 200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
        response_class=Response,
        summary="Tell the figures, for Prometheus",
    )
    async def metrics() -> Response:
        return Response(can.metrics.exposition(), media_type=can.metrics.exposition_type)


def _model(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": _CREATED, "owned_by": "edge-runtime"}
