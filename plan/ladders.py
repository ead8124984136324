"""When upstreams send a notice again: their ladders as data, each with its source.

A scenario may name one (`ladder: alipay`) or write the gaps itself. Gaps are business time and count from sending to
sending; `timeout` is wire time, how long one attempt waits for its answer.
"""

import msgspec

from plan.units import BusinessTime, WireTime


class Ladder(msgspec.Struct, frozen=True):
    """Gaps between the attempts of a notice; no gaps: it is sent once."""

    gaps: tuple[BusinessTime, ...]
    timeout: WireTime
    source: str


def _of(gaps: str, timeout_s: float, source: str) -> Ladder:
    return Ladder(tuple(BusinessTime.parse(gap) for gap in gaps.split(", ") if gap), WireTime(timeout_s), source)


LADDERS: dict[str, Ladder] = {
    "once": _of("", 5, "no second attempt: the Epay server of 2020"),
    "epay_newer": _of("1 min, 3 min, 20 min, 1 h, 2 h", 5, "newer Epay servers, as generally told; no document"),
    "epay_public": _of(
        "1 min, 3 min, 10 min, 1 h, 2 h, 12 h, 24 h", 5,
        "a public Epay gateway's page: eight sendings, the last after 24 h more (read 2026-11)",
    ),
    "alipay": _of(
        "4 min, 10 min, 10 min, 1 h, 2 h, 6 h, 15 h", 5,
        "Alipay open platform, asynchronous notices: eight sendings within about 25 h (read 2026-11)",
    ),
    "wechat": _of(
        "15 s, 15 s, 30 s, 3 min, 10 min, 20 min, 30 min, 30 min, 30 min, 60 min, 3 h, 3 h, 3 h, 6 h, 6 h", 5,
        "WeChat Pay API v3, payment notices: 15 retries within 24 h 4 min, an answer within 5 s (read 2026-11)",
    ),
    "fulu": _of(
        "1 min, 3 min, 10 min, 30 min, 1 h", 5, "no document gives one: our own pick, in the shape of its like"
    ),
    "webhook": _of("1 min, 5 min, 30 min", 10, "fazercards 0.2.0, webhooks: three retries, 10 s each (read 2026-11)"),
    "vmq": _of("", 5, "V免签 tries once; its console repeats by hand (read in its source 2026-11)"),
}  # fmt: skip
