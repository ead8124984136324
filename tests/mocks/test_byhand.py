"""PUT /_admin/faults: faults that a person switches while mocks are up."""

import json
from typing import Any

import pytest

from ledger.events import NoticeSent, Struck
from ledger.states import Phase
from mocks.server import Asked
from plan import document
from plan.run import Plan
from tests.mocks.world import KEY, MakeWorld, World, a_fault, an_order, signed

LOST = {"id": "lost", "fault": "notice_lost", "at": "payment>shop"}
SHED = {"id": "shed", "fault": "refuse", "at": "shop>payment", "status": 503}


async def put(w: World, *faults: object, body: bytes | None = None) -> tuple[int, dict[str, Any]]:
    told = json.dumps({"faults": faults}).encode() if body is None else body
    reply = await w.mock.answer(Asked("PUT", "/_admin/faults", body=told))
    assert reply is not None
    return reply.status, json.loads(json.dumps(reply.fields))


async def create(w: World, n: int) -> int:
    reply = await w.ask("/epay/mapi.php", signed(an_order(n)))
    assert reply is not None
    return reply.status


async def by_hand(w: World) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await w.json("/_admin/faults"))["by_hand"]
    return found


async def test_a_fault_strikes_from_the_moment_it_is_put_until_its_lease_ends(world: MakeWorld) -> None:
    async with world(by_hand=True) as w:
        w.load()
        assert await create(w, 1) == 200
        status, answer = await put(w, {**SHED, "lease_s": 8})
        assert (status, answer["role"]) == (200, "payment")
        assert await create(w, 2) == 503
        await w.move_to_s(7.9)
        assert await create(w, 3) == 503
        assert (await w.json("/_admin/health"))["faults"] == ["shed"]
        await w.move_to_s(8)
        assert await create(w, 4) == 200
        assert (await w.json("/_admin/health"))["faults"] == []
        assert [event.fault for event in w.found(Struck)] == ["shed", "shed"]


async def test_the_fault_ends_with_the_heartbeat_too(world: MakeWorld) -> None:
    async with world(by_hand=True) as w:
        await put(w.load(), SHED)
        await w.move_to_s(10)
        assert await create(w, 1) == 200
        w.mock.injector.renew()
        assert await create(w, 2) == 503


async def test_what_is_put_takes_the_place_of_what_was_and_the_same_goes_on(world: MakeWorld) -> None:
    async with world(by_hand=True) as w:
        await put(w.load(), SHED, {**LOST, "lease_s": 5})
        assert await create(w, 1) == 503
        await w.move_to_s(2)
        await put(w, {**SHED, "lease_s": 60})
        await w.move_to_s(3)
        assert await create(w, 2) == 503
        assert await by_hand(w) == [
            {"fault": SHED, "from_s": 0.0, "until_s": 62.0, "left_s": 59.0, "struck": 2},
            {"fault": LOST, "from_s": 0.0, "until_s": 2.0, "left_s": 0.0, "struck": 0},
        ]
        await put(w)
        assert await create(w, 3) == 200


async def test_a_fault_put_again_after_its_end_or_otherwise_counts_its_own_strikes(world: MakeWorld) -> None:
    async with world(by_hand=True) as w:
        await put(w.load(), SHED)
        assert await create(w, 1) == 503
        await put(w, {**SHED, "status": 502})
        assert [await create(w, n) for n in (2, 3)] == [502, 502]
        assert [(one["fault"]["status"], one["left_s"] > 0, one["struck"]) for one in await by_hand(w)] == [
            (503, False, 1),
            (502, True, 2),
        ]


async def test_rate_and_first_apply_to_orders_that_carry_no_key_of_ours(world: MakeWorld) -> None:
    async with world(by_hand=True, gaps=(1.0, 1.0), timeout=0.5) as w:
        await put(w.load(), {**LOST, "rate": "50%", "first": 2, "lease_s": 3600})
        for n in range(40):
            await w.paid(n, param="")
        await w.move_to_s(6)
        lost = {event.attempt for event in w.found(Struck)}
        struck = [event for event in w.found(Struck) if event.attempt == 1]
        assert lost == {1, 2}
        assert 8 < len(struck) < 32
        assert {event.keyed_by for event in struck} == {"order_number"}
        assert len(w.letters) == 40, "every notice arrives in the end"
        assert len(w.found(NoticeSent)) > 40


