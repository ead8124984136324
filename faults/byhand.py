"""The faults that a person switches on and off while mocks are up: which are in force, until when, and which were."""

from collections.abc import Mapping

import msgspec

from faults.decide import Decider
from faults.read import Around, HandFault, read_by_hand, role_of, written
from ledger.clock import SECOND_NS
from plan.document import Document
from plan.faults import FaultPlan
from plan.run import Plan

SOURCE = "PUT /_admin/faults"
SHAPE = '{"faults": [{"id": …, "fault": …, "at": …, "rate": …, "lease_s": …, …}]}'
AT_ONCE = 100
"""So many faults may be in force by hand at the same time."""


class Stretch(msgspec.Struct):
    """A fault by hand, from when until when it is, or was, in force. `struck_before`: by this id, earlier."""

    fault: FaultPlan
    since_t: int
    until_t: int
    struck_before: int


class ByHand:
    """What was added by hand to the mock of a role. Keeps all that ever was, and arms the decider with what is."""

    def __init__(self, plan: Plan, role: str, decider: Decider) -> None:
        self.plan, self.role = plan, role
        self._decider = decider
        self._around = Around.of(plan)
        self._stretches: list[Stretch] = []

    def replace(self, body: bytes, t: int, struck: Mapping[str, int]) -> bool:
        """Takes the faults of a request in place of those in force; whether one of these has ended by that. One that
        was in force just so goes on, with its new lease. DocumentError for the first flaw; nothing is changed then."""
        wanted = self._read(body)
        going_on = {s.fault.id: s for s in self._stretches if t < s.until_t}
        for found in wanted:
            known = going_on.get(found.plan.id)
            until_t = t + int(found.lease_s * SECOND_NS)
            if known is not None and known.fault == found.plan:
                known.until_t = until_t
                del going_on[found.plan.id]
            else:
                self._stretches.append(Stretch(found.plan, t, until_t, struck.get(found.plan.id, 0)))
        for gone in going_on.values():
            gone.until_t = t
        order = {found.plan.id: n for n, found in enumerate(wanted)}
        armed = sorted((s for s in self._stretches if t < s.until_t), key=lambda s: order[s.fault.id])
        self._decider.arm_by_hand((s.fault, s.until_t) for s in armed)
        return bool(going_on)

    def listed(self, t: int, struck: Mapping[str, int]) -> list[dict[str, object]]:
        """All that were ever added, in the order of their beginning: each as it is written, with seconds of the load
        from when until when, seconds left, and how often it struck."""
        return [
            {
                "fault": written(stretch.fault),
                "from_s": round(self._decider.load_s(stretch.since_t), 3),
                "until_s": round(self._decider.load_s(stretch.until_t), 3),
                "left_s": round(max(0, stretch.until_t - t) / SECOND_NS, 3),
                "struck": self._strikes_of(n, struck),
            }
            for n, stretch in enumerate(self._stretches)
        ]

    def load_s(self, t: int) -> float:
        return round(self._decider.load_s(t), 3)

    def _strikes_of(self, n: int, struck: Mapping[str, int]) -> int:
        stretch = self._stretches[n]
        later = (s for s in self._stretches[n + 1 :] if s.fault.id == stretch.fault.id)
        after = next(later, None)
        so_far = after.struck_before if after else struck.get(stretch.fault.id, 0)
        return max(0, so_far - stretch.struck_before)

    def _read(self, body: bytes) -> list[HandFault]:
        try:
            value = msgspec.json.decode(body)
        except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
            raise Document(SOURCE, None, {}).error((), f"{error}; send {SHAPE}") from None
        found = Document(SOURCE, value, {})
        if not isinstance(value, dict) or value.keys() != {"faults"} or not isinstance(value["faults"], list):
            raise found.error((), f"send {SHAPE}")
        if len(value["faults"]) > AT_ONCE:
            raise found.error(("faults",), f"{len(value['faults'])} faults at once; legal: up to {AT_ONCE}")
        wanted = [read_by_hand(found, ("faults", i), raw, self._around) for i, raw in enumerate(value["faults"])]
        taken = {fault.id: "is a fault of the scenario" for fault in self.plan.faults}
        for i, fault in enumerate(wanted):
            if fault.plan.id in taken:
                raise found.error(("faults", i, "id"), f"{fault.plan.id!r} {taken[fault.plan.id]}; every id is its own")
            if (role := role_of(fault.plan)) != self.role:
                raise found.error(
                    ("faults", i, "at"), f"belongs to the mock of role {role}; this one plays {self.role}"
                )
            taken[fault.plan.id] = "stands twice"
        return wanted
