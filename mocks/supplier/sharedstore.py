"""The dialect of the acg-faka shared store: what a card shop speaks to another one that sells to it, in all its types.

One instance answers the paths of all types at once: a shop only changes the address, the key and its own setting.
Source: docs/protocols/sharedstore.md.
"""

from collections.abc import Callable
from functools import partial
from typing import ClassVar, TypeAlias

from faults.verdict import Outcome
from ledger.events import TradeRefused
from ledger.states import Code, Hop, Operation
from mocks.call import Call, Place, Signs, Subject
from mocks.goods import GoodsError
from mocks.reply import Fields, Reply
from mocks.server import Answer, Asked, NoRoute, readable
from mocks.supplier import sharedstore_texts as texts
from mocks.supplier.counter import Counter
from mocks.supplier.sharedstore_family import Family, Step
from mocks.supplier.sharedstore_mcy import Mcy
from mocks.supplier.sharedstore_native import Native
from mocks.supplier.sharedstore_signs import REQUESTS
from mocks.supplier.sharedstore_texts import Refusal
from plan.orders import find_key, key_of_account

OWN_FIELDS = frozenset(
    ("app_id", "app_key", "sign", "shared_code", "code", "num", "card_id", "device", "password", "race", "request_no",
     "sku_id", "quantity", "trade_no")
)  # fmt: skip
"""What stands beside these at the top level was filled in by the buyer."""
TEXT_MAX = 256

Refuse: TypeAlias = Callable[[Refusal], Reply]


class SharedStore:
    """One instance of the store, with one shop that buys from it."""

    signs: ClassVar[Signs] = Signs(requests=REQUESTS)

    def __init__(self, counter: Counter) -> None:
        self.name, self._stock, self._injector = counter.name, counter.stock, counter.injector
        self._clock, self._append = counter.clock, counter.append
        self._calls: dict[str, tuple[Family, Place, Step]] = {}
        self._places: list[Place] = []
        for family in (Native(counter), Mcy(counter)):
            places = {op: Place(Hop.SHOP_SUPPLIER, op, self.name, schema) for op, schema in family.schemas.items()}
            self._places += places.values()
            for path, (operation, step) in family.steps.items():
                self._calls[path] = (family, places[operation], step)
        counter.works.serve(self.name, counter.upstream.takes, lambda purchase: None)

    def routes(self) -> list[str]:
        return [f"/{self.name}/{path}" for path in self._calls]

    def forget(self) -> None:
        for place in self._places:
            place.counts.clear()

    async def answer(self, asked: Asked, path: str) -> Answer:
        """The answer to a request below this instance's name; NoRoute where the store does not take it."""
        if asked.method != "POST" or path not in self._calls:
            raise NoRoute
        family, place, step = self._calls[path]
        fields = asked.body_fields()
        number = readable(family.number(fields))[:64]
        subject = self._subject_of(fields, place.operation, number)
        refuse, is_buy = partial(self._refuse, place.operation, number, subject), place.operation is Operation.BUY
        call = Call(
            place,
            subject,
            family.is_signed(asked, fields),
            act=partial(self._act, partial(step, fields, subject), refuse),
            refuse=lambda: refuse(_unsigned(family.is_merchant(asked, fields))),
            is_genuine_as=partial(family.is_signed, asked, fields),
            sell=partial(self._sell, family, fields, subject, refuse) if is_buy else None,
            version=family.version(path),
            refuse_repeat=partial(self._refuse_repeat, family, fields, refuse) if is_buy else None,
        )
        return await self._injector.answer(call)

    def _subject_of(self, fields: Fields, operation: Operation, number: str) -> Subject:
        """Whom a request is about: the key in the contact, or in what the buyer filled in, else the purchase of its
        number, else that number, else only what it is for."""
        if operation not in (Operation.BUY, Operation.QUERY):
            return Subject(operation.value, "operation", None)
        filled = (value for name, value in fields.items() if name not in OWN_FIELDS)
        for text in (fields.get("contact", ""), *filled):
            if key := find_key(text[:TEXT_MAX]) or key_of_account(text[:TEXT_MAX]):
                return Subject(key, "key", key)
        if operation is Operation.QUERY and (purchase := self._stock.purchases.find(self.name, number)):
            return purchase.subject
        return Subject(number, "order_number", number) if number else Subject(operation.value, "operation", None)

    def _refuse(self, operation: Operation, number: str, subject: Subject, why: Refusal) -> Reply:
        """The refusal, journalled: of goods as such, of anything else with its operation."""
        if operation is Operation.BUY:
            self._stock.note_refused(self.name, number, subject.o, why.code, why.words)
        else:
            t, o, name = self._clock.t(), subject.o, self.name
            self._append(TradeRefused(t=t, o=o, upstream=name, operation=operation, code=why.code, words=why.words))
        return texts.refused(why)

    def _act(self, step: Callable[[], object], refuse: Refuse) -> Reply:
        try:
            return texts.success(step())
        except Refusal as refusal:
            return refuse(refusal)
        except GoodsError as error:
            return refuse(texts.refusal_of(error))

    def _sell(self, family: Family, fields: Fields, subject: Subject, refuse: Refuse, outcome: Outcome) -> Reply | None:
        """What comes of a trade that a fault strikes; None where nothing could be changed."""
        try:
            sold = family.sell(fields, subject, outcome)
        except Refusal as refusal:
            return refuse(refusal)
        return texts.success(sold) if sold is not None else None

    def _refuse_repeat(self, family: Family, fields: Fields, refuse: Refuse) -> Reply | None:
        """The refusal of a trade that was answered before; None where it was not."""
        return refuse(Refusal(texts.REPEATED)) if family.is_repeat(fields) else None


def _unsigned(is_merchant: bool) -> Refusal:
    return Refusal(texts.BAD_SIGNATURE, Code.UPSTREAM_BAD_SIGNATURE) if is_merchant else Refusal(texts.NO_MERCHANT)
