"""How much of the box the clients of the HTTP API may take."""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


_ROUNDING = 1e-6


@dataclass(frozen=True, slots=True)
class HttpLimits:
    """Bounds.

    Attributes:
        body_bytes: of one request.
        held_bytes: of all requests that are being read or answered.
        requests_per_minute: of one client.
        pictures_per_minute: of one client, besides: live pictures and those of events.
        connections: open at once.
        connections_of_one: of them from one address: a stranger who holds these leaves some to the owner.
        head_bytes: of a request's first line and headers.
        head_s: until a request's headers are there.
        body_s: until its body is.
        send_s: until a client takes what it is sent.
        idle_s: until a connection on which nothing is asked is closed.
        stop_s: for what is going on as the server ends.
    """

    body_bytes: int = 16 * 2**20
    held_bytes: int = 64 * 2**20
    requests_per_minute: int = 120
    pictures_per_minute: int = 1200
    connections: int = 100
    connections_of_one: int = 80
    head_bytes: int = 32 * 2**10
    head_s: float = 10.0
    body_s: float = 30.0
    send_s: float = 30.0
    idle_s: float = 15.0
    stop_s: float = 5.0


class Buckets:
    """A bucket of requests for each client, which fills up at a steady pace.

    Args:
        per_minute: how many flow in, and how many a full one holds.
        clients: so many are remembered; beyond that the one that was quiet for longest is forgotten.
        clock: monotonic seconds.
    """

    def __init__(self, per_minute: int, clients: int = 1024, clock: Callable[[], float] = time.monotonic) -> None:
        self._size = float(per_minute)
        self._clients = clients
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, client: str) -> int:
        """Take a request out of a client's bucket; return 0, or the seconds until there is one."""
        now = self._clock()
        left, at = self._buckets.pop(client, (self._size, now))
        left = min(self._size, left + (now - at) * self._size / 60)
        enough = left >= 1 - _ROUNDING
        self._buckets[client] = (left - enough, now)
        if len(self._buckets) > self._clients:
            self._buckets.popitem(last=False)
        return 0 if enough else max(1, math.ceil((1 - left) * 60 / self._size))
