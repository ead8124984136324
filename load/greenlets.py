"""Greenlets with an owner: a flaw of ours in one of them ends the process instead of vanishing."""

import os
import sys
import traceback
from collections.abc import Callable
from typing import Any

import gevent

from load.recorder import EXIT_BROKEN


def guarded(work: Callable[..., None]) -> Callable[..., None]:
    """The work, ending the process with its traceback if it raises."""

    def run(*args: Any) -> None:
        try:
            work(*args)
        except Exception:
            traceback.print_exc()
            print(f"orderjam load: a flaw of ours in {work.__qualname__}; the run cannot be trusted", file=sys.stderr)
            sys.stderr.flush()
            os._exit(EXIT_BROKEN)

    return run


def spawn(work: Callable[..., None], *args: Any) -> gevent.Greenlet:
    """Starts work that nobody waits for, guarded."""
    return gevent.spawn(guarded(work), *args)
