"""Who drops the packets on the wire between two namespaces: netem where the kernel has it, else nftables."""

from typing import Protocol

import msgspec

from faults.kernel.loss import TrueLoss
from faults.kernel.space import WIRE, tool

_TABLE = "ip orderjam"
_PPM = 1_000_000
_QUEUE = 10_000
"""Packets that netem holds at most; its own limit of 1000 would drop more than was asked where there is a delay."""


class Counts(msgspec.Struct, frozen=True):
    """Packets that came to the place of dropping, and how many of them were dropped; both directions together."""

    packets: int
    dropped: int

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(self.packets + other.packets, self.dropped + other.dropped)

    def __sub__(self, other: "Counts") -> "Counts":
        return Counts(self.packets - other.packets, self.dropped - other.dropped)


NONE = Counts(0, 0)


class Breaker(Protocol):
    """`by` names it. It waits for its tools, so a loop calls it in the threads of the spaces: `on` and `off` and
    `counts` are about one space each, and are called within it."""

    by: str

    def on(self, share: float) -> None:
        """From now on this share of the packets is lost, and all the rest that was asked happens to them."""
        ...

    def off(self) -> None:
        """From now on nothing happens to any packet."""
        ...

    def counts(self) -> Counts:
        """Since the beginning."""
        ...


class Nftables:
    """Drops what comes in, where the sender cannot see it: at the sender's own output hook TCP would be told."""

    by = "nftables"

    def __init__(self) -> None:
        tool(
            "nft",
            "-f",
            "-",
            given=f"""table {_TABLE} {{
            counter arrived {{}}
            counter lost {{}}
            chain arriving {{ type filter hook input priority 0; policy accept; }}
        }}
        """,
        )
        self.off()

    def on(self, share: float) -> None:
        ppm = round(share * _PPM)
        # A limit that every number is under cannot be written, and one that none is under need not be.
        chosen = "" if ppm >= _PPM else f"numgen random mod {_PPM} < {ppm}"
        self._set(f"{chosen} counter name lost drop" if ppm else "")

    def off(self) -> None:
        self._set("")

    def _set(self, dropping: str) -> None:
        """In one transaction: no packet meets half a rule."""
        arriving = f'add rule {_TABLE} arriving iifname "{WIRE}" meta l4proto tcp'
        rules = [f"flush chain {_TABLE} arriving", f"{arriving} counter name arrived"]
        tool("nft", "-f", "-", given="\n".join([*rules, f"{arriving} {dropping}"] if dropping else rules) + "\n")

    @staticmethod
    def attempt() -> None:
        """Refused or ToolError where packets cannot be dropped so; leaves nothing."""
        Nftables().on(0.5)
        tool("nft", "delete", "table", *_TABLE.split())

    def counts(self) -> Counts:
        said = msgspec.json.decode(tool("nft", "-j", "list", "counters"), type=_NftSaid)
        found = {one.counter.name: one.counter.packets for one in said.nftables if one.counter}
        return Counts(found["arrived"], found["lost"])


class _NftCounter(msgspec.Struct):
    name: str
    packets: int


class _NftOne(msgspec.Struct):
    counter: _NftCounter | None = None


class _NftSaid(msgspec.Struct):
    nftables: list[_NftOne]


class Netem:
    """A queueing discipline where packets leave. It tells the sender nothing of those it loses at random.

    Source: tc-netem(8) of iproute2 6.1, read 2026-11-24: of Gilbert's model p and r, in percent, the rest by default.
    """

    by = "netem"

    def __init__(self, asked: TrueLoss) -> None:
        self._asked = asked
        self._is_on = False
        self._before = NONE

    def on(self, share: float) -> None:
        verb = "change" if self._is_on else "add"
        tool("tc", "qdisc", verb, "dev", WIRE, "root", "netem", *netem_words(self._asked, share))
        self._is_on = True

    def off(self) -> None:
        """The counters go with the discipline, so they are read before."""
        if self._is_on:
            self._before = self.counts()
            tool("tc", "qdisc", "del", "dev", WIRE, "root")
            self._is_on = False

    @staticmethod
    def attempt() -> None:
        """Refused or ToolError where the kernel or tc has no netem; leaves nothing."""
        tool("tc", "qdisc", "add", "dev", WIRE, "root", "netem", "limit", str(_QUEUE))
        tool("tc", "qdisc", "del", "dev", WIRE, "root")

    def counts(self) -> Counts:
        return self._before + netem_counts(tool("tc", "-s", "-j", "qdisc", "show", "dev", WIRE))


def netem_words(asked: TrueLoss, share: float) -> list[str]:
    """What follows `netem` on the command line of tc, while this share is to be lost."""
    words = ["limit", str(_QUEUE)]
    if asked.delay > 0:
        words += ["delay", f"{asked.delay * 1000:g}ms"] + ([f"{asked.jitter * 1000:g}ms"] if asked.jitter > 0 else [])
    if asked.burst > 1 and share > 0:
        # Gilbert's model: r ends a burst, p begins one, and p / (p + r) of all packets are lost.
        end = 1 / asked.burst
        words += ["loss", "gemodel", _percent(share * end / (1 - share)), _percent(end)]
    elif share > 0:
        words += ["loss", "random", _percent(share)]
    if asked.duplicate > 0:
        words += ["duplicate", _percent(asked.duplicate)]
    if asked.reorder > 0:
        words += ["reorder", _percent(asked.reorder)]
    if asked.kb_s:
        words += ["rate", f"{asked.kb_s * 8}kbit"]
    return words


def _percent(share: float) -> str:
    return f"{share * 100:.6g}%"


class _Discipline(msgspec.Struct):
    kind: str
    packets: int = 0
    drops: int = 0


def netem_counts(said: str) -> Counts:
    """What `tc -s -j qdisc show` counts for netem, whose packets are those that went through."""
    found = [one for one in msgspec.json.decode(said, type=list[_Discipline]) if one.kind == "netem"]
    return Counts(sum(one.packets + one.drops for one in found), sum(one.drops for one in found))
