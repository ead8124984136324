"""The guard: a process that outlives a killed harness just long enough to end its children.

It reads lines from a pipe whose other end only the harness holds: ``+ PGID`` names a process group, ``- PGID`` takes it
back. At end of file it sends each group that is left SIGTERM and, after GRACE_S, SIGCONT and SIGKILL; a stopped shop
ends too. Imports only the standard library, so that it starts first and fast.
"""

import os
import signal
import sys
import time
from collections.abc import Iterable

GRACE_S = 3.0
LOOK_EVERY_S = 0.05


def _send(group: int, number: int) -> bool:
    """Whether there still was such a group to send the signal to."""
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def watch(lines: Iterable[str]) -> set[int]:
    """The groups that are left when the harness has gone."""
    groups: set[int] = set()
    for line in lines:
        sign, _, group = line.strip().partition(" ")
        (groups.add if sign == "+" else groups.discard)(int(group))
    return groups


def end(groups: set[int]) -> None:
    """Ends the groups: SIGTERM, then after the grace SIGCONT and SIGKILL to those that are left."""
    left = {group for group in groups if _send(group, signal.SIGTERM)}
    until = time.monotonic() + GRACE_S
    while left and time.monotonic() < until:
        time.sleep(LOOK_EVERY_S)
        left = {group for group in left if _send(group, 0)}
    for group in left:
        _send(group, signal.SIGCONT)
        _send(group, signal.SIGKILL)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    end(watch(sys.stdin))
