"""What faults do to the fields of an answer or notice before it is signed: names, states, types and amounts. Pure.

Every function changes the fields in place and returns what it changed, in words that hold no value but a state's or an
amount's; an empty text where there was nothing to change.
"""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal, InvalidOperation
from typing import Any, TypeAlias

import msgspec

from faults.verdict import (
    AddField,
    AmountOff,
    ChangeState,
    DateForm,
    Digits,
    Drop,
    Effect,
    Enwrap,
    FlapState,
    FlipCode,
    Redate,
    Rename,
    Reshape,
    Retype,
    RewriteMoney,
    ScaleMoney,
    Shape,
    Strip,
    Stripped,
    Turned,
)

Mangled: TypeAlias = dict[str, Any]
MANGLING: tuple[type[Effect], ...] = (
    ChangeState, FlapState, FlipCode, ScaleMoney, AmountOff, RewriteMoney, Redate, Retype,
    Strip, Drop, Rename, AddField, Reshape, Enwrap,
)  # fmt: skip
"""In their order: values first, while they still stand under the dialect's own names; shapes last."""
OTHER_NAME = "_v2"
"""What a stripped field that is renamed ends with."""

_AROUND = frozenset({"code", "msg", "message"})
"""Fields of an answer that stay where they are when the others move into one object of it."""
_BEIJING = timezone(timedelta(hours=8))
_EPOCH = re.compile(r"[0-9]{10}|[0-9]{13}", re.ASCII)
_LOCAL = "%Y-%m-%d %H:%M:%S"

_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]{0,14})(?:\.[0-9]{1,6})?", re.ASCII)
"""Texts that become numbers: none that a double would round, and no number of an order with leading zeros."""


