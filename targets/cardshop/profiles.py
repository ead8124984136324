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
    """The money of a notice must equal the price. Off: only the signature is checked, whatever was paid counts."""
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
