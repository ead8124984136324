"""What suppliers and game servers share: a request for goods as a fact, and what becomes of one seen before."""

from typing import Protocol, TypeVar

from ledger.clock import Clock
from ledger.events import GoodsRefused, GoodsRequested
from ledger.states import Code
from mocks.call import Append
from plan.run import REPLAY, SELL_AGAIN

NOBODY = "nobody"
"""Names that begin so belong to no account."""


class GoodsError(Exception):
    """What was asked for cannot be: the reason, in words for our own people."""


class UnknownProduct(GoodsError):
    """The upstream sells no such thing."""


class Repeated(GoodsError):
    """The number of the request was seen before, and the upstream refuses it now."""


class Request(Protocol):
    """What a shop asks for, under its own number."""

    @property
    def upstream(self) -> str: ...

    @property
    def request_no(self) -> str: ...

    @property
    def product(self) -> str: ...

    @property
    def quantity(self) -> int: ...


class Done(Protocol):
    """What was made of a request."""

    @property
    def request(self) -> Request: ...


D = TypeVar("D", bound=Done)


def replayed(before: D | None, request: Request, *, number: str, on_repeat: str) -> D | None:
    """What a repeated number replays, None if the request is to be worked on; Repeated if it is refused: because the
    upstream refuses repeats, or because it is another request under an old number."""
    if before is None or on_repeat == SELL_AGAIN:
        return None
    if on_repeat != REPLAY or before.request != request:
        raise Repeated(f"{number} was seen before")
    return before


class GoodsFacts:
    """Journals what was asked for, and what was refused."""

    def __init__(self, clock: Clock, append: Append) -> None:
        self._clock, self._append = clock, append

    def note_requested(self, request: Request, o: str | None) -> None:
        """A well-formed and rightly signed request came, whatever will become of it."""
        self._append(
            GoodsRequested(
                t=self._clock.t(),
                o=o,
                upstream=request.upstream,
                product=request.product,
                request_no=request.request_no,
                quantity=request.quantity,
            )
        )

    def note_refused(self, upstream: str, request_no: str, o: str | None, code: Code, words: str) -> None:
        t = self._clock.t()
        self._append(GoodsRefused(t=t, o=o, upstream=upstream, code=code, request_no=request_no, words=words))
