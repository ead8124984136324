"""The dialects that upstreams may speak: the role each plays, how it repeats notices, and what of it can be set."""

import msgspec


class Dialect(msgspec.Struct, frozen=True):
    """`ladder` is one of plan/ladders.py. `options` are the dialect's own settings, with the words that are legal for
    each; the first one is what it is unless a scenario says otherwise."""

    role: str
    ladder: str = "once"
    options: dict[str, tuple[str, ...]] = {}


STUB = "stub"
"""The dialect that a user writes down; every target may be given one."""

DIALECTS: dict[str, Dialect] = {
    "epay": Dialect("payment", options={"status": ("rainbow", "pending_paid"), "pays_by": ("payurl", "device")}),
    "epay_v2": Dialect("payment", options={"query": ("flat", "nested")}),
    "vmq": Dialect("payment", "vmq", {"differs": ("up", "down"), "slots": ("many", "ten")}),
    "alipay": Dialect(
        "payment",
        "alipay",
        {"precreate": ("trade", "scan"), "refund_window": ("90 d", "365 d", "30 d", "24 h", "1 h", "10 min")},
    ),
    "wechat": Dialect("payment", "wechat"),
    "sharedstore": Dialect("supplier", options={"drafts": ("off", "on")}),
    "fulu": Dialect("supplier", "fulu", {"answer_sign": ("result", "envelope")}),
    "kakayun": Dialect("supplier", options={"cards": ("later", "at_once")}),
    STUB: Dialect("supplier"),
    "topup": Dialect("game"),
    "fazer": Dialect("game", "webhook"),
    "rcon": Dialect("game", options={"flavour": ("minecraft", "source")}),
    "command_queue": Dialect("game", options={"puller": ("ours", "none")}),
}