async def test_a_fault_at_one_upstream_leaves_the_others_alone(world: MakeWorld) -> None:
    async with world(by_hand=True) as w:
        await put(w.load(), {**SHED, "at": "shop>payment/epay"})
        assert await create(w, 1) == 503
        assert w.found(Struck)[0].hop == "shop>payment/epay"


async def test_removing_a_fault_lets_go_what_waits_for_it(world: MakeWorld) -> None:
    async with world(by_hand=True) as w:
        late = {**LOST, "fault": "notice_late", "by": "1 h", "lease_s": 3600}
        await put(w.load(), late)
        await w.paid()
        await w.settle()
        await put(w, late, SHED)
        await w.settle()
        assert w.letters == [], "adding one lets nobody go"
        await put(w, SHED)
        await w.settle()
        assert len(w.letters) == 1


@pytest.mark.parametrize(
    ("faults", "says"),
    [
        ([{**SHED, "fault": "refus"}], "PUT /_admin/faults faults[0].fault: no fault 'refus'; did you mean 'refuse'?"),
        ([LOST, {**SHED, "state": 1}], "faults[1].state: unknown key 'state' of fault refuse; did you mean 'status'?"),
        ([{**SHED, "rate": "lots"}], "faults[0].rate: 'lots' is not legal here"),
        ([{**SHED, "lease_s": 0}], "faults[0].lease_s: 0 is not legal here"),
        ([{**SHED, "at": "shop>payment/epai"}], "no upstream 'epai'; did you mean 'epay'?"),
        ([{**SHED, "at": "shop>supplier"}], "faults[0].at: no mock of role supplier is up; up: payment"),
        ([SHED, SHED], "faults[1].id: 'shed' stands twice; every id is its own"),
        ([{**SHED, "id": "dusk"}], "'dusk' is a fault of the scenario; every id is its own"),
        ([{"id": "k", "fault": "double_click", "at": "buyer>shop"}], "double_click is a fault of the buyers"),
        ([1], "faults[0]: 1 is no fault"),
        ([{**SHED, "id": f"f{n}"} for n in range(101)], "101 faults at once; legal: up to 100"),
    ],
)
async def test_a_flaw_is_one_line_with_its_place_and_changes_nothing(
    faults: list[Any], says: str, world: MakeWorld
) -> None:
    async with world(a_fault("dusk", "slow", params={"ms": 1}, first=1), by_hand=True) as w:
        await put(w.load(), LOST)
        status, answer = await put(w, *faults)
        assert (status, answer["ok"]) == (400, False)
        assert says in answer["error"]
        assert "\n" not in answer["error"]
        assert [one["fault"]["id"] for one in await by_hand(w) if one["left_s"]] == ["lost"]


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"faults": {}}', b'{"faults": [], "x": 1}', b"\xff", b"null"])
async def test_what_is_no_list_of_faults_is_refused_with_the_shape(body: bytes, world: MakeWorld) -> None:
    async with world(by_hand=True) as w:
        status, answer = await put(w.load(), body=body)
        assert status == 400
        assert '{"faults": [{"id"' in answer["error"]


async def test_the_mock_of_a_run_takes_no_fault_by_hand(world: MakeWorld) -> None:
    async with world() as w:
        status, answer = await put(w.load(), SHED)
        assert status == 409
        assert "only under `orderjam mocks up`" in answer["error"]
        assert await create(w, 1) == 200
        assert "by_hand" not in await w.json("/_admin/faults")
        assert (await w.json("/_admin/plan"))["ok"] is False


async def test_the_plan_is_told_whole_and_without_a_secret(world: MakeWorld) -> None:
    async with world(a_fault("dusk", "slow", params={"ms": 1}), by_hand=True) as w:
        reply = await w.ask("/_admin/plan")
        assert reply is not None
        found = document.convert(document.read(reply.body.decode(), "plan"), Plan)
        assert [fault.id for fault in found.faults] == ["dusk"]
        assert KEY not in reply.body.decode()


async def test_where_a_token_is_wanted_no_fault_is_put_without_it(world: MakeWorld) -> None:
    async with world(by_hand=True, token="t0ken-t0ken") as w:
        w.load()
        status, _ = await put(w, SHED)
        assert status == 401
        assert w.mock.injector.phase is Phase.LOAD
        assert await create(w, 1) == 200
