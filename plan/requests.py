"""What stands on the wire in each dialect: which request is what, and where the order's key and numbers stand in it.

A proxy reads requests by these tables; the mocks of mocks/ read the same ones with their own code, and a test sends
genuine requests of every dialect through both. Sources: docs/protocols/.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import cache

import msgspec

from ledger.states import Hop, Operation
from plan.transport import Request

TOLD_BY_BUYER = "header.x-orderjam-order"
"""What the driver's buyers say at a cashier and on the pages before it."""
IN_FORMS = ("query", "form")
"""Gateways of PHP take their parameters from either."""

Table = Mapping[Hop, tuple[Request, ...]]


def of(hop: Hop, dialect: str) -> tuple[Request, ...]:
    """The requests at a hop in a dialect; none where it speaks no HTTP, or nothing is known of it."""
    return _tables().get(dialect, {}).get(hop, ())


def with_fields(table: tuple[Request, ...], names: Sequence[str]) -> tuple[Request, ...]:
    """The table of a shop that passes the key on in these fields, too: each stands beside a number of the order."""
    return tuple(
        msgspec.structs.replace(request, key=tuple(dict.fromkeys((*request.key, *_beside(request, names)))))
        for request in table
    )


def _beside(request: Request, names: Sequence[str]) -> Iterator[str]:
    for number in request.number:
        where, _, _ = number.rpartition(".")
        yield from (f"{where}.{name}" for name in names if where != "path")


@cache
def _tables() -> dict[str, Table]:
    return {
        "epay": _epay(),
        "epay_v2": _epay_v2(),
        "vmq": _vmq(),
        "alipay": _alipay(),
        "wechat": _wechat(),
        "sharedstore": _sharedstore(),
        "fulu": _fulu(),
        "kakayun": _kakayun(),
        "topup": _topup(),
        "fazer": _fazer(),
        "command_queue": _command_queue(),
    }


def _either(*names: str) -> tuple[str, ...]:
    """The places of fields that stand in the query or in a form."""
    return tuple(f"{place}.{name}" for name in names for place in IN_FORMS)


def _named(
    path: str, operation: Operation, name: str, value: str, *, key: tuple[str, ...] = (), number: tuple[str, ...] = ()
) -> tuple[Request, ...]:
    """A request that a parameter names, in the query or in a form."""
    return tuple(
        Request("", path, operation, when={f"{place}.{name}": value}, key=key, number=number) for place in IN_FORMS
    )


def _cashier(path: str, *numbers: str) -> tuple[Request, ...]:
    """The page where buyers pay and complain (mocks/payment/cashier.py). The buyer says who he is; the trade's number
    in the address is the channel's own."""
    key, number = ("form.key", TOLD_BY_BUYER), tuple(f"query.{name}" for name in numbers)
    return (
        Request("GET", path, Operation.CASHIER, key=key, number=number),
        Request("", path, Operation.COMPLAIN, when={"form.complain": ".*"}, key=key, number=number),
        Request("", path, Operation.PAY, key=key, number=number),
    )


# --- payment -----------------------------------------------------------------------------------------------------
def _epay() -> Table:
    """Whatever folders stand before the file."""
    key, number = _either("param"), _either("out_trade_no", "trade_no")
    api = r"/(.*/)?api\.php"
    acts = {
        Operation.QUERY: "order",
        Operation.REFUND: "refund",
        Operation.MERCHANT: "query|orders|settle",
    }
    return {
        Hop.SHOP_PAYMENT: (
            Request("", r"/(.*/)?mapi\.php", Operation.CREATE, key=key, number=number),
            *(r for op, act in acts.items() for r in _named(api, op, "act", act, key=key, number=number)),
        ),
        Hop.BUYER_PAYMENT: (
            Request("", r"/(.*/)?submit\.php", Operation.CREATE, key=(*key, TOLD_BY_BUYER), number=number),
            *_cashier(r"/(.*/)?cashier\.php", "trade_no"),
        ),
        Hop.PAYMENT_SHOP: (
            Request("GET", ".*", Operation.NOTICE, key=("query.param",), number=_queried("out_trade_no", "trade_no")),
        ),
    }


