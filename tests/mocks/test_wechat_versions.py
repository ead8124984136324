"""WeChat Pay of another version, and when nobody knows what became of a request: in its own words, and signed."""

from ledger.events import Struck, TradeCreated, TradeRefused
from ledger.states import Code
from tests.mocks.wechat import PAY, a_wechat, an_order
from tests.mocks.world import a_fault


async def test_wechat_calls_it_a_system_error_and_signs_that() -> None:
    async with a_wechat(a_fault("lost", "answer_unknown")) as w:
        w.begin_load()
        status, answer = await w.ask("POST", f"{PAY}/native", an_order())
        assert (status, answer["code"]) == (500, "SYSTEM_ERROR")
        assert len(w.found(TradeCreated)) == 1
        assert [s.changed for s in w.found(Struck)] == ["done, answered as unknown"]


async def test_wechat_refuses_the_first_repeat_of_an_order_and_no_query() -> None:
    async with a_wechat(a_fault("dup", "duplicate_refused")) as w:
        w.begin_load()
        answers = [await w.ask("POST", f"{PAY}/native", an_order()) for _ in range(3)]
        assert [status for status, _ in answers] == [200, 403, 200]
        assert answers[1][1]["code"] == "OUT_TRADE_NO_USED"
        assert (await w.query())[0] == 200
        assert len(w.found(TradeCreated)) == 1
        assert [refused.code for refused in w.found(TradeRefused)] == [Code.PAY_AMOUNT_MISMATCH]


async def test_a_paid_wechat_trade_flaps_in_every_second_query() -> None:
    async with a_wechat(a_fault("flap", "state_flaps")) as w:
        await w.paid()
        w.begin_load()
        told = [(await w.query())[1]["trade_state"] for _ in range(4)]
        assert sorted(told) == ["SUCCESS", "SUCCESS", "USERPAYING", "USERPAYING"]
        assert told[0] != told[1]


async def test_wechat_writes_moments_and_shapes_of_another_version_and_signs_them() -> None:
    date = a_fault("date", "ver.date_format", params={"form": "epoch_s"})
    async with a_wechat(date, a_fault("flat", "ver.shape")) as w:
        await w.paid()
        w.begin_load()
        _, told = await w.query()
        assert told["success_time"].isdecimal()
        assert "amount" not in told
        assert told["total"] == 1999
        assert [s.fault for s in w.found(Struck)] == ["date", "flat"]


async def test_only_requests_of_v3_are_struck_at_wechat() -> None:
    old = a_fault("old", "refuse", select={"api_version": ["v2"]})
    new = a_fault("new", "refuse", select={"api_version": ["v3"]}, params={"status": 429})
    async with a_wechat(old, new) as w:
        w.begin_load()
        assert (await w.send("GET", f"{PAY}/out-trade-no/C000001")).status == 429
