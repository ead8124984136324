"""/_admin: what the harness tells a mock, and what the mock tells of itself. Never a secret in any answer."""

import ctypes
import gc
import hmac
from collections.abc import Callable
from typing import Annotated, Protocol

import msgspec

from faults.byhand import ByHand
from ledger.lag import Lag
from ledger.states import Phase
from mocks.apply import Injector
from mocks.reply import Fields, Reply
from mocks.server import Asked, NoRoute, read_json, readable
from plan import document
from plan.document import DocumentError
from plan.faults import FaultPlan
from plan.units import to_text

PREFIX = "/_admin"
LATEST = 100
"""As many trades are listed where none are asked for by name."""
LOOKED_UP_BY = ("key", "out_trade_no", "trade_no")
NOT_BY_HAND = "faults are switched by hand only under `orderjam mocks up`; a run plays what its scenario says"


class Told(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of POST /_admin/phase."""

    phase: Phase
    l0_t: Annotated[int, msgspec.Meta(ge=-(2**62), le=2**62)] | None = None


class Books(Protocol):
    """What a mock lets /_admin see of its trades or goods."""

    @property
    def trades_made(self) -> int: ...

    @property
    def open_notices(self) -> int: ...

    def trades_json(self, wanted: Fields, latest: int) -> list[dict[str, object]]:
        """The trades that match every wanted field, or the latest if none is wanted."""
        ...

    def forget(self) -> dict[str, object]:
        """Drops trades, notices and counters; how many there were of each."""
        ...


class Admin:
    """Answers /_admin. `token`: what must stand in `Authorization: Bearer`, if anything must. `by_hand` is there where
    a person may switch faults."""

    def __init__(
        self,
        books: Books,
        injector: Injector,
        lag: Lag,
        faults: tuple[FaultPlan, ...],
        token: str | None = None,
        by_hand: ByHand | None = None,
    ) -> None:
        self._by_hand = by_hand
        self._books, self._injector, self._lag, self._faults = books, injector, lag, faults
        self._expected = f"Bearer {token}".encode() if token else None
        self._steps: dict[tuple[str, str], Callable[[Asked], Reply]] = {
            ("GET", "health"): self._health,
            ("GET", "trades"): self._trades,
            ("GET", "plan"): self._plan,
            ("GET", "faults"): self._list_faults,
            ("PUT", "faults"): self._replace_faults,
            ("POST", "phase"): self._phase,
            ("POST", "lease"): self._lease,
            ("POST", "reset"): self._reset,
        }

    def routes(self) -> list[str]:
        return sorted({f"{PREFIX}/{name}" for _, name in self._steps})

    def answer(self, asked: Asked) -> Reply:
        """The answer; NoRoute where nothing of /_admin takes the request."""
        step = self._steps.get((asked.method, asked.path.removeprefix(f"{PREFIX}/")))
        if step is None:
            raise NoRoute
        if self._expected is not None and not hmac.compare_digest(
            asked.authorization.encode("utf-8", "surrogateescape"), self._expected
        ):
            return Reply(
                401, {"ok": False, "error": "Authorization: Bearer <ORDERJAM_ADMIN_TOKEN> is missing or wrong"}
            )
        return step(asked)

    def _health(self, _: Asked) -> Reply:
        injector, books = self._injector, self._books
        return Reply(
            fields={
                "ok": True,
                "phase": injector.phase.value,
                "lag_ms": self._lag.ms,
                "trades": books.trades_made,
                "open_notices": books.open_notices,
                "faults": injector.in_force(),
                "lease_s": round(injector.lease_s, 3),
            }
        )

    def _phase(self, asked: Asked) -> Reply:
        try:
            told = read_json(asked.body, Told)
        except msgspec.DecodeError as error:
            legal = ", ".join(phase.value for phase in Phase)
            words = f'{error}; send {{"phase": one of {legal}, "l0_t": nanoseconds or null}}'
            return Reply(400, {"ok": False, "error": words})
        self._injector.begin(told.phase, told.l0_t)
        return self._health(asked)

    def _lease(self, asked: Asked) -> Reply:
        self._injector.renew()
        return self._health(asked)

    def _trades(self, asked: Asked) -> Reply:
        wanted = asked.query_fields()
        if unknown := sorted(wanted.keys() - set(LOOKED_UP_BY)):
            words = f"unknown {readable(', '.join(unknown))}; legal: {', '.join(LOOKED_UP_BY)}"
            return Reply(400, {"ok": False, "error": words})
        return Reply(fields={"trades": self._books.trades_json(wanted, LATEST)})

    def _list_faults(self, _: Asked) -> Reply:
        in_force = set(self._injector.in_force())
        faults = [
            {
                **msgspec.to_builtins(fault, enc_hook=to_text, str_keys=True),
                "in_force": fault.id in in_force,
                "struck": self._injector.struck_by.get(fault.id, 0),
            }
            for fault in self._faults
        ]
        fields: dict[str, object] = {"faults": faults}
        if self._by_hand is not None:
            t = self._injector.clock.t()
            listed = self._by_hand.listed(t, self._injector.struck_by)
            fields |= {"role": self._by_hand.role, "load_s": self._by_hand.load_s(t), "by_hand": listed}
        return Reply(fields=fields)

    def _replace_faults(self, asked: Asked) -> Reply:
        """Where one is taken away, all that waits for a fault goes on at once: who waits for which is not known."""
        if self._by_hand is None:
            return Reply(409, {"ok": False, "error": NOT_BY_HAND})
        try:
            has_ended = self._by_hand.replace(asked.body, self._injector.clock.t(), self._injector.struck_by)
        except DocumentError as error:
            return Reply(400, {"ok": False, "error": str(error)})
        if has_ended:
            self._injector.release()
        return self._list_faults(asked)

    def _plan(self, _: Asked) -> Reply:
        """The plan, for those who add faults to it; it holds no secret."""
        if self._by_hand is None:
            return Reply(409, {"ok": False, "error": NOT_BY_HAND})
        return Reply(body=document.write(self._by_hand.plan).encode())

    def _reset(self, _: Asked) -> Reply:
        forgot = self._books.forget()
        self._injector.forget()
        give_memory_back()
        return Reply(fields={"ok": True, "forgot": forgot})


def give_memory_back() -> None:
    """Hands freed memory to the system, where the C library can (glibc)."""
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
