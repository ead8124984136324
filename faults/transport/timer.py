"""Timers that are late by microseconds: the event loop's own have a millisecond's grain, which is a toxic's whole size.

One timer of the kernel (timerfd, Linux) serves a whole process; elsewhere the loop's own timers do.
"""

import asyncio
import ctypes
import heapq
import os
import sys
from collections.abc import Callable
from itertools import count
from typing import TypeAlias

from ledger.clock import perf_s

Callback: TypeAlias = Callable[[], None]

GATHERED_MAX = 256
"""Cancelled timers that may wait for their moments, or as many as others do."""
_MONOTONIC, _ABSOLUTE = 1, 1
_NONBLOCK_CLOEXEC = os.O_NONBLOCK | os.O_CLOEXEC
_PR_SET_TIMERSLACK = 29
_TimerSpec = ctypes.c_long * 4  # interval and first expiry, each seconds and nanoseconds


class Timer:
    """One callback at one moment; `cancel` before that and it never comes."""

    __slots__ = ("_callback", "_cancelled")

    def __init__(self, callback: Callback, cancelled: Callback | None = None) -> None:
        """`cancelled` is told when it is."""
        self._callback: Callback | None = callback
        self._cancelled = cancelled

    @property
    def is_set(self) -> bool:
        return self._callback is not None

    def cancel(self) -> None:
        if self._callback is not None:
            self._callback = None
            if self._cancelled is not None:
                self._cancelled()

    def fire(self) -> None:
        callback, self._callback = self._callback, None
        if callback is not None:
            callback()


class Timers:
    """The timers of one event loop. Moments are those of `now`, in seconds."""

    now = staticmethod(perf_s)

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._heap: list[tuple[float, int, Timer]] = []
        self._order = count()
        self._armed_for = 0.0
        self._cancelled = 0
        self._fd = _timerfd()
        if self._fd is not None:
            loop.add_reader(self._fd, self._expired)

    def at(self, when_s: float, callback: Callback) -> Timer:
        """Calls back at that moment, or in the loop's next turn where it has passed."""
        timer = Timer(callback, self._one_cancelled)
        heapq.heappush(self._heap, (when_s, next(self._order), timer))
        if self._heap[0][2] is timer:
            self._arm()
        return timer

    def close(self) -> None:
        self._heap.clear()
        if self._fd is not None:
            self._loop.remove_reader(self._fd)
            os.close(self._fd)

    def _arm(self) -> None:
        when_s = self._heap[0][0]
        if self._fd is None:
            self._loop.call_later(max(when_s - self.now(), 0.0), self._fire)
            return
        if when_s == self._armed_for:
            return
        self._armed_for = when_s
        # All zero would disarm it; a moment that has passed comes at once.
        ns = max(int(when_s * 1e9), 1)
        spec = _TimerSpec(0, 0, *divmod(ns, 1_000_000_000))
        if _libc.timerfd_settime(self._fd, _ABSOLUTE, spec, None):
            raise OSError(ctypes.get_errno(), "timerfd_settime")

    def _expired(self) -> None:
        assert self._fd is not None
        try:
            os.read(self._fd, 8)
        except BlockingIOError:
            return  # it was set anew after it had expired
        self._fire()

    def _fire(self) -> None:
        self._armed_for = 0.0
        now = self.now()  # what is set meanwhile has its turn after the sockets'
        try:
            while self._heap and self._heap[0][0] <= now:
                heapq.heappop(self._heap)[2].fire()
        finally:
            if self._heap:
                self._arm()

    def _one_cancelled(self) -> None:
        """What was cancelled long before its moment must not gather."""
        self._cancelled += 1
        if self._cancelled > max(len(self._heap) // 2, GATHERED_MAX):
            self._heap = [entry for entry in self._heap if entry[2].is_set]
            heapq.heapify(self._heap)
            self._cancelled = 0


_libc = ctypes.CDLL(None, use_errno=True)


def _timerfd() -> int | None:
    if not sys.platform.startswith("linux"):
        return None
    fd = int(_libc.timerfd_create(_MONOTONIC, _NONBLOCK_CLOEXEC))
    if fd < 0:
        return None
    _libc.prctl(_PR_SET_TIMERSLACK, 1, 0, 0, 0)  # nanoseconds; 50 µs unless told
    return fd
