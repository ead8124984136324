"""How long pages were behind the truth: the share of changes not yet shown after a time, by Kaplan-Meier."""

from math import log

from reports.findings import Findings, Lag, Words
from reports.write.chart import GREY, INK, SMALL, Chart, Table, held, short_s, spread, strips
from reports.write.words import percent, seconds

TITLE = Words("How far pages lag behind the truth", "页面落后于事实的时间")
CAPTION = Words(
    "Of the changes that a page had to show (money taken, goods there, money back), the share not yet shown so long "
    "after it was true (Kaplan–Meier; changes never shown count for as long as the page was followed). Time is "
    "logarithmic.",
    "页面应当显示的变化（已扣款、商品已到、已退款）中，事实发生后这么久仍未显示的比例"
    "（Kaplan–Meier；从未显示的变化按页面被跟踪的时长计）。时间为对数刻度。",
)
CURVE = "#3391CE"
X_MIN = 0.05
READS = 24


def draw(findings: Findings) -> Chart | None:
    """None where no page had anything to show."""
    lag = findings.lag
    if lag is None or not lag.n:
        return None
    chart = Chart(2.5)
    ax = chart.panel(0.85, 0.53, 7.85, 1.65)
    start, end = _span(lag)
    x = [start, *(max(t, start) for t in lag.t_s), end]
    y = [1.0, *lag.waiting, lag.waiting[-1] if lag.waiting else 1.0]
    ax.fill_between(x, y, step="post", color=CURVE, alpha=0.18, lw=0)
    ax.step(x, y, where="post", color=CURVE, lw=1.8)
    for value, en, zh in ((lag.median_s, "median", "中位数"), (lag.p95_s, "p95", "p95")):
        if value is None or not start <= value <= end:
            continue
        ax.axvline(value, color=INK if en == "p95" else GREY, lw=1.0, ls=(0, (4, 3)))
        words = chart.say(f"{en} {seconds(value)}", f"{zh} {seconds(value)}")
        late = log(value / start) > 0.85 * log(end / start)
        side = "right" if en == "median" or late else "left"
        ax.text(value, 1.03, words, transform=ax.get_xaxis_transform(), ha=side, fontsize=SMALL)
    ax.set_xscale("log")
    ax.set(xlim=(start, end), ylim=(0, 1))
    ticks = [t for t in (0.1, 0.3, 1, 3, 10, 30, 120, 600, 3600, 14400, 86400) if start <= t <= end]
    ax.set_xticks(ticks, [short_s(t) for t in ticks])
    ax.set_xticks([], minor=True)
    ax.set_yticks((0, 0.25, 0.5, 0.75, 1), [f"{share:g} %" for share in (0, 25, 50, 75, 100)])
    ax.set_xlabel(chart.say("business time since it was true (log)", "事实发生后的业务时间（对数）"))
    ax.set_ylabel(chart.say("not yet shown", "尚未显示"))
    at = spread(start, end, READS)
    for t, span in zip(at, strips(at, start, end, log=True), strict=True):
        share, after = percent(held(lag.t_s, lag.waiting, t, 1.0)), seconds(round(t, 2) if t < 10 else round(t))
        chart.box(ax, span, (0, 1), f"after {after}: {share} not yet shown", f"{after} 后：{share} 尚未显示")
    return chart


def table(findings: Findings) -> Table | None:
    """The curve."""
    lag = findings.lag
    header = ("business s since it was true", "share not yet shown")
    return Table(header, list(zip(lag.t_s, lag.waiting, strict=True))) if lag and lag.n else None


def describe(findings: Findings) -> Words:
    """How many changes were shown, and how late."""
    lag = findings.lag
    if lag is None or not lag.n:
        return Words("No page had a change to show.", "没有页面需要显示的变化。")
    median, p95, most = seconds(lag.median_s), seconds(lag.p95_s), seconds(lag.max_s)
    return Words(
        f"{lag.shown} of {lag.n} changes were shown; median {median}, 95th percentile {p95}, longest {most}.",
        f"{lag.n} 次变化中显示了 {lag.shown} 次；中位数 {median}，95 分位 {p95}，最长 {most}。",
    )


def _span(lag: Lag) -> tuple[float, float]:
    first = next((t for t in lag.t_s if t > X_MIN), 1.0)
    last = max([*lag.t_s, lag.max_s or 0.0, first])
    return max(first * 0.6, X_MIN), last * 1.25
