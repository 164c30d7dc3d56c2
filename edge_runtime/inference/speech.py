"""From the sound of any speech to text, with a bundle's own encoder and decoder."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from edge_runtime.bundles.parts import SpeechPart
from edge_runtime.errors import InputError
from edge_runtime.inference import transcript
from edge_runtime.inference.preprocess import read_tokenizer
from edge_runtime.inference.session import OnnxSession
from edge_runtime.inference.transcript import Writing
from edge_runtime.types import SAMPLE_RATE_HZ

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    from edge_runtime.bundles.manifest import Manifest
    from edge_runtime.types import AudioChunk

    Floats = NDArray[np.float32]

_WINDOW = 400
_HOP = 160
_SHORTEST = SAMPLE_RATE_HZ // 10
_QUIET_S = 0.1
_LONGEST_S = 30.0
_MUTE = 0.001

# Whisper's own: no speech where that is likely and the words are doubtful, or where there is hardly a doubt.
_SILENCE, _DOUBTFUL, _SURE_SILENCE = 0.6, -1.0, 0.8

# Nobody says more; only a transcript that is longer than this is looked at for going round in circles.
_MOST_TOKENS, _MOST_TOKENS_PER_S = 16, 6.5

_LINEAR_MELS_HZ = 200 / 3
_KNEE_HZ = 1000.0
_KNEE_MEL = _KNEE_HZ / _LINEAR_MELS_HZ
_LOG_STEP = np.log(6.4) / 27


class Transcriber:
    """Whisper, Moonshine and their like: what was said, token by token, always the likeliest one.

    Each stretch of sound is written down by itself: what came before is not told to the model, so that one mistake does
    not become the next.

    Args:
        manifest: of the bundle.
        threads: processor threads of one run.
        language: of the speech as the bundle calls it, or "auto" to let the model tell it in each stretch; the one that
            the bundle was made with if not given.
        task: "transcribe", or another that the bundle knows, such as Whisper's "translate" into English.
        guard: nothing is written down for silence, and a transcript that goes round in circles is cut. Without it the
            tokens are those that the model finds likeliest, whatever they are.

    Raises:
        BundleError: the bundle has no speech recogniser, or its files are not what the manifest says.
        InputError: the bundle does not know the language or the task.
    """

    def __init__(
        self,
        manifest: Manifest,
        *,
        threads: int = 2,
        language: str | None = None,
        task: str | None = None,
        guard: bool = True,
    ) -> None:
        part = self._part = manifest.part(SpeechPart)
        self._guard = guard
        self._detects = language == "auto" and bool(part.languages)
        chosen = None if language == "auto" else language
        prompt = _chosen(part.prompt, part.languages, chosen, f"bundle {manifest.name} has no language")
        self._prompt = _chosen(prompt, part.tasks, task, f"bundle {manifest.name} has no task")
        self._never = np.array(part.suppress, np.intp)
        self._never_first = np.array(part.begin_suppress, np.intp)
        self._input = "input_features" if part.features == "log_mel" else "input_values"
        self._tokenizer = read_tokenizer(manifest.path(part.tokenizer))
        self._encoder = OnnxSession(manifest.path(part.encoder), threads=threads)
        self._encoder.expect([self._input], transcript.attended(part))
        self._decoder = OnnxSession(manifest.path(part.decoder), threads=threads)
        self._decoder.expect(["input_ids", "past", *transcript.attended(part)], ["logits", "present"])

    def transcribe(self, chunk: AudioChunk) -> str:
        """Return the words of `chunk`; sound longer than the model hears at once is cut where it is quietest."""
        samples = np.nan_to_num(chunk.samples.astype(np.float32, copy=False))
        texts = [self._tokenizer.decode(self.tokens(part)).strip() for part in self._pieces(samples)]
        return " ".join(filter(None, texts))

    def tokens(self, samples: Floats) -> list[int]:
        """Return the token ids of one stretch of sound, without the prompt and the one that ends them.

        Args:
            samples: float32 mono at 16 kHz, at most as long as the model hears at once.
        """
        if self._guard and _silent(samples):
            return []
        writing = Writing(self._decoder, self._part, self._encoder.run({self._input: self._heard(samples)}))
        first = self._begin(writing)
        silence = self._silence(first[0])
        found, certainty = self._write(writing, first[-1], len(samples) / SAMPLE_RATE_HZ)
        return [] if silence > (_SILENCE if certainty < _DOUBTFUL else _SURE_SILENCE) else found

    def _pieces(self, samples: Floats) -> Iterator[Floats]:
        longest = int((self._part.seconds or _LONGEST_S) * SAMPLE_RATE_HZ)
        while len(samples) > longest:
            cut = quietest(samples[:longest])
            yield samples[:cut]
            samples = samples[cut:]
        if len(samples) >= _SHORTEST:
            yield samples

    def _heard(self, samples: Floats) -> Floats:
        """Return what the encoder reads."""
        part = self._part
        if part.features == "log_mel" and part.mels is not None and part.seconds is not None:
            samples = np.pad(samples, (0, int(part.seconds * SAMPLE_RATE_HZ) - len(samples)))
            return log_mel(samples, part.mels)[np.newaxis]
        return samples[np.newaxis]

    def _begin(self, writing: Writing) -> Floats:
        """Tell the decoder the prompt and return the logits after each of its tokens."""
        prompt = list(self._prompt)
        if not self._detects:
            return writing.follow(prompt)
        start = writing.follow(prompt[:1])
        known = list(self._part.languages.values())
        prompt[1] = known[int(start[0, known].argmax())]
        return np.concatenate([start, writing.follow(prompt[1:])])

    def _write(self, writing: Writing, logits: Floats, seconds: float) -> tuple[list[int], float]:
        """Return the tokens and the mean logarithm of their probabilities, the one that ends them counted."""
        found: list[int] = []
        certainty: list[float] = []
        logits[self._never_first] = -np.inf
        while True:
            logits[self._never] = -np.inf
            token = int(logits.argmax())
            certainty.append(float(transcript.log_probabilities(logits)[token]))
            if token == self._part.end_id:
                break
            found.append(token)
            if self._guard and len(found) > _MOST_TOKENS + _MOST_TOKENS_PER_S * seconds:
                kept = transcript.without_loop(found)
                if kept is not None:
                    found = found[:kept]
                    break
            if writing.length + 1 >= self._part.max_tokens:
                break
            logits = writing.follow([token])[-1]
        return found, float(np.mean(certainty))

    def _silence(self, first: Floats) -> float:
        """Return the probability that nothing is said (arXiv:2212.04356, section 4.5), 0 where nobody knows or asks."""
        if self._part.no_speech is None or not self._guard:
            return 0.0
        return float(np.exp(transcript.log_probabilities(first)[self._part.no_speech]))


def _chosen(prompt: tuple[int, ...], known: Mapping[str, int], name: str | None, lacking: str) -> tuple[int, ...]:
    """Return the prompt with its token of a kind replaced by that of this name."""
    if name is None:
        return prompt
    if name not in known:
        raise InputError(f"{lacking} {name!r}; it knows {', '.join(sorted(known)) or 'one alone'}")
    return tuple(known[name] if token in known.values() else token for token in prompt)


def _silent(samples: Floats) -> bool:
    """Say whether no tenth of a second is louder than -60 dB of full scale, as in a muted microphone."""
    step = int(_QUIET_S * SAMPLE_RATE_HZ)
    blocks = samples[: len(samples) // step * step].reshape(-1, step)
    return not bool((np.square(blocks).mean(1) > _MUTE**2).any())


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
