"""Every fault there is: one file each in the folders beside this one, found by its `FAULT`."""

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from enum import Flag, StrEnum, auto
from functools import cache
from types import NoneType
from typing import Annotated, Any, Generic, Literal, TypeAlias, TypeVar, get_args, get_origin, get_type_hints

import msgspec

from faults.verdict import Effect
from ledger.states import Hop, Operation
from plan.causes import Cause as Cause
from plan.dialects import DIALECTS
from plan.faults import Label
from plan.units import BusinessTime, Duration, Rate, Share, WireSpan

P = TypeVar("P", bound=msgspec.Struct)

FOLDERS = {
    "exchange": "", "notice": "", "signature": "sig.", "version": "ver.", "goods": "", "buyer": "", "house": "",
    "wire": "wire.",
}  # fmt: skip
"""Folder of the fault files, and what the names of its faults begin with."""

TO_UPSTREAMS = (Hop.SHOP_PAYMENT, Hop.SHOP_SUPPLIER, Hop.SHOP_GAME)
"""Where an upstream answers the shop."""
TO_MOCKS = (Hop.SHOP_PAYMENT, Hop.BUYER_PAYMENT, Hop.SHOP_SUPPLIER, Hop.SHOP_GAME)
"""Where a mock answers anybody."""
NOTICES = (Hop.PAYMENT_SHOP, Hop.SUPPLIER_SHOP, Hop.GAME_SHOP)
"""Where an upstream tells the shop."""
WITH_PROXY = (Hop.BUYER_SHOP, *TO_MOCKS, *NOTICES, Hop.SHOP_DB)
"""Where a proxy can stand."""
ON_THE_WIRE = ("wire", "kernel")
"""The layers below the exchanges."""
OF_AN_ORDER = (
    Operation.CREATE, Operation.QUERY, Operation.REFUND, Operation.REFUND_QUERY, Operation.CLOSE, Operation.CANCEL,
    Operation.VALIDATE, Operation.BUY,
)  # fmt: skip
"""The requests of a shop that belong to one order."""
ANY_NOTICE = (
    Operation.NOTICE, Operation.REFUND_NOTICE, Operation.CLOSE_NOTICE, Operation.FINISH_NOTICE,
    Operation.DISPUTE_NOTICE,
)  # fmt: skip
"""Whatever an upstream tells the shop of. What is wrong with its signatures or its version is wrong with all of it;
other faults of notices strike the one that orders wait for."""
CHECKED = (*OF_AN_ORDER, Operation.FETCH, Operation.CONFIRM, Operation.LOGIN)
"""The requests whose signature, password or secret is checked."""
SIGNED = (*OF_AN_ORDER, Operation.FETCH, Operation.CONFIRM, *ANY_NOTICE)
"""What is signed, of requests, their answers and notices."""

Ms: TypeAlias = Annotated[float, msgspec.Meta(description="ms, wire time")]


class Part(Flag):
    """What of a dialect a fault is legal for: the requests that a mock checks, its answers, the notices it sends."""

    REQUESTS = auto()
    ANSWERS = auto()
    NOTICES = auto()
    TOLD = ANSWERS | NOTICES
    ALL = REQUESTS | ANSWERS | NOTICES


WITH_FIELDS = {dialect: Part.ALL for dialect in DIALECTS if dialect != "rcon"}
"""Dialects whose answers have fields, headers and a path: all but a line of text."""
WITH_JSON = {
    dialect: part & ~Part.NOTICES if dialect in ("epay", "epay_v2", "vmq", "alipay") else part
    for dialect, part in WITH_FIELDS.items()
}
"""The same without notices that are queries or forms, in which all is text."""
SIGNED_PAGES = frozenset({"epay", "epay_v2", "vmq", "alipay"})
"""Dialects whose buyers carry to the cashier what their shop has signed."""


TELLS = frozenset({"epay", "epay_v2", "vmq", "alipay", "wechat", "fulu", "topup", "fazer"})
"""Dialects that send notices."""


def parts_at(hop: Hop) -> Part:
    """What may be struck at a hop: there is nothing but pages on the way of a buyer."""
    if hop in NOTICES:
        return Part.NOTICES
    return Part.REQUESTS if hop is Hop.BUYER_PAYMENT else Part.REQUESTS | Part.ANSWERS


def hops_of(dialects: Mapping[str, Part]) -> tuple[Hop, ...]:
    """Where a fault that is legal for these parts of these dialects can be applied."""
    return tuple(hop for hop in (*TO_MOCKS, *NOTICES) if any(is_legal(dialects, name, hop) for name in dialects))


