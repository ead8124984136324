"""What faults do to the fields of an answer or notice before it is signed: names, states, types and amounts. Pure.

Every function changes the fields in place and returns what it changed, in words that hold no value but a state's or an
amount's; an empty text where there was nothing to change.
"""

import re
from decimal import Decimal, InvalidOperation
from typing import Any, TypeAlias

import msgspec

from faults.verdict import (
    AmountOff,
    ChangeState,
    Drop,
    Effect,
    FlipCode,
    Rename,
    Retype,
    ScaleMoney,
    Strip,
    Stripped,
)

Mangled: TypeAlias = dict[str, Any]
MANGLING: tuple[type[Effect], ...] = (ChangeState, FlipCode, ScaleMoney, AmountOff, Retype, Strip, Drop, Rename)
"""In their order: values first, while they still stand under the dialect's own names."""
OTHER_NAME = "_v2"
"""What a stripped field that is renamed ends with."""

_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]{0,14})(?:\.[0-9]{1,6})?", re.ASCII)
"""Texts that become numbers: none that a double would round, and no number of an order with leading zeros."""


class Schema(msgspec.Struct, frozen=True):
    """What an answer or notice of a dialect is made of, for faults that name no field.

    `pair`: the field that versions disagree on, and its other name. `missing`: the field a shop misses most. `state`:
    the field that holds a state, `states` what another version calls the same ones, `no_state` a word that none knows.
    `code`: the field that tells success, `codes` other versions' values for the same. `money`: fields with amounts,
    `in_fen` whether those are whole fen, not yuan. `identifiers`: fields that tell what the goods are for.
    A field may be a dotted path into nested objects. States and codes are looked up as JSON writes them: 1, true, paid.
    """

    pair: tuple[str, str] = ("", "")
    missing: str = ""
    state: str = ""
    states: dict[str, object] = {}
    no_state: str = "PARTIALLY_DONE"
    code: str = ""
    codes: dict[str, object] = {}
    money: tuple[str, ...] = ()
    in_fen: bool = False
    identifiers: tuple[str, ...] = ()


def mangle(fields: Mangled, effect: Effect, schema: Schema) -> str:
    """Does to the fields what the effect says; what changed, or an empty text."""
    match effect:
        case ChangeState(unknown=True):
            return _retell(fields, schema.state, None, schema.no_state)
        case ChangeState():
            return _retell(fields, schema.state, schema.states, None)
        case FlipCode():
            return _retell(fields, schema.code, schema.codes, None)
        case ScaleMoney(factor=factor):
            scale = 1 / Decimal(str(factor)) if schema.in_fen else Decimal(str(factor))
            return _reckon(fields, schema, scale=scale, written_in_fen=not schema.in_fen)
        case AmountOff(fen=fen):
            off = Decimal(fen) if schema.in_fen else Decimal(fen) / 100
            return _reckon(fields, schema, off=off, written_in_fen=schema.in_fen)
        case Retype():
            return _words("another type", _retype(fields))
        case Strip(fields=named, how=how):
            return _words(how, [path for path in named or schema.identifiers if _strip(fields, path, how)])
        case Drop(field=field):
            path = field or schema.missing
            return _words("left out", [path] if _strip(fields, path, Stripped.REMOVED) else [])
        case Rename(field=field, to=to):
            return _rename(fields, *((field, to) if field and to else schema.pair))
    raise AssertionError(effect)


def _words(what: str, names: list[str]) -> str:
    return f"{what}: {', '.join(names)}" if names else ""


def _find(fields: Mangled, path: str) -> tuple[Mangled, str] | None:
    """The object that holds the field of a dotted path, and its name there."""
    *above, name = path.split(".")
    inner: Any = fields
    for step in above:
        inner = inner.get(step) if isinstance(inner, dict) else None
    return (inner, name) if name and isinstance(inner, dict) and name in inner else None


def _as_json(value: object) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _retell(fields: Mangled, path: str, others: dict[str, object] | None, word: str | None) -> str:
    """Another word for the value of a field: what `others` has for it, or else `word`."""
    found = _find(fields, path)
    if found is None:
        return ""
    holder, name = found
    was = holder[name]
    new: object = others.get(_as_json(was)) if others is not None else word
    if isinstance(new, str) and isinstance(was, int) and new.isdecimal():
        new = int(new)
    if new is None or (new == was and type(new) is type(was)):
        return ""
    holder[name] = new
    return f"{path} {_as_json(was)} told as {_as_json(new)}"


def _reckon(
    fields: Mangled, schema: Schema, *, scale: Decimal = Decimal(1), off: Decimal = Decimal(0), written_in_fen: bool
) -> str:
    """Every amount of money scaled and shifted; one that would fall below nothing stays."""
    changed = []
    for path in schema.money:
        found = _find(fields, path)
        if found is None:
            continue
        holder, name = found
        was = holder[name]
        try:
            amount = Decimal(_as_json(was))
        except InvalidOperation:
            continue
        new = amount * scale + off
        if new == amount or new < 0:
            continue
        if isinstance(was, str):
            holder[name] = f"{new:.0f}" if written_in_fen else f"{new:.2f}"
        else:
            holder[name] = int(new) if new == new.to_integral_value() else float(new)
        changed.append(f"{path} {_as_json(was)} told as {_as_json(holder[name])}")
    return ", ".join(changed)


def _retype(fields: Mangled, above: str = "") -> list[str]:
    """Numbers become texts and numeric texts numbers, also in nested objects; the paths of those."""
    changed = []
    for name, value in fields.items():
        if isinstance(value, dict):
            changed += _retype(value, f"{above}{name}.")
        elif isinstance(value, int | float) and not isinstance(value, bool):
            fields[name] = str(value)
            changed.append(above + name)
        elif isinstance(value, str) and _NUMBER.fullmatch(value):
            fields[name] = float(value) if "." in value else int(value)
            changed.append(above + name)
    return changed


def _strip(fields: Mangled, path: str, how: Stripped) -> bool:
    found = _find(fields, path)
    if found is None:
        return False
    holder, name = found
    if how is Stripped.EMPTIED:
        if holder[name] == "":
            return False
        holder[name] = ""
        return True
    value = holder.pop(name)
    if how is Stripped.RENAMED:
        holder[name + OTHER_NAME] = value
    return True


def _rename(fields: Mangled, path: str, to: str) -> str:
    """What was under the new name is overwritten. The field stays in the object that it was in."""
    found = _find(fields, path)
    new = to.rpartition(".")[2]
    if found is None or found[1] == new:
        return ""
    holder, name = found
    holder[new] = holder.pop(name)
    return f"{path} renamed {new}"
