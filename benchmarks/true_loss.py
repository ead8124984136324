"""True and modelled packet loss beside each other: how late answers are at the same shares of loss.

One HTTP upstream, asked over kept-alive connections: through a wire on which the kernel drops packets (faults/kernel/),
and through the embedded server with the toxic `loss` in both directions, each request an exchange of its own as in a
run. Small answers are one packet each; big ones are 21, so that TCP hears of a loss before its timer ends.

    python -m benchmarks.true_loss            # measures and prints the table
    python -m benchmarks.true_loss --write    # and writes docs/true_loss.svg, .zh.svg, .png and the table of the page
Exit 1 where the drop counters leave the 99.9 % interval of the share asked for, 2 where no packet can be dropped.
"""

import asyncio
import sys
import warnings

import matplotlib as mpl
import msgspec
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from scipy.stats import binomtest

from benchmarks.wire_picture import store
from benchmarks.wire_results import DOCS, between_marks, today
from faults.kernel.machine import probe
from faults.transport.proxies import Proxies
from faults.transport.toxic import Match, Placed, Stream
from faults.transport.toxics.loss import Loss
from ledger.rundir import write_atomically
from reports.write.chart import GREY, LINES, WIDTH_IN, pick
from reports.write.figures import LANGUAGES, STYLE
from tests.faults.kernel.lossy import RTO_MIN_MS, exchanges, lossy

SHARES = (0.01, 0.05, 0.2)
SIZES = (100, 30_000)
CONNECTIONS, EACH, WITHIN_S = 40, 250, 25.0
RTT_MS = 0.1
"""Of the wire between the namespaces, and of the modelled line."""
SURE = 0.001
POINTS = 400
"""Of each line, more of them the rarer what they stand for."""
TRUE, MODEL = "true", "modelled"
LOOK = {TRUE: (LINES[0], "-"), MODEL: (LINES[1], (0, (4, 2)))}
NAMES = {TRUE: ("true loss (kernel)", "真实丢包（内核）"), MODEL: ("modelled (toxic loss)", "模拟丢包（toxic loss）")}


class Series(msgspec.Struct, frozen=True):
    """The delays, in ms, of all exchanges of one kind; of true loss also what the kernel counted."""

    by: str
    share: float
    size: int
    delays: tuple[float, ...]
    packets: int = 0
    dropped: int = 0

    def late(self) -> float:
        """The share of exchanges that waited for a retransmission timer."""
        return float(np.mean(np.array(self.delays) >= RTO_MIN_MS))

    def at(self, q: float) -> float:
        return float(np.quantile(self.delays, q))


def head(size: int) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Length: %06d\r\n\r\n" % size


