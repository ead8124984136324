"""What all types of the shared store do alike, whatever they call it: sell from the stock what a shop asks for.

Source: docs/protocols/sharedstore.md.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar, TypeAlias

from faults.verdict import Outcome, Variant
from ledger.states import Code, Operation
from mocks.call import Subject
from mocks.goods import GoodsError
from mocks.mangle import Schema
from mocks.reply import Fields
from mocks.server import Asked
from mocks.supplier.counter import Counter
from mocks.supplier.sharedstore_texts import FAILED_WORDS, REFUSED, Data, Refusal
from mocks.supplier.stock import Purchase, Request

Step: TypeAlias = Callable[[Fields, Subject], object]


class Family(ABC):
    """One or two types of store that speak alike, for one instance."""

    schemas: ClassVar[dict[Operation, Schema]]

    def __init__(self, counter: Counter) -> None:
        self.name, self.keys, self.stock, self.works = counter.name, counter.keys, counter.stock, counter.works
        self.steps = self._steps(counter)

    # --- what a type says ---------------------------------------------------------------------------------------
    @abstractmethod
    def _steps(self, counter: Counter) -> dict[str, tuple[Operation, Step]]:
        """By path, what each call does; a step raises Refusal or GoodsError."""

    @abstractmethod
    def version(self, path: str) -> str:
        """The type that a shop has set for this store: 0, 1 or 2."""

    @abstractmethod
    def is_merchant(self, asked: Asked, fields: Fields) -> bool: ...

    @abstractmethod
    def is_signed(self, asked: Asked, fields: Fields, variant: Variant | None = None) -> bool:
        """Whether the request is the merchant's own and rightly signed, by the rule or by that of a variant."""

    @abstractmethod
    def number(self, fields: Fields) -> str:
        """The shop's own number of a purchase, as it was sent."""

    @abstractmethod
    def read_request(self, fields: Fields) -> Request:
        """What a trade asks for; Refusal for the first flaw."""

    @abstractmethod
    def sold(self, purchase: Purchase) -> Data:
        """What a trade answers."""

    # --- selling ------------------------------------------------------------------------------------------------
    def trade(self, fields: Fields, subject: Subject) -> Data:
        request = self.read_request(fields)
        self.stock.note_requested(request, subject.o)
        return self.sold(self.stock.known(request) or self.stock.sell(request, subject))

    def sell(self, fields: Fields, subject: Subject, outcome: Outcome) -> Data | None:
        """What comes of a trade that a fault strikes; None where it is refused anyhow, or was answered before. Refusal
        where the fault refuses it."""
        stock = self.stock
        try:
            request = self.read_request(fields)
            stock.check(request)
            if outcome is Outcome.WRONG_REGION or stock.known(request) is not None:
                return None
            if outcome is Outcome.OTHERS and not stock.others(request, subject.o):
                return None
        except (Refusal, GoodsError):
            return None
        stock.note_requested(request, subject.o)
        if outcome in REFUSED:
            raise Refusal(*REFUSED[outcome])
        match outcome:
            case Outcome.EMPTY:
                purchase = stock.sell_nothing(request, subject)
            case Outcome.PARTIAL:
                purchase = stock.sell_partly(request, subject)
            case Outcome.OTHERS:
                purchase = stock.sell_others(request, subject)
            case Outcome.LATER:
                purchase = self.works.begin(request, subject)
            case _:
                purchase = stock.accept(request, subject)
                if outcome is Outcome.ACCEPT_THEN_FAIL:
                    stock.fail(purchase, Code.UPSTREAM_REFUSED, FAILED_WORDS)
        return self.sold(purchase)

    def is_repeat(self, fields: Fields) -> bool:
        """Whether a trade was answered before and would be again."""
        try:
            return self.stock.known(self.read_request(fields)) is not None
        except (Refusal, GoodsError):
            return False