def _queried(*names: str) -> tuple[str, ...]:
    return tuple(f"query.{name}" for name in names)


def _epay_v2() -> Table:
    key, number = _either("param"), _either("out_trade_no", "trade_no")
    paths = {
        "pay/create": Operation.CREATE,
        "pay/query": Operation.QUERY,
        "pay/refund": Operation.REFUND,
        "pay/close": Operation.CLOSE,
        "merchant/info": Operation.MERCHANT,
    }
    refund = _either("out_refund_no", "refund_no")
    shop = tuple(
        Request("", f"/(.*/)?api/{path}", op, key=key, number=(*number, *refund) if op is Operation.REFUND else number)
        for path, op in paths.items()
    )
    return {
        Hop.SHOP_PAYMENT: (
            *shop,
            Request("", "/(.*/)?api/pay/refundquery", Operation.REFUND_QUERY, key=key, number=(*number, *refund)),
        ),
        Hop.BUYER_PAYMENT: (
            Request("", "/(.*/)?api/pay/submit", Operation.CREATE, key=(*key, TOLD_BY_BUYER), number=number),
            *_cashier(r"/(.*/)?cashier\.php", "trade_no"),
        ),
        Hop.PAYMENT_SHOP: (
            Request("GET", ".*", Operation.NOTICE, key=("query.param",), number=_queried("out_trade_no", "trade_no")),
        ),
    }


def _vmq() -> Table:
    key, number = _either("param"), _either("payId", "orderId")
    create = "/createOrder"
    page_key = (*key, TOLD_BY_BUYER)
    return {
        Hop.SHOP_PAYMENT: (
            Request("", create, Operation.CREATE, key=key, number=number),
            Request("", "/(getOrder|checkOrder)", Operation.QUERY, key=key, number=number),
            Request("", "/closeOrder", Operation.CLOSE, key=key, number=number),
            Request("", "/getState", Operation.MERCHANT),
        ),
        Hop.BUYER_PAYMENT: (
            Request("", create, Operation.CREATE, key=page_key, number=number),
            *_cashier("/payPage/pay.html", "orderId", "trade_no"),
        ),
        Hop.PAYMENT_SHOP: (Request("GET", ".*", Operation.NOTICE, key=("query.param",), number=("query.payId",)),),
    }


def _alipay() -> Table:
    """All of the gateway is one address; the parameter `method` says what is wanted, biz_content holds the order."""
    key, number = _business("passback_params"), _business("out_trade_no", "trade_no")
    refund = (*number, *_business("out_request_no"))
    gateway = r"/gateway\.do"
    shop: dict[str, tuple[Operation, tuple[str, ...]]] = {
        r"alipay\.trade\.precreate": (Operation.CREATE, number),
        r"alipay\.trade\.query": (Operation.QUERY, number),
        r"alipay\.trade\.refund": (Operation.REFUND, refund),
        r"alipay\.trade\.fastpay\.refund\.query": (Operation.REFUND_QUERY, refund),
        r"alipay\.trade\.close": (Operation.CLOSE, number),
        r"alipay\.trade\.cancel": (Operation.CANCEL, number),
        r"alipay\.merchant\.tradecomplain\.query": (Operation.QUERY, _business("complain_event_id")),
    }
    page, page_key = r"alipay\.trade\.(page|wap)\.pay", (*key, TOLD_BY_BUYER)
    return {
        Hop.SHOP_PAYMENT: tuple(
            request
            for method, (operation, numbers) in shop.items()
            for request in _named(gateway, operation, "method", method, key=key, number=numbers)
        ),
        Hop.BUYER_PAYMENT: (
            *_named(gateway, Operation.CREATE, "method", page, key=page_key, number=number),
            *_cashier("/cashier", "trade_no", "code"),
        ),
        Hop.PAYMENT_SHOP: _alipay_notices(),
    }


def _business(*names: str) -> tuple[str, ...]:
    return _either(*(f"biz_content.{name}" for name in names))