def is_legal(dialects: Mapping[str, Part], dialect: str, hop: Hop) -> bool:
    """Whether a fault of these dialects (none named: of all) means something in this one at this hop."""
    if DIALECTS[dialect].role not in hop.split(">") or (hop in NOTICES and dialect not in TELLS):
        return False
    if not dialects:
        return True
    is_unsigned = hop is Hop.BUYER_PAYMENT and dialect not in SIGNED_PAGES
    return not is_unsigned and bool(dialects.get(dialect, Part(0)) & parts_at(hop))


class Situation(msgspec.Struct, frozen=True):
    """What a fault that looks at load may know: the planned arrival rate (per second) when the order was due."""

    planned_rate: float


class Fault(msgspec.Struct, Generic[P], frozen=True, kw_only=True):
    """A catalogue entry.

    `dialects`: those in which it means something, and which part of them (none named: all). `must`: what a good shop
    does with a struck answer or notice, "refuse" or "accept", where that is certain. `twin`: the fault that looks like
    this one and asks the opposite of a shop. `attempts`: which attempts of an operation it can strike at all.

    `effect` turns the parameters into what is done to one exchange, `drawn` does so with a number in [0, 1) that is
    drawn for this exchange; each fault has one of the two. `rate`, where there is one, is a share that depends on the
    situation and multiplies the scenario's rate. `lengthens` gives the business seconds by which a struck buyer comes
    later. `imitates` and `source` say what of the real world this is. `by_exposure` marks those that look at what else
    happens at the same time, so that they strike others at another rate. `of_hop`: it strikes the whole hop, whoever it
    is about. `needs`: what a target must offer (a part of its `house:`, a way to cancel) so that it can be applied.
    `misplaced` says what of the parameters cannot be at this hop, if anything.
    """

    name: str
    label: Label
    hops: tuple[Hop, ...]
    operations: tuple[Operation, ...] = ()
    dialects: Mapping[str, Part] = {}
    params: type[P]
    effect: Callable[[P], Effect] | None = None
    drawn: Callable[[P, float], Effect] | None = None
    lengthens: Callable[[P], float] | None = None
    by_exposure: bool = False
    of_hop: bool = False
    rate: Callable[[P, Situation], float] | None = None
    attempts: Callable[[P, int], bool] | None = None
    cause: Cause
    imitates: str
    source: str
    layer: Literal["application", "buyer", "house", "wire", "kernel"] = "application"
    needs: str = ""
    misplaced: Callable[[P, Hop], str] | None = None
    must: str = ""
    twin: str = ""

    def __post_init__(self) -> None:
        assert (self.effect is None) != (self.drawn is None), f"{self.name}: one of effect and drawn"

    def units(self) -> dict[str, str]:
        """For each parameter, what it is measured in; `business` and `wire` tell which time it is."""
        return _units(self.params)


class NoParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """For faults that have nothing to set."""


_UNITS = {
    Share: "share",
    Rate: "rate",
    WireSpan: "wire time, or from..to",
    int: "whole number",
    float: "number",
    str: "text",
    bool: "yes or no",
}


def _units(params: type[msgspec.Struct]) -> dict[str, str]:
    kinds = get_type_hints(params, include_extras=True)
    return {f.encode_name: _unit(kinds[f.name]) for f in msgspec.structs.fields(params)}


def _unit(kind: Any) -> str:
    origin, parts = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return str(kind.__metadata__[0].description)
    if origin is Literal:
        return " or ".join(map(str, parts))
    if isinstance(kind, type) and not parts:
        return _unit_of_type(kind)
    inner = [_unit(part) for part in parts if part is not NoneType]
    if origin is list:
        return f"list of {inner[0]}"
    return f"[{', '.join(inner)}]" if origin is tuple else " or ".join(inner)


def _unit_of_type(kind: type[Any]) -> str:
    if issubclass(kind, Duration):
        return "business time" if issubclass(kind, BusinessTime) else "wire time"
    if issubclass(kind, StrEnum):
        return " or ".join(kind)
    if issubclass(kind, msgspec.Struct):
        return "{" + "; ".join(f"{name}: {unit}" for name, unit in _units(kind).items()) + "}"
    return _UNITS[kind]


@cache
def catalog() -> dict[str, Fault[Any]]:
    """All faults by name, sorted."""
    found: dict[str, Fault[Any]] = {}
    for folder, prefix in FOLDERS.items():
        package = importlib.import_module(f"faults.{folder}")
        for module in pkgutil.iter_modules(package.__path__):
            fault: Fault[Any] = importlib.import_module(f"faults.{folder}.{module.name}").FAULT
            assert fault.name == prefix + module.name, f"faults/{folder}/{module.name}.py holds a fault {fault.name!r}"
            found[fault.name] = fault
    return dict(sorted(found.items()))
