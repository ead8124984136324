from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from plan.document import DocumentError, convert, dotted, merged, nearest, read, read_file, write
from plan.units import Rate, Share, WireTime


class Colour(StrEnum):
    RED = "red"
    GREEN = "green"


class Fault(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    id: str
    rate: Share = Share(1.0)
    colour: Colour = Colour.RED


class Flat(msgspec.Struct, frozen=True, tag_field="shape", tag="flat", forbid_unknown_fields=True):
    rate: Rate


class Steep(msgspec.Struct, frozen=True, tag_field="shape", tag="steep", forbid_unknown_fields=True):
    top: Rate
    within: WireTime = WireTime(1.0)


class Inner(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    timeout: WireTime
    faults: list[Fault] = []


class Outer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    about: str
    inner: Inner | None = None
    faults: list[Fault] = []
    upstreams: dict[str, Inner] = {}
    load: Flat | Steep | None = None


def refused(text: str) -> str:
    with pytest.raises(DocumentError) as error:
        convert(read(text, "f.yaml"), Outer)
    return str(error.value)


def test_values_and_the_line_of_each_are_read() -> None:
    found = read(
        "about: x\ninner:\n  timeout: 2 s\n  faults:\n    - id: a\n    - {id: b,\n       rate: 5%}\n", "f.yaml"
    )
    assert found.value == {
        "about": "x",
        "inner": {"timeout": "2 s", "faults": [{"id": "a"}, {"id": "b", "rate": "5%"}]},
    }
    assert found.lines[("inner", "timeout")] == 3
    assert found.lines[("inner", "faults", 1, "rate")] == 7
    assert found.place(("inner", "faults", 1, "rate")) == "f.yaml:7 inner.faults[1].rate"
    assert found.place(("inner", "faults", 1, "nothing")) == "f.yaml:6 inner.faults[1].nothing"
    doc = convert(found, Outer)
    assert doc.inner == Inner(WireTime(2), [Fault("a"), Fault("b", Share(0.05))])


@pytest.mark.parametrize(
    ("text", "message"),
    [  # place, value, way out
        ("about: x\nabuot: y\n", "f.yaml:2 abuot: unknown key 'abuot'; did you mean 'about'?"),
        ("about: x\nzzz: y\n", "f.yaml:2 zzz: unknown key 'zzz'; legal: about, faults, inner, load, upstreams"),
        ("about: x\ninner:\n  timeot: 2 s\n", "f.yaml:3 inner.timeot: unknown key 'timeot'; did you mean 'timeout'?"),
        (
            "about: x\nfaults:\n- id: a\n- id: b\n  rat: 5%\n",
            "f.yaml:5 faults[1].rat: unknown key 'rat'; did you mean 'rate'?",
        ),
        (
            "about: x\ninner:\n  timeout: 1 s\n  faults:\n  - {id: a, colr: red}\n",
            "f.yaml:5 inner.faults[0].colr: unknown key 'colr'; did you mean 'colour'?",
        ),
        (
            "about: x\nupstreams:\n  ok: {timeout: 1 s}\n  bad: {timeout: 1 s, fault: []}\n",
            "f.yaml:4 upstreams.bad.fault: unknown key 'fault'; did you mean 'faults'?",
        ),
        (
            "about: x\nload: {shape: steep, topp: 1/s}\n",
            "f.yaml:2 load.topp: unknown key 'topp'; did you mean 'top'?",
        ),
        (
            "about: x\nfaults: [{id: a, colour: gren}]\n",
            "f.yaml:2 faults[0].colour: 'gren' is not legal here; did you mean 'green'?",
        ),
        ("about: x\nload: {shape: stepe, top: 1/s}\n", "did you mean 'steep'?"),
        (
            "about: x\nfaults: [{id: a, rate: 130%}]\n",
            "f.yaml:2 faults[0].rate: '130%' is not legal here; legal: a share",
        ),
        (
            "about: x\ninner: {timeout: 5}\n",
            "f.yaml:2 inner.timeout: 5 is not legal here; legal: a duration with its unit",
        ),
        ("about: 5\n", "f.yaml:1 about: expected `str`, got `int` (given: 5)"),
        ("faults: []\n", "f.yaml:1: object missing required field `about`"),
        ("about: x\nfaults: [{rate: 5%}]\n", "f.yaml:2 faults[0]: object missing required field `id`"),
        ("about: x\nfaults: {}\n", "f.yaml:2 faults: expected `array`, got `object`"),
        (
            "about: x\nupstreams:\n  ok: {timeout: 1 s}\n  bad: {timeout: 1}\n",
            "f.yaml:4 upstreams.bad.timeout: 1 is not legal",
        ),
    ],
)
def test_a_flaw_is_named_with_place_value_and_way_out(text: str, message: str) -> None:
    assert message in refused(text)
    assert "\n" not in refused(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "f.yaml:1: must be a mapping of keys to values"),
        ("- a\n", "f.yaml:1: must be a mapping"),
        ("just words\n", "f.yaml:1: must be a mapping"),
        ("a: 1\na: 2\n", "f.yaml:2 a: given twice"),
        ("b:\n  a: 1\n  c: 1\n  a: 2\n", "f.yaml:4 b.a: given twice"),
        ("b: [{a: 1, a: 2}]\n", "f.yaml:1 b[0].a: given twice"),
        ("a: [1, 2\n", "f.yaml:2: not YAML: "),
        ("a: b: c\n", "f.yaml:1: not YAML: "),
        ("a: 1\n---\nb: 2\n", "f.yaml:2: not YAML: "),
        ("a: \x00\n", "f.yaml: not YAML: "),
        ("a: !!python/object:os.system x\n", "f.yaml:1 a: could not determine a constructor"),
        ("a: !secret x\n", "f.yaml:1 a: could not determine a constructor"),
        ("a: 2026-02-31\n", "f.yaml:1 a: "),
        ("a: &x 1\nb: *x\n", "f.yaml:2 b: an alias"),
        ("a: &x [*x]\n", "f.yaml:1 a[0]: an alias"),
        ("? [a, b]\n: c\n", "f.yaml:1: a key must be one word"),
    ],
)
def test_what_is_no_plain_yaml_mapping_is_refused_in_one_line(text: str, message: str) -> None:
    with pytest.raises(DocumentError) as error:
        read(text, "f.yaml")
    assert str(error.value).startswith(message)
    assert "\n" not in str(error.value)


