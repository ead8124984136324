"""epusdt 0.4.0, unmodified, against the real process of the mock. It passes no order key through."""

import json
from pathlib import Path

import pytest

from ledger.events import Captured, TradeCreated
from ledger.states import Hop
from tests.mocks.running import a_shop, running
from tests.mocks.world import KEY, PID, a_fault, a_plan

epusdt = pytest.importorskip("epusdt")
pytestmark = pytest.mark.slow


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_it_creates_and_verifies_what_the_mock_really_sent(tmp_path: Path, method: str) -> None:
    with a_shop() as shop, running(tmp_path) as mock:
        client = epusdt.EpusdtClient(base_url=f"{mock.url}/epay", pid=PID, secret_key=KEY)
        made = client.create_epay_order(
            method=method, out_trade_no="U-1", money="12.5", notify_url=f"{shop.url}/notify", name="点卡"
        )
        assert made.status_code == 302
        path = made.checkout_url.removeprefix(mock.url)
        assert path.startswith("/epay/cashier.php?trade_no=")

        answer = mock.ask(path, {"key": "b00000003"}, Accept="application/json")
        assert json.loads(answer) == {"paid": True, "return_url": ""}
        told = shop.wait_until_told()
        assert client.verify_epay_callback(told)
        callback = client.parse_epay_callback(told)
        assert (callback.out_trade_no, callback.money, callback.trade_status.value) == ("U-1", "12.50", "TRADE_SUCCESS")
        assert not client.verify_epay_callback(told | {"money": "0.01"})
        mock.stop()
    events = mock.events()
    assert [(e.o, e.keyed_by) for e in events if isinstance(e, TradeCreated)] == [("U-1", "order_number")]
    assert [e.o for e in events if isinstance(e, Captured)] == ["b00000003"]


def test_with_another_key_it_gets_no_redirect(tmp_path: Path) -> None:
    with running(tmp_path) as mock:
        client = epusdt.EpusdtClient(base_url=f"{mock.url}/epay", pid=PID, secret_key="another-key")
        with pytest.raises(epusdt.EpusdtError):
            client.create_epay_order(out_trade_no="U-2", money="1", notify_url="http://127.0.0.1:9/n")


FAULTY = [("sig.wrong_peer_key", False), ("sig.missing", False), ("sig.unsorted", False), ("sig.odd_field_order", True)]
"""Whether it takes a notice that is struck."""


@pytest.mark.parametrize(("fault", "takes"), FAULTY)
def test_it_notices_a_forged_callback_and_takes_an_odd_one(tmp_path: Path, fault: str, takes: bool) -> None:
    plan = a_plan(a_fault("it", fault, Hop.PAYMENT_SHOP))
    with a_shop() as shop, running(tmp_path, plan) as mock:
        mock.post("/_admin/phase", b'{"phase": "load", "l0_t": 0}')
        mock.post("/_admin/lease", b"")
        client = epusdt.EpusdtClient(base_url=f"{mock.url}/epay", pid=PID, secret_key=KEY)
        made = client.create_epay_order(out_trade_no="U-4", money="12.5", notify_url=f"{shop.url}/notify")
        mock.ask(made.checkout_url.removeprefix(mock.url), {})
        assert client.verify_epay_callback(shop.wait_until_told()) is takes


def test_it_is_told_of_an_unknown_order_and_of_a_refund_by_the_protocol(tmp_path: Path) -> None:
    """It asks for neither: the answers are those that its gateway's api.php gives."""
    with a_shop() as shop, running(tmp_path) as mock:
        client = epusdt.EpusdtClient(base_url=f"{mock.url}/epay", pid=PID, secret_key=KEY)
        made = client.create_epay_order(out_trade_no="U-3", money="1", notify_url=f"{shop.url}/notify")
        mock.ask(made.checkout_url.removeprefix(mock.url), {})
        api = f"/epay/api.php?pid={PID}&key={KEY}"
        assert json.loads(mock.ask(f"{api}&act=order&out_trade_no=nope"))["code"] == -1
        assert json.loads(mock.ask(f"{api}&act=refund&out_trade_no=U-3&money=1"))["code"] == 1
        assert json.loads(mock.ask(f"{api}&act=order&out_trade_no=U-3"))["status"] == 2
