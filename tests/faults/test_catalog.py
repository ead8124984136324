"""One table for all faults: a new one fails here until it has its rows."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from faults.catalog import ANY_NOTICE, FOLDERS, NOTICES, Cause, Fault, Part, catalog, is_legal
from faults.verdict import (
    AddField,
    AmountOff,
    AnswerUnknown,
    BigAnswer,
    Cancel,
    Capacity,
    ChangeState,
    Complain,
    CountOtherwise,
    DateForm,
    Delay,
    Digits,
    DoubleClick,
    Drop,
    Early,
    Effect,
    EnterWrong,
    Enwrap,
    FailCheck,
    FlapState,
    FlipCode,
    GiveUp,
    Goods,
    Hang,
    Kill,
    LockDatabase,
    Lose,
    LoseAnswer,
    LoseJobs,
    LoseRequest,
    Moved,
    NotSubmitted,
    OtherFlavour,
    OtherRule,
    Outcome,
    Page,
    Pause,
    PayLate,
    Redate,
    Refuse,
    RefuseRepeat,
    RejectVersion,
    Rename,
    Reorder,
    Repeat,
    Reset,
    Reshape,
    Retype,
    RewriteMoney,
    ScaleMoney,
    Shape,
    SignAs,
    SlowBody,
    Strip,
    Stripped,
    TellAgain,
    Together,
    Truncate,
    Turned,
    Unconfirmed,
    Variant,
    WeakNet,
    When,
    Wrap,
    Wrapping,
)
from ledger.events import ACCEPT, REFUSE
from ledger.states import Hop, Operation
from plan.dialects import DIALECTS
from plan.units import from_text
from tests.faults.wire_rows import WIRE_LEGAL, WIRE_REFUSED

FAULTS = Path(__file__).parents[2] / "faults"
ANYTHING_ELSE = [{"surprise": 1}]

LEGAL: list[tuple[str, dict[str, object], Effect]] = [  # drawn effects at a draw of 0.5
    ("accept_then_fail", {}, Goods(Outcome.ACCEPT_THEN_FAIL)),
    ("amount_off", {}, AmountOff(-1)),
    ("amount_off", {"fen": 1_000_000}, AmountOff(1_000_000)),
    ("answer_unknown", {}, AnswerUnknown()),
    ("big_answer", {}, BigAnswer(9000)),
    ("big_answer", {"bytes": 4097}, BigAnswer(4097)),
    ("business_error", {}, Goods(Outcome.BALANCE)),
    ("cancels", {}, Cancel("before", 5.0)),
    ("cancels", {"when": "after", "after": "2 min"}, Cancel("after", 120.0)),
    ("cancels", {"when": "during"}, Cancel("during", 5.0)),
    ("capacity", {"at_once": 1, "takes": "100 ms"}, Capacity(1, 0, 0.1, 503)),
    ("capacity", {"at_once": 4, "takes": "2 s", "queue": 20, "status": 429}, Capacity(4, 20, 2.0, 429)),
    ("db_lock", {}, LockDatabase(5.0, 86_400.0)),
    ("db_lock", {"held": "30 s"}, LockDatabase(30.0, 86_400.0)),
    ("db_slow", {}, LockDatabase(0.2, 0.5)),
    ("db_slow", {"held": "50 ms", "every": "1 s"}, LockDatabase(0.05, 1.0)),
    ("double_click", {}, DoubleClick(1, 0.15)),
    ("double_click", {"more": 3, "gap": "0 s"}, DoubleClick(3, 0.0)),
    ("duplicate_refused", {}, RefuseRepeat()),
    ("empty_goods", {}, Goods(Outcome.EMPTY)),
    ("gives_up", {}, GiveUp()),
    ("hang", {}, Hang(60.0)),
    ("hang", {"lasts": "500 ms"}, Hang(0.5)),
    ("html_page", {}, Page(200, False)),
    ("html_page", {"status": 502, "acted": True}, Page(502, True)),
    ("job_lost", {}, LoseJobs(5, 5.0)),
    ("job_lost", {"jobs": 1, "within": "1 min"}, LoseJobs(1, 60.0)),
    ("lose_answer", {}, LoseAnswer()),
    ("lose_request", {}, LoseRequest()),
    ("loss_with_load", {"curve": [["5/s", "0%"], ["20/s", "40%"]]}, LoseRequest()),
    ("loss_with_load", {"curve": [["300/min", 0.5]]}, LoseRequest()),
    ("maintenance", {}, Goods(Outcome.MAINTENANCE)),
    ("not_submitted", {}, NotSubmitted()),
    ("notice_after_refund", {}, TellAgain(1.0)),
    ("notice_after_refund", {"after": "0 s"}, TellAgain(0.0)),
    ("notice_early", {}, Early()),
    ("notice_late", {"by": "3 s"}, Delay(3.0)),
    ("notice_lost", {}, Lose()),
    ("notice_repeat", {}, Repeat(1, 0.0)),
    ("notice_repeat", {"copies": 100, "gap": "1.5 s"}, Repeat(100, 1.5)),
    ("notice_stripped", {}, Strip((), Stripped.REMOVED)),
    ("notice_stripped", {"fields": ["param", "name"], "how": "emptied"}, Strip(("param", "name"), Stripped.EMPTIED)),
    ("notice_together", {}, Together(2, 2.0)),
    ("notice_together", {"n": 10, "within": "500 ms"}, Together(10, 0.5)),
    ("others_goods", {}, Goods(Outcome.OTHERS)),
    ("partial_goods", {}, Goods(Outcome.PARTIAL)),
    ("pays_late", {}, PayLate(900.0)),
    ("pays_late", {"by": "90 s"}, PayLate(90.0)),
    ("refuse", {}, Refuse(503)),
    ("refuse", {"status": 400}, Refuse(400)),
    ("refuse", {"status": 599}, Refuse(599)),
    ("reorders", {}, Reorder(60.0)),
    ("complains", {}, Complain(86_400.0)),
    ("complains", {"after": "3 min"}, Complain(180.0)),
    ("reorders", {"after": "3 min"}, Reorder(180.0)),
    ("repeats_command", {}, Unconfirmed()),
    ("repeats_command", {}, Unconfirmed()),
    ("reset", {}, Reset(When.BEFORE)),
    ("reset", {"when": "after"}, Reset(When.AFTER)),
    ("reset", {"when": "mid_answer"}, Reset(When.MID_ANSWER)),
    ("shop_kill", {}, Kill(2.0, None, 1)),
    ("shop_kill", {"restart_after": "0 s", "after_ack": "0 ms..50 ms", "times": 3}, Kill(0.0, 0.025, 3)),
    ("shop_kill", {"after_ack": "20 ms"}, Kill(2.0, 0.02, 1)),
    ("shop_pause", {}, Pause("web")),
    ("sig.body_reserialized", {}, OtherRule(Variant.BODY_RESERIALIZED)),
    ("sig.case", {}, OtherRule(Variant.CASE)),
    ("sig.cert_rotated", {}, SignAs(Variant.CERT_ROTATED)),
    ("sig.charset_gbk", {}, OtherRule(Variant.CHARSET_GBK)),
    ("sig.double_encoded", {}, SignAs(Variant.DOUBLE_ENCODED)),
    ("sig.empty_kept", {}, OtherRule(Variant.EMPTY_KEPT)),
    ("sig.empty_serial", {}, SignAs(Variant.EMPTY_SERIAL)),
    ("sig.gcm_bad_tag", {}, SignAs(Variant.GCM_BAD_TAG)),
    ("sig.json_escaping", {}, OtherRule(Variant.JSON_ESCAPING)),
    ("sig.key_tail", {}, OtherRule(Variant.KEY_TAIL)),
    ("sig.merged_sources", {}, OtherRule(Variant.MERGED_SOURCES)),
    ("sig.missing", {}, OtherRule(Variant.MISSING)),
    ("sig.missing_type_header", {}, SignAs(Variant.MISSING_TYPE_HEADER)),
    ("sig.number_format", {}, OtherRule(Variant.NUMBER_FORMAT)),
    ("sig.odd_cert_overlap", {}, SignAs(Variant.CERT_OVERLAP)),
    ("sig.odd_escaped", {}, SignAs(Variant.ESCAPED)),
    ("sig.odd_extra_field", {}, SignAs(Variant.EXTRA_FIELD)),
    ("sig.odd_field_order", {}, SignAs(Variant.FIELD_ORDER)),
    ("sig.odd_sign_first", {}, SignAs(Variant.SIGN_FIRST)),
    ("sig.odd_skew", {}, SignAs(Variant.SKEW_4_MIN)),
    ("sig.odd_spaced", {}, SignAs(Variant.SPACED)),
    ("sig.partial_cover", {}, SignAs(Variant.PARTIAL_COVER)),
    ("sig.plus_space", {}, OtherRule(Variant.PLUS_SPACE)),
    ("sig.probe", {}, SignAs(Variant.PROBE)),
    ("sig.sort_locale", {}, OtherRule(Variant.SORT_LOCALE)),
    ("sig.time_zone", {}, OtherRule(Variant.TIME_ZONE)),
    ("sig.trailing_newline", {}, OtherRule(Variant.TRAILING_NEWLINE)),
    ("sig.type_confusion", {}, OtherRule(Variant.TYPE_CONFUSION)),
    ("sig.type_in_string", {}, OtherRule(Variant.TYPE_IN_STRING)),
    ("sig.unit_skew", {}, OtherRule(Variant.UNIT_SKEW)),
    ("sig.unknown_serial", {}, SignAs(Variant.UNKNOWN_SERIAL)),
    ("sig.unsorted", {}, OtherRule(Variant.UNSORTED)),
    ("sig.urlencoded", {}, OtherRule(Variant.URLENCODED)),
    ("sig.v3key_changed", {}, SignAs(Variant.V3KEY_CHANGED)),
    ("sig.wrong_key", {}, FailCheck()),
    ("sig.wrong_peer_key", {}, SignAs(Variant.WRONG_KEY)),
    ("sig.clock_skew", {}, OtherRule(Variant.SKEW_6_MIN)),
    ("sig.clock_skew", {"by": "11 min"}, OtherRule(Variant.SKEW_11_MIN)),
    ("sig.clock_skew", {"by": "1 day"}, OtherRule(Variant.SKEW_1_DAY)),
    ("sig.nonce_replay", {}, Repeat(1, 10.0)),
    ("sig.nonce_replay", {"after": "2 min"}, Repeat(1, 120.0)),
    ("slow", {"ms": 400}, Delay(0.4)),
    ("slow", {"ms": 0.5}, Delay(0.0005)),
    ("slow", {"ms": 600_000}, Delay(600.0)),
    ("slow", {"normal": {"mean": 300, "sd": 100}}, Delay(0.3)),
    ("slow", {"normal": {"mean": 300, "sd": 0}}, Delay(0.3)),
    ("slow", {"lognormal": {"median": 200, "p95": 900, "max": 5000}}, Delay(0.2)),
    ("slow", {"pareto": {"min": 100, "alpha": 1, "max": 60_000}}, Delay(0.2)),
    ("slow", {"pareto": {"min": 100, "alpha": 1, "max": 150}}, Delay(0.15)),
    ("slow_body", {"over": "3 s"}, SlowBody(3.0)),
    ("sold_out", {}, Goods(Outcome.SOLD_OUT)),
    ("state_flaps", {}, FlapState()),
    ("state_flaps", {"every": 100}, FlapState()),
    ("stays_processing", {}, Goods(Outcome.STAYS_PROCESSING)),
    ("truncate", {}, Truncate(0.5)),
    ("truncate", {"share": "0%"}, Truncate(0.0)),
    ("ver.cents_vs_yuan", {}, ScaleMoney(100.0)),
    ("ver.code_polarity", {}, FlipCode()),
    ("ver.content_type", {}, Wrap(Wrapping.HTML)),
    ("ver.content_type", {"kind": "gzip"}, Wrap(Wrapping.GZIP)),
    ("ver.date_format", {}, Redate(DateForm.EPOCH_MS)),
    ("ver.date_format", {"form": "rfc3339"}, Redate(DateForm.RFC3339)),
    ("ver.decimals", {}, RewriteMoney(Digits.FOUR)),
    ("ver.decimals", {"digits": "exponent"}, RewriteMoney(Digits.EXPONENT)),
    ("ver.envelope", {}, Enwrap(None)),
    ("ver.envelope", {"name": "error_response"}, Enwrap("error_response")),
    ("ver.enum_changed", {}, ChangeState(unknown=False)),
    ("ver.enum_unknown", {}, ChangeState(unknown=True)),
    ("ver.explicit", {}, RejectVersion()),
    ("ver.extra_field", {}, AddField("ext_info", "v2")),
    ("ver.extra_field", {"field": "x", "value": "1"}, AddField("x", "1")),
    ("ver.html_instead", {}, Page(200, False)),
    ("ver.html_instead", {"status": 404}, Page(404, False)),
    ("ver.missing_field", {}, Drop(None)),
    ("ver.missing_field", {"field": "data.secret"}, Drop("data.secret")),
    ("ver.num_to_string", {}, Retype()),
    ("ver.num_to_string", {"turned": "to_text"}, Retype(Turned.TO_TEXT)),
    ("ver.path_moved", {}, Moved(404)),
    ("ver.path_moved", {"status": 301}, Moved(301)),
    ("ver.path_moved", {"status": 302}, Moved(302)),
    ("ver.rcon_flavour", {}, OtherFlavour()),
    ("ver.refund_fee", {}, CountOtherwise()),
    ("ver.renamed", {}, Rename(None, None)),
    ("ver.renamed", {"field": "status", "to": "trade_status"}, Rename("status", "trade_status")),
    ("ver.shape", {}, Reshape(None, None)),
    ("ver.shape", {"field": "data"}, Reshape("data", None)),
    ("ver.shape", {"field": "data", "into": "text"}, Reshape("data", Shape.TEXT)),
    ("ver.sync_to_async", {}, Goods(Outcome.LATER)),
    ("weak_net", {}, WeakNet("place")),
    ("weak_net", {"operation": "pay"}, WeakNet("pay")),
    *WIRE_LEGAL,
    ("worker_stop", {}, Pause("worker")),
    ("wrong_account", {}, EnterWrong("account")),
    ("wrong_denomination", {}, EnterWrong("denomination")),
    ("wrong_region", {}, EnterWrong("region")),
    ("wrong_region_refused", {}, Goods(Outcome.WRONG_REGION)),
]
REFUSED: dict[str, list[dict[str, object]]] = {
    "amount_off": [{"fen": 0}, {"fen": 0.01}, {"fen": "1"}, {"fen": 1_000_001}, {"fen": -1_000_001}],
    "big_answer": [{"bytes": 4096}, {"bytes": 65_537}, {"bytes": "9000"}, {"length": 9000}],
    "cancels": [{"when": "later"}, {"after": 5}, {"after": "25 h"}],
    "capacity": [
        {},
        {"at_once": 1},
        {"at_once": 0, "takes": "1 s"},
        {"at_once": 1, "takes": "0 s"},
        {"at_once": 1, "takes": 1},
        {"at_once": 1, "takes": "11 min"},
        {"at_once": 1, "takes": "1 s", "queue": -1},
        {"at_once": 1, "takes": "1 s", "status": 200},
    ],
    "db_lock": [{"held": "0 s"}, {"held": "11 min"}, {"held": 5}, {"every": "1 s"}],
    "db_slow": [{"held": "500 ms"}, {"held": "0 s"}, {"held": "1 s", "every": "1 s"}, {"every": "11 min"}],
    "double_click": [{"more": 0}, {"more": 21}, {"gap": 0.1}, {"gap": "2 min"}],
    "hang": [{"lasts": 60}, {"lasts": "60"}, {"lasts": "-1 s"}, {"s": "1 s"}],
    "html_page": [{"status": 199}, {"status": 600}, {"status": 204}, {"status": 304}, {"acted": "yes"}, {"acted": 1}],
    "job_lost": [{"jobs": 0}, {"jobs": 10_001}, {"within": "0 s"}, {"within": 5}],
    "lose_answer": [{"ms": 1}],
    "loss_with_load": [
        {},
        {"curve": []},
        {"curve": [["5/s"]]},
        {"curve": [["5/s", "101%"]]},
        {"curve": [[5, "10%"]]},
        {"curve": [["5/s", "10%"], ["5/s", "20%"]]},
        {"curve": [["9/s", "10%"], ["5/s", "20%"]]},
    ],
    "notice_after_refund": [{"after": 1}, {"after": "11 min"}, {"by": "1 s"}],
    "notice_late": [{}, {"by": 3}, {"by": "soon"}],
    "notice_lost": [{"copies": 1}],
    "notice_repeat": [{"copies": 0}, {"copies": 101}, {"copies": 1.5}, {"copies": "2"}, {"gap": 1}],
    "notice_stripped": [{"fields": "param"}, {"fields": [""]}, {"fields": [1]}, {"how": "shortened"}],
    "notice_together": [{"n": 1}, {"n": 1001}, {"n": 2.5}, {"within": "0 s"}, {"within": "11 min"}, {"within": 2}],
    "pays_late": [{"by": "0 s"}, {"by": "25 h"}, {"by": 900}],
    "refuse": [{"status": 399}, {"status": 600}, {"status": 200}, {"status": "503"}],
    "complains": [{"after": "0 s"}, {"after": "169 h"}, {"after": 60}],
    "reorders": [{"after": "0 s"}, {"after": "25 h"}, {"after": 60}],
    "reset": [{"when": "later"}, {"when": ""}, {"when": 1}],
    "shop_kill": [
        {"restart_after": 2},
        {"restart_after": "11 min"},
        {"after_ack": "50 ms..0 ms"},
        {"after_ack": "2 min"},
        {"after_ack": 20},
        {"times": 0},
        {"times": 101},
    ],
    "sig.clock_skew": [{"by": "5 min"}, {"by": "6 minutes"}, {"by": 360}, {"by": ""}],
    "sig.nonce_replay": [{"after": "0 s"}, {"after": "11 min"}, {"after": 10}, {"copies": 2}],
    "slow": [
        {},
        {"ms": 0},
        {"ms": -1},
        {"ms": 600_001},
        {"ms": "400 ms"},
        {"ms": float("nan")},
        {"ms": float("inf")},
        {"ms": 1, "normal": {"mean": 1, "sd": 1}},
        {"normal": {"mean": 0, "sd": 1}},
        {"normal": {"mean": 1, "sd": -1}},
        {"normal": {"mean": 1}},
        {"normal": {"mean": float("nan"), "sd": 1}},
        {"lognormal": {"median": 900, "p95": 200, "max": 5000}},
        {"lognormal": {"median": 0, "p95": 200, "max": 5000}},
        {"lognormal": {"median": 200, "p95": 900, "max": 600_001}},
        {"pareto": {"min": 100, "alpha": 0, "max": 200}},
        {"pareto": {"min": 200, "alpha": 1, "max": 200}},
        {"pareto": {"min": 100, "alpha": 1}},
        {"pareto": {"min": 100, "alpha": 1, "max": 200, "mode": 1}},
    ],
    "slow_body": [{}, {"over": "0 s"}, {"over": 3}, {"over": "11 min"}],
    "state_flaps": [{"every": 1}, {"every": 101}, {"every": "2"}],
    "truncate": [{"share": "100%"}, {"share": -0.1}, {"share": "half"}],
    "ver.content_type": [{"kind": "xml"}, {"kind": ""}, {"status": 200}],
    "ver.date_format": [{"form": "epoch"}, {"form": 1}],
    "ver.decimals": [{"digits": "two"}, {"digits": 4}],
    "ver.envelope": [{"name": ""}, {"name": 1}],
    "ver.extra_field": [{"field": ""}, {"value": ""}, {"value": 1}],
    "ver.html_instead": [{"status": 199}, {"status": 304}, {"acted": True}],
    "ver.missing_field": [{"field": ""}, {"field": 1}, {"fields": ["a"]}],
    "ver.num_to_string": [{"turned": "round"}, {"direction": "to_text"}],
    "ver.path_moved": [{"status": 303}, {"status": 200}, {"status": "404"}],
    "ver.renamed": [{"field": "status"}, {"to": "trade_status"}, {"field": 1, "to": "x"}],
    "ver.shape": [{"field": ""}, {"into": "list"}, {"field": "data", "into": "tree"}],
    **WIRE_REFUSED,
    "weak_net": [{"operation": "poll"}, {"operation": ""}],
}
THAT_HAVE_NOTHING_TO_SET = (
    "accept_then_fail",
    "answer_unknown",
    "business_error",
    "duplicate_refused",
    "empty_goods",
    "gives_up",
    "lose_request",
    "maintenance",
    "not_submitted",
    "notice_early",
    "others_goods",
    "partial_goods",
    "repeats_command",
    "shop_pause",
    "sig.body_reserialized",
    "sig.case",
    "sig.cert_rotated",
    "sig.charset_gbk",
    "sig.double_encoded",
    "sig.empty_kept",
    "sig.empty_serial",
    "sig.gcm_bad_tag",
    "sig.json_escaping",
    "sig.key_tail",
    "sig.merged_sources",
    "sig.missing",
    "sig.missing_type_header",
    "sig.number_format",
    "sig.odd_cert_overlap",
    "sig.odd_escaped",
    "sig.odd_extra_field",
    "sig.odd_field_order",
    "sig.odd_sign_first",
    "sig.odd_skew",
    "sig.odd_spaced",
    "sig.partial_cover",
    "sig.plus_space",
    "sig.probe",
    "sig.sort_locale",
    "sig.time_zone",
    "sig.trailing_newline",
    "sig.type_confusion",
    "sig.type_in_string",
    "sig.unit_skew",
    "sig.unknown_serial",
    "sig.unsorted",
    "sig.urlencoded",
    "sig.v3key_changed",
    "sig.wrong_key",
    "sig.wrong_peer_key",
    "sold_out",
    "stays_processing",
    "ver.cents_vs_yuan",
    "ver.code_polarity",
    "ver.enum_changed",
    "ver.enum_unknown",
    "ver.explicit",
    "ver.rcon_flavour",
    "ver.rcon_flavour",
    "ver.refund_fee",
    "ver.sync_to_async",
    "wire.down",
    "worker_stop",
    "wrong_account",
    "wrong_denomination",
    "wrong_region",
    "wrong_region_refused",
)
REFUSED.update({name: [{"rate": "10%"}, {"ms": 1}] for name in THAT_HAVE_NOTHING_TO_SET})


def parameters(name: str, plain: dict[str, object]) -> msgspec.Struct:
    made: msgspec.Struct = msgspec.convert(plain, catalog()[name].params, dec_hook=from_text)
    return made


def effect_of(name: str, plain: dict[str, object], u: float = 0.5) -> Effect:
    fault, params = catalog()[name], parameters(name, plain)
    if fault.effect is not None:
        return fault.effect(params)
    assert fault.drawn is not None
    return fault.drawn(params, u)


@pytest.mark.parametrize(("name", "plain", "effect"), LEGAL)
def test_legal_parameters_have_their_effect(name: str, plain: dict[str, object], effect: Effect) -> None:
    assert effect_of(name, plain) == effect


@pytest.mark.parametrize(
    ("name", "plain"), [(name, plain) for name, rows in REFUSED.items() for plain in (*rows, *ANYTHING_ELSE)]
)
def test_other_parameters_are_refused(name: str, plain: dict[str, object]) -> None:
    with pytest.raises(msgspec.ValidationError):
        parameters(name, plain)


def test_every_fault_has_its_rows_in_both_tables() -> None:
    assert {name for name, *_ in LEGAL} == set(catalog())
    assert set(REFUSED) == set(catalog())


def test_a_fault_is_named_as_its_file_is() -> None:
    files = {
        FOLDERS[path.parent.name] + path.stem
        for path in FAULTS.glob("*/*.py")
        if path.name != "__init__.py" and path.parent.name in FOLDERS
    }
    assert set(catalog()) == files
    assert list(catalog()) == sorted(catalog())


@pytest.mark.parametrize("fault", catalog().values(), ids=catalog())
def test_a_fault_says_what_it_is_in_both_languages_and_where_it_was_seen(fault: Fault[Any]) -> None:
    assert fault.label.en.strip()
    assert fault.label.en.isascii()
    assert any("一" <= letter <= "鿿" for letter in fault.label.zh)
    assert fault.imitates.strip()
    assert fault.source.strip()
    assert isinstance(fault.cause, Cause)


HOPS_OF = {
    # Where a mock is one end.
    "application": {
        Hop.BUYER_PAYMENT,
        Hop.SHOP_PAYMENT,
        Hop.PAYMENT_SHOP,
        Hop.SHOP_SUPPLIER,
        Hop.SUPPLIER_SHOP,
        Hop.SHOP_GAME,
        Hop.GAME_SHOP,
    },
    "buyer": {Hop.BUYER_SHOP, Hop.BUYER_PAYMENT},
    # The harness itself, or the payment mock that tells it of an acknowledgement.
    "house": {Hop.SHOP, Hop.SHOP_DB, Hop.PAYMENT_SHOP},
    # Where a proxy can stand: between any two.
    "wire": set(Hop) - {Hop.SHOP},
    "kernel": set(Hop) - {Hop.SHOP},
}


@pytest.mark.parametrize("fault", catalog().values(), ids=catalog())
def test_a_fault_is_applied_only_where_somebody_of_ours_stands(fault: Fault[Any]) -> None:
    assert fault.hops
    assert len(set(fault.hops)) == len(fault.hops)
    assert set(fault.hops) <= HOPS_OF[fault.layer]
    assert set(fault.operations) <= set(Operation)
    if set(fault.hops) <= set(NOTICES):
        assert Operation.NOTICE in fault.operations
    if set(fault.operations) <= set(ANY_NOTICE) and fault.operations:
        assert set(fault.hops) <= set(NOTICES)


@pytest.mark.parametrize("fault", catalog().values(), ids=catalog())
def test_a_fault_of_some_dialects_is_legal_somewhere_in_each(fault: Fault[Any]) -> None:
    assert set(fault.dialects) <= set(DIALECTS)
    for dialect in fault.dialects:
        assert any(is_legal(fault.dialects, dialect, hop) for hop in fault.hops), dialect
    for hop in fault.hops:
        assert not fault.dialects or any(is_legal(fault.dialects, dialect, hop) for dialect in fault.dialects), hop


@pytest.mark.parametrize("fault", catalog().values(), ids=catalog())
def test_every_fault_of_a_signature_says_in_which_dialects_it_means_something(fault: Fault[Any]) -> None:
    if fault.name.startswith("sig."):
        assert fault.dialects


@pytest.mark.parametrize("fault", catalog().values(), ids=catalog())
def test_twins_name_each_other_and_ask_the_opposite_of_a_shop(fault: Fault[Any]) -> None:
    assert fault.must in ("", REFUSE, ACCEPT)
    if fault.name.startswith("sig.odd_") and fault.name != "sig.odd_sign_first":  # good shops differ about it
        assert fault.must == ACCEPT
        assert fault.twin
    if fault.twin:
        other = catalog()[fault.twin]
        assert other.twin == fault.name
        assert (fault.must == ACCEPT) != (other.must == ACCEPT)


@pytest.mark.parametrize(
    ("dialects", "dialect", "hop", "legal"),
    [
        ({}, "epay", Hop.SHOP_PAYMENT, True),
        ({}, "epay", Hop.PAYMENT_SHOP, True),
        ({}, "epay", Hop.SHOP_SUPPLIER, False),
        ({}, "fulu", Hop.SUPPLIER_SHOP, True),
        ({}, "sharedstore", Hop.SUPPLIER_SHOP, False),
        ({}, "rcon", Hop.GAME_SHOP, False),
        ({"epay": Part.REQUESTS}, "epay", Hop.SHOP_PAYMENT, True),
        ({"epay": Part.REQUESTS}, "epay", Hop.BUYER_PAYMENT, True),
        ({"epay": Part.REQUESTS}, "epay", Hop.PAYMENT_SHOP, False),
        ({"epay": Part.REQUESTS}, "alipay", Hop.SHOP_PAYMENT, False),
        ({"wechat": Part.ALL}, "wechat", Hop.BUYER_PAYMENT, False),
        ({"wechat": Part.TOLD}, "wechat", Hop.SHOP_PAYMENT, True),
        ({"alipay": Part.TOLD}, "alipay", Hop.BUYER_PAYMENT, False),
        ({"wechat": Part.NOTICES}, "wechat", Hop.SHOP_PAYMENT, False),
        ({"wechat": Part.NOTICES}, "wechat", Hop.PAYMENT_SHOP, True),
    ],
)
def test_a_fault_is_legal_where_its_part_of_the_dialect_is(
    dialects: dict[str, Part], dialect: str, hop: Hop, legal: bool
) -> None:
    assert is_legal(dialects, dialect, hop) is legal


@pytest.mark.parametrize("fault", catalog().values(), ids=catalog())
def test_every_parameter_has_a_unit_and_unknown_ones_are_forbidden(fault: Fault[Any]) -> None:
    assert set(fault.units()) == {f.encode_name for f in msgspec.structs.fields(fault.params)}
    assert fault.params.__struct_config__.forbid_unknown_fields
    assert fault.params.__struct_config__.frozen


@pytest.mark.parametrize(
    ("name", "units"),
    [
        (
            "slow",
            {
                "ms": "ms, wire time",
                "normal": "{mean: ms, wire time; sd: ms, wire time}",
                "lognormal": "{median: ms, wire time; p95: ms, wire time; max: ms, wire time}",
                "pareto": "{min: ms, wire time; alpha: number; max: ms, wire time}",
            },
        ),
        ("shop_kill", {"restart_after": "wire time", "after_ack": "wire time, or from..to", "times": "whole number"}),
        ("pays_late", {"by": "business time"}),
        ("reset", {"when": "before or after or mid_answer"}),
        ("ver.path_moved", {"status": "404 or 301 or 302"}),
        ("html_page", {"status": "whole number", "acted": "yes or no"}),
        ("notice_stripped", {"fields": "list of text", "how": "removed or emptied or renamed"}),
        ("hang", {"lasts": "wire time"}),
        ("loss_with_load", {"curve": "list of [rate, share]"}),
        ("ver.renamed", {"field": "text", "to": "text"}),
        ("notice_repeat", {"copies": "whole number", "gap": "wire time"}),
        ("notice_lost", {}),
    ],
)
def test_a_unit_is_told_in_words(name: str, units: dict[str, str]) -> None:
    assert catalog()[name].units() == units


@pytest.mark.parametrize("fault", catalog().values(), ids=catalog())
def test_a_kind_of_buyer_needs_no_parameters_and_a_fault_of_the_house_says_what_it_needs(fault: Fault[Any]) -> None:
    if fault.layer == "buyer":
        fault.params()
    assert bool(fault.needs) == (fault.layer == "house" or fault.name == "cancels")


@pytest.mark.parametrize(
    ("name", "plain", "hop", "why"),
    [
        ("shop_kill", {}, Hop.SHOP, ""),
        ("shop_kill", {"after_ack": "20 ms"}, Hop.PAYMENT_SHOP, ""),
        ("shop_kill", {"after_ack": "20 ms"}, Hop.SHOP, "payment>shop"),
        ("shop_kill", {}, Hop.PAYMENT_SHOP, "after_ack"),
        ("weak_net", {}, Hop.BUYER_SHOP, ""),
        ("weak_net", {"operation": "pay"}, Hop.BUYER_PAYMENT, ""),
        ("weak_net", {"operation": "pay"}, Hop.BUYER_SHOP, "buyer>payment"),
        ("weak_net", {}, Hop.BUYER_PAYMENT, "buyer>shop"),
    ],
)
def test_parameters_that_mean_nothing_at_a_hop_are_said_to_be_misplaced(
    name: str, plain: dict[str, object], hop: Hop, why: str
) -> None:
    misplaced = catalog()[name].misplaced
    assert misplaced is not None
    found = misplaced(parameters(name, plain), hop)
    assert why in found
    assert bool(found) == bool(why)


def test_a_state_flaps_in_every_second_query_unless_told_otherwise() -> None:
    attempts = catalog()["state_flaps"].attempts
    assert attempts is not None
    cases: list[tuple[dict[str, object], list[int]]] = [({}, [2, 4, 6]), ({"every": 3}, [3, 6])]
    for plain, struck in cases:
        params = parameters("state_flaps", plain)
        assert [n for n in range(1, 7) if attempts(params, n)] == struck


@pytest.mark.parametrize(
    ("name", "plain", "business_s"),
    [
        ("pays_late", {"by": "90 s"}, 90.0),
        ("reorders", {}, 60.0),
        ("complains", {"after": "3 min"}, 180.0),
        ("cancels", {"when": "after", "after": "2 min"}, 120.0),
        ("cancels", {"when": "before", "after": "2 min"}, 0.0),
        ("cancels", {"when": "during", "after": "2 min"}, 0.0),
    ],
)
def test_who_comes_later_says_by_how_much(name: str, plain: dict[str, object], business_s: float) -> None:
    lengthens = catalog()[name].lengthens
    assert lengthens is not None
    assert lengthens(parameters(name, plain)) == business_s


@pytest.mark.parametrize(
    ("plain", "ms"),
    [  # at draws of 0, 0.05, 0.5, 0.95 and just below 1
        ({"ms": 400}, [400, 400, 400, 400, 400]),
        ({"normal": {"mean": 300, "sd": 100}}, [0, 135.5, 300, 464.5, 1120.9]),
        ({"normal": {"mean": 100, "sd": 100}}, [0, 0, 100, 264.5, 920.9]),
        ({"lognormal": {"median": 200, "p95": 900, "max": 5000}}, [0, 44.44, 200, 900, 5000]),
        ({"lognormal": {"median": 200, "p95": 200, "max": 200}}, [200, 200, 200, 200, 200]),
        ({"pareto": {"min": 100, "alpha": 1.0, "max": 60_000}}, [100, 105.3, 200, 2000, 60_000]),
        ({"pareto": {"min": 100, "alpha": 2.0, "max": 300}}, [100, 102.6, 141.4, 300, 300]),
    ],
)
def test_a_drawn_delay_has_the_quantiles_of_its_distribution(plain: dict[str, object], ms: list[float]) -> None:
    found = [effect_of("slow", plain, u) for u in (0.0, 0.05, 0.5, 0.95, 1 - 2**-53)]
    assert [d.s * 1000 for d in found if isinstance(d, Delay)] == pytest.approx(ms, rel=1e-3)


def test_a_fault_whose_name_is_not_its_files_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(FOLDERS, "notice", "wrong.")
    catalog.cache_clear()
    try:
        with pytest.raises(AssertionError, match="holds a fault"):
            catalog()
    finally:
        monkeypatch.undo()
        catalog.cache_clear()
