"""What is to be done to one exchange, as values. Which of them wins is fixed by their order.

For a request and its answer: capacity, refuse → lose request, reset before, page or moved → check → act (goods, early)
→ dress → mangle → sign → slow → hang → lose answer, reset after → truncate → reset in mid-answer, slow body.
For a notice: late → together → lost → mangle → sign → repeat → send → kill.
Mangling has an order of its own: values (state, code, money, amount, types) before names (strip, drop, rename).
"""

from enum import StrEnum
from typing import TypeAlias

import msgspec


class When(StrEnum):
    """How far an exchange comes before its connection is reset. A mock must read a request to know whom it is about,
    so `before` means before anything was done about it."""

    BEFORE = "before"
    AFTER = "after"
    MID_ANSWER = "mid_answer"


class Variant(StrEnum):
    """How a text is signed, or a signature checked, otherwise than by the plain rule: wrongly in one of the ways that
    are seen, or (those in `VALID`) oddly and still right. A dialect knows those that mean something in it."""

    WRONG_KEY = "wrong_key"
    MISSING = "missing"
    CHARSET_GBK = "charset_gbk"
    EMPTY_KEPT = "empty_kept"
    CASE = "case"
    JSON_ESCAPING = "json_escaping"
    UNSORTED = "unsorted"
    SORT_LOCALE = "sort_locale"
    URLENCODED = "urlencoded"
    DOUBLE_ENCODED = "double_encoded"
    PLUS_SPACE = "plus_space"
    TYPE_CONFUSION = "type_confusion"
    TYPE_IN_STRING = "type_in_string"
    KEY_TAIL = "key_tail"
    MERGED_SOURCES = "merged_sources"
    BODY_RESERIALIZED = "body_reserialized"
    TRAILING_NEWLINE = "trailing_newline"
    MISSING_TYPE_HEADER = "missing_type_header"
    PARTIAL_COVER = "partial_cover"
    SKEW_6_MIN = "skew_6_min"
    SKEW_11_MIN = "skew_11_min"
    SKEW_1_DAY = "skew_1_day"
    UNIT_SKEW = "unit_skew"
    TIME_ZONE = "time_zone"
    CERT_ROTATED = "cert_rotated"
    UNKNOWN_SERIAL = "unknown_serial"
    EMPTY_SERIAL = "empty_serial"
    PROBE = "probe"
    GCM_BAD_TAG = "gcm_bad_tag"
    V3KEY_CHANGED = "v3key_changed"
    NUMBER_FORMAT = "number_format"
    # Odd, and right all the same.
    FIELD_ORDER = "field_order"
    ESCAPED = "escaped"
    SPACED = "spaced"
    SIGN_FIRST = "sign_first"
    EXTRA_FIELD = "extra_field"
    CERT_OVERLAP = "cert_overlap"
    SKEW_4_MIN = "skew_4_min"


VALID = frozenset(
    {
        Variant.FIELD_ORDER,
        Variant.ESCAPED,
        Variant.SPACED,
        Variant.SIGN_FIRST,
        Variant.EXTRA_FIELD,
        Variant.CERT_OVERLAP,
        Variant.SKEW_4_MIN,
    }
)
"""Those that a good shop accepts: the answer or notice is signed rightly, and only looks unusual."""
UNSURE = frozenset({Variant.MISSING_TYPE_HEADER, Variant.PARTIAL_COVER})
"""Those that a good shop may accept or refuse: what the signature covers is right."""


class Stripped(StrEnum):
    """What becomes of a field that is stripped."""

    REMOVED = "removed"
    EMPTIED = "emptied"
    RENAMED = "renamed"


class Outcome(StrEnum):
    """What comes of a request for goods, against the shop's wish."""

    SOLD_OUT = "sold_out"
    BALANCE = "balance"
    MAINTENANCE = "maintenance"
    WRONG_REGION = "wrong_region"
    ACCEPT_THEN_FAIL = "accept_then_fail"
    STAYS_PROCESSING = "stays_processing"
    EMPTY = "empty"
    PARTIAL = "partial"


# --- a request and its answer ------------------------------------------------------------------------------------
class Capacity(msgspec.Struct, frozen=True):
    """So many exchanges at once, each for `s` wire seconds; so many more wait; the rest are answered `status`."""

    at_once: int
    queue: int
    s: float
    status: int


class Refuse(msgspec.Struct, frozen=True):
    """Answer at once with this HTTP status and do nothing else."""

    status: int


class LoseRequest(msgspec.Struct, frozen=True):
    """Read the request, do nothing, close the connection."""


class Reset(msgspec.Struct, frozen=True):
    """Reset the connection (RST): before anything is done, after it is done, or in the middle of the answer."""

    when: When


class Page(msgspec.Struct, frozen=True):
    """Answer an HTML page of this status; `acted` says whether the request was carried out behind it."""

    status: int
    acted: bool


class FailCheck(msgspec.Struct, frozen=True):
    """Refuse the request as the dialect refuses a wrong signature."""


class OtherRule(msgspec.Struct, frozen=True):
    """The upstream's own rule of signatures differs in this way: it checks requests by it, and signs its answers and
    notices by it. A strike only where that rule gives another result."""

    variant: Variant