class Upstream(asyncio.Protocol):
    """Answers GET /N with N bytes."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport, self._read = transport, b""

    def data_received(self, data: bytes) -> None:
        *requests, self._read = (self._read + data).split(b"\r\n\r\n")
        for request in requests:
            size = int(request.split()[1][1:])
            self._transport.write(head(size) + bytes(size))


async def ask(port: int, size: int) -> list[float]:
    request = f"GET /{size} HTTP/1.1\r\nHost: upstream\r\n\r\n".encode()
    answer = len(head(size)) + size
    return await exchanges(port, connections=CONNECTIONS, each=EACH, request=request, answer=answer, within_s=WITHIN_S)


async def truly(port: int, share: float, size: int) -> Series:
    async with lossy(port, "--loss", f"{share:%}") as hop:
        delays = await ask(hop.port, size)
    return Series(TRUE, share, size, tuple(delays), hop.counts.packets, hop.counts.dropped)


async def modelled(port: int, share: float, size: int) -> Series:
    proxies = Proxies(seed=7)
    try:
        proxy = proxies.add("modelled", "127.0.0.1:0", f"127.0.0.1:{port}")
        for stream in Stream:
            toxic = Loss(share=share, rtt_ms=RTT_MS)
            proxy.add_toxic(Placed(name=f"loss_{stream}", stream=stream, toxic=toxic, match=Match(method="GET")))
        return Series(MODEL, share, size, tuple(await ask(int(proxy.listen.rpartition(":")[2]), size)))
    finally:
        proxies.close()


async def measure() -> list[Series]:
    """All of it, true and modelled in turn before one upstream."""
    found = []
    server = await asyncio.get_running_loop().create_server(Upstream, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        for size in SIZES:
            for share in SHARES:
                for one in (await truly(port, share, size), await modelled(port, share, size)):
                    found.append(one)
                    print(row(one), flush=True)
    return found


def row(one: Series) -> str:
    counted = f"{one.dropped:,} of {one.packets:,}" if one.by == TRUE else "–"
    times = " | ".join(f"{one.at(q):,.1f}" for q in (0.5, 0.9, 0.99))
    size = f"{one.size:,}"
    return f"| {one.share:.0%} | {size} | {one.by} | {len(one.delays):,} | {counted} | {one.late():.1%} | {times} |"


def table(found: list[Series]) -> str:
    lines = [
        f"Measured {today()}: exchanges over {CONNECTIONS} kept-alive connections, in ms;"
        f" *late* waited for a timer, that is {RTO_MIN_MS} ms or more.",
        "",
        "| loss | answer, bytes | | exchanges | packets dropped | late | p50 | p90 | p99 |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    in_order = sorted(found, key=lambda one: (one.size, one.share, one.by != TRUE))
    return "\n".join([*lines, *map(row, in_order)])


# --- the picture -------------------------------------------------------------------------------------------------
def panel(ax: Axes, found: list[Series]) -> None:
    """The share of exchanges that took longer than x, on logarithmic axes: a step at each multiple of the timer."""
    ax.patch.set_alpha(0)
    ax.axvline(RTO_MIN_MS, color=GREY, lw=0.9, ls=":")
    for one in found:
        colour, style = LOOK[one.by]
        longer = np.geomspace(1 / len(one.delays), 1, POINTS)
        ax.plot(np.quantile(one.delays, 1 - longer), longer, color=colour, ls=style, lw=1.7)
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.set_xlim(0.1, 20_000)
    ax.set_ylim(5e-4, 1.2)
    ax.set_xticks([0.1, 1, 10, 100, 1000, 10_000], ["0.1", "1", "10", "100", "1 s", "10 s"])
    ax.set_yticks([0.001, 0.01, 0.1, 1], ["0.1%", "1%", "10%", "100%"])
    ax.minorticks_off()
    ax.tick_params(labelsize=8.5)


def figure(found: list[Series], language: str) -> Figure:
    drawn = Figure(figsize=(WIDTH_IN, 5.2), layout="constrained")
    drawn.patch.set_alpha(0)
    grid = drawn.subplots(len(SIZES), len(SHARES), sharex=True, sharey=True)
    for axes, size in zip(grid, SIZES, strict=True):
        for ax, share in zip(axes, SHARES, strict=True):
            panel(ax, [one for one in found if (one.size, one.share) == (size, share)])
            packets = pick(
                language, "one packet" if size < 1448 else "21 packets", "1 个包" if size < 1448 else "21 个包"
            )
            words = pick(language, f"{share:.0%} lost, answer of {packets}", f"丢包 {share:.0%}，应答 {packets}")
            ax.set_title(words, fontsize=9.5, loc="left")
        axes[0].set_ylabel(pick(language, "exchanges that take longer", "更慢的请求占比"), fontsize=8.5)
    for ax in grid[-1]:
        ax.set_xlabel(pick(language, "delay, ms", "延迟（毫秒）"), fontsize=8.5)
    timer = pick(language, "least retransmission timer, 200 ms", "最小重传超时 200 毫秒")
    marks = [Line2D([], [], color=c, ls=s, lw=1.7, label=pick(language, *NAMES[by])) for by, (c, s) in LOOK.items()]
    marks.append(Line2D([], [], color=GREY, ls=":", lw=0.9, label=timer))
    drawn.legend(handles=marks, loc="outside upper left", ncols=3, fontsize=9.5)
    return drawn


def write(found: list[Series]) -> None:
    with mpl.rc_context(), warnings.catch_warnings():
        mpl.rcdefaults()
        mpl.rcParams.update(STYLE)
        warnings.filterwarnings("ignore", message=".*Glyph.*missing from", category=UserWarning)
        for language in LANGUAGES:
            store(figure(found, language), language, "true_loss")
    page = DOCS / "transport.md"
    write_atomically(page, between_marks(page.read_text("utf-8"), "true_loss", table(found)).encode())


def main() -> int:
    machine = probe()
    if not machine.by:
        print(f"no true loss here: {'; '.join(machine.why.values())}", file=sys.stderr)
        return 2
    found = asyncio.run(measure())
    if "--write" in sys.argv[1:]:
        write(found)
    wrong = [one for one in found if one.by == TRUE and binomtest(one.dropped, one.packets, one.share).pvalue < SURE]
    for one in wrong:
        print(f"dropped {one.dropped} of {one.packets}, asked for {one.share:.0%}", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
