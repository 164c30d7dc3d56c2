"""The few threads in which a door does what takes time, so that its clients never wait for each other's sockets."""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

log = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")


class Hands:
    """A bounded number of threads; what is asked beyond it waits its turn."""

    def __init__(self, name: str, threads: int) -> None:
        self._name = name
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._going: set[Future[Any]] = set()

    async def do(self, work: Callable[P, T], *args: P.args, **named: P.kwargs) -> T:
        """Return the result of `work` done in one of the threads."""
        future = self._pool.submit(work, *args, **named)
        self._going.add(future)
        future.add_done_callback(self._going.discard)
        return await asyncio.wrap_future(future)

    async def rest(self, stop_s: float) -> None:
        """Begin nothing new and wait for what is going on, but no longer than `stop_s`."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        await asyncio.to_thread(wait, set(self._going), stop_s)
        if self._going:
            log.warning("%s: what is being done did not end within %g s; it is left behind", self._name, stop_s)
        else:
            self._pool.shutdown(wait=True)
