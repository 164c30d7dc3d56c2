"""What clients may send, field by field; fields that are not named here are overlooked."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

CHAT_MODELS = ("edge", "local")
MOST_MESSAGES = 500
MOST_INPUTS = 512


class Body(BaseModel):
    """Anything a client sends: a number is no text and a text no number."""

    model_config = ConfigDict(strict=True, extra="ignore", populate_by_name=True)


class TextPart(Body):
    """Words."""

    type: Literal["text"]
    text: str


class PictureAddress(Body):
    """Where a picture is."""

    url: str = Field(description="A data URL of a JPEG, PNG, WebP or GIF picture; others where the settings allow.")


class PicturePart(Body):
    """A picture."""

    type: Literal["image_url"]
    image_url: PictureAddress


class Recording(Body):
    """A sound file."""

    data: str = Field(description="Base64.")
    format: Literal["wav", "mp3", "flac", "ogg"]


class SoundPart(Body):
    """Speech, which is written down here and never sent on."""

    type: Literal["input_audio"]
    input_audio: Recording


class RefusalPart(Body):
    """What an assistant said instead of an answer."""

    type: Literal["refusal"]
    refusal: str


Part = Annotated[TextPart | PicturePart | SoundPart | RefusalPart, Field(discriminator="type")]


class Message(Body):
    """One message of a conversation."""

    role: Literal["system", "developer", "user", "assistant"]
    content: str | list[Part] | None = None


class AnyForm(Body):
    """Words, as they come."""

    type: Literal["text"]


class ObjectForm(Body):
    """Any JSON object."""

    type: Literal["json_object"]


class NamedSchema(Body):
    """A JSON schema and its name."""

    name: str = Field(min_length=1, max_length=64)
    json_schema: dict[str, Any] = Field(alias="schema")


class SchemaForm(Body):
    """JSON that follows a schema."""

    type: Literal["json_schema"]
    json_schema: NamedSchema


class StreamOptions(Body):
    """What a stream tells."""

    include_usage: bool | None = None


class ChatBody(Body):
    """A question, and what was said before it."""

    model: str = Field(min_length=1, description="`edge`, the bundle's name, or `local`, which never asks the cloud.")
    messages: list[Message] = Field(min_length=1, max_length=MOST_MESSAGES, description="The last one is the question.")
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    response_format: Annotated[AnyForm | ObjectForm | SchemaForm, Field(discriminator="type")] | None = None
    max_tokens: int | None = Field(default=None, ge=1, description="The text is cut here.")
    max_completion_tokens: int | None = Field(default=None, ge=1, description="The newer name of max_tokens.")
    temperature: float | None = Field(default=None, ge=0, le=2, description="Accepted; the box decides.")
    top_p: float | None = Field(default=None, ge=0, le=1, description="Accepted; the box decides.")
    n: int | None = Field(default=None, ge=1, le=1, description="One answer.")
    stop: str | Annotated[list[str], Field(max_length=4)] | None = None
    seed: int | None = Field(default=None, description="Accepted; the box decides.")
    user: str | None = Field(default=None, description="Accepted, and not kept.")
    tools: list[dict[str, Any]] | None = Field(default=None, description="Accepted; the box calls none.")
    tool_choice: Literal["none", "auto"] | None = Field(default=None, description="None can be made to be called.")

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"model": "edge", "messages": [{"role": "user", "content": "What is 2 + 3?"}]}]}
    )

    @property
    def stops(self) -> list[str]:
        """Return the texts at which the answer ends."""
        return [self.stop] if isinstance(self.stop, str) else self.stop or []

    @property
    def most_tokens(self) -> int | None:
        """Return how long the answer may be."""
        return self.max_completion_tokens or self.max_tokens

    @property
    def schema_wanted(self) -> dict[str, Any] | None:
        """Return the JSON schema of the answer."""
        if isinstance(self.response_format, SchemaForm):
            return self.response_format.json_schema.json_schema
        return {"type": "object"} if isinstance(self.response_format, ObjectForm) else None


class PictureInput(Body):
    """A picture to be embedded."""

    image: str = Field(description="A data URL of a JPEG, PNG, WebP or GIF picture.")


class EmbeddingBody(Body):
    """What is to be put into the space that words and pictures share."""

    model: str = Field(min_length=1)
    input: str | PictureInput | Annotated[list[str | PictureInput], Field(min_length=1, max_length=MOST_INPUTS)] = (
        Field(description="Texts, data URLs of pictures, or {image: data URL}.")
    )
    encoding_format: Literal["float", "base64"] | None = None
    dimensions: int | None = Field(default=None, ge=1, description="Only the size that the model has.")
    user: str | None = None

    model_config = ConfigDict(json_schema_extra={"examples": [{"model": "edge", "input": "a dog on a lawn"}]})


class SpeechBody(Body):
    """A text to be spoken."""

    model: str = Field(min_length=1)
    input: str = Field(min_length=1, max_length=5000)
    voice: str = Field(
        default="default",
        pattern=r"^[A-Za-z][A-Za-z0-9+_-]{0,39}$",
        description="`default`, OpenAI's names, or a voice of espeak-ng.",
    )
    response_format: Literal["mp3", "wav", "flac", "opus", "pcm"] | None = None
    speed: float | None = Field(default=None, ge=0.25, le=4)

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"model": "tts-1", "input": "Good morning.", "voice": "alloy"}]}
    )