class Moved(msgspec.Struct, frozen=True):
    """Answer as if the path were another version's: 404, or 301 to a place that is none of this version either."""

    status: int


class Goods(msgspec.Struct, frozen=True):
    """What comes of a request for goods instead of what was asked."""

    outcome: Outcome


class Early(msgspec.Struct, frozen=True):
    """Do the work and send the first notice of it before the request is answered. Decided at the hop of the notice."""


class Delay(msgspec.Struct, frozen=True):
    """Answer, or send, so many wire seconds later."""

    s: float


class SlowBody(msgspec.Struct, frozen=True):
    """Send the head at once and the body piece by piece over so many wire seconds."""

    s: float


class Truncate(msgspec.Struct, frozen=True):
    """Send only so much of the answer's body (a share of it), as if that were all."""

    share: float


class Hang(msgspec.Struct, frozen=True):
    """Act, then say nothing for so many wire seconds and close; healing closes it earlier."""

    s: float


class LoseAnswer(msgspec.Struct, frozen=True):
    """Act, then close the connection without a byte."""


# --- what only one dialect of game servers does -------------------------------------------------------------------
class OtherFlavour(msgspec.Struct, frozen=True):
    """Speak RCON as the other family of servers does, as long as the connection lasts."""


class BigAnswer(msgspec.Struct, frozen=True):
    """Answer with a text of so many bytes: more than one frame holds."""

    bytes: int


class Unconfirmed(msgspec.Struct, frozen=True):
    """The game's side runs the command and ends before it has said so: the command is fetched and run once more."""


# --- mangling the fields of an answer or notice before it is signed; a field not named is the dialect's own ---------
class Rename(msgspec.Struct, frozen=True):
    """Rename a field. No name given: the pair that the dialect's versions disagree on."""

    field: str | None
    to: str | None


class Drop(msgspec.Struct, frozen=True):
    """Leave a field out."""

    field: str | None


class ChangeState(msgspec.Struct, frozen=True):
    """Another version's word for the same state, or (`unknown`) a word that no version knows."""

    unknown: bool


class FlipCode(msgspec.Struct, frozen=True):
    """The success code of another version: 0 where 1 is success, and the like."""


class Retype(msgspec.Struct, frozen=True):
    """Numbers as texts, and numeric texts as numbers."""


class ScaleMoney(msgspec.Struct, frozen=True):
    """Amounts in the other unit: so many times as much where yuan belong (1000 for 10.00), so many times less where
    whole fen do (10 for 1000)."""

    factor: float


class Strip(msgspec.Struct, frozen=True):
    """Remove, empty or rename the fields that the shop needs to match the goods. None named: the dialect's own."""

    fields: tuple[str, ...]
    how: Stripped


class AmountOff(msgspec.Struct, frozen=True):
    """The amount in the notice differs from what was paid by so many fen."""

    fen: int


class SignAs(msgspec.Struct, frozen=True):
    """Sign the answer or notice wrongly, in this way."""

    variant: Variant


# --- a notice ----------------------------------------------------------------------------------------------------
class Lose(msgspec.Struct, frozen=True):
    """The notice never arrives, and its sender only sees that nobody answered."""


class Repeat(msgspec.Struct, frozen=True):
    """Send so many more copies of the same notice, `gap_s` wire seconds apart (0: at the same moment)."""

    copies: int
    gap_s: float


class Together(msgspec.Struct, frozen=True):
    """Hold first notices until so many of one product are there, or `within_s` wire seconds have passed since the first
    of them; then send all at once."""

    n: int
    within_s: float


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


GameEffect: TypeAlias = OtherFlavour | BigAnswer | Unconfirmed
BuyerEffect: TypeAlias = (
    DoubleClick | GiveUp | Cancel | Reorder | Complain | PayLate | EnterWrong | WeakNet | NotSubmitted
)  # fmt: skip
HouseEffect: TypeAlias = Kill | Pause | LoseJobs | LockDatabase
Effect: TypeAlias = (
    Capacity | Refuse | LoseRequest | Reset | Page | Moved | FailCheck | OtherRule | Goods | Early | Delay | SlowBody
    | Truncate | Hang | LoseAnswer | Rename | Drop | ChangeState | FlipCode | Retype | ScaleMoney | Strip | AmountOff
    | SignAs | Lose | Repeat | Together | GameEffect | BuyerEffect | HouseEffect
)  # fmt: skip


class Strike(msgspec.Struct, frozen=True):
    """One effect and the fault it comes from."""

    fault_id: str
    effect: Effect


class Verdict(msgspec.Struct, frozen=True):
    """All that is to be done to one exchange, in the order of the scenario's faults."""

    strikes: tuple[Strike, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.strikes)

    def first(self, *kinds: type[Effect]) -> Strike | None:
        """The first strike of one of these kinds: of two refusals, the fault named first in the scenario wins."""
        return next((s for s in self.strikes if isinstance(s.effect, kinds)), None)

    def all(self, *kinds: type[Effect]) -> list[Strike]:
        """Every strike of these kinds: delays add up, renames follow each other."""
        return [s for s in self.strikes if isinstance(s.effect, kinds)]


NOTHING = Verdict()
