"""epusdt 0.4.0, unmodified, against the real process of the mock. It passes no order key through."""

import json
from pathlib import Path

import pytest

from ledger.events import Captured, TradeCreated
from tests.mocks.running import a_shop, running
from tests.mocks.world import KEY, PID

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
