"""Which exchanges the toxics of the API strike, where no plan decides: those that match."""

from collections.abc import Callable, Iterable
from fnmatch import fnmatchcase

from faults.transport.rate import RateMeter
from faults.transport.toxic import Exchange, Head, Match, Placed
from ledger.clock import Clock
from plan.chance import draw


def fits(match: Match, head: Head) -> bool:
    """Whether the toxic is meant for this request: of its path as it was sent, its method and headers in any case."""
    if match.method and match.method.upper() != head.method.upper():
        return False
    if match.path and not fnmatchcase(head.target.partition("?")[0], match.path):
        return False
    return all(fnmatchcase(head.headers.get(name.lower(), ""), value) for name, value in match.header.items())


class ByMatch:
    """The judge of a proxy that belongs to no run. `toxics` are those it has at the moment; the toxicity of one with a
    match is the share of the requests that match. Requests are told apart from the next one on when a match comes into
    place; a toxic without one is for whole connections, and decides by itself."""

    def __init__(self, proxy: str, toxics: Callable[[], Iterable[Placed]], *, seed: int, clock: Clock) -> None:
        self.rate, self.clock = RateMeter(), clock
        self._proxy, self._toxics, self._seed = proxy, toxics, seed

    @property
    def reads_requests(self) -> bool:
        """Whether any toxic asks what a request is."""
        return any(toxic.match is not None for toxic in self._toxics())

    def connection(self, n: int) -> Exchange:
        if not self.reads_requests:
            self.rate.count(self.clock.t())
        return _Free(self, n, 0, None)

    def request(self, connection: int, n: int, head: Head) -> Exchange:
        self.rate.count(self.clock.t())
        return _Free(self, connection, n, head)

    def struck(self, connection: int, n: int, head: Head | None) -> frozenset[str]:
        """The toxics of this moment that are for the n-th request of a connection."""
        if head is None:
            return frozenset()
        return frozenset([t.name for t in self._toxics() if self._is_for(t, connection, n, head)])

    def _is_for(self, toxic: Placed, connection: int, n: int, head: Head) -> bool:
        if toxic.match is None or not fits(toxic.match, head):
            return False
        return toxic.toxicity >= 1.0 or self.draw("toxicity", toxic.name, connection, n) < toxic.toxicity

    def draw(self, what: str, toxic: str, *numbers: int) -> float:
        return draw(self._seed, what, self._proxy, toxic, *numbers)


class _Free:
    """An exchange of no order."""

    __slots__ = ("_connection", "_head", "_judge", "_n")

    def __init__(self, judge: ByMatch, connection: int, n: int, head: Head | None) -> None:
        self._judge, self._connection, self._n, self._head = judge, connection, n, head

    @property
    def struck(self) -> frozenset[str]:
        return self._judge.struck(self._connection, self._n, self._head)

    @property
    def rate(self) -> float:
        return self._judge.rate.per_s(self._judge.clock.t())

    def draw(self, toxic: str, n: int) -> float:
        return self._judge.draw("wire", toxic, self._connection, self._n, n)

    def changed(self, toxic: str, words: str, size: int) -> None:
        """Nobody keeps a journal of it."""

    def end(self) -> None:
        """Nothing is kept of it."""
