"""What things are like as a whole: their mean and how their features vary together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    Reals = NDArray[np.float64]

_LEAST_SPREAD = 0.05


class WholeMemory:
    """The mean and the covariance of vectors, one for each thing, however many were learnt.

    How far a vector is from the mean is measured by how normal ones vary in its direction (Mahalanobis; of pictures,
    Rippel et al., arXiv:2005.14140). Directions are more than things at first: the covariance of the features, each
    in units of its own spread, is drawn towards a ball as far as so few things leave it unsure (oracle approximating
    shrinkage, Chen et al. 2010).
    """

    def __init__(self) -> None:
        self.count = 0
        """Things that were learnt."""
        self._mean: Reals = np.empty(0)
        self._together: Reals = np.empty((0, 0))
        self._ready: tuple[Reals, Reals] | None = None

    def learn(self, vector: Reals) -> None:
        """Add a normal thing, float64 (features,).

        Raises:
            ValueError: vectors of another length were learnt before.
        """
        if not self.count:
            self._mean, self._together = np.zeros(len(vector)), np.zeros((len(vector), len(vector)))
        self._check(vector)
        self.count += 1
        step = vector - self._mean
        self._mean = self._mean + step / self.count
        # Welford's update; a new array, for a copy may hold the old one.
        self._together = self._together + np.outer(step, vector - self._mean)
        self._ready = None

    def score(self, vector: Reals) -> float:
        """Return how far a thing is from the mean, 1 being what is usual in every direction.

        Raises:
            ValueError: fewer than two things were learnt, or they have other features.
        """
        self._check(vector)
        scale, inverse = self._prepared()
        away = (vector - self._mean) * scale
        return float(np.sqrt(away @ inverse @ away / len(away)))

    def copy(self) -> WholeMemory:
        """Return another memory of the same; what one learns from now on the other does not."""
        other = WholeMemory()
        other.__dict__.update(self.__dict__)
        return other

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Return all of it by name, for an .npz file."""
        return {"count": np.array(self.count), "mean": self._mean, "together": self._together}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Return the memory that `to_arrays` gave.

        Raises:
            ValueError: the arrays are those of no memory.
        """
        memory = cls()
        try:
            memory.count = int(arrays["count"])
            memory._mean = np.asarray(arrays["mean"], np.float64)
            memory._together = np.asarray(arrays["together"], np.float64)
        except (KeyError, TypeError) as error:
            raise ValueError(f"no memory of whole things ({error})") from None
        if memory._mean.ndim != 1 or memory._together.shape != 2 * memory._mean.shape:
            raise ValueError("no memory of whole things (its arrays do not fit each other)")
        return memory

    def _check(self, vector: Reals) -> None:
        if vector.shape != self._mean.shape:
            raise ValueError(f"a thing has {vector.shape} features, the memory's have {self._mean.shape}")

    def _prepared(self) -> tuple[Reals, Reals]:
        """Return what turns features into spreads, and the inverse of their shrunk covariance."""
        if self._ready is None:
            if self.count < 2:
                raise ValueError(f"{self.count} things were learnt; a spread takes two")
            spread = np.sqrt(np.diag(self._together) / self.count)
            scale: Reals = 1.0 / np.maximum(spread, max(_LEAST_SPREAD * float(spread.mean()), 1e-6))
            covariance = self._together / self.count * np.outer(scale, scale)
            inverse: Reals = np.linalg.inv(_shrunk(covariance, self.count)).astype(np.float64)
            self._ready = scale, inverse
        return self._ready


def _shrunk(covariance: Reals, count: int) -> Reals:
    """Return a covariance drawn towards a ball as far as a count of things leaves it unsure."""
    size = len(covariance)
    trace, square = float(np.trace(covariance)), float(np.square(covariance).sum())
    unlike_a_ball = (count + 1 - 2 / size) * (square - trace**2 / size)
    share = min(1.0, ((1 - 2 / size) * square + trace**2) / unlike_a_ball) if unlike_a_ball > 0 else 1.0
    ball = np.eye(size) * max(trace / size, 1e-6)
    return np.asarray((1 - share) * covariance + share * ball, np.float64)
