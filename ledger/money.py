"""Fen: whole fen inside, yuan only as text at the edge."""

import re
from typing import NewType

Fen = NewType("Fen", int)

_YUAN = re.compile(r"(0|[1-9][0-9]{0,11})(?:\.([0-9]{1,2}))?", re.ASCII)


class MoneyError(ValueError):
    """A text that is not an amount in yuan."""


def parse_yuan(text: str) -> Fen:
    """Fen of a text in yuan with at most two decimals, such as ``10``, ``10.5`` or ``10.00``.

    Signs, exponents, thousands separators, other digits than 0-9 and leading zeros are refused with MoneyError:
    an amount that two readers could take for different sums is no amount.
    """
    match = _YUAN.fullmatch(text)
    if match is None:
        raise MoneyError(f"{text!r} is not an amount in yuan; legal: digits with at most two decimals, such as 10.00")
    whole, part = match.groups(default="")
    return Fen(int(whole) * 100 + int(part.ljust(2, "0") or 0))


def yuan(fen: Fen) -> str:
    """The amount in yuan with exactly two decimals, as channels print it."""
    sign, fen_abs = ("-" if fen < 0 else ""), abs(fen)
    return f"{sign}{fen_abs // 100}.{fen_abs % 100:02d}"
