"""What a shop made of answers and notices that were signed oddly: invalid ones it must refuse, odd ones accept.

A notice is judged by what its channel heard: acknowledged is accepted. The answer to a create call is judged by what
followed: money that was taken by that trade shows that the shop went on with it. What a shop thinks of the answer to a
query cannot be seen from outside.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from ledger.events import ACCEPT, REFUSE
from ledger.states import Operation
from reports.findings import SignedRow

Bools = npt.NDArray[np.bool_]
Columns = dict[str, npt.NDArray[Any]]


def rows(signed: Columns, captured_t: npt.NDArray[np.float64], recovered: Bools, stranded: Bools) -> list[SignedRow]:
    """One row per fault and duty, in the order of the faults' names. `signed`: see `Stories.signed`."""
    if not len(signed["i"]):
        return []
    i = signed["i"].astype(np.int64)
    is_answered, is_accepted = signed["answered"].astype(bool), signed["accepted"].astype(bool)
    is_create = signed["operation"] == Operation.CREATE
    is_judged = is_answered | is_create
    with np.errstate(invalid="ignore"):
        took = np.where(is_create, captured_t[i] >= signed["t"], is_accepted)
    found = []
    for fault, must in sorted({*zip(signed["fault"].tolist(), signed["must"].tolist(), strict=True)}):
        mine = (signed["fault"] == fault) & (signed["must"] == must)
        judged = mine & is_judged
        wrong = judged & (took if must == REFUSE else ~took)
        # An order that was never paid has nothing to recover.
        refused = np.unique(i[judged & ~took])
        refused = refused[np.isfinite(captured_t[refused])]
        found.append(
            SignedRow(
                id=fault,
                must=must,
                judged=int(judged.sum()),
                wrong=int(wrong.sum()),
                unjudged=int((mine & ~is_judged).sum()),
                refused=len(refused),
                recovered=int((recovered & ~stranded)[refused].sum()),
                stranded=int(stranded[refused].sum()),
            )
        )
    return found


WORDS = {
    REFUSE: ("must be refused", "必须拒绝"),
    ACCEPT: ("must be accepted", "必须接受"),
}
WRONG = {
    REFUSE: ("accepted though invalid", "无效却接受"),
    ACCEPT: ("refused though valid", "有效却拒绝"),
}
