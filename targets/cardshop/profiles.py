"""How careful the shop is: a profile is a set of named switches, so that each can be credited with what it saves."""

import difflib
import re
from dataclasses import dataclass, fields, replace


class ProfileError(ValueError):
    """A profile that does not exist; the text names it and what is legal."""


@dataclass(frozen=True)
class Profile:
    """The switches, each usable alone. Off means what many real shops do.

    Evidence: docs/stalls.md, section 3.
    """

    verify_amount: bool = False
    """The money of a notice must equal the price, and the notice must be for this merchant and about a payment. Off:
    only signature and state are checked; whatever was paid counts, and money given back may be taken for money paid."""
    # Amounts off by 0.01: dujiaoka#351, VPay#45. Other gateways change the amount by some fen to tell payers apart.

    settle_once: bool = False
    """Paid to completed and the taking of the card are one transaction, guarded by a conditional update; a repeated
    notice delivers nothing. Off: read, see it unpaid, then work step by step in transactions of their own."""
    # Parallel copies of one notice: two cards for one order, measured 23 of 40; dujiaoka#97, #328.

    ack_after_commit: bool = False
    """`success` is answered when the goods are committed. Off: `success` first, delivery behind it; if that fails or
    the process dies, nobody tries again."""
    # "Acknowledged, no goods, channel content" after a crash or a locked database: measured.

    requery_unpaid: bool = False
    """The gateway is asked about unpaid orders at an interval. Off: a lost notice stays lost."""
    # 待支付 for ever though paid: dujiaoka#330, #30; sub2api#2569; vmqphp#74.

    query_before_expiry: bool = False
    """The gateway is asked before an unpaid order expires, and a payment for an expired order still brings its goods.
    Off: the clock alone ends it, and money that comes later is kept."""
    # Paid but 已过期: dujiao-next#108; sub2api#6525.

    queue_delivery: bool = False
    """Paid and the job to deliver are one transaction; worker processes do the work. Off: it is done inside the notice,
    holding a lock of the product while the upstream is asked."""
    # One product, then the whole shop freezes: measured, 8 orders 18 s; alf.io#1524.

    upstream_timeouts: bool = False
    """An upstream has CARDSHOP_UPSTREAM_TIMEOUT_S to answer, and a blocking SDK to find a thread. Off: the client's
    30 s."""
    # Supplier slow while the notice is handled: measured; acg-faka#810. A channel that hangs: measured, over 45 s.

    database_timeouts: bool = False
    """A database over a link has CARDSHOP_DATABASE_TIMEOUT_S to answer, and a pooled connection is looked at before it
    is used. Off: as drivers and pools are by themselves; what fell silent is waited for, what was cut is an error."""
    # libpq's connect_timeout waits for ever by default, SQLAlchemy's pool_pre_ping is off: their manuals.

    retry_supplier: bool = False
    """A request for goods that failed is sent again under its number, later and later, up to a limit. Off: it is sent
    once."""
    # Supplier down or out of balance: unpaid until the channel's next notice, measured; acg-faka#810.

    fail_over_supplier: bool = False
    """Where a supplier has refused, or has nothing under the number, the next one is asked. Off: there is but one."""
    # Sold out or out of balance at one supplier ends the order: measured; acg-faka#940, #810.

    query_supplier: bool = False
    """Supplier and game are asked what came of a request: after an unknown outcome, and while an order stays 充值中.
    Off: an answer or notice that was lost stays lost."""
    # Sold, reply lost, retry refused: measured 14 of 14. 充值中 for ever: sub2api#6579.

    recover_after_crash: bool = False
    """Orders left between two steps, and jobs whose worker is gone, are taken up again. Off: they stay as they are."""
    # 充值中 and the retry refused: opencollective-api#9797. 待处理 for ever: dujiaoka#198, #218.

    compensate_late: bool = False
    """What failed for good, came too late or is not delivered within CARDSHOP_COMPENSATE_S is refunded, or handed to a
    person where the buyer may have the goods. Off: the money is kept."""
    # Game in maintenance, wrong account: failed, refund due (read in source). Held for hours: measured.

    match_by_order: bool = False
    """Product and region come from the shop's own order. Off: from the notice's `param`, and without them nothing can
    be bought; a game's notice must repeat account, region and product."""
    # No check between paid and recharged: family 8 of docs/stalls.md, section 1.

    honest_page: bool = False
    """充值中 only when an upstream has accepted, 处理异常 as soon as nothing moves. Off: 充值中 right after the
    payment."""
    # "正在充值" although nothing is: family 7 of docs/stalls.md, section 1.

    tolerant_reader: bool = False
    """What an upstream says in a way that is not known is unknown, never a success and never a failure; numbers as
    texts and other names for the same field are understood. Off: whatever is unexpected is a failure, and cards that
    are missing from a success count as delivered."""
    # Completed without goods: acg-faka#940. Versions that disagree: family 1 of docs/stalls.md, section 1.

    @property
    def keeps_jobs(self) -> bool:
        """Whether anything is left to do for a paid order once its notice has been handled."""
        return (
            self.queue_delivery
            or self.retry_supplier
            or self.fail_over_supplier
            or self.query_supplier
            or self.recover_after_crash
            or self.compensate_late
        )


SWITCHES = tuple(field.name for field in fields(Profile))
BASES = {"naive": Profile(), "hardened": Profile(**dict.fromkeys(SWITCHES, True))}
_PART = re.compile(r"([+-])([^+-]*)")


def read_profile(text: str) -> Profile:
    """The profile of a text such as ``naive``, ``naive+requery_unpaid+settle_once`` or ``hardened-verify_amount``.

    Switches apply from left to right. ProfileError for an unknown base or switch.
    """
    base = re.split(r"[+-]", text, maxsplit=1)[0]
    if base not in BASES:
        raise ProfileError(f"profile {text!r}: no profile {base!r}{_nearest(base, BASES)}; {_legal()}")
    profile = BASES[base]
    for sign, switch in _PART.findall(text[len(base) :]):
        if switch not in SWITCHES:
            raise ProfileError(f"profile {text!r}: no switch {switch!r}{_nearest(switch, SWITCHES)}; {_legal()}")
        profile = replace(profile, **{switch: sign == "+"})
    return profile


def _nearest(name: str, legal: tuple[str, ...] | dict[str, Profile]) -> str:
    near = difflib.get_close_matches(name, legal, n=1)
    return f", did you mean {near[0]!r}?" if near else ""


def _legal() -> str:
    return f"legal: {' or '.join(BASES)}, then +SWITCH or -SWITCH of {', '.join(SWITCHES)}"
