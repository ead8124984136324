"""How long TCP takes to repair what a line has lost: a model, for hops where packets cannot truly be lost.

What arrives at once is one flight, cut into segments. A lost segment holds back all behind it, for TCP delivers in
order. It is repaired

- after about one round trip where at least three segments behind it arrive (three duplicate acknowledgements: RFC 5681,
  section 3.2), after a quarter more where only one or two do (RACK: RFC 8985, section 6.2);
- after the tail loss probe where it was the last of its flight: two round trips and Linux's least timer of two ticks,
  8 ms (RFC 8985, section 7.2; tcp_schedule_loss_probe of Linux 6.1);
- after the retransmission timeout where it was alone: a round trip and Linux's least of 200 ms instead of the second of
  RFC 6298, section 2.4 (TCP_RTO_MIN); doubled for each further loss (section 5.5), as for a repair that is lost too.

A lost SYN is repeated after a second, then two, and so on (RFC 6298, section 2.1; TCP_TIMEOUT_INIT). Losses are single,
or in bursts by a two-state chain that loses everything in its bad state (Gilbert 1960). Not modelled: lost
acknowledgements, congestion windows, and what a later flight tells about an earlier one. Documents read 2026-11-24.
"""

from collections.abc import Callable, Sequence
from typing import TypeAlias

SEGMENT = 1448
"""Bytes of data in a packet of Ethernet: 1,500 less IPv4 (20), TCP (20) and its time stamps (12)."""
RTO_MIN_S, RTO_MAX_S = 0.2, 120.0
PROBE_S = 0.008
SYN_S = 1.0
TRIES_MAX = 8
"""Losses of one segment in a row, at most."""
DUPLICATES = 3

Draw: TypeAlias = Callable[[int], float]
"""The n-th number in [0, 1) that an exchange draws."""


class Line:
    """The segments of one direction of one exchange, numbered by where they begin, so that it does not matter in how
    many pieces they come. `share` of them are lost, `burst` in a row on the average."""

    def __init__(self, draw: Draw, burst: float = 1.0) -> None:
        self._draw, self._burst = draw, burst
        self._bytes = 0
        self._is_bad = False

    def cut(self, data: bytes, share: float) -> list[tuple[bytes, int]]:
        """The data as segments, each with how many times in a row it is lost. A piece that goes on with a segment
        counts as arrived: it waits behind what it goes on with."""
        cut: list[tuple[bytes, int]] = []
        at = 0
        while at < len(data):
            n, begun = divmod(self._bytes + at, SEGMENT)
            stop = min(at + SEGMENT - begun, len(data))
            cut.append((data[at:stop], 0 if begun else self._losses(n, share)))
            at = stop
        self._bytes += len(data)
        return cut

    def syn_s(self, share: float) -> float:
        """Seconds that it takes to connect longer than without loss."""
        lost = 0
        while lost < TRIES_MAX and self._draw(-1 - lost) < share:
            lost += 1
        return SYN_S * (2.0**lost - 1.0)

    def _losses(self, n: int, share: float) -> int:
        first = n * TRIES_MAX
        if not self._is_lost(first, share):
            return 0
        lost = 1
        while lost < TRIES_MAX and self._draw(first + lost) < share:  # long after a burst is over
            lost += 1
        return lost

    def _is_lost(self, n: int, share: float) -> bool:
        u = self._draw(n)
        if self._burst <= 1.0:
            return u < share
        enter = min(1.0, share / (self._burst * (1.0 - share))) if share < 1.0 else 1.0
        leave = enter * (1.0 - share) / share if share > 0.0 else 1.0
        if n == 0:
            self._is_bad = u < share
        else:
            self._is_bad = u >= leave if self._is_bad else u < enter
        return self._is_bad


def waits_s(lost: Sequence[int], rtt_s: float) -> list[float]:
    """For each segment of a flight, of which is known how many times in a row it is lost, the seconds after which its
    repair arrives; without what holds it back."""
    arrived, waits = 0, [0.0] * len(lost)
    for i in range(len(lost) - 1, -1, -1):
        if lost[i]:
            waits[i] = _wait_s(lost[i], arrived, is_alone=len(lost) == 1, rtt_s=rtt_s)
        else:
            arrived += 1
    return waits


def _wait_s(lost: int, behind: int, *, is_alone: bool, rtt_s: float) -> float:
    rto_s = rtt_s + RTO_MIN_S
    if behind >= DUPLICATES:
        first_s = rtt_s
    elif behind:
        first_s = 1.25 * rtt_s
    elif is_alone:
        first_s, rto_s = rto_s, 2 * rto_s
    else:
        first_s = min(2 * rtt_s + PROBE_S, rto_s)
    return first_s + sum(min(rto_s * 2.0**k, RTO_MAX_S) for k in range(lost - 1))
