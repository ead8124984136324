"""A shop with one bug to an order: `python planted_shop.py PORT_FILE`, its channel and supplier in the environment.

What an order gets is said by its number, the last two digits of its key: `BUGS` names them. All others are bought from
the supplier once the notice has come, and shown.
"""

import asyncio
import hashlib
import json
import os
import re
import sys
from pathlib import Path
from typing import Any
from urllib.parse import unquote_plus, urlencode

import aiohttp
from aiohttp import web

BUGS = {
    1: "lost",  # paid, and the order expires all the same
    2: "twice",  # two cards for one order
    3: "unpaid",  # a card before anybody has paid, and nowhere to pay
    4: "both",  # the card and the money
    5: "refunds",  # gives the money back, and then tries to give it back once more
    6: "orphan",  # paid, delivered, and not in the books
    7: "ghost",  # in the books as paid, and nowhere to pay
    8: "early",  # says completed and has bought nothing
    9: "unread",  # bought, and the card is shown to nobody
    10: "spare",  # two cards bought, one shown
    11: "idle",  # says that it is recharging and has asked nobody
    12: "slow",  # never finished, so that an impatient buyer orders again
}
CHANNEL = json.loads(os.environ.get("CHANNELS", "{}")).get("epay", {})
STORE = json.loads(os.environ.get("SUPPLIERS", "{}")).get("store", {})
TOKEN = os.environ.get("TOKEN", "")
PROXY = os.environ.get("PROXY")


class Orders:
    """Everything the shop remembers, by order number."""

    def __init__(self) -> None:
        self.rows: dict[str, dict[str, Any]] = {}
        self.base = ""

    def add(self, form: dict[str, str]) -> dict[str, Any]:
        number = re.search(r"b0*(\d+)", form["contact"])
        bug = BUGS.get(int(number[1]), "") if number and "." not in form["contact"].partition("@")[0] else ""
        row: dict[str, Any] = {
            "order_no": f"P{len(self.rows):04d}",
            "contact": form["contact"],
            "product": form["product"],
        }
        row |= {"state": "paying", "goods": [], "paid_fen": 0, "bug": bug}
        self.rows[row["order_no"]] = row
        return row


def md5(text: str) -> str:
    return hashlib.md5(text.encode()).hexdigest()


async def ask(http: aiohttp.ClientSession, url: str, fields: dict[str, str]) -> dict[str, Any]:
    async with http.post(url, data=fields) as answer:
        found: dict[str, Any] = json.loads(await answer.read())
    return found


async def pay_url(http: aiohttp.ClientSession, row: dict[str, Any], base: str) -> str:
    fields = {"pid": CHANNEL["pid"], "type": "alipay", "out_trade_no": row["order_no"], "name": row["product"]}
    fields |= {"money": "10.00", "notify_url": f"{base}/notify", "return_url": base, "param": row["contact"]}
    text = "&".join(f"{k}={v}" for k, v in sorted(fields.items())) + CHANNEL["key"]
    made = await ask(http, CHANNEL["url"] + "mapi.php", {**fields, "sign": md5(text), "sign_type": "MD5"})
    return str(made["payurl"])


async def buy(http: aiohttp.ClientSession, row: dict[str, Any], number: str) -> str:
    fields = {"app_id": STORE["pid"], "app_key": STORE["key"], "shared_code": row["product"], "num": "1"}
    fields |= {"contact": row["contact"], "request_no": number}
    text = unquote_plus(urlencode(sorted(fields.items())) + f"&key={STORE['key']}")
    sold = await ask(http, STORE["url"] + "shared/commodity/trade", {**fields, "sign": md5(text)})
    return str(sold["data"]["secret"])


async def refund(http: aiohttp.ClientSession, row: dict[str, Any]) -> None:
    fields = {"pid": CHANNEL["pid"], "key": CHANNEL["key"], "out_trade_no": row["order_no"], "money": "10.00"}
    await ask(http, CHANNEL["url"] + "api.php?act=refund", fields)


async def deliver(http: aiohttp.ClientSession, row: dict[str, Any]) -> None:
    """What a paid order gets, by its bug."""
    match row["bug"]:
        case "lost":
            row["state"] = "expired"
        case "early":
            row["state"] = "completed"
        case "idle" | "slow":
            row["state"] = "recharging"
        case "refunds":
            await refund(http, row)
            await refund(http, row)
            row["state"] = "refunded"
        case "unread":
            await buy(http, row, row["order_no"])
            row["state"] = "recharging"
        case bug:
            row["goods"].append(await buy(http, row, row["order_no"]))
            if bug in ("twice", "spare"):
                second = await buy(http, row, row["order_no"] + "X")
                row["goods"] += [second] if bug == "twice" else []
            if bug == "both":
                await refund(http, row)
            row["state"] = "completed"


def routes(orders: Orders, http: aiohttp.ClientSession) -> list[web.RouteDef]:
    async def place(request: web.Request) -> web.Response:
        row = orders.add({k: str(v) for k, v in (await request.post()).items()})
        to = f"{orders.base}/nowhere" if row["bug"] in ("unpaid", "ghost") else await pay_url(http, row, orders.base)
        if row["bug"] == "unpaid":
            row["goods"].append(await buy(http, row, row["order_no"]))
            row["state"] = "completed"
        if row["bug"] == "ghost":
            row |= {"state": "paid", "paid_fen": 1000}
        return web.json_response({"no": row["order_no"], "pay": to, "poll": f"/orders/{row['order_no']}"}, status=201)

    async def show(request: web.Request) -> web.Response:
        row = orders.rows[request.match_info["no"]]
        return web.json_response({"state": row["state"], "goods": row["goods"]})

    async def hear(request: web.Request) -> web.Response:
        row = orders.rows[request.query["out_trade_no"]]
        if row["state"] == "paying":
            row |= {"state": "paid", "paid_fen": 1000}
            await deliver(http, row)
        return web.Response(text="success")

    async def books(request: web.Request) -> web.Response:
        if request.headers.get("X-Token") != TOKEN:
            return web.json_response({}, status=403)
        return web.json_response({"orders": [row for row in orders.rows.values() if row["bug"] != "orphan"]})

    async def ready(_: web.Request) -> web.Response:
        """Not before the TLS proxy has kept it from going outside."""
        async with http.get("http://outside.example/", proxy=PROXY) as answer:
            return web.Response(status=200 if answer.status == 403 else 500)

    return [
        web.post("/orders", place),
        web.get("/orders/{no}", show),
        web.get("/notify", hear),
        web.get("/books", books),
        web.get("/", ready),
    ]


async def main(port_file: Path) -> None:
    orders, app = Orders(), web.Application()
    async with aiohttp.ClientSession() as http:
        app.add_routes(routes(orders, http))
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        port = runner.addresses[0][1]
        orders.base = f"http://127.0.0.1:{port}"
        port_file.with_suffix(".part").write_text(f"{port}\n")
        port_file.with_suffix(".part").replace(port_file)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
