"""Whole load processes against a fake shop, told by files what the harness would tell them."""

import asyncio
import os
import resource
import signal
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from ledger.clock import Epoch
from ledger.events import PaidAtCashier, Placed, Planned, PollFailed, Requests, Seen, Sent, Unsent
from ledger.journal import Wholeness, check
from ledger.states import Operation, State
from load.people import person
from plan import run as plan_run
from plan.run import Plan
from plan.units import BusinessTime

pytestmark = pytest.mark.slow
PlanOf = Callable[..., Plan]


def of(events: list[Any], kind: type[Any]) -> list[Any]:
    return [event for event in events if isinstance(event, kind)]


async def test_every_order_is_planned_sent_placed_paid_and_followed_to_its_end_once(
    load: Any, shop: Any, plan_of: PlanOf
) -> None:
    said = await load.play(plan_of(orders=20), shop.url)
    events, keys = load.events(), [f"b{n:08d}" for n in range(20)]
    assert said == ""
    for kind in (Planned, Sent, Placed, PaidAtCashier):
        assert sorted(event.o for event in of(events, kind)) == keys, kind
    assert sorted(e.o for e in of(events, Seen) if e.state is State.COMPLETED) == keys
    assert Counter(shop.placed) == Counter(keys) == Counter(shop.paid)
    assert sorted(shop.header_keys) == keys
    assert shop.forms[0]["contact"] == f"{shop.placed[0]}@buyers.example"
    assert check(load.events_dir / "driver-0.ndjson").wholeness is Wholeness.CLOSED
    assert check(load.events_dir / "struck-driver-0.ndjson").wholeness is Wholeness.CLOSED
    status = load.status()
    assert (status["planned"], status["sent"], status["paid"], status["ended"], status["open"]) == (20, 20, 20, 20, 0)


async def test_lateness_is_the_time_from_due_to_sent_and_orders_are_due_as_planned(
    load: Any, shop: Any, plan_of: PlanOf
) -> None:
    await load.ready(plan_of(orders=10, rate=50.0), shop.url)
    l0_t = load.begin("load")
    await load.until(lambda: load.status()["done"])
    await load.collect()
    events = load.events()
    due = {event.o: event.due_t for event in of(events, Planned)}
    assert [due[f"b{n:08d}"] - l0_t for n in range(10)] == [n * 20_000_000 for n in range(10)]
    for sent in of(events, Sent):
        assert sent.late_ns == sent.t - due[sent.o]
        assert 0 <= sent.late_ns < 1_000_000_000
    assert 0 < load.status()["late_p99_ms"] < 1000


async def test_two_workers_send_the_same_orders_as_one_each_once(
    load: Any, shop: Any, plan_of: PlanOf, tmp_path: Path
) -> None:
    await load.start_workers(plan_of(orders=21, rate=200.0), shop.url, 2)
    assert load.master()["workers_ready"] == 2
    load.begin("load", in_s=0.2)
    await load.until(lambda: load.status(0)["done"] and load.status(1)["done"])
    await load.until(lambda: load.status(0)["ended"] + load.status(1)["ended"] == 21)
    await load.collect()
    each = [sorted(event.o for event in of(load.events(index), Sent)) for index in range(2)]
    assert each == [[f"b{n:08d}" for n in range(index, 21, 2)] for index in range(2)]
    assert Counter(shop.placed) == Counter(f"b{n:08d}" for n in range(21))
    names = {form["contact"][:9]: form["name"] for form in shop.forms}
    assert names == {key: person(7, key).name for key in names}


async def test_orders_of_the_warm_up_are_paid_but_counted_nowhere(load: Any, shop: Any, plan_of: PlanOf) -> None:
    await load.ready(plan_of(warm_up_orders=3, orders=2), shop.url)
    assert load.status()["warm"] is False
    load.begin("warm_up")
    await load.until(lambda: load.status()["warm"])
    load.begin("load")
    await load.until(lambda: load.status()["ended"] == 2)
    await load.collect()
    warm = [event for event in load.events() if event.o and event.o.startswith("w")]
    keys = [f"w{n:08d}" for n in range(3)]
    assert sorted(event.o for event in of(warm, PaidAtCashier)) == keys
    assert {type(event) for event in warm} == {Sent, Placed, PaidAtCashier}
    assert sum(event.count for event in of(load.events(), Requests) if event.name == "place") == 2
    assert load.status()["sent"] == 2


