"""JSON as Go's encoding/json reads and writes it (Go 1.26), for Toxiproxy's clients see its answers letter by letter.

Read are the first value of a text, names in any case, and whatever else is there is passed over. What Go refuses is
refused in Go's words.
"""

import codecs
import json
import re
import struct
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, NoReturn, TypeAlias

import msgspec

DEPTH_MAX = 10_000
_OWN_DEPTH_MAX = 20
_INT64 = range(-(2**63), 2**63)
_SPACE = re.compile(rb"[ \t\r\n]*")
_STRING = re.compile(rb'[^"\\\x00-\x1f]*(?:\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})[^"\\\x00-\x1f]*)*')
_INTEGER = re.compile(rb"-?(?:0|[1-9][0-9]*)")
_DIGITS = re.compile(rb"[0-9]+")
_EXPONENT = re.compile(rb"[eE][+-]?")
_ESCAPE = re.compile(r"\\(?:u([dD][89abAB]..)\\u([dD][c-fC-F]..)|u(....)|(.))")
_ESCAPED = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_FOLDED = str.maketrans({"\u017f": "s", "\u212a": "k"})
_IN_HTML = str.maketrans({c: f"\\u{ord(c):04x}" for c in "<>&\u2028\u2029"})


class JsonError(ValueError):
    """What is no JSON, or none of the shape asked for; in Go's words."""


class Number(msgspec.Struct, frozen=True):
    """A number as it was written."""

    text: str


class Object(msgspec.Struct):
    """An object: its names in the order they came, each as often as it came."""

    pairs: list[tuple[str, "Value"]]


Value: TypeAlias = "bool | str | Number | list[Value] | Object | None"

STRING, BOOL, INT64, INT, FLOAT32, FLOAT64 = "string", "bool", "int64", "int", "float32", "float64"
"""Go's scalar types."""
OURS = "any"
"""A field that Toxiproxy has not: any value."""


class Shape(msgspec.Struct, frozen=True):
    """A struct of Go: its type as errors name it, and its fields by their names in JSON. `once_null` is what it is
    after a null (an interface, which then takes nothing more)."""

    go: str
    fields: Mapping[str, "str | Shape"]
    once_null: str = ""

    @property
    def struct(self) -> str:
        """The type's bare name; an anonymous one has none."""
        return "" if self.go.startswith("struct") else self.go.rpartition(".")[2]


