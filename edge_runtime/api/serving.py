"""One client that asks for services: describe, speech to text, intents, answers, wake words, text to speech."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from wyoming.handle import Handled, NotHandled
from wyoming.intent import Entity, Intent, NotRecognized
from wyoming.ping import Pong

from edge_runtime.api.info import services_info
from edge_runtime.api.listening import SOURCE, Listening
from edge_runtime.api.speaking import Speaking
from edge_runtime.api.wire import shown, text_of
from edge_runtime.errors import InputError
from edge_runtime.types import Origin, Question

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from wyoming.event import Event

    from edge_runtime.api.hands import Hands
    from edge_runtime.api.services import Limits, Services
    from edge_runtime.api.wire import Link

    Take = Callable[[Event], Awaitable[None]]

log = logging.getLogger(__name__)

_NOT_UNDERSTOOD = "I did not understand that."
_NOT_OURS = "This box says what is meant; carrying it out is yours."
_SOUND = ("audio-start", "audio-chunk", "audio-stop")


class ServiceTalk:
    """What is said with one client, one event after the other."""

    def __init__(self, services: Services, limits: Limits, link: Link, hands: Hands) -> None:
        self.patience_s = limits.idle_s
        self._services = services
        self._link = link
        self._hands = hands
        self._takes: dict[str, Take] = {
            "describe": self._describe,
            "ping": self._ping,
            "intent": self._refuse_to_act,
            **self._to_hear(limits),
            **self._to_say(),
            **self._to_understand(),
        }

    async def take(self, event: Event) -> None:
        """Do what an event asks for; the unknown are left alone, as the protocol wants.

        Raises:
            InputError: it cannot be done.
            OSError: the client is gone.
        """
        take = self._takes.get(event.type)
        if take is None:
            log.debug("%s sent %s, which means nothing here", self._link.peer, shown(event.type))
            return
        await take(event)

    async def close(self) -> None:
        """Nothing outlives the connection."""

    def _to_hear(self, limits: Limits) -> Mapping[str, Take]:
        services = self._services
        listening = Listening(services, limits, self._link, self._hands)
        hears = services.transcribe is not None or services.spotter is not None
        sound: tuple[Take, ...] = (listening.start, listening.chunk, listening.stop)
        return {
            "transcribe": listening.transcribe if services.transcribe is not None else _missing("asr"),
            "detect": listening.detect if services.spotter is not None else _missing("wake"),
            **(dict(zip(_SOUND, sound, strict=True)) if hears else dict.fromkeys(_SOUND, _missing("asr"))),
        }

    def _to_say(self) -> Mapping[str, Take]:
        say = self._services.say
        names = ("synthesize", "synthesize-start", "synthesize-chunk", "synthesize-stop")
        if say is None:
            return dict.fromkeys(names, _missing("tts"))
        speaking = Speaking(say, self._link, self._hands)
        takes: tuple[Take, ...] = (speaking.whole, speaking.begin, speaking.piece, speaking.end)
        return dict(zip(names, takes, strict=True))

    def _to_understand(self) -> Mapping[str, Take]:
        match, answer = self._services.match, self._services.answer
        return {
            "recognize": self._recognize if match is not None else _missing("intent"),
            "transcript": self._handle if match is not None or answer is not None else _missing("handle"),
        }

    async def _describe(self, _event: Event) -> None:
        await self._link.send(services_info(self._services))

    async def _ping(self, event: Event) -> None:
        text = event.data.get("text")
        await self._link.send(Pong(text if isinstance(text, str) else None))

    async def _recognize(self, event: Event) -> None:
        intent = await self._intent_of(text_of(event))
        await self._link.send(intent or NotRecognized(_NOT_UNDERSTOOD))

    async def _handle(self, event: Event) -> None:
        """Tell what a sentence means where it is a command, and answer it where it is not."""
        text = text_of(event)
        intent = await self._intent_of(text)
        if intent is not None:
            await self._link.send(intent)
        elif self._services.answer is None:
            await self._link.send(NotRecognized(_NOT_UNDERSTOOD))
        elif not text.strip():
            await self._link.send(NotHandled(_NOT_UNDERSTOOD))
        else:
            answer = await self._hands.do(self._services.answer, Question(text, SOURCE, time.monotonic()))
            sure = answer.origin is not Origin.ABSTAINED
            await self._link.send(Handled(answer.text) if sure else NotHandled(answer.text))

    async def _intent_of(self, text: str) -> Intent | None:
        if self._services.match is None:
            return None
        found = await self._hands.do(self._services.match, text)
        if found is None:
            return None
        return Intent(found.intent, [Entity(name, value) for name, value in found.slots.items()])

    async def _refuse_to_act(self, _event: Event) -> None:
        await self._link.send(NotHandled(_NOT_OURS))


def _missing(service: str) -> Take:
    async def refuse(event: Event) -> None:
        raise InputError(f"{event.type}: {service} is not offered here; see the answer to describe")

    return refuse
