"""What may be asked of true loss, how netem is told, and what a machine refuses."""

import msgspec
import pytest

from faults.kernel.breaker import Counts, netem_counts, netem_words
from faults.kernel.loss import TrueLoss
from faults.kernel.machine import Machine, none
from plan.units import from_text


def asked(**params: object) -> TrueLoss:
    return msgspec.convert(params, TrueLoss, dec_hook=from_text)


@pytest.mark.parametrize(
    "params",
    [
        {"loss": "5%"},
        {"loss": "100%"},
        {"loss": "75%", "burst": 3},
        {"curve": [["100/s", "0%"], ["1000/s", "20%"]]},
        {"delay": "20 ms", "jitter": "20 ms", "reorder": "10%"},
        {"duplicate": "1%"},
        {"kb_s": 500},
    ],
)
def test_what_a_wire_can_do_is_accepted(params: dict[str, object]) -> None:
    assert asked(**params)


@pytest.mark.parametrize(
    ("params", "why"),
    [
        ({}, "nothing is asked"),
        ({"loss": "0%"}, "nothing is asked"),
        ({"loss": "101%"}, "a share such as 30%"),
        ({"loss": "5%", "curve": [["1/s", "5%"]]}, "one of the two"),
        ({"curve": [["5/s", "1%"], ["5/s", "2%"]]}, "must rise"),
        ({"curve": [[f"{n}/s", "1%"] for n in range(1, 102)]}, "at most 100 steps"),
        ({"burst": 3}, "burst needs a loss"),
        ({"loss": "5%", "burst": 0.5}, "1 to 1000"),
        ({"loss": "76%", "burst": 3}, "at most 75%"),
        ({"loss": "5%", "jitter": "5 ms"}, "jitter <= delay"),
        ({"delay": "61 s"}, "delay <= 60 s"),
        ({"loss": "5%", "reorder": "5%"}, "reorder needs a delay"),
        ({"kb_s": -1}, "0 to 10000000"),
        ({"loss": "5%", "rate": "5/s"}, "unknown field `rate`"),
    ],
)
def test_what_means_nothing_is_refused_with_the_reason(params: dict[str, object], why: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=why):
        asked(**params)


@pytest.mark.parametrize(
    ("packets_s", "share"), [(0, 0.0), (99.9, 0.0), (100, 0.01), (999, 0.01), (1000, 0.2), (10**6, 0.2)]
)
def test_a_step_of_the_curve_holds_from_its_own_rate_up_to_the_next(packets_s: float, share: float) -> None:
    assert asked(curve=[["100/s", "1%"], ["1000/s", "20%"]]).share_at(packets_s) == share


@pytest.mark.parametrize(
    ("params", "share", "words"),
    [
        ({"loss": "5%"}, 0.05, "loss random 5%"),
        ({"curve": [["1/s", "5%"]]}, 0.0, ""),
        ({"loss": "20%", "burst": 4}, 0.2, "loss gemodel 6.25% 25%"),
        (
            {"delay": "20 ms", "jitter": "5 ms", "reorder": "10%", "duplicate": "1%", "kb_s": 500},
            0.0,
            "delay 20ms 5ms duplicate 1% reorder 10% rate 4000kbit",
        ),
    ],
)
def test_netem_is_told_in_its_own_words(params: dict[str, object], share: float, words: str) -> None:
    assert " ".join(netem_words(asked(**params), share)) == f"limit 10000 {words}".strip()


def test_the_packets_of_netem_are_those_that_went_through_and_those_that_did_not() -> None:
    said = '[{"kind":"noqueue","packets":7},{"kind":"netem","handle":"8001:","root":true,"packets":95,"drops":5}]'
    assert netem_counts(said) == Counts(packets=100, dropped=5)
    assert netem_counts("[]") == Counts(0, 0)


NO_NETEM = {"netem": "no netem (kernel module sch_netem): tc: Error"}
NEITHER = {**NO_NETEM, "nftables": "no nftables with numgen: `nft` is not installed (Debian's package nftables)"}


@pytest.mark.parametrize(
    ("machine", "params"),
    [
        (Machine("root"), {"loss": "5%", "burst": 2, "delay": "1 ms"}),
        (Machine("user", NO_NETEM), {"loss": "5%"}),
        (Machine("user", NO_NETEM), {"curve": [["1/s", "5%"]]}),
    ],
)
def test_a_machine_that_can_do_it_refuses_nothing(machine: Machine, params: dict[str, object]) -> None:
    assert machine.refusal(asked(**params)) == ""


@pytest.mark.parametrize(
    ("machine", "params", "words"),
    [
        (none("no namespaces"), {"loss": "5%"}, ("no namespaces", "loss by wire.loss")),
        (none("no namespaces"), {"curve": [["1/s", "5%"]]}, ("curve by wire.loss_with_load",)),
        (Machine("root", NEITHER), {"loss": "5%"}, ("sch_netem", "package nftables", "loss by wire.loss")),
        (Machine("root", NO_NETEM), {"loss": "5%", "burst": 2}, ("burst: only netem", "burst by wire.loss")),
        (Machine("root", NO_NETEM), {"delay": "1 ms"}, ("delay: only netem", "delay by wire.latency")),
        (Machine("root", NO_NETEM), {"kb_s": 5}, ("kb_s: only netem", "kb_s by wire.slow_link")),
        (Machine("root", NO_NETEM), {"duplicate": "5%"}, ("duplicate: only netem", "nothing, for TCP hides it")),
    ],
)
def test_a_refusal_names_in_one_line_what_is_missing_and_what_stands_in(
    machine: Machine, params: dict[str, object], words: tuple[str, ...]
) -> None:
    refusal = machine.refusal(asked(**params))
    assert [word for word in words if word not in refusal] == []
    assert "\n" not in refusal
