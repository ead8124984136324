"""JSON as Go reads and writes it; what it refuses is held against Toxiproxy itself in test_both_api.py."""

import pytest

from faults.transport import go_json
from faults.transport.go_json import FLOAT32, INT64, OURS, STRING, Float32, JsonError, Number, Object, Shape

INNER = Shape("toxics.InnerToxic", {"a": INT64}, once_null=OURS)
SHAPE = Shape("x.Outer", {"name": STRING, "share": FLOAT32, "inner": INNER, "own": OURS})


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (b" null x", None),
        (b"true,", True),
        (b"01", Number("0")),
        (b"-1.5E+3]", Number("-1.5E+3")),
        (b'"a\\n\\u00E9\\/"', "a\n\u00e9/"),
        (b'"\\ud83d\\ude00\\ud83d\\u0041\\udc00"', "\U0001f600\ufffdA\ufffd"),
        (b'"\xe4\xb8\xff\xed\xa0\x80"', "\ufffd" * 6),
        (b"[1,[],{}]", [Number("1"), [], Object([])]),
        (b'{"a":1,"a":[null]}', Object([("a", Number("1")), ("a", [None])])),
        (b"[" * 10_000 + b"]" * 10_000 + b"]", None),
    ],
)
def test_the_first_value_is_read_and_the_rest_is_not_looked_at(text: bytes, value: go_json.Value) -> None:
    found = go_json.read(text)
    if value is None and isinstance(found, list):
        depth = 1
        while found:
            assert isinstance(found, list)
            found, depth = found[0], depth + 1
        assert depth == go_json.DEPTH_MAX
        return
    assert found == value


@pytest.mark.parametrize("text", [b"", b"{", b'{"a"', b'{"a":', b"[1,", b'"\\', b'"\\u1', b"tru", b"-", b"1e", b"1."])
def test_a_text_that_breaks_off_is_no_value(text: bytes) -> None:
    with pytest.raises(JsonError, match="EOF"):
        go_json.read(text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{}", {}),
        ('{"NAME":"x","\u017fhare":0.1,"other":{"name":1}}', {"name": "x", "share": 0.10000000149011612}),
        ('{"name":"x","name":null}', {"name": "x"}),
        ('{"name":"x","Name":"y"}', {"name": "y"}),
        ('{"inner":{"a":1},"inner":{"b":2}}', {"inner": {"a": 1}}),
        ('{"inner":null,"inner":{"a":"x"}}', {}),
        ('{"inner":{"a":-9223372036854775808}}', {"inner": {"a": -(2**63)}}),
        ('{"own":{"b":[1,2.5,null]}}', {"own": {"b": [1, 2.5, None]}}),
    ],
)
def test_an_object_says_what_its_names_say_in_any_case(text: str, said: dict[str, object]) -> None:
    assert go_json.fields(go_json.read(text.encode()), SHAPE) == said


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[]", "cannot unmarshal array into Go value of type x.Outer"),
        ('{"name":{}}', "cannot unmarshal object into Go struct field Outer.name of type string"),
        ('{"inner":[]}', "cannot unmarshal array into Go struct field Outer.inner of type toxics.InnerToxic"),
        ('{"inner":{"a":1.0}}', "cannot unmarshal number 1.0 into Go struct field InnerToxic.inner.a of type int64"),
        ('{"inner":{"a":9223372036854775808}}', "number 9223372036854775808 into"),
        ('{"share":1e39}', "number 1e39 into Go struct field Outer.share of type float32"),
        ('{"own":' + "[" * 50 + "]" * 50 + "}", "nested too deep"),
    ],
)
def test_what_does_not_fit_is_refused(text: str, words: str) -> None:
    with pytest.raises(JsonError) as refused:
        go_json.fields(go_json.read(text.encode()), SHAPE)
    assert words in str(refused.value)


def test_a_number_as_long_as_the_body_is_no_work_for_python() -> None:
    """Python refuses to read more than 4,300 digits, by an error of its own."""
    digits = b"9" * 200_000
    for name in (b"inner", b"own"):
        body = b'{"inner":{"a":%s}}' % digits if name == b"inner" else b'{"own":%s}' % digits
        try:
            said = go_json.fields(go_json.read(body), SHAPE)
        except JsonError:
            continue
        assert said == {"own": float("inf")}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (
            {"b": [1, True, None], "a": "<&>\u2028\x00\x7f"},
            '{"b":[1,true,null],"a":"\\u003c\\u0026\\u003e\\u2028\\u0000\x7f"}',
        ),
        (Float32(go_json.float32(0.1)), "0.1"),
        (Float32(go_json.float32(3.4028235e38)), "3.4028235e+38"),
        (Float32(go_json.float32(1e-6)), "0.000001"),
        (1e21, "1e+21"),
        (1.5e-7, "1.5e-7"),
        (100.0, "100"),
        (-0.0, "-0"),
    ],
)
def test_values_are_written_as_go_writes_them(value: object, text: str) -> None:
    assert go_json.text(value) == text
