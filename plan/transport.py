"""Which server breaks the hops of a run, and how a proxy reads which order a request belongs to."""

import msgspec

from ledger.states import Operation

EMBEDDED, EXTERNAL = "embedded", "external"
STOP, CONTINUE = "stop", "continue"


class Transport(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`server` is EMBEDDED or EXTERNAL; `external`, of the second, is the address of a Toxiproxy (host:port) or its
    binary (a path). `on_proxy_death`: STOP ends the run with 5, CONTINUE goes on without the hops it held."""

    server: str = EMBEDDED
    external: str = ""
    on_proxy_death: str = STOP


class Request(msgspec.Struct, frozen=True):
    """One kind of request at a hop. `path` is a regular expression of the whole path, without its query and without the
    instance's own prefix (/epay).

    `key` are the places of the order key, the first that holds one counts: `query.NAME`, `form.NAME`, `json.NAME`,
    `header.NAME`, deeper ones behind further dots (`form.biz_content.passback_params`: JSON within a form field).
    `number` are the places of the shop's order number: where the key does not travel, a proxy knows it from an earlier
    request that carried both.
    """

    method: str
    path: str
    operation: Operation
    key: tuple[str, ...] = ()
    number: tuple[str, ...] = ()
