"""What a mock is told to do to one exchange, as values. Which of them wins is fixed here by their order.

For a request and its answer: refuse → lose request → check → act → mangle → sign → slow, hang → lose answer.
For a notice: late → lost → mangle → sign → repeat → send.
"""

from typing import TypeAlias

import msgspec


class Refuse(msgspec.Struct, frozen=True):
    """Answer at once with this HTTP status and do nothing else."""

    status: int


class LoseRequest(msgspec.Struct, frozen=True):
    """Read the request, do nothing, close the connection."""


class FailCheck(msgspec.Struct, frozen=True):
    """Refuse the request as the dialect refuses a wrong signature."""


class Rename(msgspec.Struct, frozen=True):
    """Rename a field of the answer or notice before it is signed. No name given: the dialect's own pair."""

    field: str | None
    to: str | None


class SignWrongly(msgspec.Struct, frozen=True):
    """Sign with a key that is not the merchant's."""


class Delay(msgspec.Struct, frozen=True):
    """Answer, or send, so many wire seconds later."""

    s: float


class Hang(msgspec.Struct, frozen=True):
    """Act, then say nothing for so many wire seconds and close; healing closes it earlier."""

    s: float


class LoseAnswer(msgspec.Struct, frozen=True):
    """Act, then close the connection without a byte."""


class Lose(msgspec.Struct, frozen=True):
    """The notice never arrives, and its sender only sees that nobody answered."""


class Repeat(msgspec.Struct, frozen=True):
    """Send so many more copies of the same notice, `gap_s` wire seconds apart (0: at the same moment)."""

    copies: int
    gap_s: float


Effect: TypeAlias = Refuse | LoseRequest | FailCheck | Rename | SignWrongly | Delay | Hang | LoseAnswer | Lose | Repeat


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