class _Scanner:
    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def value(self) -> Value:
        """The first value. A stack of our own: Go takes 10,000 levels, Python's has no room for them."""
        open_: list[list[Value] | Object] = []
        while True:
            value: Value
            match self._peek():
                case b"{" | b"[" as begins:
                    if len(open_) == DEPTH_MAX:
                        self._refuse("exceeded max depth")
                    self._at += 1
                    inner: list[Value] | Object = Object([]) if begins == b"{" else []
                    if self._peek() != (b"}" if begins == b"{" else b"]"):
                        open_.append(inner)
                        self._key(inner)
                        continue
                    self._at += 1
                    value = inner
                case _:
                    value = self._scalar()
            while True:
                if not open_:
                    return value
                if not self._closes(open_[-1], value):
                    break
                value = open_.pop()

    def _closes(self, holder: list[Value] | Object, value: Value) -> bool:
        """Whether the holder ends with this value; else its next one is about to begin."""
        if isinstance(holder, Object):
            holder.pairs[-1] = (holder.pairs[-1][0], value)
            end, words = b"}", "after object key:value pair"
        else:
            holder.append(value)
            end, words = b"]", "after array element"
        found = self._peek()
        if found not in (b",", end):
            self._refuse(words)
        self._at += 1
        if found == b",":
            self._key(holder)
        return found == end

    def _key(self, holder: list[Value] | Object) -> None:
        if isinstance(holder, list):
            return
        if self._peek() != b'"':
            self._refuse("looking for beginning of object key string")
        holder.pairs.append((self._string(), None))
        if self._peek() != b":":
            self._refuse("after object key")
        self._at += 1

    def _scalar(self) -> Value:
        match self._peek():
            case b'"':
                return self._string()
            case b"t":
                return self._literal(b"true", True)
            case b"f":
                return self._literal(b"false", False)
            case b"n":
                return self._literal(b"null", None)
            case first if first.isdigit() or first == b"-":
                return self._number()
        self._refuse("looking for beginning of value")

    def _string(self) -> str:
        found = _STRING.match(self._data, self._at + 1)
        assert found is not None, "it matches nothing as well"
        self._at = found.end()
        match self._next():
            case b'"':
                self._at += 1
                return _unquoted(found[0])
            case b"\\":
                self._at += 1
                if self._next() != b"u":
                    self._refuse("in string escape code")
                self._at += 1
                while self._next() in b"0123456789abcdefABCDEF":
                    self._at += 1
                self._refuse("in \\u hexadecimal character escape")
        self._refuse("in string literal")

    def _number(self) -> Number:
        start = self._at
        if not self._skip(_INTEGER):
            self._at += 1
            self._refuse("in numeric literal")
        if self._data[self._at : self._at + 1] == b".":
            self._at += 1
            self._must_skip_digits("after decimal point in numeric literal")
        if self._skip(_EXPONENT):
            self._must_skip_digits("in exponent of numeric literal")
        return Number(self._data[start : self._at].decode("ascii"))

    def _literal(self, word: bytes, value: bool | None) -> bool | None:
        for n, expected in enumerate(word):
            if self._next() != word[n : n + 1]:
                self._refuse(f"in literal {word.decode()} (expecting '{chr(expected)}')")
            self._at += 1
        return value

    def _skip(self, what: re.Pattern[bytes]) -> bool:
        if (found := what.match(self._data, self._at)) is None:
            return False
        self._at = found.end()
        return True

    def _must_skip_digits(self, words: str) -> None:
        if not self._skip(_DIGITS):
            self._refuse(words)

    def _peek(self) -> bytes:
        """The next byte that is no space."""
        self._skip(_SPACE)
        return self._next()

    def _next(self) -> bytes:
        if self._at >= len(self._data):
            raise JsonError("unexpected EOF" if self._data.strip(b" \t\r\n") else "EOF")
        return self._data[self._at : self._at + 1]

    def _refuse(self, words: str) -> NoReturn:
        raise JsonError(f"invalid character {_quoted(self._next())} {words}")


def _quoted(byte: bytes) -> str:
    """A byte as Go's strconv.Quote shows the character of that number."""
    char = byte.decode("latin-1")
    if char == "'":
        return r"'\''"
    if char == '"':
        return "'\"'"
    if char.isprintable():
        return r"'\\'" if char == "\\" else f"'{char}'"
    short = {"\a": "a", "\b": "b", "\f": "f", "\n": "n", "\r": "r", "\t": "t", "\v": "v"}
    if char in short:
        return f"'\\{short[char]}'"
    return f"'\\x{ord(char):02x}'" if ord(char) < 0x80 else f"'\\u{ord(char):04x}'"


def _each_byte(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeDecodeError)
    return "\ufffd" * (error.end - error.start), error.end


codecs.register_error("orderjam-go", _each_byte)  # Go replaces every byte that is no UTF-8 by a character of its own


def _unquoted(raw: bytes) -> str:
    text = raw.decode("utf-8", "orderjam-go")
    return _ESCAPE.sub(_unescaped, text) if "\\" in text else text


def _unescaped(found: re.Match[str]) -> str:
    high, low, alone, short = found.groups()
    if short is not None:
        return _ESCAPED.get(short, short)
    if alone is not None:
        code = int(alone, 16)
        return "\ufffd" if 0xD800 <= code < 0xE000 else chr(code)
    return chr(0x10000 + ((int(high, 16) - 0xD800) << 10) + (int(low, 16) - 0xDC00))


def read(data: bytes) -> Value:
    """The first value of a text; what follows it is not looked at. JsonError where there is none."""
    return _Scanner(data).value()


def fields(value: Value, shape: Shape) -> dict[str, Any]:
    """What an object says of a shape, by the names of the shape; nulls say nothing, and of equal names the last counts
    (objects are laid over each other). JsonError for a value that Go would not put there."""
    out: dict[str, Any] = {}
    _fill(out, value, shape, "")
    return out