async def test_a_load_that_is_stopped_early_says_which_orders_were_never_sent_and_nobody_pays_any_more(
    load: Any, shop: Any, plan_of: PlanOf
) -> None:
    await load.ready(plan_of(orders=40, rate=10.0, pay_delay_s=60.0), shop.url)
    load.begin("load")
    await load.until(lambda: load.status()["placed"] >= 2)
    load.begin("heal")
    await load.until(lambda: load.status()["done"])
    await load.collect()
    events = load.events()
    sent = {event.o for event in of(events, Sent)}
    unsent = {event.o for event in of(events, Unsent)}
    assert sent | unsent == {f"b{n:08d}" for n in range(40)}
    assert not sent & unsent
    assert {event.why for event in of(events, Unsent)} == {"stopped early"}
    assert load.status()["unsent"] == len(unsent) > 0
    assert shop.paid == []


async def test_a_change_of_the_page_lies_within_its_interval(load: Any, shop: Any, plan_of: PlanOf) -> None:
    changed_t: dict[str, int] = {}

    def page(key: str) -> Any:
        if shop.polls[key] < 5:
            return shop.page_of("recharging")
        changed_t.setdefault(key, load.t())
        return shop.page_of("completed", ["KEY"])

    shop.page = page
    await load.play(plan_of(orders=5), shop.url)
    seen = of(load.events(), Seen)
    first = {event.o: event for event in seen if event.state is State.RECHARGING}
    ends = [event for event in seen if event.state is State.COMPLETED]
    assert len(ends) == len(first) == 5
    for end in ends:
        assert first[end.o].last_old_t is None
        assert first[end.o].t < end.last_old_t < changed_t[end.o] <= end.t
        # The poll before the last is one interval back; the others showed the same and are no facts.
        assert end.t - end.last_old_t < 5 * 50_000_000
        assert len([event for event in seen if event.o == end.o]) == 2


async def test_an_open_order_ends_with_the_last_page_that_was_read(load: Any, shop: Any, plan_of: PlanOf) -> None:
    shop.page = lambda key: shop.page_of("paid")
    plan = plan_of(orders=3, stuck_after={**plan_of().stuck_after, State.PAID: BusinessTime(0.2)})
    await load.ready(plan, shop.url)
    load.begin("load")
    await load.until(lambda: load.status()["overdue"] == 3)
    assert load.status()["by_state"] == {"paid": 3}
    load.begin("settle")
    polled = sum(shop.polls.values())
    await load.until(lambda: sum(shop.polls.values()) > polled + 6)
    await load.collect()
    final = [event for event in of(load.events(), Seen) if event.final]
    assert sorted(event.o for event in final) == ["b00000000", "b00000001", "b00000002"]
    first = {event.o: event.t for event in of(load.events(), Seen) if not event.final}
    assert all(event.t > first[event.o] for event in final)


