"""The guard: a process that outlives a killed harness just long enough to end its children.

It reads lines from a pipe whose other end only the harness holds: ``+ PGID`` names a process group, ``- PGID`` takes it
back, and ``.`` says that all have ended. At end of file it sends each group that is left SIGTERM and, after GRACE_S,
SIGCONT and SIGKILL; a stopped shop ends too. Imports only the standard library, so that it starts first and fast.
"""

import os
import signal
import sys
import time
from collections.abc import Iterable
from pathlib import Path

GRACE_S = 3.0
STARTED_WITHIN_S = 0.5
MARK = "ORDERJAM_CHILD_OF"
"""The variable by which the children of one harness are told from all other processes."""
LOOK_EVERY_S = 0.05
ALL_ENDED = "."


def _send(group: int, number: int) -> bool:
    """Whether there still was such a group to send the signal to."""
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def watch(lines: Iterable[str]) -> set[int]:
    """The groups that are left when the harness has gone. SystemExit where it took its leave: nothing is left then."""
    groups: set[int] = set()
    for line in lines:
        sign, _, group = line.strip().partition(" ")
        if sign == ALL_ENDED:
            sys.exit()
        (groups.add if sign == "+" else groups.discard)(int(group))
    return groups


def marked(mark: str) -> set[int]:
    """The groups whose processes carry the mark in their environment; none where the system does not show that."""
    found: set[int] = set()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if f"{MARK}={mark}\0".encode() in (process / "environ").read_bytes() + b"\0":
                found.add(os.getpgid(int(process.name)))
        except OSError:  # it has gone, or is another user's
            continue
    return found


def end(groups: set[int], mark: str = "") -> None:
    """Ends the groups: SIGTERM, then after the grace SIGCONT and SIGKILL to those that are left. And those that carry
    the mark: a harness that was killed while it started a child could not tell of it, and for a moment nobody sees it.
    """
    seen = groups | (marked(mark) if mark else set())
    left = {group for group in seen if _send(group, signal.SIGTERM)}
    until, look_again = time.monotonic() + GRACE_S, bool(mark)
    while (left or look_again) and time.monotonic() < until:
        time.sleep(LOOK_EVERY_S)
        if look_again and time.monotonic() > until - GRACE_S + STARTED_WITHIN_S:
            look_again = False
            left |= {group for group in marked(mark) - seen if _send(group, signal.SIGTERM)}
        left = {group for group in left if _send(group, 0)}
    for group in left:
        _send(group, signal.SIGCONT)
        _send(group, signal.SIGKILL)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    end(watch(sys.stdin), *sys.argv[1:])