def _fill(out: dict[str, Any], value: Value, shape: Shape, path: str, holder: str | None = None) -> None:
    if not isinstance(value, Object):
        raise _misfit(_word(value), shape.go, path, holder)
    gone = set()
    for key, inner in value.pairs:
        name = key.translate(_FOLDED).lower()
        field = next((f for f in shape.fields if f.lower() == name), None)
        if field is None:
            continue
        kind, place = shape.fields[field], f"{path}.{field}".lstrip(".")
        if isinstance(kind, str):
            if kind == OURS:
                out[field] = plain(inner)
            elif inner is not None:
                out[field] = _scalar(inner, kind, place, shape.struct)
        elif inner is None:
            gone.add(field)
        elif field in gone and kind.once_null:
            if kind.once_null != OURS:
                raise _misfit(_word(inner), kind.once_null, place, shape.struct)
        else:
            _fill(out.setdefault(field, {}), inner, kind, place, shape.struct)


def _scalar(value: Value, kind: str, path: str, holder: str) -> str | bool | int | float:
    if kind == STRING and isinstance(value, str):
        return value
    if kind == BOOL and isinstance(value, bool):
        return value
    if not isinstance(value, Number) or kind in (STRING, BOOL):
        raise _misfit(_word(value), kind, path, holder)
    try:
        if kind in (INT, INT64):
            # Nineteen digits are the most that fit; Python's own limit on digits stays out of it.
            number = int(value.text) if len(value.text) <= 20 else 2**63
            if number not in _INT64:
                raise OverflowError
            return number
        return float32(float(value.text)) if kind == FLOAT32 else _finite(float(value.text))
    except (ValueError, OverflowError):
        raise _misfit(f"number {value.text}", kind, path, holder) from None


def float32(number: float) -> float:
    """The nearest number of 32 bits; OverflowError where there is none."""
    nearest: float = struct.unpack("<f", struct.pack("<f", _finite(number)))[0]
    return nearest


def _finite(number: float) -> float:
    if number - number != 0:
        raise OverflowError
    return number


def _word(value: Value) -> str:
    match value:
        case bool():
            return "bool"
        case str():
            return "string"
        case Number():
            return "number"
        case list():
            return "array"
    return "object"


def misfit(value: Value, go: str) -> JsonError:
    """What Go says of a whole body that is not of that type."""
    return _misfit(_word(value), go, "", None)


def _misfit(what: str, go: str, path: str, holder: str | None) -> JsonError:
    place = "value" if holder is None else f"struct field {holder}.{path}"
    return JsonError(f"json: cannot unmarshal {what} into Go {place} of type {go}")


def plain(value: Value, depth: int = 0) -> Any:
    """The value in Python's own types. JsonError where it is nested deep."""
    if depth > _OWN_DEPTH_MAX:
        raise JsonError("nested too deep")
    match value:
        case Object(pairs):
            return {key: plain(inner, depth + 1) for key, inner in pairs}
        case list():
            return [plain(inner, depth + 1) for inner in value]
        case Number(text):
            return int(text) if re.fullmatch(r"-?[0-9]{1,18}", text) else float(text)
    return value


class Float32(float):
    """A number that is written as one of 32 bits."""


def text(value: Any) -> str:
    """A value as Go writes it: no spaces, dicts in their own order, <, > and & escaped."""
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case str():
            return json.dumps(value, ensure_ascii=False).translate(_IN_HTML)
        case int():
            return str(value)
        case Float32():
            return _float_text(_shortest(value))
        case float():
            return _float_text(repr(value))
        case list() | tuple():
            return f"[{','.join(map(text, value))}]"
        case dict():
            return "{" + ",".join(f"{text(key)}:{text(inner)}" for key, inner in value.items()) + "}"
    raise TypeError(f"no JSON: {value!r}")


def _shortest(value: float) -> str:
    """The fewest digits that are read as the same number of 32 bits; nine are always enough."""
    for digits in range(1, 9):
        text = f"{value:.{digits}g}"
        try:
            if float32(float(text)) == value:
                return text
        except OverflowError:
            continue
    return f"{value:.9g}"


def _float_text(shortest: str) -> str:
    number = Decimal(shortest)
    if number and not Decimal("1e-6") <= abs(number) < Decimal("1e21"):
        mantissa, _, exponent = f"{number.normalize():e}".partition("e")
        return f"{mantissa}e{int(exponent):+d}"
    plain_ = f"{number:f}"
    return plain_.rstrip("0").rstrip(".") if "." in plain_ else plain_