async def test_a_shop_that_answers_nonsense_or_not_at_all_is_recorded_and_nothing_breaks(
    load: Any, shop: Any, plan_of: PlanOf
) -> None:
    honest = shop.place

    async def place(request: web.Request) -> web.StreamResponse:
        key = str((await request.post())["contact"])[:9]
        if key == "b00000000":
            return web.Response(text="<html>维护中</html>", content_type="text/html")
        if key == "b00000001":
            return web.Response(text="<h1>Bad Gateway</h1>", status=502, content_type="text/html")
        if key == "b00000002":
            assert request.transport
            request.transport.abort()
        if key == "b00000003":
            await asyncio.sleep(3600)
        return await honest(request)  # type: ignore[no-any-return]

    shop.place = place
    shop.page = lambda key: web.Response(text="<html>oops</html>") if shop.polls[key] < 4 else shop.page_of("completed")
    said = await _play_with_a_hanging_order(load, plan_of(orders=5), shop.url)
    failed = {event.o: event for event in of(load.events(), PollFailed) if event.operation is Operation.PLACE}
    assert said == ""
    assert {key: (event.status, event.why.split(":")[0]) for key, event in failed.items()} == {
        "b00000000": (200, "status 200"),
        "b00000001": (502, "status 502"),
        "b00000002": (0, "closed without answer"),
        "b00000003": (0, "no answer by the end of the run"),
    }
    polls = [event for event in of(load.events(), PollFailed) if event.operation is Operation.POLL]
    assert [(event.o, event.count) for event in polls] == [("b00000004", 1), ("b00000004", 3)]


async def _play_with_a_hanging_order(load: Any, plan: Plan, url: str) -> str:
    await load.ready(plan, url)
    load.begin("load")
    await load.until(lambda: load.status()["ended"] == 1 and load.status()["requests"] >= 7)
    load.begin("settle")
    said: str = await load.collect()
    return said


@pytest.mark.parametrize(
    ("pay_url", "why"),
    [
        ("http://pay.example.com/x", "not allowed: host pay.example.com"),
        ("{url}/away", "not allowed: host 192.0.2.1"),
        ("weixin://wxpay/x", "not an address for HTTP: weixin"),
        ("{url}/nowhere", "status 404"),
    ],
)
async def test_a_pay_address_outside_this_machine_is_refused(
    load: Any, shop: Any, plan_of: PlanOf, pay_url: str, why: str
) -> None:
    shop.pay_url = pay_url
    await load.ready(plan_of(orders=1), shop.url)
    load.begin("load")
    await load.until(lambda: load.status()["done"])
    await load.collect()
    (failed,) = of(load.events(), PollFailed)
    assert (failed.operation, failed.why) == (Operation.PAY, why)
    assert of(load.events(), PaidAtCashier) == []


async def test_a_killed_process_leaves_a_journal_that_can_be_read(load: Any, shop: Any, plan_of: PlanOf) -> None:
    process = await load.ready(plan_of(orders=200, rate=100.0), shop.url)
    load.begin("load")
    await load.until(lambda: len(of(load.events(), PaidAtCashier)) >= 10)
    process.send_signal(signal.SIGKILL)
    await process.wait()
    load.processes.clear()
    found = check(load.events_dir / "driver-0.ndjson")
    assert found.wholeness is Wholeness.UNCLOSED
    assert len(load.events()) >= found.events > 30


async def test_sigterm_closes_the_journal_and_sigint_is_ignored(load: Any, shop: Any, plan_of: PlanOf) -> None:
    process = await load.ready(plan_of(orders=1000, rate=50.0), shop.url)
    load.begin("load")
    await load.until(lambda: load.status()["sent"] >= 3)
    process.send_signal(signal.SIGINT)
    sent = load.status()["sent"]
    await load.until(lambda: load.status()["sent"] > sent)
    process.send_signal(signal.SIGTERM)
    await load.ended()
    assert check(load.events_dir / "driver-0.ndjson").wholeness is Wholeness.CLOSED
    assert len(of(load.events(), Sent)) + len(of(load.events(), Unsent)) == 1000
    assert load.status()["done"] is True


async def test_the_web_page_shows_our_requests_and_starts_nothing(load: Any, shop: Any, plan_of: PlanOf) -> None:
    for name in ("locust.conf", "pyproject.toml"):
        (load.cwd / name).write_text("this is [not a configuration")
    (load.cwd / "locust.py").write_text("raise SystemExit('a foreign locust')")
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    await load.ready(plan_of(orders=3), shop.url, "--web", str(port))
    load.begin("load")
    await load.until(lambda: load.status()["ended"] == 3)
    async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as http:
        async with http.get("/") as page:
            assert page.status == 200
            assert "<title>Locust" in await page.text()
        async with http.get("/stats/requests") as stats:
            rows = {row["name"]: row["num_requests"] for row in (await stats.json())["stats"]}
        async with http.post("/stop") as refused:
            assert refused.status == 403
    assert (rows["place"], rows["pay"]) == (3, 3)
    assert {"cashier", "poll", "Aggregated"} <= rows.keys()
    assert "Traceback" not in await load.collect()


