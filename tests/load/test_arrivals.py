from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from ledger.events import Planned, Unsent
from ledger.journal import Voice, read
from load.arrivals import BUYERS_MAX, Arrivals
from load.buyer import Buyers
from load.recorder import Recorder
from load.wire import Wire
from plan.orders import Wish
from plan.run import Plan
from targets.storefront import Ask, Person, Storefront


class Shop:
    """A storefront that only places."""

    def place(self, wish: Wish, person: Person) -> Ask:
        return Ask("place", "POST", f"http://127.0.0.1:9/{person.contact}")


def play(plan: Plan, folder: Path, *, here: int = 0, open_now: int = 0, index: int = 0, workers: int = 1) -> Any:
    """What buyers were sent, and the journal, of a load that began long ago."""
    sent: list[str] = []
    buyers = SimpleNamespace(here=here, start=lambda order, due_t: sent.append(order.wish.key))
    wire = SimpleNamespace(open_now=open_now, open_max=100)
    recorder = Recorder(Voice(folder, "driver-0"), folder / "driver-0.json", lambda: 10**12)
    arrivals = Arrivals(
        plan,
        cast(Storefront, Shop()),
        cast(Wire, wire),
        cast(Buyers, buyers),
        recorder,
        lambda: 10**12,
        index=index,
        workers=workers,
    )
    arrivals.begin(0)
    arrivals.run()
    arrivals.run()
    recorder.close()
    return sent, list(read(folder / "driver-0.ndjson")), arrivals


@pytest.mark.parametrize(
    ("crowd", "why"),
    [({"here": BUYERS_MAX}, "too many buyers at once"), ({"open_now": 100}, "too many connections at once")],
)
def test_an_order_beyond_a_bound_is_planned_and_never_sent(
    plan_of: Callable[..., Plan], tmp_path: Path, crowd: dict[str, int], why: str
) -> None:
    sent, events, _ = play(plan_of(orders=3), tmp_path, **crowd)
    assert sent == []
    assert [type(event) for event in events] == [Planned, Unsent] * 3
    assert {event.why for event in events if isinstance(event, Unsent)} == {why}


@pytest.mark.parametrize("workers", [1, 2, 3, 64])
def test_the_orders_of_all_workers_together_are_the_planned_ones(
    plan_of: Callable[..., Plan], tmp_path: Path, workers: int
) -> None:
    every: list[str] = []
    for index in range(workers):
        folder = tmp_path / str(index)
        folder.mkdir()
        sent, _, arrivals = play(plan_of(orders=50), folder, index=index, workers=workers)
        assert arrivals.is_done
        every += sent
    assert sorted(every) == [f"b{n:08d}" for n in range(50)]
