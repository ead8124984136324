"""What an upstream has taken on, found again by its own number, by the shop's number, or by order."""

from collections.abc import Iterator
from typing import Generic, Protocol, TypeVar

from ledger.clock import utc_now
from mocks.reply import Fields


class Entry(Protocol):
    """A purchase or a top-up: `trade_no` is the upstream's number for it, `request_no` the shop's."""

    @property
    def trade_no(self) -> str: ...

    @property
    def upstream(self) -> str: ...

    @property
    def request_no(self) -> str: ...

    @property
    def o(self) -> str: ...


E = TypeVar("E", bound=Entry)


class Register(Generic[E]):
    """All entries of a process, over all its upstreams."""

    def __init__(self) -> None:
        self._stamp = utc_now().strftime("%Y%m%d%H%M%S")
        self._count = 0  # goes on after `forget`: a number is never given twice
        self._by_no: dict[str, E] = {}
        self._by_request: dict[str, tuple[E, ...]] = {}
        self._by_o: dict[str, tuple[E, ...]] = {}

    def __len__(self) -> int:
        return len(self._by_no)

    def __iter__(self) -> Iterator[E]:
        return iter(self._by_no.values())

    def next_no(self) -> str:
        """A number that was never given before, in this process or in one that began a second earlier."""
        self._count += 1
        return f"{self._stamp}{self._count:07d}"

    def add(self, entry: E) -> None:
        self._by_no[entry.trade_no] = entry
        self._by_request[entry.request_no] = (*self._by_request.get(entry.request_no, ()), entry)
        self._by_o[entry.o] = (*self._by_o.get(entry.o, ()), entry)

    def find(self, upstream: str, request_no: str) -> E | None:
        """The latest that this upstream took on under the shop's number."""
        entries = reversed(self._by_request.get(request_no, ()))
        return next((entry for entry in entries if entry.upstream == upstream), None)

    def about(self, o: str) -> tuple[E, ...]:
        """Those whose facts are written under this order key."""
        return self._by_o.get(o, ())

    def matching(self, wanted: Fields, latest: int) -> list[E]:
        """Those that match every field that /_admin/trades was asked for, or the latest if none was."""
        trade_no, request_no, key = (wanted.get(name, "") for name in ("trade_no", "out_trade_no", "key"))
        found: list[E]
        if trade_no:
            found = [self._by_no[trade_no]] if trade_no in self._by_no else []
        elif request_no:
            found = list(self._by_request.get(request_no, ()))
        elif key:
            found = list(self.about(key))
        else:
            found = list(self)[-latest:]
        return [e for e in found if request_no in ("", e.request_no) and key in ("", e.o)]

    def forget(self) -> int:
        """Drops every entry; how many there were."""
        n = len(self._by_no)
        self._by_no, self._by_request, self._by_o = {}, {}, {}
        return n