async def test_a_master_serves_the_page_of_its_workers(load: Any, shop: Any, plan_of: PlanOf) -> None:
    plan_run.save(plan_of(orders=4), load.run / "plan.yaml")
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    await load.start(shop.url, "--role", "master", "--workers", "1", "--web", str(port))
    await load.until(lambda: load.master()["port"])
    assert load.master()["web"] == f"http://127.0.0.1:{port}"
    await load.start(shop.url, "--role", "worker", "--master-port", str(load.master()["port"]))
    await load.until(lambda: load.status()["ready"])
    load.begin("load")
    await load.until(lambda: load.status()["ended"] == 4)
    rows: dict[str, int] = {}
    async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as http:
        while rows.get("place") != 4:  # a worker reports every three seconds
            async with http.get("/stats/requests") as stats:
                rows = {row["name"]: row["num_requests"] for row in (await stats.json())["stats"]}
    await load.collect()


@pytest.mark.parametrize(
    ("broken", "code", "says"),
    [
        ("no plan", 2, "plan.yaml: no such file"),
        ("bad target", 2, "fake.yaml"),
        ("taken port", 2, "give another port"),
        ("old journal", 5, "cannot start this journal"),
    ],
)
def test_what_cannot_start_says_why_in_one_line(load: Any, plan_of: PlanOf, broken: str, code: int, says: str) -> None:
    if broken != "no plan":
        plan_run.save(plan_of(), load.run / "plan.yaml")
    if broken == "bad target":
        load.target.write_text("about: 1")
    if broken == "old journal":
        (load.events_dir / "driver-0.ndjson").touch()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        web_port = ["--web", str(taken.getsockname()[1])] if broken == "taken port" else []
        ended = _run(load, *web_port)
    assert ended.returncode == code
    assert says in ended.stderr
    assert len(ended.stderr.strip().splitlines()) == 1


def test_a_journal_that_cannot_be_written_ends_the_process_at_once(load: Any, plan_of: PlanOf) -> None:
    plan_run.save(plan_of(orders=500, rate=1000.0), load.run / "plan.yaml")
    load.begin("load", in_s=1.0)
    ended = _run(load, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096)))
    assert ended.returncode == 5
    assert "events lost: File too large" in ended.stderr
    assert len(ended.stderr.strip().splitlines()) == 1


def _run(load: Any, *more: str, **how: Any) -> "subprocess.CompletedProcess[str]":
    argv = ["--run", str(load.run), "--epoch", str(load.epoch), "--state", str(load.state)]
    return subprocess.run(
        [sys.executable, "-P", "-m", "load", *argv, "--target", str(load.target), *more],
        env={**os.environ, "ORDERJAM_SHOP_URL": "http://127.0.0.1:9", "PYTHONPATH": os.getcwd()},
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
        **how,
    )


@pytest.mark.parametrize(
    "wrong",
    [
        *(["--index", "1"], ["--role", "worker"], ["--role", "chief"], ["--epoch", "now"], ["--index", "-1"]),
        *(["--through", way] for way in ("127.0.0.1:1=127.0.0.1:2", "127.0.0.1:1/epay=10.0.0.1:2", "a/b", "a/b=::1:x")),
    ],
)
def test_a_wrong_command_line_is_refused(wrong: list[str]) -> None:
    script = "import sys; from load.main import Options; Options.read(sys.argv[1:], {'ORDERJAM_SHOP_URL': 'http://x'})"
    argv = ["--run", ".", "--epoch", str(Epoch(1, 2)), "--state", ".", "--target", "t.yaml", *wrong]
    ended = subprocess.run([sys.executable, "-c", script, *argv], capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert wrong[0] in ended.stderr
