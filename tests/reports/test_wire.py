"""Which server broke which hop, how often, and whether another run strikes the same: by hand."""

from typing import Any

import msgspec
import pytest

from ledger.events import PhaseBegan, Struck
from ledger.states import Hop, Operation, Phase
from plan.faults import FaultPlan, Label
from plan.transport import Transport
from reports import report
from reports.measure.wire import rows as wire_rows
from reports.stories import Stories
from tests.reports.conftest import NewRun, RunMaker, ns

NOTE = "mocks are up; shop>payment/epay through Toxiproxy 2.12.0 at 127.0.0.1:8474"


def wire(id: str, hop: Hop, layer: str = "wire", **more: Any) -> FaultPlan:
    return FaultPlan(id, "wire.latency", (hop,), Label(id, id), "upstream timeout", layer=layer, **more)


def struck(
    run: RunMaker, fault: str, hop: str, keyed_by: str, n: int, writer: str = "struck-wire", changed: str = "late"
) -> None:
    for attempt in range(1, n + 1):
        order = "b00000000" if keyed_by == "key" else None
        run.put(
            writer,
            Struck(
                t=ns(12), o=order, fault=fault, hop=hop, operation=Operation.CREATE, attempt=attempt, changed=changed,
                keyed_by=keyed_by,
            ),
        )  # fmt: skip


def rows(run: RunMaker) -> list[tuple[Any, ...]]:
    stories = Stories(run.write(), run.plan)
    found = wire_rows(run.plan, stories.struck_at(), [note for *_, note in stories.phases()])
    stories.close()
    return [
        (r.id, r.hop, r.server_en, r.strikes if r.packets is None else r.packets, r.by_key, r.repeatable) for r in found
    ]


@pytest.mark.parametrize(
    ("by_key", "by_connection", "more", "row"),
    [
        (3, 0, {}, (3, 3, True)),
        (3, 2, {}, (5, 3, False)),
        (0, 2, {}, (2, 0, False)),
        (3, 0, {"by_exposure": True}, (3, 3, False)),
    ],
)
def test_what_strikes_known_orders_alone_strikes_them_again(
    new_run: NewRun, by_key: int, by_connection: int, more: dict[str, Any], row: tuple[int, int, bool]
) -> None:
    run = new_run(1, faults=(wire("late", Hop.SHOP_PAYMENT, **more),))
    struck(run, "late", "shop>payment/epay", "key", by_key)
    struck(run, "late", "shop>payment/epay", "connection", by_connection)
    assert rows(run) == [("late", "shop>payment/epay", "the embedded server", *row)]


def test_each_hop_has_its_row_also_where_nothing_was_struck_and_other_layers_have_none(new_run: NewRun) -> None:
    faults = (
        wire("a", Hop.SHOP_PAYMENT),
        wire("b", Hop.SHOP_SUPPLIER, upstream="store"),
        wire("c", Hop.SHOP_DB, layer="kernel", by_exposure=True),
        wire("d", Hop.SHOP_PAYMENT, layer="application"),
    )
    run = new_run(1, faults=faults)
    struck(run, "a", "shop>payment/epay", "key", 1)
    struck(run, "a", "shop>payment/cheap", "key", 2)
    struck(run, "d", "shop>payment/cheap", "key", 2, "struck-payment")
    struck(run, "c", "shop>db", "connection", 4, "struck-kernel-0", "dropped 9 of 105 packets at 8%")
    assert [(id_, hop, server, n) for id_, hop, server, n, *_ in rows(run)] == [
        ("a", "shop>payment/cheap", "the embedded server", 2),
        ("a", "shop>payment/epay", "the embedded server", 1),
        ("b", "shop>supplier/store", "the embedded server", 0),
        ("c", "shop>db", "the kernel, true loss", 36),
    ]


@pytest.mark.parametrize(
    ("note", "server"), [(NOTE, "Toxiproxy 2.12.0 at 127.0.0.1:8474"), ("mocks are up", "Toxiproxy (127.0.0.1:8474)")]
)
def test_a_toxiproxy_is_named_with_its_version_and_nobody_says_how_often_it_struck(
    new_run: NewRun, note: str, server: str
) -> None:
    run = new_run(1, faults=(wire("late", Hop.SHOP_PAYMENT),), transport=Transport("external", "127.0.0.1:8474"))
    run.put("harness", PhaseBegan(t=ns(2), phase=Phase.PREPARE, note=note))
    struck(run, "late", "shop>payment/epay", "connection", 2, "struck-harness")
    assert rows(run) == [("late", "shop>payment/epay", server, None, None, False)]


@pytest.mark.slow
def test_a_report_tells_who_broke_the_wire_and_when_a_hop_went_away_with_its_proxy(new_run: NewRun) -> None:
    run = new_run(1, faults=(wire("late", Hop.SHOP_PAYMENT),), transport=Transport("external", "127.0.0.1:8474"))
    run.order(0).happy()
    run.put("harness", PhaseBegan(t=ns(2), phase=Phase.PREPARE, note=NOTE))
    note = "wire was killed by SIGKILL; from now on nothing passes at shop>payment/epay"
    run.put("harness", PhaseBegan(t=ns(14.5), phase=Phase.LOAD, note=note))
    claims = msgspec.to_builtins(report.build(run.write()).claims)
    assert claims["ok"] is False
    assert f"{note} (4.5 s into the load)" in claims["reasons"]
    assert any("代理进程中途结束" in reason for reason in claims["reasons_zh"])
    page = (run.dir.path / "report.html").read_text(encoding="utf-8")
    assert all(
        words in page for words in ("Toxiproxy 2.12.0 at 127.0.0.1:8474", "外部 Toxiproxy 2.12.0", "谁破坏了链路")
    )
