"""The addresses of the cameras: how they are, their pictures, their zones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Header, Path, Query, Response

from edge_runtime.api.json_reply import JsonReply
from edge_runtime.api.page_bodies import NAME, CamerasReply, ZonesBody, ZonesReply
from edge_runtime.api.refusal import RequestError, able, json_bytes
from edge_runtime.api.replies import documented

if TYPE_CHECKING:
    from edge_runtime.api.hands import Hands
    from edge_runtime.api.page_services import CameraNow, LivePicture, PageServices, Zones

MOST_TOLD = 40
"""Boxes of one picture that are told at most."""
Camera = Annotated[str, Path(pattern=NAME, description="Name of the camera.")]
_PICTURE: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The picture; `ETag` names it, and `X-Edge-Detections` tells what is in it as JSON",
        "content": {"image/jpeg": {"schema": {"type": "string", "format": "binary"}}},
    },
    304: {"description": "There is no newer one than `If-None-Match` names"},
}


def camera_routes(page: PageServices, hands: Hands) -> APIRouter:
    """Return the addresses of the cameras."""
    router = APIRouter()
    _pictures(router, page, hands)
    _zones(router, page, hands)
    return router


def _pictures(router: APIRouter, page: PageServices, hands: Hands) -> None:
    @router.get(
        "/v1/cameras",
        responses={**documented(), 200: {"model": CamerasReply}},
        summary="Tell how the cameras are",
    )
    async def cameras() -> Response:
        return JsonReply({"object": "list", "data": [_camera(one) for one in page.cameras.now()]})

    @router.get(
        "/v1/cameras/{name}/picture",
        responses={**documented(), **_PICTURE},
        response_class=Response,
        summary="Show the newest picture of a camera",
    )
    async def picture(
        name: Camera,
        width: Annotated[int, Query(ge=64, le=1920, description="In pixels, at most or a little more.")] = 640,
        boxes: Annotated[bool, Query(description="Draw what was found.")] = False,  # noqa: FBT002 - a query's default
        if_none_match: Annotated[str | None, Header(max_length=200)] = None,
    ) -> Response:
        check_camera(page, name)
        known = (if_none_match or "").strip('"') or None
        shown = await hands.do(page.cameras.picture, name, width, known, boxes=boxes)
        if shown is None and known:
            return Response(status_code=304)
        if shown is None:
            raise RequestError(f"camera {name} has shown no picture yet; try again", 503, retry_after_s=1)
        return Response(shown.jpeg, media_type="image/jpeg", headers=_described(shown))


def _camera(one: CameraNow) -> dict[str, Any]:
    width, height = one.size or (None, None)
    return {
        "name": one.name,
        "status": one.status,
        "watching": one.watching,
        "width": width,
        "height": height,
        "seen": one.seen,
    }


def _described(shown: LivePicture) -> dict[str, str]:
    """Return the headers that say what a picture is, and what is in it."""
    found = [
        {"label": one.label, "score": round(one.score, 3), "box": [round(side, 4) for side in one.box]}
        for one in shown.detections[:MOST_TOLD]
    ]
    return {
        "ETag": f'"{shown.tag}"',
        "X-Edge-Detections": json_bytes(found).decode("ascii"),
        "X-Edge-Taken": f"{shown.taken:.3f}",
    }


def _zones(router: APIRouter, page: PageServices, hands: Hands) -> None:
    def told(zones: Zones, name: str) -> dict[str, Any]:
        return {
            "camera": name,
            "settings": [dict(zone) for zone in zones.of_settings(name)],
            "drawn": [dict(zone) for zone in zones.drawn(name)],
            "labels": list(page.labels),
        }

    @router.get(
        "/v1/cameras/{name}/zones",
        responses={**documented(), 200: {"model": ZonesReply}},
        summary="Tell the zones of a camera",
    )
    async def zones(name: Camera) -> Response:
        check_camera(page, name)
        return JsonReply(await hands.do(told, able(page.zones, "zones"), name))

    @router.put(
        "/v1/cameras/{name}/zones",
        responses={**documented(), 200: {"model": ZonesReply}},
        summary="Draw the zones of a camera",
    )
    async def draw(name: Camera, body: ZonesBody) -> Response:
        check_camera(page, name)
        drawing = able(page.zones, "zones")

        def put() -> dict[str, Any]:
            drawing.draw(name, [zone.model_dump() for zone in body.zones])
            return told(drawing, name)

        return JsonReply(await hands.do(put))


def check_camera(page: PageServices, name: str) -> None:
    """Raise RequestError where there is no such camera."""
    known = [one.name for one in page.cameras.now()]
    if name not in known:
        why = f"there is no camera {name}; known: {', '.join(known) or 'none'}"
        raise RequestError(why, 404, param="name", code="camera_not_found")
