"""What buyers say to the shop of a target file, as a proxy on their way reads it."""

import re
from string import Formatter
from urllib.parse import parse_qsl

from ledger.states import Operation
from plan.transport import Request
from targets.webshop import Target

CARRY_KEY = ("contact", "account")
_NO = "(?P<no>[^/]+)"
_ANY_PAGE = r"(.*/)?(?P<no>[^/]+?)(\.[a-z]{1,5})?"
"""Where the shop itself says where an order's page is: below anything, by the number at its end."""


def requests(target: Target) -> tuple[Request, ...]:
    """Placing an order carries its key in contact or account; its page and its cancelling the shop's own number, of
    which a proxy knows whose it is where it has met both together."""
    place, page = target.place, target.place.poll_url
    fields = [f"form.{name}" for name, text in place.form.items() if set(_names(text)) & set(CARRY_KEY)]
    cancel = [_by_number(c.method, c.path, Operation.CANCEL) for c in (target.cancel,) if c is not None]
    return (
        Request(place.method, _pattern(place.path), Operation.PLACE, key=tuple(fields)),
        *cancel,
        _by_number("GET", page if isinstance(page, str) else "", Operation.POLL),
    )


def _by_number(method: str, template: str, operation: Operation) -> Request:
    """What is asked about an order at an address with {order_no} in it; at any address, where none is known."""
    path, _, query = template.partition("?")
    pattern = _pattern(path) if template else _ANY_PAGE
    numbers = ["path.no"] if "(?P<no>" in pattern else []
    numbers += [f"query.{name}" for name, text in parse_qsl(query) if text == "{order_no}"]
    return Request(method, pattern, operation, number=tuple(numbers))


def _names(text: str) -> list[str]:
    return [name for _, name, _, _ in Formatter().parse(text) if name]


def _pattern(template: str) -> str:
    """The path with {order_no} as any text, and whatever else is filled in, too. Its first {order_no} is the number."""
    parts, is_named = [], False
    for literal, name, _, _ in Formatter().parse(template):
        parts.append(re.escape(literal))
        if name is not None:
            parts.append(_NO if name == "order_no" and not is_named else "[^/]+")
            is_named = is_named or name == "order_no"
    return "".join(parts)
