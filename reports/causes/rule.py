"""A rule: a cause, when it applies, and its evidence in a sentence."""

from collections.abc import Callable
from math import isfinite
from string import Formatter
from typing import Any

import msgspec
import numpy as np

from plan.causes import Cause
from reports.causes.evidence import Evidence
from reports.findings import Words
from reports.orders import Bools, Texts

NEVER = "–"


class Rule(msgspec.Struct, frozen=True):
    """`applies` says of each entry of the evidence whether this is its cause; `en` and `zh` are the evidence, with the
    names of `Evidence.row` in braces."""

    name: str
    cause: Cause
    applies: Callable[[Evidence], Bools]
    en: str
    zh: str

    def why(self, row: dict[str, Any]) -> Words:
        """The sentence about one entry."""
        return Words(_PRINTER.vformat(self.en, (), row), _PRINTER.vformat(self.zh, (), row))


class _Printer(Formatter):
    """Seconds with one digit, a dash for what never happened; `{n:# notice}` is 1 notice, 2 notices."""

    def format_field(self, value: Any, format_spec: str) -> Any:
        if format_spec.startswith("# "):
            return f"{value} {format_spec[2:]}{'' if value == 1 else 's'}"
        if isinstance(value, float | np.floating):
            return f"{value:{format_spec or '.1f'}}" if isfinite(value) else NEVER
        return super().format_field(value, format_spec)


_PRINTER = _Printer()


def one_of(column: Texts, *texts: str) -> Bools:
    """Whether a text is one of these."""
    wanted = frozenset(map(str, texts))
    return np.fromiter((text in wanted for text in column.tolist()), dtype=bool, count=len(column))


def says(column: Texts, *parts: str) -> Bools:
    """Whether a text contains one of these, in any case."""
    lower = (text.lower() for text in column.tolist())
    found = (any(part in text for part in parts) for text in lower)
    return np.fromiter(found, dtype=bool, count=len(column))
