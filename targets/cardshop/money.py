"""Money in the shop: whole fen inside, yuan only as text at the edge."""

import re

_YUAN = re.compile(r"(0|[1-9][0-9]{0,9})(?:\.([0-9]{1,2}))?", re.ASCII)


def read_yuan(text: str) -> int | None:
    """Fen of a text such as ``10``, ``10.5`` or ``10.00``; None for whatever is not plainly an amount."""
    match = _YUAN.fullmatch(text)
    if match is None:
        return None
    whole, part = match.groups(default="")
    return int(whole) * 100 + int(part.ljust(2, "0"))


def yuan(fen: int) -> str:
    """The amount in yuan with two decimals, as Epay wants it and as prices are shown."""
    return f"{fen // 100}.{fen % 100:02d}"
