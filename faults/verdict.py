"""What is to be done to one exchange, as values. Which of them wins is fixed by their order.

For a request and its answer: capacity, refuse → lose request, reset before, page or moved → check → act (goods, early)
→ dress → mangle → sign → wrap → slow → hang → lose answer, reset after → truncate → reset in mid-answer, slow body.
For a notice: late → together → lost → mangle → sign → repeat → send → kill.
Mangling has an order of its own: values (state, code, money, amount, dates, types) before names (strip, drop, rename,
one more), names before shapes (of a field, of the whole).
"""

from enum import StrEnum
from typing import TypeAlias

import msgspec

from faults.kernel.loss import TrueLoss as TrueLoss
from faults.outside import BuyerEffect as BuyerEffect
from faults.outside import Cancel as Cancel
from faults.outside import Complain as Complain
from faults.outside import DoubleClick as DoubleClick
from faults.outside import EnterWrong as EnterWrong
from faults.outside import GiveUp as GiveUp
from faults.outside import HouseEffect as HouseEffect
from faults.outside import Kill as Kill
from faults.outside import LockDatabase as LockDatabase
from faults.outside import LoseJobs as LoseJobs
from faults.outside import NotSubmitted as NotSubmitted
from faults.outside import Pause as Pause
from faults.outside import PayLate as PayLate
from faults.outside import Reorder as Reorder
from faults.outside import WeakNet as WeakNet
from faults.transport.toxic import Down as Down
from faults.transport.toxic import OnWire as OnWire


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
        Variant.EXTRA_FIELD,
        Variant.CERT_OVERLAP,
        Variant.SKEW_4_MIN,
    }
)
"""Those that a good shop accepts: the answer or notice is signed rightly, and only looks unusual."""
UNSURE = frozenset({Variant.MISSING_TYPE_HEADER, Variant.PARTIAL_COVER, Variant.SIGN_FIRST})
"""Those that a good shop may accept or refuse: what the signature covers is right, and clients of good repute differ.
Of Alipay's answers with the signature in front python-alipay-sdk takes all, the vendor's own SDKs none."""


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
    LATER = "later"
    OTHERS = "others"


class Digits(StrEnum):
    """How else an amount of yuan may be written: 27.9000, 2.79e1, 1,027.90."""

    FOUR = "four"
    EXPONENT = "exponent"
    THOUSANDS = "thousands"


class DateForm(StrEnum):
    """How a moment is written: 1790000000, 1790000000000, 2026-09-21T22:13:20+08:00, 2026-09-21 22:13:20."""

    EPOCH_S = "epoch_s"
    EPOCH_MS = "epoch_ms"
    RFC3339 = "rfc3339"
    LOCAL = "local"


class Turned(StrEnum):
    """Which way types are turned."""

    BOTH = "both"
    TO_TEXT = "to_text"
    TO_NUMBER = "to_number"


class Shape(StrEnum):
    """What of an object becomes of its field, and back again: a list that holds it, a text with its JSON, or (`flat`)
    its fields beside those around it."""

    LIST = "list"
    TEXT = "text"
    FLAT = "flat"


class Wrapping(StrEnum):
    """How an answer of JSON comes: called HTML or plain text, with a byte order mark in front, or zipped though nobody
    asked for that."""

    HTML = "html"
    PLAIN = "plain"
    BOM = "bom"
    GZIP = "gzip"


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


class RejectVersion(msgspec.Struct, frozen=True):
    """Refuse the request, in the dialect's own words, for the version that it names; nothing is done."""


class AnswerUnknown(msgspec.Struct, frozen=True):
    """Act, then answer that nobody knows what became of it, as the dialect does; HTTP 500 where it never says so."""


class RefuseRepeat(msgspec.Struct, frozen=True):
    """Refuse the first repeat of what was already done as seen before; the next one is answered as ever."""


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


class Wrap(msgspec.Struct, frozen=True):
    """The answer's bytes come in another wrapping."""

    wrapping: Wrapping


# --- what only a dialect can do to its answer -----------------------------------------------------------------------
class OtherFlavour(msgspec.Struct, frozen=True):
    """Speak RCON as the other family of servers does, as long as the connection lasts."""


class BigAnswer(msgspec.Struct, frozen=True):
    """Answer with a text of so many bytes: more than one frame holds."""

    bytes: int


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


class FlapState(msgspec.Struct, frozen=True):
    """A state that was reached is told as still under way."""


class FlipCode(msgspec.Struct, frozen=True):
    """The success code of another version: 0 where 1 is success, and the like."""


class Retype(msgspec.Struct, frozen=True):
    """Numbers as texts, and numeric texts as numbers; or one of the two only."""

    turned: Turned = Turned.BOTH


class ScaleMoney(msgspec.Struct, frozen=True):
    """Amounts in the other unit: so many times as much where yuan belong (1000 for 10.00), so many times less where
    whole fen do (10 for 1000)."""

    factor: float


class RewriteMoney(msgspec.Struct, frozen=True):
    """Amounts of yuan that are texts, written in another way."""

    digits: Digits


class Redate(msgspec.Struct, frozen=True):
    """Moments written in another form."""

    form: DateForm


class AddField(msgspec.Struct, frozen=True):
    """One field more, that no version knows so far."""

    field: str
    value: str


class Reshape(msgspec.Struct, frozen=True):
    """Another shape of a field; none named: that of the dialect's other version."""

    field: str | None
    shape: Shape | None


class Enwrap(msgspec.Struct, frozen=True):
    """The whole answer under another name, or under one that it did not have; none named: the dialect's own."""

    name: str | None


class Unconfirmed(msgspec.Struct, frozen=True):
    """The game's side runs the command and ends before it has said so: the command is fetched and run once more."""


class CountOtherwise(msgspec.Struct, frozen=True):
    """A sum over several things told as that of the last one, or the other way round: refund_fee."""


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


class TellAgain(msgspec.Struct, frozen=True):
    """When a paid trade was given back, its notice of payment is sent once more, so many wire seconds later."""

    after_s: float


class Together(msgspec.Struct, frozen=True):
    """Hold first notices until so many of one product are there, or `within_s` wire seconds have passed since the first
    of them; then send all at once."""

    n: int
    within_s: float


Effect: TypeAlias = (
    Capacity | Refuse | LoseRequest | Reset | Page | Moved | FailCheck | OtherRule | RejectVersion | RefuseRepeat
    | Goods | Early | AnswerUnknown | Wrap | Delay | SlowBody | Truncate | Hang | LoseAnswer
    | OtherFlavour | BigAnswer | Unconfirmed | CountOtherwise | Reshape | Enwrap
    | ChangeState | FlapState | FlipCode | ScaleMoney | AmountOff | RewriteMoney | Redate | Retype
    | Strip | Drop | Rename | AddField | SignAs | Lose | Repeat | Together | TellAgain | BuyerEffect | HouseEffect
    | OnWire | Down | TrueLoss
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