class Schema(msgspec.Struct, frozen=True):
    """What an answer or notice of a dialect is made of, for faults that name no field.

    `pair`: the field that versions disagree on, and its other name. `missing`: the field a shop misses most. `state`:
    the field that holds a state, `states` what another version calls the same ones, `no_state` a word that none knows.
    `code`: the field that tells success, `codes` other versions' values for the same. `money`: fields with amounts,
    `in_fen` whether those are whole fen, not yuan. `identifiers`: fields that tell what the goods are for. `flaps`: by
    field, the state that was reached and what is told while it is not. `dates`: fields with moments. `shape`: the field
    that another version gives another shape, and which. `envelope`: the name of the whole answer here and in another
    version; an empty one where the fields stand for themselves.
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
    flaps: dict[str, tuple[str, object]] = {}
    dates: tuple[str, ...] = ()
    shape: tuple[str, Shape] | None = None
    envelope: tuple[str, str] = ("", "")


def mangle(fields: Mangled, effect: Effect, schema: Schema) -> str:
    """Does to the fields what the effect says; what changed, or an empty text."""
    match effect:
        case Strip() | Drop() | Rename() | AddField():
            return _mangle_names(fields, effect, schema)
        case Reshape(field=field, shape=shape):
            path, into = (field, shape or Shape.LIST) if field else schema.shape or ("", Shape.LIST)
            return _reshape(fields, path, into, _AROUND | {schema.code})
        case Enwrap(name=name):
            return _enwrap(fields, *(("", name) if name else schema.envelope))
    return _mangle_values(fields, effect, schema)


def _mangle_values(fields: Mangled, effect: Effect, schema: Schema) -> str:
    match effect:
        case ChangeState(unknown=True):
            return _retell(fields, schema.state, None, schema.no_state)
        case ChangeState():
            return _retell(fields, schema.state, schema.states, None)
        case FlapState():
            told = (_retell(fields, path, {done: waiting}, None) for path, (done, waiting) in schema.flaps.items())
            return ", ".join(filter(None, told))
        case FlipCode():
            return _retell(fields, schema.code, schema.codes, None)
        case ScaleMoney(factor=factor):
            scale = 1 / Decimal(str(factor)) if schema.in_fen else Decimal(str(factor))
            return _reckon(fields, schema, scale=scale, written_in_fen=not schema.in_fen)
        case AmountOff(fen=fen):
            off = Decimal(fen) if schema.in_fen else Decimal(fen) / 100
            return _reckon(fields, schema, off=off, written_in_fen=schema.in_fen)
        case RewriteMoney(digits=digits):
            return _told(fields, schema.money if not schema.in_fen else (), lambda was: _written(was, digits))
        case Redate(form=form):
            return _told(fields, schema.dates, lambda was: _redated(was, form))
        case Retype(turned=turned):
            return _words("another type", _retype(fields, turned))
    raise AssertionError(effect)


def _mangle_names(fields: Mangled, effect: Strip | Drop | Rename | AddField, schema: Schema) -> str:
    match effect:
        case Strip(fields=named, how=how):
            return _words(how, [path for path in named or schema.identifiers if _strip(fields, path, how)])
        case Drop(field=field):
            path = field or schema.missing
            return _words("left out", [path] if _strip(fields, path, Stripped.REMOVED) else [])
        case Rename(field=field, to=to):
            return _rename(fields, *((field, to) if field and to else schema.pair))
        case AddField(field=field, value=value):
            return _add(fields, field, value)


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


def _told(fields: Mangled, paths: tuple[str, ...], otherwise: Callable[[object], object]) -> str:
    """The value of every path told otherwise, where that is another one."""
    changed = []
    for path in paths:
        if (found := _find(fields, path)) is None:
            continue
        holder, name = found
        was, new = holder[name], otherwise(holder[name])
        if new != was:
            holder[name] = new
            changed.append(f"{path} {_as_json(was)} told as {_as_json(new)}")
    return ", ".join(changed)


def _written(was: object, digits: Digits) -> object:
    """An amount that is a text, with four decimals, as a power of ten, or with commas between thousands."""
    try:
        amount = Decimal(was) if isinstance(was, str) else None
    except InvalidOperation:
        amount = None
    if amount is None or not amount.is_finite():
        return was
    match digits:
        case Digits.FOUR:
            return f"{amount:.4f}"
        case Digits.EXPONENT:
            return f"{amount.normalize():e}".replace("e+", "e")
        case Digits.THOUSANDS:
            return f"{amount:,.2f}"


def _moment(value: object) -> datetime | None:
    """The moment that a field tells in one of the four forms. A text without a zone is Beijing time."""
    text = str(value) if isinstance(value, int | str) and not isinstance(value, bool) else ""
    if _EPOCH.fullmatch(text):
        return datetime.fromtimestamp(int(text) / (1000 if len(text) > 10 else 1), UTC)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=_BEIJING)


def _redated(was: object, form: DateForm) -> object:
    """The same moment in another form; texts stay texts, as what is signed over a query must."""
    moment = _moment(was)
    if moment is None:
        return was
    match form:
        case DateForm.RFC3339:
            return moment.astimezone(_BEIJING).isoformat(timespec="seconds")
        case DateForm.LOCAL:
            return moment.astimezone(_BEIJING).strftime(_LOCAL)
    number = round(moment.timestamp() * (1000 if form is DateForm.EPOCH_MS else 1))
    return number if isinstance(was, int) else str(number)


def _retype(fields: Mangled, turned: Turned, above: str = "") -> list[str]:
    """Numbers become texts and numeric texts numbers, also in nested objects; the paths of those."""
    changed = []
    for name, value in fields.items():
        if isinstance(value, dict):
            changed += _retype(value, turned, f"{above}{name}.")
        elif isinstance(value, int | float) and not isinstance(value, bool):
            if turned is Turned.TO_NUMBER:
                continue
            fields[name] = str(value)
            changed.append(above + name)
        elif turned is not Turned.TO_TEXT and isinstance(value, str) and _NUMBER.fullmatch(value):
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


def _add(fields: Mangled, name: str, value: str) -> str:
    if name in fields:
        return ""
    fields[name] = value
    return f"one more: {name}"


def _reshape(fields: Mangled, path: str, shape: Shape, around: frozenset[str]) -> str:
    """A field in another shape, or, where it has that already, in the plain one. `around`: what stays beside it."""
    found = _find(fields, path)
    if shape is Shape.FLAT:
        return _flatten(fields, path, found, around)
    if found is None:
        return ""
    holder, name = found
    new = _listed(holder[name]) if shape is Shape.LIST else _as_text(holder[name])
    if new is None:
        return ""
    holder[name] = new
    return f"another shape: {path}"


def _listed(value: object) -> object:
    """An object in a list of its own, or the only object of a list; None where it is neither."""
    if isinstance(value, dict):
        return [value]
    return value[0] if isinstance(value, list) and len(value) == 1 and isinstance(value[0], dict) else None


def _as_text(value: object) -> object:
    """An object or list as the text of its JSON, or what such a text means; None where it is neither."""
    if isinstance(value, dict | list):
        return msgspec.json.encode(value).decode()
    try:
        meant = msgspec.json.decode(value) if isinstance(value, str) else None
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None
    return meant if isinstance(meant, dict | list) else None


def _flatten(fields: Mangled, path: str, found: tuple[Mangled, str] | None, around: frozenset[str]) -> str:
    """The fields of an object among those around it; where there is no such object, all but the code go into one."""
    if found is not None:
        holder, name = found
        if not isinstance(holder[name], dict):
            return ""
        holder.update(holder.pop(name))
        return f"another shape: {path}"
    inner = {name: fields.pop(name) for name in list(fields) if name not in around}
    if not inner or not path or "." in path:
        fields.update(inner)
        return ""
    fields[path] = inner
    return f"another shape: {path}"


def _enwrap(fields: Mangled, name: str, to: str) -> str:
    """The whole under another name; an empty one stands for none."""
    if name == to or (name and name not in fields):
        return ""
    inner = fields.pop(name) if name else dict(fields)
    if not name:
        fields.clear()
    if to:
        fields[to] = inner
    elif isinstance(inner, dict):
        fields.update(inner)
    return f"another envelope: {to or 'none'}"
