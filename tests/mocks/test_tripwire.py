import os

import msgspec

from faults.decide import Exchange
from faults.verdict import Kill, Strike
from ledger.states import Hop, Operation
from mocks.tripwire import Tripped, Tripwire

STRIKE = Strike("crash", Kill(1.0, 0.03, 1))
NOTICE = Exchange(Hop.PAYMENT_SHOP, Operation.NOTICE, "b00000007", 2, "epay")


def test_an_acknowledged_notice_is_one_line_that_the_harness_reads() -> None:
    reading, writing = os.pipe()
    wire = Tripwire(writing)
    wire(STRIKE, NOTICE, "b00000007")
    wire(STRIKE, NOTICE, None)
    first, second, rest = os.read(reading, 4096).split(b"\n")
    assert msgspec.json.decode(first, type=Tripped) == Tripped("crash", "b00000007", "payment>shop", 2, 0.03)
    assert msgspec.json.decode(second, type=Tripped).o is None
    assert rest == b""


def test_a_full_pipe_never_holds_the_mock_up_nor_cuts_a_line() -> None:
    reading, writing = os.pipe()
    wire = Tripwire(writing)
    for _ in range(5000):
        wire(STRIKE, NOTICE, "b00000007")
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        assert {msgspec.json.decode(line, type=Tripped).fault for line in pipe} == {"crash"}


def test_a_harness_that_has_gone_is_no_error() -> None:
    reading, writing = os.pipe()
    wire = Tripwire(writing)
    os.close(reading)
    wire(STRIKE, NOTICE, "b00000007")
