"""The names under which clients ask for the box's models."""

from __future__ import annotations

from dataclasses import dataclass

from edge_runtime.api.bodies import CHAT_MODELS
from edge_runtime.api.refusal import RequestError, shown

_EARS = ("whisper-1",)
_MOUTHS = ("tts-1", "tts-1-hd", "gpt-4o-mini-tts")


@dataclass(frozen=True, slots=True)
class ModelNames:
    """What the models of a box are called; `bundle` is the name of its bundle."""

    bundle: str

    @property
    def listed(self) -> tuple[str, ...]:
        """Return the names that clients are shown."""
        return tuple(dict.fromkeys((*CHAT_MODELS, self.bundle)))

    @property
    def ears(self) -> tuple[str, ...]:
        """Return the names of what writes down speech, also that which clients ask for by themselves."""
        return (*self.listed, *_EARS)

    @property
    def mouths(self) -> tuple[str, ...]:
        """Return the names of what speaks."""
        return (*self.listed, *_MOUTHS)

    def check(self, name: str) -> None:
        """Refuse a name that no model of this box has: whoever asks for gpt-4o must not get less unawares.

        Raises:
            RequestError: there is no such model.
        """
        self._check(name, self.listed)

    def check_ears(self, name: str) -> None:
        """Do the same for what writes down speech."""
        self._check(name, self.ears)

    def check_mouth(self, name: str) -> None:
        """Do the same for what speaks."""
        self._check(name, self.mouths)

    def _check(self, name: str, known: tuple[str, ...]) -> None:
        if name not in known:
            why = f"there is no model {shown(name)} here; choose one of {', '.join(known)}"
            raise RequestError(why, 404, param="model", code="model_not_found")
