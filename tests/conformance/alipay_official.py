"""A shop on alipay-sdk-python, in an interpreter of its own: its package and python-alipay-sdk go by the same name.

Reads a job as JSON from stdin (`job` says which) and writes what the client made of it to stdout.
"""

import json
import sys
from typing import Any

from alipay.aop.api.AlipayClientConfig import AlipayClientConfig
from alipay.aop.api.constant.CommonConstants import THREAD_LOCAL
from alipay.aop.api.DefaultAlipayClient import DefaultAlipayClient
from alipay.aop.api.request.AlipayTradePagePayRequest import AlipayTradePagePayRequest
from alipay.aop.api.request.AlipayTradePrecreateRequest import (
    AlipayTradePrecreateRequest,
)
from alipay.aop.api.request.AlipayTradeQueryRequest import AlipayTradeQueryRequest
from alipay.aop.api.request.AlipayTradeRefundRequest import AlipayTradeRefundRequest
from alipay.aop.api.util.SignatureUtils import verify_with_rsa

REQUESTS = {
    "precreate": AlipayTradePrecreateRequest,
    "query": AlipayTradeQueryRequest,
    "refund": AlipayTradeRefundRequest,
    "page": AlipayTradePagePayRequest,
}


def client(job: dict[str, Any]) -> Any:
    config = AlipayClientConfig()
    config.server_url = job.get("url", "http://127.0.0.77/gateway.do")
    config.app_id = job["app_id"]
    config.app_private_key = job["app_private_key"]
    config.alipay_public_key = job["alipay_public_key"]
    return DefaultAlipayClient(config)


def asked(job: dict[str, Any], step: dict[str, Any]) -> str:
    request = REQUESTS[step["ask"]]()
    request.biz_content = step["biz"]
    if "notify_url" in step:
        request.notify_url = step["notify_url"]
    sdk = client(job)
    try:
        return str(sdk.page_execute(request, "GET") if step["ask"] == "page" else sdk.execute(request))
    except Exception as error:  # what a shop sees is what is tested
        return f"{type(error).__name__}: {error}"


def read(job: dict[str, Any], text: str) -> str:
    """What the client makes of an answer's bytes."""
    THREAD_LOCAL.uuid, THREAD_LOCAL.logger = "", None  # as a call of its own leaves them
    try:
        return str(client(job)._DefaultAlipayClient__parse_response(text.encode()))
    except Exception as error:
        return f"{type(error).__name__}: {error}"


def verified(job: dict[str, Any], told: dict[str, str]) -> bool:
    """As the vendor tells shops to: without sign and sign_type, sorted, joined."""
    sign = told.get("sign", "")
    text = "&".join(f"{k}={v}" for k, v in sorted(told.items()) if k not in ("sign", "sign_type"))
    try:
        return bool(verify_with_rsa(job["alipay_public_key"], text.encode(), sign))
    except Exception:
        return False


job = json.load(sys.stdin)
json.dump(
    {
        "asked": [asked(job, step) for step in job.get("steps", [])],
        "read": {name: read(job, text) for name, text in job.get("answers", {}).items()},
        "verified": {name: verified(job, told) for name, told in job.get("notices", {}).items()},
    },
    sys.stdout,
)
