"""The report in a real browser: what keeps people from reading it, by mouse, by keyboard, on paper, on a phone."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from ledger.rundir import RunDir
from plan import run as plans
from reports.cases import cases
from reports.findings import Findings
from reports.write import figures, page
from tests.reports.browser import CHROMIUM, Tab, browser
from tests.reports.rich import rich

AXE = Path(__file__).parents[2] / ".conformance" / "node" / "node_modules" / "axe-core" / "axe.min.js"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not here: apt-get install chromium"),
]
A4_PX = 688
"""What is left of the width of A4 between margins of 14 mm."""
MARK = '<circle cx="9" cy="9" r="5" data-r="first &lt;1&gt;"/><circle cx="30" cy="9" r="5" data-r="second"/>'
READ_OUT = "(document.querySelector('.tip.on') ?? {textContent: ''}).textContent"
SCROLLED = "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def tab() -> AsyncIterator[Tab]:
    async with browser() as one:
        yield one


@pytest.fixture(scope="module")
def report(built: tuple[RunDir, Findings], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page with every section there can be, and one figure whose marks can be asked."""
    run, findings = built
    folder = tmp_path_factory.mktemp("looked")
    told = rich(findings)
    drawn = figures.draw(told, folder / "figures")
    drawn["latency"] = {
        lang: f'<svg viewBox="0 0 90 20"><text x="40" y="12">{lang}</text>{MARK}</svg>' for lang in ("en", "zh")
    }
    plan = plans.load(run.plan)
    page.write(told, plan, drawn, cases(run, plan), folder / "report.html")
    return folder / "report.html"


async def choose(tab: Tab, language: str) -> None:
    box = "document.getElementById('zh')"
    if await tab.ask(f"{box}.checked") != (language == "zh"):
        await tab.ask(f"{box}.click()")


@pytest.mark.skipif(not AXE.exists(), reason="npm's axe-core is not here: make .conformance/.made")
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("language", ["en", "zh"])
async def test_axe_finds_nothing_serious(tab: Tab, report: Path, language: str, dark: bool) -> None:
    await tab.look(dark=dark)
    await tab.open(report)
    await choose(tab, language)
    await tab.ask(AXE.read_text(encoding="utf-8"))
    found = await tab.ask(
        "axe.run(document).then(r => [r.passes.length, r.violations.map(v => "
        "[v.impact, v.id, v.nodes.slice(0, 5).map(n => n.html.slice(0, 120) + ' ' + n.failureSummary)])])"
    )
    assert found[0] > 20, "axe hardly looked"
    assert [one for one in found[1] if one[0] in ("serious", "critical")] == []


@pytest.mark.parametrize("language", ["en", "zh"])
async def test_nothing_is_wider_than_a_phone_or_than_the_paper(tab: Tab, report: Path, language: str) -> None:
    await tab.look(width=400)
    await tab.open(report)
    await choose(tab, language)
    assert await tab.ask("document.documentElement.scrollWidth") == 400
    await tab.look(width=A4_PX)
    await tab.call("Emulation.setEmulatedMedia", media="print")
    wide = (
        "[...document.querySelectorAll('table, svg, p')].filter(e => e.getBoundingClientRect().right > innerWidth + 1)"
    )
    assert await tab.ask(f"{wide}.map(e => e.outerHTML.slice(0, 80))") == []
    await tab.call("Emulation.setEmulatedMedia", media="")


async def test_one_stop_of_the_tab_key_a_figure_and_arrows_within(tab: Tab, report: Path) -> None:
    await tab.look()
    await tab.open(report)
    await choose(tab, "en")
    marks = "document.querySelectorAll('#latency [data-l=en] [data-r]')"
    assert await tab.ask(f"[...{marks}].map(m => m.getAttribute('tabindex'))") == ["0", "-1"]
    await tab.ask("document.querySelector('#latency').previousElementSibling.scrollIntoView()")
    await tab.ask(f"{marks}[0].focus({{focusVisible: true}})")
    assert await tab.ask(READ_OUT) == "first <1>"
    await tab.press("ArrowRight")
    assert await tab.ask(READ_OUT) == "second"
    assert await tab.ask("document.activeElement.getAttribute('aria-label')") == "second"
    await tab.press("ArrowRight")
    assert await tab.ask(READ_OUT) == "second"
    await tab.press("Home")
    assert await tab.ask(READ_OUT) == "first <1>"
    await tab.press("Escape")
    assert await tab.ask(READ_OUT) == ""


async def test_a_number_that_is_pointed_at_tells_in_the_language_of_the_page(tab: Tab, report: Path) -> None:
    await tab.look()
    await tab.open(report)
    for language, told in (("en", "30 of 40"), ("zh", "40 中 30")):
        await choose(tab, language)
        box = await tab.ask(
            "(() => { const e = document.querySelector('[aria-labelledby=t-causes] .q');"
            "e.scrollIntoView({block: 'center'}); const b = e.getBoundingClientRect();"
            "return [b.x + b.width / 2, b.y + b.height / 2] })()"
        )
        await tab.ask(SCROLLED)
        await tab.call("Input.dispatchMouseEvent", type="mouseMoved", x=box[0], y=box[1])
        assert (await tab.ask(READ_OUT)).startswith(told)
        await tab.call("Input.dispatchMouseEvent", type="mouseMoved", x=2, y=2)
        assert await tab.ask(READ_OUT) == ""


async def test_the_language_is_remembered(tab: Tab, report: Path) -> None:
    await tab.look()
    for language in ("zh", "en"):
        await tab.open(report)
        await choose(tab, language)
        await tab.open(report)
        assert await tab.ask("document.documentElement.lang") == language
        shown = "getComputedStyle(document.querySelector('h1 [data-l=zh]')).display !== 'none'"
        assert await tab.ask(shown) is (language == "zh")


async def test_without_scripts_all_is_there_and_the_language_can_be_chosen(tab: Tab, report: Path) -> None:
    await tab.look(scripts=False)
    await tab.open(report)
    shown = "['en', 'zh'].map(l => getComputedStyle(document.querySelector(`h1 [data-l=${l}]`)).display !== 'none')"
    assert await tab.ask(shown) == [True, False]
    await tab.ask("document.querySelector('.language').click()")
    assert await tab.ask(shown) == [False, True]
    assert await tab.ask("document.querySelector('.tip')") is None
    await tab.look()


async def test_nothing_stays_folded_on_paper(tab: Tab, report: Path, tmp_path: Path) -> None:
    await tab.look()
    await tab.open(report)
    folded = "document.querySelectorAll('details:not([open])').length"
    before = await tab.ask(folded)
    assert before > 0
    await tab.ask("dispatchEvent(new Event('beforeprint'))")
    assert await tab.ask(folded) == 0
    await tab.ask("dispatchEvent(new Event('afterprint'))")
    assert await tab.ask(folded) == before
    await tab.pdf(tmp_path / "report.pdf")
    assert (tmp_path / "report.pdf").read_bytes().startswith(b"%PDF")


async def test_no_script_of_others_would_run(tab: Tab, report: Path, tmp_path: Path) -> None:
    """Not even where a name slipped through unescaped."""
    bad = tmp_path / "bad.html"
    bad.write_text(
        report.read_text().replace(
            "</main>", "<script>document.title='run'</script><img src=x onerror=\"document.title='run'\"></main>"
        )
    )
    await tab.look()
    await tab.open(bad)
    assert await tab.ask("document.title") != "run"
