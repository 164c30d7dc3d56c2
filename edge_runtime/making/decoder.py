"""A causal language model as one torch module whose keys and values lie in arrays that stay where they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from transformers.cache_utils import DynamicCache
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from edge_runtime.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

_NAME = "edge_runtime"
_HIDDEN = -1e30


class GroupQueryAttention(torch.autograd.Function):
    """onnxruntime's operator of this name, which can write the new keys and values where the old ones lie.

    The past has room for more tokens than there are; `total` says how many there are with the new ones.
    """

    @staticmethod
    def forward(_: Any, query: Tensor, key: Tensor, value: Tensor, *rest: Any) -> tuple[Tensor, Tensor, Tensor]:
        """Return what the new tokens attend to (1, n, heads * size), and the keys and values with theirs added."""
        past_key, past_value, _last, total, heads, kv_heads, scale, window, cap = rest
        after, new, size = int(total), query.shape[1], past_key.shape[3]
        before = after - new
        keys, values = past_key.clone(), past_value.clone()
        keys[:, :, before:after] = key.view(1, new, kv_heads, size).transpose(1, 2)
        values[:, :, before:after] = value.view(1, new, kv_heads, size).transpose(1, 2)
        all_keys, all_values = (x[:, :, :after].repeat_interleave(heads // kv_heads, 1) for x in (keys, values))
        scores = query.view(1, new, heads, size).transpose(1, 2) @ all_keys.transpose(2, 3) * scale
        if cap:
            scores = torch.tanh(scores / cap) * cap
        places = torch.arange(after)
        here = places[before:, None]
        hidden = places > here
        if window > 0:
            hidden |= places <= here - window
        attended = scores.masked_fill(hidden, _HIDDEN).softmax(-1) @ all_values
        return attended.transpose(1, 2).reshape(1, new, heads * size), keys, values

    @staticmethod
    def symbolic(g: Any, *given: Any) -> tuple[Any, Any, Any]:
        """Return the operator's node for torch's exporter."""
        *tensors, heads, kv_heads, scale, window, cap = given
        attended, keys, values = g.op(
            "com.microsoft::GroupQueryAttention",
            *tensors,
            num_heads_i=heads,
            kv_num_heads_i=kv_heads,
            scale_f=scale,
            local_window_size_i=window if window > 0 else -1,
            softcap_f=cap,
            outputs=3,
        )
        attended.setType(tensors[0].type())
        keys.setType(tensors[3].type())
        values.setType(tensors[4].type())
        return attended, keys, values


class _Through(DynamicCache):
    """Hands the new keys and values on; the old ones are the attention's own business."""

    def update(self, key_states: Tensor, value_states: Tensor, *_: Any, **__: Any) -> tuple[Tensor, Tensor]:
        return key_states, value_states

    def get_seq_length(self, *_: Any) -> int:
        return 0


class Decoder(nn.Module):
    """The tokens that are new, and the keys and values of those before, to logits and the keys and values of all.

    `input_ids` (1, n), `places` (k) of the tokens to say logits after, `total` (1) tokens with those before, `past`
    (1, key heads, room, head size) twice a layer; to `logits` (1, k, vocabulary) and `present`, shaped as the past.

    Args:
        model: a causal language model of transformers whose attention can be exchanged.

    Attributes:
        window: how far back the layers that see least look, known after the first run; 0 where all see everything.
    """

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model, self.config = model, model.config
        self._past: tuple[Tensor, ...] = ()
        self._total = torch.zeros(1, dtype=torch.int32)
        self._present: dict[int, tuple[Tensor, Tensor]] = {}
        self.window = 0

    def forward(self, input_ids: Tensor, places: Tensor, total: Tensor, past: tuple[Tensor, ...]) -> dict[str, Tensor]:
        """Return the "logits", "present.0.key", "present.0.value", "present.1.key" and so on."""
        self._past, self._total, self._present = past, total, {}
        positions = total.to(torch.int64) - input_ids.shape[1] + torch.arange(input_ids.shape[1])
        with self._attending():
            logits = self.model(
                input_ids=input_ids,
                position_ids=positions[None],
                cache_position=positions,
                past_key_values=_Through(),
                use_cache=True,
                logits_to_keep=places,
            ).logits
        named = {f"present.{number}.{name}": tensor for number, name, tensor in self._kept()}
        return {"logits": logits, **named}

    def reference(self, input_ids: Tensor) -> Tensor:
        """Return the logits (1, n, vocabulary) that the model gives by itself, with its own attention and no past."""
        found: Tensor = self.model(input_ids=input_ids, use_cache=False).logits
        return found

    def _kept(self) -> Iterator[tuple[int, str, Tensor]]:
        for number, pair in sorted(self._present.items()):
            yield from ((number, name, tensor) for name, tensor in zip(("key", "value"), pair, strict=True))

    def _attending(self) -> AbstractContextManager[None]:
        return _Exchanged(self.config, self._attend)

    def _attend(
        self, module: Any, query: Tensor, key: Tensor, value: Tensor, _mask: Tensor | None, **how: Any
    ) -> tuple[Tensor, None]:
        """Stand in for the attention of one layer; all tensors are (1, heads, n, head size)."""
        number, heads, size = int(module.layer_idx), int(query.shape[1]), int(query.shape[3])
        if how.get("s_aux") is not None:
            raise InputError(f"model type {self.config.model_type!r} has attention sinks, which cannot be exported")
        window = int(how.get("sliding_window") or 0)
        self.window = max(self.window, window)
        flat = [x.transpose(1, 2).reshape(1, -1, x.shape[1] * size) for x in (query, key, value)]
        attended, keys, values = GroupQueryAttention.apply(
            *flat,
            *self._past[2 * number : 2 * number + 2],
            self._total - 1,
            self._total,
            heads,
            int(key.shape[1]),
            float(how.get("scaling") or size**-0.5),
            window,
            float(how.get("softcap") or 0.0),
        )
        self._present[number] = keys, values
        return attended.view(1, -1, heads, size), None


class _Exchanged:
    """Exchange a model's attention for a while; the masks that it would make are not asked for then."""

    def __init__(self, config: Any, attend: Any) -> None:
        self._config, self._attend = config, attend

    def __enter__(self) -> None:
        ALL_ATTENTION_FUNCTIONS[_NAME] = self._attend
        self._before = self._config._attn_implementation  # noqa: SLF001 - where transformers looks it up
        self._config._attn_implementation = _NAME  # noqa: SLF001

    def __exit__(self, *_: object) -> None:
        self._config._attn_implementation = self._before  # noqa: SLF001
        del ALL_ATTENTION_FUNCTIONS[_NAME]
