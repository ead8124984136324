"""The shop's addresses: each handler reads a request, asks one step of the order's life, and answers."""

import hmac
import json
from collections.abc import Awaitable, Callable

from aiohttp import web

from targets.cardshop import cancelling, crediting, hearing
from targets.cardshop.cancelling import Answer
from targets.cardshop.database import DATABASE_AWAY
from targets.cardshop.delivering import LOG
from targets.cardshop.gateway import GatewayError, Notice
from targets.cardshop.ordering import BadWish, place, read_wish
from targets.cardshop.pages import LANGUAGES, Pages, View, books_json, order_json, page_json
from targets.cardshop.products import on_sale
from targets.cardshop.settling import deliver_behind, receive
from targets.cardshop.shop import Shop
from targets.cardshop.states import Code
from targets.cardshop.tables import Order

SHOP = web.AppKey("shop", Shop)
PAGES = web.AppKey("pages", Pages)
BOOKS_MAX = 1000
_LIST_MAX = 200
_MISSING = ("没有这个订单", "There is no such order")
_TOO_LATE = ("订单已在处理，不能取消", "The order is being processed and cannot be cancelled")
_AWAY = ("系统繁忙，请稍后再试", "The shop is busy, please try again later")

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def build_app(shop: Shop) -> web.Application:
    """The application of one shop; it owns no background work."""
    app = web.Application(middlewares=[_admit_that_the_database_is_away])
    app[SHOP], app[PAGES] = shop, Pages(shop.settings.channels)
    app.add_routes(
        [
            web.get("/", _front),
            web.post("/orders", _place),
            web.get("/orders/{order_no:[A-Za-z0-9]+}.json", _poll),
            web.get("/orders/{order_no:[A-Za-z0-9]+}", _order),
            web.post("/orders/{order_no:[A-Za-z0-9]+}/cancel", _cancel),
            web.get("/lookup", _lookup),
            web.post("/notify/topup/{server}", _topup_notice),
            web.post("/notify/fulu/{supplier}", _supplier_notice),
            web.get("/notify/{dialect}/{channel}", _notice),
            web.post("/notify/{dialect}/{channel}", _notice),
            web.get("/admin/orders.json", _books),
            web.get("/admin/orders", _admin),
            web.get("/healthz", _health),
        ]
    )
    return app


