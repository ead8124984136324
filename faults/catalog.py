"""Every fault there is: one file each in the folders beside this one, found by its `FAULT`."""

import importlib
import pkgutil
from collections.abc import Callable
from enum import StrEnum
from functools import cache
from types import NoneType
from typing import Any, Generic, TypeVar, get_args, get_origin, get_type_hints

import msgspec

from ledger.states import Hop, Operation
from plan.faults import Label
from plan.units import BusinessTime, Duration, Rate, Share

P = TypeVar("P", bound=msgspec.Struct)

FOLDERS = {"exchange": "", "notice": "", "signature": "sig.", "version": "ver."}
"""Folder of the fault files, and what the names of its faults begin with."""


class Cause(StrEnum):
    """The causes of stalls that faults belong to and the report tells apart (docs/measures.md)."""

    VERSION = "interface version mismatch"
    TIMEOUT = "upstream timeout"
    SIGNATURE = "signature check fails"
    LOST_REQUEST = "request lost on the way"
    LOST_ANSWER = "upstream did it, answer lost"
    LOST_NOTICE = "payment notice lost"
    REPEATED_NOTICE = "notice repeated"
    REFUSED = "upstream refuses"


class Situation(msgspec.Struct, frozen=True):
    """What a fault that looks at load may know: the planned arrival rate (per second) when the order was due."""

    planned_rate: float


class Fault(msgspec.Struct, Generic[P], frozen=True, kw_only=True):
    """A catalogue entry.

    `effect` turns the parameters into what is done to one exchange; `rate`, where there is one, is a share that
    depends on the situation and multiplies the scenario's rate. `imitates` and `source` say what of the real world
    this is.
    """

    name: str
    label: Label
    hops: tuple[Hop, ...]
    operations: tuple[Operation, ...] = ()
    dialects: tuple[str, ...] = ()
    params: type[P]
    effect: Callable[[P], Any]
    rate: Callable[[P, Situation], float] | None = None
    cause: Cause
    imitates: str
    source: str
    layer: str = "application"

    def units(self) -> dict[str, str]:
        """For each parameter, what it is measured in; `business` and `wire` tell which time it is."""
        kinds = get_type_hints(self.params)
        return {f.encode_name: _unit(f.encode_name, kinds[f.name]) for f in msgspec.structs.fields(self.params)}


class NoParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """For faults that have nothing to set."""


_UNITS = {Share: "share", Rate: "rate", int: "whole number", float: "number", str: "text", bool: "yes or no"}


def _unit(name: str, kind: Any) -> str:
    if isinstance(kind, type) and issubclass(kind, Duration):
        return "business time" if issubclass(kind, BusinessTime) else "wire time"
    inner = [_unit("", part) for part in get_args(kind) if part is not NoneType]
    if get_origin(kind) is list:
        return f"list of {inner[0]}"
    if get_origin(kind) is tuple:
        return f"[{', '.join(inner)}]"
    if inner:
        return " or ".join(inner)
    return "ms, wire time" if name == "ms" else _UNITS[kind]


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
