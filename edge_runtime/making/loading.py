"""Weights and tokenizers out of a model's folder, with one line where that goes wrong; its own code is never run."""

from __future__ import annotations

import pickle
import re
import string
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError
from tokenizers import Regex, normalizers, processors
from transformers import AutoTokenizer, PreTrainedTokenizerFast
from transformers.convert_slow_tokenizer import SLOW_TO_FAST_CONVERTERS, SpmConverter

from edge_runtime.errors import InputError
from edge_runtime.making.samples import SENTENCES

if TYPE_CHECKING:
    from types import TracebackType

    from tokenizers import Tokenizer
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from edge_runtime.making.source import Original

_ENDLESS = 1_000_000
_UNREADABLE = (
    OSError,
    ValueError,
    TypeError,
    KeyError,
    AttributeError,
    RuntimeError,
    ImportError,
    EOFError,
    SafetensorError,
    pickle.UnpicklingError,
)


class reading:  # noqa: N801 - reads as a verb where it is used
    """Turn whatever goes wrong while a file of the folder is read into one line.

    Args:
        original: the model's folder.
        what: is read.

    Raises:
        InputError: naming the source, what was read, and the first line of the reason.
    """

    def __init__(self, original: Original, what: str) -> None:
        self._original, self._what = original, what

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        # The tokenizers library raises plain Exception itself, and nothing narrower.
        if isinstance(error, _UNREADABLE) or kind is Exception:
            lines = [line.strip() for line in str(error).splitlines() if line.strip()]
            reason = ": ".join([type(error).__name__, *(line[:200] for line in lines[:1])])
            raise InputError(
                f"{self._original.source}: {self._what} cannot be read ({reason}); download it again"
            ) from None


def weights(original: Original, kind: Any, *, optional: tuple[str, ...] = ()) -> PreTrainedModel:
    """Return a model in eval mode with float32 weights.

    Args:
        original: the model's folder.
        kind: class of transformers that reads it.
        optional: beginnings of weights that may be missing, because nothing that is exported uses them.

    Raises:
        InputError: the weights cannot be read, or do not fill the model.
    """
    with reading(original, "the model"):
        # A pickle is read as weights only, so that it cannot run code.
        model, report = kind.from_pretrained(
            original.folder,
            local_files_only=True,
            trust_remote_code=False,
            weights_only=True,
            dtype=torch.float32,
            attn_implementation="eager",
            output_loading_info=True,
        )
    missing = sorted(name for name in report["missing_keys"] if not name.startswith(optional or ("\0",)))
    if missing:
        raise InputError(
            f"{original.source}: the weights lack {missing[0]} and {len(missing) - 1} more, which would be random "
            f"numbers; the folder is not a whole {kind.__name__.removeprefix('AutoModelFor')}"
        )
    return model.eval()


class Words:
    """A model's tokenizer as the runtime reads it.

    Attributes:
        fast: without padding or truncation, which the runtime does itself.
        pad_id: of the token that fills shorter sentences.
        longest: in tokens, as the tokenizer says.
    """

    def __init__(self, original: Original) -> None:
        with reading(original, "the tokenizer"):
            self.original: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(
                original.folder, local_files_only=True, trust_remote_code=False
            )
            self.fast = _fast(self.original)
        self.fast.no_padding()
        self.fast.no_truncation()
        self.pad_id = int(self.original.pad_token_id or 0)
        longest = int(self.original.model_max_length)
        self.longest = longest if longest < _ENDLESS else None
        for text in SENTENCES:
            wanted, got = self.original(text.lower())["input_ids"], self.fast.encode(text.lower()).ids
            if wanted != got:
                raise InputError(
                    f"{original.source}: its tokenizer has no tokenizer.json that reads {text!r} as it does"
                )

    def ids(self, token: str) -> int | None:
        """Return the id of a token, None where there is no such token."""
        return self.fast.token_to_id(token)


class _SiglipConverter(SpmConverter):
    """SigLIP's sentence pieces as a tokenizer.json: lower case, no punctuation, and a closing token."""

    def normalizer(self, proto: Any) -> Any:
        """Return what becomes of a text before it is cut into pieces."""
        marks = Regex(f"[{re.escape(string.punctuation)}]")
        spaces = Regex(r"\s+")
        first = [normalizers.Replace(marks, ""), normalizers.Replace(spaces, " "), normalizers.Strip()]
        if self.original_tokenizer.do_lower_case:
            first = [normalizers.Lowercase(), *first]
        return normalizers.Sequence([*first, super().normalizer(proto)])

    def post_processor(self) -> Any:
        """Return what adds the closing token."""
        closing = self.original_tokenizer.eos_token
        identity = self.original_tokenizer.eos_token_id
        return processors.TemplateProcessing(single=["$A", closing], special_tokens=[(closing, identity)])


def _fast(tokenizer: PreTrainedTokenizerBase) -> Tokenizer:
    if isinstance(tokenizer, PreTrainedTokenizerFast):
        return tokenizer.backend_tokenizer
    name = type(tokenizer).__name__
    converter = SLOW_TO_FAST_CONVERTERS.get(name) or {"SiglipTokenizer": _SiglipConverter}.get(name)
    if converter is None:
        raise InputError(f"{name} cannot be written as tokenizer.json; find a copy of the model that holds one")
    return converter(tokenizer).converted()
