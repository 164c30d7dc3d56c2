"""From the sound of an utterance to the probability of every phone in each of its frames."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edge_runtime.bundles.parts import PhonesPart
from edge_runtime.inference.session import OnnxSession

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edge_runtime.bundles.manifest import Manifest

_PEAK = 0.5
_QUIETEST = 1e-4
"""Sound with no more than this in it is not made louder: it is the noise of the microphone itself."""
_RARE = 1e-5
"""No phone is less probable than this, whatever the model says: one odd frame must not rule out a sentence."""


class AcousticModel:
    """The bundle's acoustic model.

    Args:
        manifest: of the bundle.
        threads: processor threads of one run.

    Attributes:
        phones: what channels 1 and up stand for, ARPAbet without stress; channel 0 is CTC's blank.
        hop: samples from one frame to the next.

    Raises:
        BundleError: the bundle has no acoustic model, or one with other inputs and outputs than its manifest says.
    """

    def __init__(self, manifest: Manifest, *, threads: int = 1) -> None:
        self._part = part = manifest.part(PhonesPart)
        self.phones = part.phones
        self.hop = part.hop
        self._session = OnnxSession(manifest.path(part.file), threads=threads)
        self._session.expect([part.input], [part.output])

    def log_probs(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return (frames, 1 + phones): the natural logarithm of each channel's probability in each frame.

        Args:
            samples: mono at 16 kHz, at any level; too short a sound is followed by silence.
        """
        found = self._session.run({self._part.input: self._levelled(samples)[None]})[self._part.output]
        heard: NDArray[np.float32] = np.maximum(found[0], np.log(np.float32(_RARE)))
        return heard

    def _levelled(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        sound = np.nan_to_num(samples, posinf=1.0, neginf=-1.0).astype(np.float32)
        sound -= sound.mean() if sound.size else 0
        sound *= _PEAK / (float(np.abs(sound).max(initial=0.0)) + _QUIETEST)
        return np.pad(sound, (0, max(0, self._part.shortest - sound.size)))
