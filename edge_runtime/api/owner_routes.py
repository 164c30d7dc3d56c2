"""The addresses of the owner: how the box is, what it spent, what left it; switches, and teaching by pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, File, Form, Response, UploadFile

from edge_runtime.api.json_reply import JsonReply
from edge_runtime.api.page_bodies import BoxReply, SwitchesBody, SwitchesReply, TaughtReply
from edge_runtime.api.pictures import picture
from edge_runtime.api.refusal import RequestError, able
from edge_runtime.api.replies import documented

if TYPE_CHECKING:
    from edge_runtime.api.capabilities import Capabilities
    from edge_runtime.api.hands import Hands
    from edge_runtime.api.page_services import PageServices

MOST_PICTURES = 20


def owner_routes(can: Capabilities, page: PageServices, hands: Hands) -> APIRouter:
    """Return the addresses of the owner."""
    router = APIRouter()
    _box(router, can, page, hands)
    _switches(router, page, hands)
    _teaching(router, page, hands)
    return router


def _box(router: APIRouter, can: Capabilities, page: PageServices, hands: Hands) -> None:
    @router.get(
        "/v1/box",
        responses={**documented(), 200: {"model": BoxReply}},
        summary="Tell how the box is, what it spent and what left it",
    )
    async def box() -> Response:
        now, health = await hands.do(page.box), can.health()
        services = {
            "evidence": page.evidence, "zones": page.zones, "feedback": page.give_feedback,
            "switches": page.switches, "teach": page.teach_picture, "speech": can.transcribe,
            "spending": now.spending,
        }  # fmt: skip
        return JsonReply(
            {
                "name": now.name,
                "version": can.version,
                "model": now.model,
                "status": health.status,
                "parts": dict(health.states),
                "machine": dict(now.machine),
                "spending": None if isinstance(now.spending, str) else [dict(cap) for cap in now.spending],
                "left": [dict(one) for one in now.left],
                "labels": list(page.labels),
                "missing": {name: why for name, why in services.items() if isinstance(why, str)},
            }
        )


def _switches(router: APIRouter, page: PageServices, hands: Hands) -> None:
    @router.get(
        "/v1/switches",
        responses={**documented(), 200: {"model": SwitchesReply}},
        summary="Tell what is switched on",
    )
    async def switches() -> Response:
        return JsonReply({"switches": dict(able(page.switches, "switches").switches())})

    @router.put(
        "/v1/switches",
        responses={**documented(), 200: {"model": SwitchesReply}},
        summary="Switch on and off",
    )
    async def switch(body: SwitchesBody) -> Response:
        there = able(page.switches, "switches")
        known = there.switches()
        strange = [name for name in body.switches if name not in known]
        if strange:
            why = f"there is no such switch; known: {', '.join(known) or 'none'}"
            raise RequestError(why, param="switches", code="switch_not_found")
        for name, on in body.switches.items():
            await hands.do(there.set, name, on=on)
        return JsonReply({"switches": dict(there.switches())})


def _teaching(router: APIRouter, page: PageServices, hands: Hands) -> None:
    @router.post(
        "/v1/teach/picture",
        responses={**documented(), 200: {"model": TaughtReply}},
        summary="Teach the box what something looks like",
    )
    async def teach(
        name: Annotated[str, Form(min_length=1, max_length=64, description="What the pictures show.")],
        file: Annotated[list[UploadFile], File(description="JPEG, PNG, WebP or GIF pictures.")],
    ) -> Response:
        learn = able(page.teach_picture, "teaching by pictures")
        if len(file) > MOST_PICTURES:
            why = f"{len(file)} pictures at once; send at most {MOST_PICTURES}"
            raise RequestError(why, param="file", code="too_many_images")
        shown = [await hands.do(picture, await one.read(), "file") for one in file]
        taught = await hands.do(learn, name, shown)
        return JsonReply({"name": taught.name, "pictures": taught.pictures, "notes": list(taught.notes)})
