"""YAML with line numbers and nearest matches; plan.yaml in and out.

A document is read in two steps: `read` gives plain values and remembers the line of each, `convert` turns them into a
frozen type and names file, line, value and what is legal in every error.
"""

import difflib
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import yaml

from plan.units import from_text, to_text

T = TypeVar("T")
Path_ = tuple[str | int, ...]


class DocumentError(Exception):
    """A document that cannot be used: one line with place, value and the way out."""


class Document(msgspec.Struct, frozen=True):
    """Plain values and the line on which each stands, by path."""

    source: str
    value: Any
    lines: dict[Path_, int]

    def place(self, path: Path_) -> str:
        """Where a path stands, as errors name it: ``file:line key.key[n]``."""
        for end in range(len(path), -1, -1):
            if (line := self.lines.get(path[:end])) is not None:
                return f"{self.source}:{line} {dotted(path)}".rstrip()
        return f"{self.source} {dotted(path)}".rstrip()

    def error(self, path: Path_, message: str) -> DocumentError:
        return DocumentError(f"{self.place(path)}: {message}")


def dotted(path: Path_) -> str:
    """A path as people write it: faults[0].rate."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.removeprefix(".")


def nearest(word: str, legal: Iterable[str]) -> str:
    """`; did you mean 'x'?` if one of the legal words is like this one, else the list of them."""
    words = sorted(legal)
    close = difflib.get_close_matches(word, words, n=1, cutoff=0.6)
    if close:
        return f"; did you mean {close[0]!r}?"
    return f"; legal: {', '.join(words)}" if words else ""


def read_file(path: Path) -> Document:
    """The document in a file; DocumentError if it is missing, unreadable, not UTF-8, or no YAML."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise DocumentError(f"{path}: no such file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise DocumentError(f"{path}: cannot be read: {error}") from None
    return read(text, str(path))


def read(text: str, source: str) -> Document:
    """The document in a text. Duplicate keys, anchors and anything but one mapping are refused."""
    try:
        root = yaml.compose(text, Loader=yaml.CSafeLoader if hasattr(yaml, "CSafeLoader") else yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise DocumentError(f"{source}:{line}: not YAML: {error.problem}") from None
    except yaml.YAMLError as error:
        raise DocumentError(f"{source}: not YAML: {error}") from None
    if not isinstance(root, yaml.MappingNode):
        raise DocumentError(f"{source}:1: must be a mapping of keys to values")
    lines: dict[Path_, int] = {}
    value = _build(root, (), lines, source)
    return Document(source, value, lines)


_scalars = yaml.SafeLoader("")


def _build(node: yaml.Node, path: Path_, lines: dict[Path_, int], source: str) -> Any:
    lines[path] = node.start_mark.line + 1
    if isinstance(node, yaml.MappingNode):
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = str(key_node.value)
            if key in result:
                raise DocumentError(f"{source}:{key_node.start_mark.line + 1} {dotted((*path, key))}: given twice")
            result[key] = _build(value_node, (*path, key), lines, source)
            lines[(*path, key)] = key_node.start_mark.line + 1
        return result
    if isinstance(node, yaml.SequenceNode):
        return [_build(child, (*path, i), lines, source) for i, child in enumerate(node.value)]
    try:
        return _scalars.construct_object(node, deep=True)
    except (yaml.YAMLError, ValueError) as error:
        raise DocumentError(f"{source}:{node.start_mark.line + 1} {dotted(path)}: {error}") from None


_AT = re.compile(r"^(?P<what>.*?)(?: - at `\$?(?P<path>.*)`)?$", re.DOTALL)
_STEP = re.compile(r"\.([^.\[\]]+)|\[(\d+)\]|\[\.\.\.\]")
_UNKNOWN = re.compile(r"Object contains unknown field `(.*)`")


def convert(document: Document, kind: type[T], value: Any = None, at: Path_ = ()) -> T:
    """The document, or the part of it that stands at a path, as a frozen type; DocumentError for the first flaw."""
    plain = document.value if value is None else value
    try:
        return msgspec.convert(plain, kind, dec_hook=from_text)
    except msgspec.ValidationError as error:
        match = _AT.match(str(error))
        assert match
        inner = tuple(int(i) if i else key for key, i in _STEP.findall(match["path"] or ""))
        path = (*at, *_actual(plain, inner))
        what = match["what"]
        if unknown := _UNKNOWN.match(what):
            legal = _fields_at(kind, inner)
            raise document.error(
                (*path, unknown[1]), f"unknown key {unknown[1]!r}{nearest(unknown[1], legal)}"
            ) from None
        raise document.error(path, what[:1].lower() + what[1:] + _given(plain, inner, what)) from None


def _actual(plain: Any, path: Path_) -> Path_:
    """The longest beginning of the path that exists in the value: msgspec writes [...] for the keys of mappings."""
    known: list[str | int] = []
    for part in path:
        try:
            plain = plain[part]
        except (KeyError, IndexError, TypeError):
            break
        known.append(part)
    return tuple(known)


def _given(plain: Any, path: Path_, what: str) -> str:
    for part in path:
        try:
            plain = plain[part]
        except (KeyError, IndexError, TypeError):
            return ""
    return "" if isinstance(plain, dict | list) or repr(plain) in what else f" (given: {plain!r})"


def _fields_at(kind: Any, path: Path_) -> list[str]:
    """The names of the fields that the type has at a path, as far as it can be told from the type."""
    info = msgspec.inspect.type_info(kind)
    for part in (*path, None):
        info = _inner(info)
        if part is None:
            break
        if isinstance(info, msgspec.inspect.StructType):
            found = [f.type for f in info.fields if f.encode_name == part]
            if not found:
                return []
            info = found[0]
        elif isinstance(info, msgspec.inspect.ListType | msgspec.inspect.VarTupleType):
            info = info.item_type
        elif isinstance(info, msgspec.inspect.DictType):
            info = info.value_type
        else:
            return []
    return [f.encode_name for f in info.fields] if isinstance(info, msgspec.inspect.StructType) else []


def _inner(info: Any) -> Any:
    if isinstance(info, msgspec.inspect.UnionType):
        rest = [t for t in info.types if not isinstance(t, msgspec.inspect.NoneType)]
        return rest[0] if rest else info
    return info


def write(value: object) -> str:
    """YAML of a frozen type: keys in the order of its fields, units as people write them, UTF-8."""
    plain = msgspec.to_builtins(value, enc_hook=to_text, str_keys=True)
    return yaml.safe_dump(plain, allow_unicode=True, sort_keys=False, width=120)


def merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Mapping laid over mapping, key by key and deeply; lists and scalars of `over` replace those of `base`."""
    result = dict(base)
    for key, value in over.items():
        below = result.get(key)
        result[key] = merged(below, value) if isinstance(below, Mapping) and isinstance(value, Mapping) else value
    return result
