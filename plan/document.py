"""YAML with line numbers and nearest matches; plan.yaml in and out.

A document is read in two steps: `read` gives plain values and remembers the line of each, `convert` turns them into a
frozen type and names file, line, value and what is legal in every error.
"""

import difflib
import re
from collections.abc import Iterable, Mapping
from enum import Enum
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

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
    words = sorted(map(str, legal))
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
    """The document in a text. Duplicate keys, aliases and anything but one mapping are refused."""
    try:
        root = yaml.compose(text, Loader=yaml.CSafeLoader if hasattr(yaml, "CSafeLoader") else yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise DocumentError(f"{source}:{line}: not YAML: {error.problem}") from None
    except yaml.YAMLError as error:
        raise DocumentError(f"{source}: not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(root, yaml.MappingNode):
        raise DocumentError(f"{source}:1: must be a mapping of keys to values")
    lines: dict[Path_, int] = {}
    value = _build(root, (), lines, source, set())
    return Document(source, value, lines)


_scalars = yaml.SafeLoader("")


def _build(node: yaml.Node, path: Path_, lines: dict[Path_, int], source: str, seen: set[int]) -> Any:
    lines.setdefault(path, node.start_mark.line + 1)
    if id(node) in seen:  # one node at two places; it may even hold itself
        raise _flaw(source, lines[path], path, "an alias; write the value out where it is used")
    seen.add(id(node))
    if isinstance(node, yaml.MappingNode):
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                raise _flaw(source, line, path, "a key must be one word")
            key = str(key_node.value)
            if key in result:
                raise _flaw(source, line, (*path, key), "given twice")
            lines[(*path, key)] = line
            result[key] = _build(value_node, (*path, key), lines, source, seen)
        return result
    if isinstance(node, yaml.SequenceNode):
        return [_build(child, (*path, i), lines, source, seen) for i, child in enumerate(node.value)]
    try:
        return _scalars.construct_object(node, deep=True)
    except (yaml.YAMLError, ValueError) as error:
        what = error.problem if isinstance(error, yaml.MarkedYAMLError) else error
        raise _flaw(source, lines[path], path, str(what)) from None


def _flaw(source: str, line: int, path: Path_, message: str) -> DocumentError:
    return DocumentError(f"{f'{source}:{line} {dotted(path)}'.rstrip()}: {message}")


_AT = re.compile(r"^(?P<what>.*?)(?: - at `(?:key in )?\$?(?P<path>.*)`)?$", re.DOTALL)
_STEP = re.compile(r"\.([^.\[\]]+)|\[(\d+)\]|(\[\.\.\.\])")
_UNKNOWN = re.compile(r"Object contains unknown field `(.*)`")
_BAD_WORD = re.compile(r"Invalid (?:enum )?value '(.*)'")


def convert(document: Document, kind: type[T], value: Any = None, at: Path_ = ()) -> T:
    """The document, or a part of it that stands at a path, as a frozen type; DocumentError for the first flaw."""
    plain = document.value if value is None else value
    try:
        return msgspec.convert(plain, kind, dec_hook=from_text)
    except msgspec.ValidationError as error:
        match = _AT.match(str(error))
        assert match
        what, flaw = match["what"], _find_flaw(plain, kind, match["path"] or "")
    path, given = (*at, *flaw.path), flaw.value
    if unknown := _UNKNOWN.match(what):
        name = unknown[1]
        raise document.error((*path, name), f"unknown key {name!r}{nearest(name, _keys_of(flaw.kind, given))}")
    if (word := _BAD_WORD.match(what)) and (legal := _words_of(flaw.kind)):
        raise document.error(path, f"{word[1]!r} is not legal here{nearest(word[1], legal)}")
    shown = "" if isinstance(given, dict | list) or repr(given) in what else f" (given: {given!r})"
    raise document.error(path, what[:1].lower() + what[1:] + shown)


class _Flaw(msgspec.Struct):
    """Where a conversion failed: the path, the value that stands there, and the type it should have had."""

    path: Path_
    value: Any
    kind: Any


def _find_flaw(value: Any, kind: Any, path: str) -> _Flaw:
    """Follows msgspec's path; where that says only `[...]` (some value of a mapping), looks for the culprit."""
    flaw = _Flaw((), value, kind)
    for key, index, anything in _STEP.findall(path):
        step: str | int = int(index) if index else key
        inner = _type_inside(flaw.kind, step, flaw.value)
        if anything:
            step = next((k for k, v in flaw.value.items() if not _converts(v, inner)), "")
        if _holds(flaw.value, step):
            flaw = _Flaw((*flaw.path, step), flaw.value[step], inner)
    return flaw


def _holds(container: Any, step: str | int) -> bool:
    return step in container if isinstance(container, dict) else isinstance(container, list)


def _converts(value: Any, kind: Any) -> bool:
    try:
        msgspec.convert(value, kind, dec_hook=from_text)
    except msgspec.ValidationError:
        return False
    return True


def _members(kind: Any) -> list[Any]:
    """The members of a union, None apart; the type itself if it is none."""
    if get_origin(kind) in (Union, UnionType):
        return [member for member in get_args(kind) if member is not NoneType]
    return [kind]


def _struct(kind: Any, value: Any) -> Any:
    """The struct that a type means for a value: of a tagged union, the one whose tag the value carries."""
    structs = [m for m in _members(kind) if isinstance(m, type) and issubclass(m, msgspec.Struct)]
    for struct in structs:
        config = struct.__struct_config__
        if config.tag is not None and isinstance(value, dict) and value.get(config.tag_field) == config.tag:
            return struct
    return structs[0] if structs else None


def _type_inside(kind: Any, step: str | int, value: Any) -> Any:
    tags = {m.__struct_config__.tag_field: m for m in _members(kind) if _struct(m, None)}
    if step in tags:
        return kind  # the word that says which of the structs it is
    if struct := _struct(kind, value):
        hints = get_type_hints(struct)
        return next((hints[f.name] for f in msgspec.structs.fields(struct) if f.encode_name == step), Any)
    for member in _members(kind):
        arguments = get_args(member)
        if get_origin(member) is dict:
            return arguments[1]
        if get_origin(member) is list or (get_origin(member) is tuple and arguments[-1] is Ellipsis):
            return arguments[0]
        if get_origin(member) is tuple and isinstance(step, int) and step < len(arguments):
            return arguments[step]
    return Any


def _keys_of(kind: Any, value: Any) -> list[str]:
    struct = _struct(kind, value)
    if struct is None:
        return []
    tag = [struct.__struct_config__.tag_field] if struct.__struct_config__.tag_field else []
    return tag + [f.encode_name for f in msgspec.structs.fields(struct)]


def _words_of(kind: Any) -> list[str]:
    words: list[str] = []
    for member in _members(kind):
        if isinstance(member, type) and issubclass(member, Enum):
            words += [str(word.value) for word in member]
        elif isinstance(member, type) and issubclass(member, msgspec.Struct):
            words += [str(member.__struct_config__.tag)] if member.__struct_config__.tag else []
        elif get_origin(member) is Literal:
            words += map(str, get_args(member))
        elif get_origin(member) is dict:  # the flaw is one of its keys
            words += _words_of(get_args(member)[0])
    return words


class _Dumper(yaml.SafeDumper):
    """Writes the same value twice where PyYAML would write an alias, which `read` refuses."""

    def ignore_aliases(self, data: object) -> bool:
        return True


def write(value: object) -> str:
    """YAML of a frozen type: keys in the order of its fields, units as people write them, UTF-8."""
    plain = msgspec.to_builtins(value, enc_hook=to_text, str_keys=True)
    return yaml.dump(plain, Dumper=_Dumper, allow_unicode=True, sort_keys=False, width=120)


def merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Mapping laid over mapping, key by key and deeply; lists and scalars of `over` replace those of `base`."""
    result = dict(base)
    for key, value in over.items():
        below = result.get(key)
        result[key] = merged(below, value) if isinstance(below, Mapping) and isinstance(value, Mapping) else value
    return result
