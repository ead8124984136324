"""python-alipay-sdk 3.4.0, not an attribute of it touched, with its real host played through the loopback TLS proxy."""

from pathlib import Path
from typing import Any

import pytest

from mocks.keyring import CA_FILE, Keyring
from plan.run import UpstreamPlan
from tests.mocks.running import as_text, keys_of, proxying, running
from tests.mocks.world import a_plan

alipay = pytest.importorskip("alipay")
if not hasattr(alipay, "DCAliPay"):
    pytest.skip("another package goes by the name of python-alipay-sdk here", allow_module_level=True)
pytestmark = pytest.mark.slow


@pytest.mark.parametrize(("debug", "host"), [(False, "openapi.alipay.com"), (True, "openapi-sandbox.dl.alipaydev.com")])
def test_untouched_it_creates_and_queries_at_its_real_host_and_at_its_sandbox(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, debug: bool, host: str
) -> None:
    plan = a_plan(upstreams={"alipay": UpstreamPlan("payment", "alipay")})
    keys = keys_of(plan)
    with (
        running(tmp_path, plan, ORDERJAM_UPSTREAMS=as_text(keys)) as mock,
        proxying(tmp_path, {host: f"{mock.url}/alipay"}) as (_, proxy),
    ):
        monkeypatch.setenv("https_proxy", proxy)
        monkeypatch.setenv("SSL_CERT_FILE", str(Keyring().folder / CA_FILE))
        monkeypatch.setattr("urllib.request._opener", None)  # made anew, for it reads the environment but once
        sdk: Any = alipay.AliPay(
            appid=keys["alipay"].pid,
            app_notify_url=None,
            app_private_key_string=keys["alipay"].told["app_private_key"],
            alipay_public_key_string=keys["alipay"].told["alipay_public_key"],
            debug=debug,
        )
        made = sdk.api_alipay_trade_precreate(subject="card", out_trade_no="TLS1", total_amount="19.99")
        assert made["code"] == "10000"
        assert made["qr_code"].startswith(mock.url), "a buyer needs no proxy"
        assert sdk.api_alipay_trade_query(out_trade_no="TLS1")["trade_status"] == "WAIT_BUYER_PAY"
        assert sdk.api_alipay_trade_query(out_trade_no="none")["sub_code"] == "ACQ.TRADE_NOT_EXIST"
