"""One view's memory: what is familiar stays as it is for a while, then what is being learnt takes its place."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from edge_runtime.decision.familiar import Familiar, Learner, Lens, rows_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float32]
    Places = NDArray[np.bool_]

LEARN_S, SAMPLE_S = 4.0, 20.0
SAMPLES, ENOUGH_SAMPLES = 120, 20
FIRST_MINUTES, DAY_MINUTES = 5, 1440
"""What is familiar is frozen after 5 watched minutes, then at 15, 30, 60, 120 and so on, later once a day."""
ELSEWHERE = 0.6
"""What is known elsewhere in the view, at this share of its distance here, is a known thing at a strange place."""
HELD_MINUTES, SETTLE_MINUTES = 30, 5
"""What is strange is not learnt before it was there for so long, and is familiar some minutes later."""


@dataclass(frozen=True, slots=True)
class View:
    """One look as the memory sees it.

    Attributes:
        grid: rows and columns of places.
        features: float32 (places, channels).
        rows: float32 (places, width), None while the first looks are measured.
        distances: float32 (rows, columns), from what is familiar at each place, where light or noise that changes the
            whole view is taken out; None while nothing is familiar.
    """

    grid: tuple[int, int]
    features: Floats
    rows: Floats | None = None
    distances: Floats | None = None


class ViewMemory:
    """Learns a view and knows how far each place of a look is from it."""

    def __init__(self) -> None:
        self.familiar: Familiar | None = None
        self.digest = ""
        self._lens: Lens | None = None
        self._learner = Learner()
        self._samples: deque[NDArray[np.float16]] = deque(maxlen=SAMPLES)
        self._held: Floats | None = None
        self._fresh = 0
        self._next = FIRST_MINUTES
        self._learnt_at = self._sampled_at = float("-inf")

    @property
    def settled(self) -> bool:
        """Tell whether it is known how far usual looks are from what is familiar, so that others can be judged."""
        return self.familiar is not None and self.familiar.usual > 0

    def see(self, maps: Sequence[Floats]) -> View:
        """Return a look's rows and distances."""
        grid, features = rows_of(maps)
        if self._lens is None or len(self._lens.turn) != features.shape[1]:
            return View(grid, features)
        rows = self._lens.rows(features)
        if self.familiar is None or self.familiar.grid != grid:
            return View(grid, features, rows)
        distances = self.familiar.distances(rows)
        if self.familiar.usual > 0:
            # A lamp, a cloud or the noise of dusk moves every place; what happens somewhere does not.
            distances /= np.float32(max(1.0, float(np.median(distances)) / self.familiar.usual))
        return View(grid, features, rows, distances)

    def learn(self, view: View, at: float, minute: int, strange: Places | None) -> None:
        """Learn a look seen at `at` in a watched minute; `strange` places are held back, boolean (rows, columns)."""
        if 0 <= at - self._learnt_at < (LEARN_S if self._learner.ready else LEARN_S / 2):
            return
        self._learnt_at = at
        if not self._learner.ready or self._learner.grid != view.grid:
            self._learner.begin(view.grid, view.features)
            self._lens = self._learner.lens
            return
        if view.rows is None:
            return
        self._learner.learn(np.flatnonzero(self._known(view, minute, strange)), view.rows, minute)
        if self.familiar and view.distances is not None and not 0 <= at - self._sampled_at < SAMPLE_S:
            self._sampled_at = at
            # How far strange things are is no measure of what is usual there.
            usual = view.distances if strange is None else np.where(strange, self.familiar.spread, view.distances)
            self._samples.append(usual.astype(np.float16))
            self._fresh += 1
        if minute >= self._next and (self.familiar is None or len(self._samples) >= ENOUGH_SAMPLES):
            self.freeze()
            self._fresh = 0
            first = self._next == FIRST_MINUTES
            self._next = minute + (2 * FIRST_MINUTES if first else min(max(minute, 1), DAY_MINUTES))

    def knows_elsewhere(self, view: View, place: int) -> bool:
        """Tell whether what is at one place of a look is familiar, but elsewhere in the view."""
        if self.familiar is None or view.rows is None:
            return False
        here = float(self.familiar.distances(view.rows).ravel()[place])
        return self.familiar.anywhere(view.rows[place]) <= ELSEWHERE * here

    def believe(self, places: NDArray[np.intp], rows: Floats, minute: int) -> None:
        """Learn what was said to be fine, and go by it at once; `rows` holds a row for each of `places`."""
        if not self._learner.ready or self.familiar is None:
            return
        size = self.familiar.grid[0] * self.familiar.grid[1]
        whole = np.zeros((size, rows.shape[1]), np.float32)
        inside = places < size
        whole[places[inside]] = rows[inside]
        self._learner.learn(places[inside], whole, minute)
        self.freeze()

    def freeze(self) -> None:
        """Let what was learnt be familiar from now on."""
        # How far looks were from a memory that knew less would make strange things look usual.
        recent = tuple(self._samples)[-max(self._fresh, ENOUGH_SAMPLES) :]
        self.familiar = self._learner.freeze(recent if len(recent) >= ENOUGH_SAMPLES else ())
        self.digest = self.familiar.digest()

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return what looks are judged by: never changed, so that a name is all that must be kept of it."""
        if self._lens is None or self.familiar is None:
            return {}
        one = self.familiar
        return {
            "turn": self._lens.turn, "shift": self._lens.shift, "stored": one.stored, "filled": one.filled,
            "spread": one.spread,
        }  # fmt: skip

    def restore(self, digest: str, usual: float, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take on what looks were judged by."""
        self.digest = digest
        if "stored" not in arrays:
            self.familiar = None
            return
        self._lens = Lens(arrays["turn"], arrays["shift"])
        self.familiar = Familiar.of(arrays["stored"], arrays["filled"], arrays["spread"], usual)

    def kept(self) -> dict[str, NDArray[Any]]:
        """Return all that is worth keeping on disk, copied; nothing as long as nothing is learnt."""
        arrays = self._learner.arrays()
        if arrays and self._samples:
            arrays["samples"] = np.stack(self._samples)
        return {**arrays, "next": np.array(self._next)} if arrays else {}

    def take(self, kept: Mapping[str, NDArray[Any]]) -> None:
        """Take on what `kept` returned, and go by it.

        Raises:
            KeyError, ValueError, TypeError: it is none.
        """
        learner = Learner()
        learner.take(kept)
        samples = np.asarray(kept.get("samples", np.zeros((0, 1, 1))), np.float16)
        if len(samples) and samples.shape[1:] != learner.grid:
            raise ValueError(f"samples of {samples.shape} do not fit {learner.grid}")
        self._learner, self._lens, self._next = learner, learner.lens, int(kept["next"])
        self._samples.extend(samples)
        self._fresh = len(samples)
        if self._next > FIRST_MINUTES:
            self.freeze()

    def _known(self, view: View, minute: int, strange: Places | None) -> Places:
        """Return the places whose rows may be learnt."""
        if self._held is None or self._held.shape != view.grid:
            self._held = np.full(view.grid, np.float32(np.inf))
        if strange is None or strange.shape != view.grid:
            strange = np.zeros(view.grid, bool)
        self._held = np.where(strange, np.minimum(self._held, np.float32(minute)), np.float32(np.inf))
        stayed = strange & (minute - self._held >= HELD_MINUTES)
        if stayed.any():
            self._next = min(self._next, minute + SETTLE_MINUTES)
        known: Places = ~strange | stayed
        return known
