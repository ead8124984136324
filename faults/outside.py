"""What is done outside of the mocks, as values: by the driver to its buyers, by the harness to the shop's house."""

from typing import TypeAlias

import msgspec


# --- the buyer, by the driver -------------------------------------------------------------------------------------
class DoubleClick(msgspec.Struct, frozen=True):
    """The order is sent so many more times, `gap_s` wire seconds apart; each that the shop takes is one more order."""

    more: int
    gap_s: float


class GiveUp(msgspec.Struct, frozen=True):
    """The buyer leaves without paying."""


class Cancel(msgspec.Struct, frozen=True):
    """The buyer asks the shop to cancel: `before` paying, `during` it, or `after` it, so many business seconds."""

    when: str
    after_s: float


class Reorder(msgspec.Struct, frozen=True):
    """Not done within so many business seconds of paying, the buyer orders and pays the same once more."""

    after_s: float


class Complain(msgspec.Struct, frozen=True):
    """Not done within so many business seconds of paying, the buyer complains at the channel's cashier."""

    after_s: float


class PayLate(msgspec.Struct, frozen=True):
    """The buyer pays so many business seconds later than he would."""

    by_s: float


class EnterWrong(msgspec.Struct, frozen=True):
    """The buyer enters another region, account or denomination than the one he should: `what` says which."""

    what: str


class WeakNet(msgspec.Struct, frozen=True):
    """The request is sent and its answer never read: of the `operation` place or pay, and of no other."""

    operation: str


class NotSubmitted(msgspec.Struct, frozen=True):
    """The payment request never arrives; the buyer believes he has paid."""


# --- the shop's house, by the harness -----------------------------------------------------------------------------
class Kill(msgspec.Struct, frozen=True):
    """Kill the shop (-9) and start it again after so many wire seconds; with `after_ack_s`, so long after it has
    acknowledged a struck notice, and at most `times` times."""

    restart_after_s: float
    after_ack_s: float | None
    times: int


class Pause(msgspec.Struct, frozen=True):
    """Stop the shop's processes (SIGSTOP) while the window lasts: `processes` names those of the target's house."""

    processes: str


class LoseJobs(msgspec.Struct, frozen=True):
    """Stop the workers, wait until so many jobs are queued or `within_s` is over, and take them out of the queue."""

    jobs: int
    within_s: float


class LockDatabase(msgspec.Struct, frozen=True):
    """Hold the database's write lock for `held_s` of every `every_s` wire seconds while the window lasts."""

    held_s: float
    every_s: float


BuyerEffect: TypeAlias = (
    DoubleClick | GiveUp | Cancel | Reorder | Complain | PayLate | EnterWrong | WeakNet | NotSubmitted
)  # fmt: skip
HouseEffect: TypeAlias = Kill | Pause | LoseJobs | LockDatabase