def not_there(path: Path) -> None:
    path.unlink(missing_ok=True)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (not_there, "no such file"),
        (lambda path: path.write_bytes(b"a: \xff\n"), "cannot be read: .*utf-8"),
        (lambda path: path.write_text("a: 好\n", encoding="gb18030"), "cannot be read: .*utf-8"),
        (lambda path: path.mkdir(), "cannot be read"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_by_its_name(
    tmp_path: Path, spoil: Callable[[Path], object], message: str
) -> None:
    path = tmp_path / "s.yaml"
    spoil(path)
    with pytest.raises(DocumentError, match=rf"s\.yaml: {message}"):
        read_file(path)


def test_a_part_of_a_document_is_converted_with_its_own_place() -> None:
    found = read("faults:\n- id: a\n- id: b\n  rat: 1%\n", "f.yaml")
    assert convert(found, Fault, found.value["faults"][0], ("faults", 0)) == Fault("a")
    with pytest.raises(DocumentError, match=r"f\.yaml:4 faults\[1\]\.rat: unknown key 'rat'"):
        convert(found, Fault, found.value["faults"][1], ("faults", 1))


def test_what_is_written_is_read_back_and_written_the_same() -> None:
    doc = Outer("好 #1: 'x'", Inner(WireTime(0.4), [Fault("a", Share(1 / 3))]), load=Steep(Rate(1 / 3)))
    text = write(doc)
    assert "400 ms" in text
    assert "好" in text
    again = convert(read(text, "x"), Outer)
    assert again == doc
    assert write(again) == text


def test_a_value_that_stands_twice_is_written_twice_because_aliases_are_refused() -> None:
    same: list[object] = [1, 2]
    text = write({"a": same, "b": same})
    assert read(text, "x").value == {"a": [1, 2], "b": [1, 2]}


# YAML itself takes U+0085, U+2028 and U+2029 for ends of lines.
WORDS = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]) | st.just("\n"), max_size=8)
PLAIN: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab: #-1好'\"", max_size=4), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text("abc", min_size=1, max_size=3), PLAIN, max_size=4))
def test_any_plain_values_come_back_from_yaml(value: dict[str, Any]) -> None:
    assert read(write(value), "x").value == value


@pytest.mark.parametrize(
    ("word", "legal", "answer"),
    [
        ("notice_lots", ["notice_lost", "slow"], "; did you mean 'notice_lost'?"),
        ("zzz", ["b", "a"], "; legal: a, b"),
        ("zzz", [], ""),
    ],
)
def test_the_nearest_word_is_offered_or_else_all_of_them(word: str, legal: list[str], answer: str) -> None:
    assert nearest(word, legal) == answer


@pytest.mark.parametrize(("path", "text"), [((), ""), (("a",), "a"), (("a", 0, "b"), "a[0].b"), ((0, 1), "[0][1]")])
def test_a_path_is_written_as_people_do(path: tuple[str | int, ...], text: str) -> None:
    assert dotted(path) == text


@pytest.mark.parametrize(
    ("base", "over", "result"),
    [
        ({}, {"a": 1}, {"a": 1}),
        ({"a": {"x": 1, "y": 2}}, {"a": {"y": 3}}, {"a": {"x": 1, "y": 3}}),
        ({"a": [1, 2]}, {"a": [3]}, {"a": [3]}),
        ({"a": {"x": 1}}, {"a": 5}, {"a": 5}),
        ({"a": 5}, {"a": {"x": 1}}, {"a": {"x": 1}}),
        ({"a": 1}, {"a": None}, {"a": None}),
    ],
)
def test_a_mapping_is_laid_over_another_deeply(
    base: dict[str, Any], over: dict[str, Any], result: dict[str, Any]
) -> None:
    before = repr(base)
    assert merged(base, over) == result
    assert repr(base) == before
