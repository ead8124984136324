"""What of a scenario is about the wire: who breaks the hops, which database is reached over one, and what can be read
there."""

import re
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from faults import whom
from ledger.states import Hop
from plan import requests as reading
from plan.document import Document, nearest
from plan.faults import FaultPlan
from plan.loopback import is_loopback
from plan.transport import EMBEDDED, EXTERNAL, Request, Transport
from scenarios.schema import ScenarioDoc

_ADDRESS = re.compile(r"\S+:[0-9]{1,5}")
_LEGAL = f"{EMBEDDED}, or {{external: 127.0.0.1:8474}}, the address or the binary of a Toxiproxy"


def transport(found: Document, folder: Path, doc: ScenarioDoc) -> Transport:
    """Who breaks the hops; DocumentError for an address that is not on this machine, and for a binary that is not
    there. A path is that of a file beside the scenario, or as it stands."""
    if isinstance(doc.transport, str):
        return Transport(on_proxy_death=doc.on_proxy_death)
    external, at = doc.transport.external, ("transport", EXTERNAL)
    if not _ADDRESS.fullmatch(external):
        binary = shutil.which(str(folder / external)) or shutil.which(external)
        if binary is None:
            raise found.error(at, f"{external!r}: no such program; legal: {_LEGAL}")
        external = str(Path(binary).resolve())
    elif not is_loopback(f"http://{external}") or int(external.rpartition(":")[2]) not in range(1, 65_536):
        raise found.error(at, f"{external!r} is not on this machine; legal: 127.0.0.1:8474 and the like")
    return Transport(EXTERNAL, external, doc.on_proxy_death)


def database(found: Document, doc: ScenarioDoc, databases: Mapping[str, bool]) -> str:
    """The target's database that the scenario asks for, else its first; empty where the target names none."""
    if not doc.database:
        return next(iter(databases), "")
    if doc.database not in databases:
        none = "" if databases else "; this target names no databases"
        words = f"no database {doc.database!r}{nearest(doc.database, databases)}{none}"
        raise found.error(("database",), words)
    return doc.database


def requests(
    faults: Iterable[FaultPlan],
    dialects: Mapping[str, str],
    buyer: tuple[Request, ...],
    key_in: Mapping[Hop, Sequence[str]],
) -> dict[str, tuple[Request, ...]]:
    """For each hop with wire faults at which requests tell whose they are, how a proxy reads them. `key_in`: the fields
    in which the shop passes the key on."""
    tables: dict[str, tuple[Request, ...]] = {}
    for fault in faults:
        for hop in fault.hops if fault.layer == "wire" else ():
            found = whom.tables(hop, fault.upstream, dialects, buyer)
            tables |= {at: reading.with_fields(table, key_in.get(hop, ())) for at, table in found.items()}
    return {at: table for at, table in sorted(tables.items()) if table}