def _alipay_notices() -> tuple[Request, ...]:
    """A refund is told in the words of a state, with what was refunded beside it; a complaint by its own number."""
    key, number = ("form.passback_params",), ("form.out_trade_no", "form.trade_no")
    kinds: tuple[tuple[Operation, dict[str, str]], ...] = (
        (Operation.REFUND_NOTICE, {"form.refund_fee": ".+"}),
        (Operation.CLOSE_NOTICE, {"form.trade_status": "TRADE_CLOSED"}),
        (Operation.FINISH_NOTICE, {"form.trade_status": "TRADE_FINISHED"}),
        (Operation.NOTICE, {}),
    )
    complaint = Request("POST", ".*", Operation.DISPUTE_NOTICE, when={"form.msg_method": ".+"})
    return (complaint, *(Request("POST", ".*", operation, when, key, number) for operation, when in kinds))


def _wechat() -> Table:
    """Notices say in clear only what kind of event they tell of: whose it is lies in what is encrypted."""
    pay, refunds, number = "/v3/pay/transactions", "/v3/refund/domestic/refunds", ("json.out_trade_no",)
    events = {
        Operation.NOTICE: r"TRANSACTION\..*",
        Operation.REFUND_NOTICE: r"REFUND\..*",
        Operation.DISPUTE_NOTICE: r"COMPLAINT\..*",
    }
    in_path, no = ("path.no",), "(?P<no>[^/]+)"
    return {
        Hop.SHOP_PAYMENT: (
            Request("POST", f"{pay}/(native|jsapi|h5|app)", Operation.CREATE, key=("json.attach",), number=number),
            Request("GET", f"{pay}/(out-trade-no|id)/{no}", Operation.QUERY, number=in_path),
            Request("POST", f"{pay}/out-trade-no/{no}/close", Operation.CLOSE, number=in_path),
            Request("POST", refunds, Operation.REFUND, number=(*number, "json.transaction_id", "json.out_refund_no")),
            Request("GET", f"{refunds}/{no}", Operation.REFUND_QUERY, number=in_path),
            Request("GET", f"/v3/merchant-service/complaints-v2/{no}", Operation.QUERY, number=in_path),
            Request("GET", "/v3/certificates", Operation.CERTIFICATES),
        ),
        Hop.BUYER_PAYMENT: _cashier("/cashier", "prepay_id", "trade_no"),
        Hop.PAYMENT_SHOP: tuple(
            Request("POST", ".*", operation, when={"json.event_type": event}) for operation, event in events.items()
        ),
    }


# --- supplier ----------------------------------------------------------------------------------------------------
def _sharedstore() -> Table:
    """All types of the store: 0 below shared/, 1 below plugin/open-api/, 2 below plugin/SharedStock/api/. In type 1 the
    buyer's contact is one of the fields that the item asks for, under any name."""
    native = "/(shared/commodity|plugin/SharedStock/api)"
    mcy, filled = "/plugin/open-api", ("form.contact", "form.*")
    return {
        Hop.SHOP_SUPPLIER: (
            Request("POST", f"{native}/trade", Operation.BUY, key=filled, number=("form.request_no",)),
            Request("POST", f"{native}/query", Operation.QUERY, key=("form.contact",), number=("form.request_no",)),
            Request("POST", f"{mcy}/trade", Operation.BUY, key=filled, number=("form.trade_no",)),
            Request("POST", "/shared/authentication/connect", Operation.CONNECT),
            Request("POST", "/plugin/(SharedStock/api|open-api)/connect", Operation.CONNECT),
            Request("POST", f"({native}|{mcy})/items?", Operation.CATALOGUE),
            Request("POST", f"{native}/(stock|inventory|inventoryState|draftCard)", Operation.STOCK),
            Request("POST", f"{mcy}/sku/(stock|state)", Operation.STOCK),
            Request("POST", f"({native}/(valuation|draft)|{mcy}/amount)", Operation.PRICE),
        )
    }  # fmt: skip


