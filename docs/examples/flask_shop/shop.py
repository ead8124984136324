"""A shop in forty lines: cards from its own stock, paid through Alipay. It believes notices, and never asks."""

import os
import secrets
import sys
import time
from urllib.parse import quote

from alipay import AliPay
from flask import Flask, request

PORT, LIFE_S = int(sys.argv[1]), float(os.environ["ORDER_LIFE_S"])
PAID = ("TRADE_SUCCESS", "TRADE_FINISHED")
APP_ID, APP_KEY, ALIPAY_KEY = (os.environ[name] for name in ("APP_ID", "APP_PRIVATE_KEY", "ALIPAY_PUBLIC_KEY"))
alipay = AliPay(APP_ID, f"http://127.0.0.1:{PORT}/notify", APP_KEY, ALIPAY_KEY)
alipay._gateway = os.environ["GATEWAY"]  # the one line that points the SDK at orderjam
app, orders = Flask(__name__), {}


@app.post("/orders")
def place():
    no, contact = secrets.token_hex(12), request.form["contact"]
    trade = {"out_trade_no": no, "total_amount": "10.00", "subject": "Game card, 10 yuan"}
    made = alipay.server_api("alipay.trade.precreate", trade | {"passback_params": quote(contact)})
    orders[no] = {"no": no, "contact": contact, "state": "unpaid", "goods": [], "fen": 0, "at": time.time()}
    return {"no": no, "pay": made["qr_code"], "page": f"/orders/{no}"}


@app.post("/notify")
def notify():
    fields = request.form.to_dict()
    order = orders.get(fields.get("out_trade_no"))
    if order is None or not alipay.verify(fields, fields.pop("sign", "")):
        return "fail"
    if order["state"] == "unpaid" and fields["trade_status"] in PAID and fields["total_amount"] == "10.00":
        order |= {"state": "done", "goods": [f"card {secrets.token_hex(8)}"], "fen": 1000}
    return "success"


@app.get("/orders/<no>")
def show(no):
    order = orders[no]
    if order["state"] == "unpaid" and time.time() > order["at"] + LIFE_S:
        order["state"] = "expired"  # without a question to Alipay
    return order


@app.get("/books")
def books():
    return {"orders": list(orders.values())}


app.run(port=PORT, threaded=True)
