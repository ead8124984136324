import base64
import hashlib
import re
from html.parser import HTMLParser
from pathlib import Path

import msgspec
import pytest

from ledger.rundir import RunDir
from plan import run as plans
from reports.cases import BYTES_MAX, cases
from reports.findings import Causes, Findings
from reports.write import figures, page
from tests.reports.conftest import GATES
from tests.reports.rich import ODD, rich

pytestmark = pytest.mark.slow


class Page(HTMLParser):
    """Collects tags, and every attribute that could fetch something."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.fetched: list[str] = []
        self.handlers: list[str] = []
        self.languages: dict[str, int] = {"en": 0, "zh": 0}
        self.heads: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag == "meta":
            self.heads.append((tag, dict(attrs)))
        for name, value in attrs:
            if name in ("src", "href", "xlink:href", "action", "srcset", "poster", "data"):
                self.fetched.append(value or "")
            if name == "id":
                self.ids.append(value or "")
            if name == "data-l" and value:
                self.languages[value] += 1
            if name.startswith("on"):
                self.handlers.append(name)


@pytest.fixture(scope="module")
def whole(built: tuple[RunDir, Findings], tmp_path_factory: pytest.TempPathFactory) -> str:
    """The page of findings that have something to say everywhere."""
    folder = tmp_path_factory.mktemp("rich")
    return written(rich(built[1]), built[0], folder)


def written(findings: Findings, run: RunDir, folder: Path) -> str:
    """The page of such findings, with the figures they give and the orders of the run."""
    plan = plans.load(run.plan)
    drawn = figures.draw(findings, folder / "figures")
    page.write(findings, plan, drawn, cases(run, plan), folder / "report.html")
    return (folder / "report.html").read_text()


@pytest.mark.parametrize("kind", ["as built", "rich"])
def test_the_page_fetches_nothing_and_speaks_two_languages(
    built: tuple[RunDir, Findings], whole: str, kind: str
) -> None:
    text = whole if kind == "rich" else built[0].report.read_text()
    seen = Page(text)
    assert not {"link", "img", "iframe", "object", "form"} & set(seen.tags)
    assert all(target.startswith(("#", "data:")) for target in seen.fetched)
    assert "://" not in text
    assert not re.search(r"@import|url\((?!#)", text)
    assert seen.languages["en"] == seen.languages["zh"] > 50
    assert len(seen.ids) == len(set(seen.ids))
    leads_to = {target[1:] for target in seen.fetched if target[0] == "#"}
    assert {name for name in leads_to if not name.startswith("order=")} <= set(seen.ids)
    assert set(re.findall(r"url\(#([^)]+)\)", text)) <= set(seen.ids)


def test_the_only_script_is_ours_and_the_policy_lets_no_other_run(built: tuple[RunDir, Findings]) -> None:
    text = built[0].report.read_text()
    seen = Page(text)
    scripts = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    assert (len(scripts), seen.tags.count("script")) == (1, 2)  # the other one holds data
    (policy,) = [head["content"] for _, head in seen.heads if head.get("http-equiv") == "Content-Security-Policy"]
    digest = base64.b64encode(hashlib.sha256(scripts[0].encode()).digest()).decode()
    assert policy is not None
    assert f"script-src 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none'")
    assert seen.handlers == []


def test_our_own_script_is_small_and_asks_nobody() -> None:
    script = (Path(page.__file__).parent / "report.js").read_text()
    assert len(script.encode()) < 8192
    assert not re.search(r"fetch|XMLHttp|WebSocket|import\s*\(|eval|innerHTML|Image\(", script)


def test_the_page_stays_under_2_mb_with_as_many_orders_as_it_may_list(whole: str) -> None:
    island = re.search(r'<script type="application/json".*?</script>', whole, re.DOTALL)
    assert island is not None
    assert len(whole.encode()) - len(island[0].encode()) + BYTES_MAX < 2_000_000


def test_the_page_leads_from_the_verdict_to_how_it_was_measured(whole: str) -> None:
    asked = [whole.index(f'<section id="{name}" class="chapter"') for name, *_ in page.CHAPTERS]
    assert asked == sorted(asked)
    assert [name for name, *_ in page.CHAPTERS] == ["verdict", "often", "long", "why", "orders", "measured"]
    assert whole.index("FAIL") < asked[0]


def test_the_command_to_replay_stands_first_and_last(whole: str) -> None:
    command = "<code>orderjam run synthetic --seed 7</code>"
    assert whole.index(command) < whole.index('<section id="verdict"')
    assert whole.rindex(command) > whole.index('<section id="measured"')


@pytest.mark.parametrize(
    "part",
    [
        "payment notice lost", "支付通知丢失", "strands most: 30 of 40 orders", "卡单主因：40 单中 30 单", "¥1,234.56",
        "¥250.00", "&gt; 95 s", "Above 14.5 orders a second (95 % interval 12 – 17)", "280 / 300",
        'id="t-named"', 'id="t-confused"', 'id="t-signed"', 'id="t-wire"', 'id="t-due"', 'id="t-disagree"', "overdue",
        "店铺已接受通知</span> 28", "30 of 40 · 95 % interval 60.0–86.0 % · Wilson", "90 %",
    ],
)  # fmt: skip
def test_what_a_run_found_is_on_the_page(whole: str, part: str) -> None:
    assert part in whole


def test_the_page_escapes_what_others_wrote(built: tuple[RunDir, Findings], whole: str) -> None:
    assert ODD not in whole
    assert "&lt;b onclick" in whole
    text = built[0].report.read_text()
    assert "<too many>" not in text
    assert "&lt;too many&gt;" in text
    assert "lost in English" in text
    assert "lost的中文" in text
    assert all(gate.replace("<", "&lt;").replace(">", "&gt;") in text for gate in GATES)


def test_a_run_in_which_nobody_got_stuck_needs_no_explanation(built: tuple[RunDir, Findings], tmp_path: Path) -> None:
    run, findings = built
    stuck = msgspec.structs.replace(findings.stuck, orders=0, episodes=0, open_episodes=0, by={"state": []})
    calm = msgspec.structs.replace(findings, stuck=stuck, worst=[], causes=Causes())
    text = written(calm, run, tmp_path)
    assert "No order needed an explanation." in text
    assert "No paid order got stuck: 0 of 9" in text