def _fulu() -> Table:
    """One address again: `method` in the JSON says what is wanted, biz_content is JSON written as text. Notices carry
    no key."""
    order = tuple(f"json.biz_content.{name}" for name in ("external_biz_id", "charge_account"))
    number = ("json.biz_content.customer_order_no",)
    methods: dict[str, tuple[Operation, tuple[str, ...]]] = {
        r"fulu\.order\.(card|direct|mobile|data)\.add": (Operation.BUY, order),
        r"fulu\.order\.info\.get": (Operation.QUERY, order),
        r"fulu\.goods\.(list|info|template)\.get": (Operation.CATALOGUE, ()),
        r"fulu\.goods\.stock\.check": (Operation.STOCK, ()),
        ".*": (Operation.CONNECT, ()),
    }
    return {
        Hop.SHOP_SUPPLIER: tuple(
            Request(
                "POST", "/api/getway", operation, when={"json.method": method}, key=key, number=number if key else ()
            )
            for method, (operation, key) in methods.items()
        ),
        Hop.SUPPLIER_SHOP: (Request("POST", ".*", Operation.NOTICE, number=("json.customer_order_no",)),),
    }


def _kakayun() -> Table:
    """The account to charge stands in `attach`, as a text or as one of a list of fields."""
    key, number = ("json.attach", "json.attach.value", "json.usorderno"), ("json.usorderno", "json.orderno")
    api = "/dockapiv3"
    return {
        Hop.SHOP_SUPPLIER: (
            Request("POST", f"{api}/order/create", Operation.BUY, key=key, number=number),
            Request("POST", f"{api}/order/get", Operation.QUERY, key=key, number=number),
            Request("POST", f"{api}/goods/(group|all|details)", Operation.CATALOGUE),
            Request("POST", f"{api}/user/info", Operation.CONNECT),
        )
    }


# --- game --------------------------------------------------------------------------------------------------------
def _topup() -> Table:
    key, number = ("json.passthrough", "json.account"), ("json.reference",)
    return {
        Hop.SHOP_GAME: (
            Request("POST", "/v1/topups", Operation.BUY, key=key, number=number),
            Request("POST", "/v1/accounts/validate", Operation.VALIDATE, key=key),
            Request("GET", "/v1/topups/(?P<no>[^/]+)", Operation.QUERY, number=("path.no",)),
        ),
        Hop.GAME_SHOP: (Request("POST", ".*", Operation.NOTICE, key=key, number=number),),
    }


def _fazer() -> Table:
    """Orders are asked for by the reseller's own number, which only answers and webhooks tell."""
    key, once = ("json.fields.player_id", "header.idempotency-key"), ("header.idempotency-key",)
    api = "/api/v2"
    return {
        Hop.SHOP_GAME: (
            Request("POST", f"{api}/topups/order", Operation.BUY, key=key, number=once),
            Request("POST", f"{api}/topups/validate-id", Operation.VALIDATE, key=key, number=once),
            Request("GET", f"{api}/topups(/offers|/validate-id)?", Operation.CATALOGUE),
            Request("GET", f"{api}/orders/(?P<no>[^/]+)", Operation.QUERY, number=("path.no",)),
            Request("", f"{api}/account/webhook", Operation.MERCHANT),
        ),
        Hop.GAME_SHOP: (
            Request("POST", ".*", Operation.NOTICE, key=("json.data.fields.player_id",), number=("json.data.id",)),
        ),
    }


def _command_queue() -> Table:
    """What the game's side fetches and deletes goes by numbers of the queue's own."""
    return {
        Hop.SHOP_GAME: (
            Request("POST", "/commands", Operation.BUY, key=("json.payment", "json.player"), number=("json.payment",)),
            Request("GET", "/commands/(?P<no>[^/]+)", Operation.QUERY, number=("path.no",)),
            Request("GET", "/information", Operation.MERCHANT),
            Request("GET", "/queue(/offline-commands|/online-commands/[^/]+)?", Operation.FETCH),
            Request("DELETE", "/queue", Operation.CONFIRM),
        )
    }