@web.middleware
async def _admit_that_the_database_is_away(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except DATABASE_AWAY as error:
        LOG.error("%s %s: database away (%s)", request.method, request.path, type(error).__name__)
        if request.path.startswith("/notify/"):
            return web.Response(status=503, text="fail")
        return _refuse(request, 503, *_AWAY, Code.SHOP_DATABASE)


# --- buying ------------------------------------------------------------------------------------------------------
async def _front(request: web.Request) -> web.Response:
    shop = request.app[SHOP]
    return _page(request.app[PAGES].front(on_sale(shop.games).values(), _lang(request)))


async def _place(request: web.Request) -> web.Response:
    shop = request.app[SHOP]
    try:
        wish = read_wish(await _form(request), shop.settings.channels, on_sale(shop.games))
        order_no, trade = await place(shop, wish, client_ip=request.remote or "127.0.0.1")
    except BadWish as bad:
        return _refuse(request, 400, bad.words, bad.words_en, Code.UNKNOWN)
    except GatewayError as error:
        return _refuse(request, 502, error.words, error.words_en, error.code, order_no=error.order_no)
    if not _wants_json(request):
        return web.Response(status=303, headers={"Location": trade.pay_url})
    page = f"/orders/{order_no}"
    return _json({"order_no": order_no, "pay_url": trade.pay_url, "page": page, "poll": page + ".json"}, status=201)


async def _cancel(request: web.Request) -> web.Response:
    shop = request.app[SHOP]
    order = await shop.lookups.find(request.match_info["order_no"])
    if order is None:
        return _refuse(request, 404, *_MISSING, Code.UNKNOWN)
    answer = await cancelling.cancel(shop, order)
    if answer is Answer.TOO_LATE:
        return _refuse(request, 409, *_TOO_LATE, Code.UNKNOWN, order_no=order.order_no)
    if not _wants_json(request):
        return web.Response(status=303, headers={"Location": f"/orders/{order.order_no}?lang={_lang(request)}"})
    after = await shop.lookups.find(order.order_no)
    return _json(order_json(_view(shop, after or order)))


# --- looking -----------------------------------------------------------------------------------------------------
async def _poll(request: web.Request) -> web.Response:
    order = await request.app[SHOP].lookups.find(request.match_info["order_no"])
    if order is None:
        return _json({"error": _MISSING[0], "error_en": _MISSING[1], "code": Code.UNKNOWN}, status=404)
    view = _view(request.app[SHOP], order)
    return _json(page_json(view) if "page" in request.query else order_json(view))


async def _order(request: web.Request) -> web.Response:
    order = await request.app[SHOP].lookups.find(request.match_info["order_no"])
    if order is None:
        return _refuse(request, 404, *_MISSING, Code.UNKNOWN)
    return _page(request.app[PAGES].order(_view(request.app[SHOP], order), _lang(request)))


def _view(shop: Shop, order: Order) -> View:
    return View(order, shop.now(), shop.profile.compensate_late)


async def _lookup(request: web.Request) -> web.Response:
    contact = request.query.get("contact", "").strip()
    orders = await request.app[SHOP].store.of_contact(contact, limit=_LIST_MAX) if contact else []
    return _page(request.app[PAGES].found(orders, _lang(request), contact=contact))


# --- being told --------------------------------------------------------------------------------------------------
async def _notice(request: web.Request) -> web.Response:
    shop, channel = request.app[SHOP], request.match_info["channel"]
    gateway = shop.gateways.get(channel)
    if gateway is None or gateway.channel.dialect != request.match_info["dialect"]:
        return web.Response(status=404, text="fail")
    body = await request.read()
    reply = await receive(shop, channel, Notice(request.headers, request.query, await _form(request), body))
    if reply.deliver_after is not None:
        shop.spawn(deliver_behind(shop, *reply.deliver_after))
    told = gateway.told(is_taken=reply.is_taken)
    return web.Response(status=told.status, text=told.text, content_type=told.kind)


async def _topup_notice(request: web.Request) -> web.Response:
    shop, server = request.app[SHOP], request.match_info["server"]
    if server not in shop.games:
        return web.Response(status=404)
    return web.Response(status=await crediting.hear(shop, server, request.headers, await request.read()))


async def _supplier_notice(request: web.Request) -> web.Response:
    is_taken = await hearing.hear(request.app[SHOP], request.match_info["supplier"], await request.read())
    return web.Response(text="success" if is_taken else "fail")


# --- keeping -----------------------------------------------------------------------------------------------------
async def _books(request: web.Request) -> web.Response:
    if not _is_keeper(request):
        return _json({"error": "X-Admin-Token is missing or wrong"}, status=403)
    try:
        after, limit = int(request.query.get("after", "0")), int(request.query.get("limit", BOOKS_MAX))
    except ValueError:
        after, limit = -1, 0
    if after < 0 or not 1 <= limit <= BOOKS_MAX:
        return _json({"error": f"after: a row id from 0; limit: 1 to {BOOKS_MAX}"}, status=400)
    orders = await request.app[SHOP].store.after(min(after, 2**31 - 1), limit=limit)
    return _json(books_json(orders, limit=limit))


async def _admin(request: web.Request) -> web.Response:
    if not _is_keeper(request):
        return _refuse(request, 403, "需要管理口令", "The admin token is missing or wrong", Code.UNKNOWN)
    shop = request.app[SHOP]
    orders, stock = await shop.store.newest(limit=_LIST_MAX), await shop.store.stock_left()
    return _page(request.app[PAGES].admin(orders, stock, _lang(request)))


async def _health(request: web.Request) -> web.Response:
    await request.app[SHOP].jobs.ping()
    return _json({"ok": True})


# --- reading requests, writing answers ---------------------------------------------------------------------------
async def _form(request: web.Request) -> dict[str, str]:
    try:
        return {name: value for name, value in (await request.post()).items() if isinstance(value, str)}
    except (LookupError, ValueError):  # a charset or a multipart body that nobody can read
        raise web.HTTPBadRequest(text="form: cannot be read") from None


def _lang(request: web.Request) -> str:
    lang = request.query.get("lang", LANGUAGES[0])
    return lang if lang in LANGUAGES else LANGUAGES[0]


def _wants_json(request: web.Request) -> bool:
    return "application/json" in request.headers.get("Accept", "")


def _is_keeper(request: web.Request) -> bool:
    token = request.app[SHOP].settings.admin_token
    given = request.headers.get("X-Admin-Token") or request.query.get("token", "")
    return bool(token) and hmac.compare_digest(token.encode(), given.encode("utf-8", "surrogateescape"))


def _refuse(
    request: web.Request, status: int, words: str, words_en: str, code: Code, *, order_no: str = ""
) -> web.Response:
    if _wants_json(request) or request.path.endswith(".json"):
        more = {"order_no": order_no, "page": f"/orders/{order_no}"} if order_no else {}
        return _json({"error": words, "error_en": words_en, "code": code, **more}, status=status)
    lang = _lang(request)
    return _page(request.app[PAGES].message(*_message(lang, words, words_en, code), lang), status=status)


def _message(lang: str, words: str, words_en: str, code: Code) -> tuple[str, str]:
    title, text = ("出错了", words) if lang == "zh" else ("Something went wrong", words_en)
    return title, text if code is Code.UNKNOWN else f"{text} [{code}]"


def _json(value: object, *, status: int = 200) -> web.Response:
    body = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    return web.Response(
        body=body, status=status, content_type="application/json", headers={"Cache-Control": "no-store"}
    )


def _page(html: str, *, status: int = 200) -> web.Response:
    return web.Response(text=html, status=status, content_type="text/html", headers={"Cache-Control": "no-store"})
