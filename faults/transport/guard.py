"""The guard of an external Toxiproxy: takes a run's proxies away when the harness has gone, or is silent for a lease.

It reads lines from a pipe whose other end only the harness holds: ``+ NAME`` names a proxy that the run made, ``beat``
renews the lease. Nothing that was not named is ever touched. Imports only the standard library: it outlives everything.
"""

import http.client
import os
import select
import signal
import sys
from urllib.parse import quote

LEASE_S = 10.0
ANSWER_WITHIN_S = 5.0


def watch(fd: int, lease_s: float = LEASE_S) -> list[str]:
    """The proxies that are to be taken away, once the pipe has ended or was silent for a lease."""
    names: list[str] = []
    rest = b""
    while select.select([fd], [], [], lease_s)[0]:
        data = os.read(fd, 65536)
        if not data:
            break
        *lines, rest = (rest + data).split(b"\n")
        names += [line[2:].decode() for line in lines if line.startswith(b"+ ")]
    return names


def remove(host: str, port: int, names: list[str]) -> None:
    """Takes the proxies away, toxics and all; a server that has gone keeps none."""
    for name in names:
        connection = http.client.HTTPConnection(host, port, timeout=ANSWER_WITHIN_S)
        try:
            connection.request("DELETE", f"/proxies/{quote(name, safe='')}")
            connection.getresponse().read()
        except (OSError, http.client.HTTPException) as error:
            print(f"guard: {name}: {type(error).__name__}", file=sys.stderr)
        finally:
            connection.close()


if __name__ == "__main__":
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    remove(sys.argv[1], int(sys.argv[2]), watch(sys.stdin.fileno()))
