"""From the sound of any speech to text, with a bundle's own encoder and decoder."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from edge_runtime.bundles.parts import SpeechPart
from edge_runtime.inference.preprocess import read_tokenizer
from edge_runtime.inference.session import OnnxSession
from edge_runtime.types import SAMPLE_RATE_HZ

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from edge_runtime.bundles.manifest import Manifest
    from edge_runtime.types import AudioChunk

    Floats = NDArray[np.float32]

_WINDOW = 400
_HOP = 160
_SHORTEST = SAMPLE_RATE_HZ // 10
_QUIET_S = 0.1
_LONGEST_S = 30.0
_LINEAR_MELS_HZ = 200 / 3
_KNEE_HZ = 1000.0
_KNEE_MEL = _KNEE_HZ / _LINEAR_MELS_HZ
_LOG_STEP = np.log(6.4) / 27


class Transcriber:
    """Whisper, Moonshine and their like: what was said, token by token, always the likeliest one.

    Args:
        manifest: of the bundle.
        threads: processor threads of one run.

    Raises:
        BundleError: the bundle has no speech recogniser, or its files are not what the manifest says.
    """

    def __init__(self, manifest: Manifest, *, threads: int = 2) -> None:
        self._part = manifest.part(SpeechPart)
        self._input = "input_features" if self._part.features == "log_mel" else "input_values"
        self._tokenizer = read_tokenizer(manifest.path(self._part.tokenizer))
        self._encoder = OnnxSession(manifest.path(self._part.encoder), threads=threads)
        self._encoder.expect([self._input], ["last_hidden_state"])
        self._decoder = OnnxSession(manifest.path(self._part.decoder), threads=threads)
        self._decoder.expect(["input_ids", "encoder_hidden_states"], ["logits"])

    def transcribe(self, chunk: AudioChunk) -> str:
        """Return the words of `chunk`; sound longer than the model hears at once is cut where it is quietest."""
        samples = np.nan_to_num(chunk.samples.astype(np.float32, copy=False))
        texts = [self._tokenizer.decode(self._write(part)).strip() for part in self._pieces(samples)]
        return " ".join(filter(None, texts))

    def _pieces(self, samples: Floats) -> Iterator[Floats]:
        longest = int((self._part.seconds or _LONGEST_S) * SAMPLE_RATE_HZ)
        while len(samples) > longest:
            cut = quietest(samples[:longest])
            yield samples[:cut]
            samples = samples[cut:]
        if len(samples) >= _SHORTEST:
            yield samples

    def _write(self, samples: Floats) -> list[int]:
        """Return the tokens after the prompt, without the one that ends them."""
        part = self._part
        if part.features == "log_mel" and part.mels is not None and part.seconds is not None:
            samples = np.pad(samples, (0, int(part.seconds * SAMPLE_RATE_HZ) - len(samples)))
            heard = log_mel(samples, part.mels)[np.newaxis]
        else:
            heard = samples[np.newaxis]
        memory = self._encoder.run({self._input: heard})["last_hidden_state"]
        tokens = list(part.prompt)
        while len(tokens) < part.max_tokens:
            feeds = {"input_ids": np.array([tokens], np.int64), "encoder_hidden_states": memory}
            logits = self._decoder.run(feeds)["logits"][0, -1]
            logits[list(part.suppress)] = -np.inf
            if len(tokens) == len(part.prompt):
                logits[list(part.begin_suppress)] = -np.inf
            token = int(logits.argmax())
            if token == part.end_id:
                break
            tokens.append(token)
        return tokens[len(part.prompt) :]


def quietest(samples: Floats) -> int:
    """Return where to cut: the middle of the quietest tenth of a second in the last third."""
    step = int(_QUIET_S * SAMPLE_RATE_HZ)
    first = 2 * len(samples) // 3
    count = (len(samples) - first) // step
    if count == 0:
        return len(samples)
    loudness = np.square(samples[first : first + count * step].reshape(count, step)).sum(1)
    return int(first + loudness.argmin() * step + step // 2)


def log_mel(samples: Floats, mels: int) -> Floats:
    """Return Whisper's features (arXiv:2212.04356), float32 (mels, len(samples) // 160).

    Power in windows of 25 ms every 10 ms, in bands of the Slaney mel scale, as a logarithm cut 8 below its peak.

    Args:
        samples: float32 mono at 16 kHz in -1 to 1, at least 201 of them.
        mels: number of bands, 80 or 128.
    """
    around = np.pad(samples.astype(np.float64), _WINDOW // 2, mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(around, _WINDOW)[::_HOP][: len(samples) // _HOP]
    # Periodic, as for a Fourier transform: one sample longer and the last left out.
    window = np.hanning(_WINDOW + 1)[:-1]
    power = np.abs(np.fft.rfft(frames * window)) ** 2
    logs = np.log10(np.maximum(power @ mel_filters(mels), 1e-10)).T
    out: Floats = ((np.maximum(logs, logs.max() - 8.0) + 4.0) / 4.0).astype(np.float32)
    return out


@lru_cache(maxsize=2)
def mel_filters(mels: int) -> NDArray[np.float64]:
    """Return triangles of equal area between 0 and 8000 Hz, shape (201, mels), evenly spaced on Slaney's mel scale."""
    top = _KNEE_MEL + np.log(SAMPLE_RATE_HZ / 2 / _KNEE_HZ) / _LOG_STEP
    points = np.linspace(0.0, top, mels + 2)
    edges = np.where(points < _KNEE_MEL, points * _LINEAR_MELS_HZ, _KNEE_HZ * np.exp(_LOG_STEP * (points - _KNEE_MEL)))
    bins = np.linspace(0.0, SAMPLE_RATE_HZ / 2, _WINDOW // 2 + 1)[:, np.newaxis]
    rising = (bins - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - bins) / (edges[2:] - edges[1:-1])
    found: NDArray[np.float64] = np.maximum(0.0, np.minimum(rising, falling)) * 2 / (edges[2:] - edges[:-2])
    return found
