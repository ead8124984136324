"""Which server breaks the hops of a run, and how a proxy reads which order a request belongs to."""

import msgspec

from ledger.states import Operation

EMBEDDED, EXTERNAL = "embedded", "external"
STOP, CONTINUE = "stop", "continue"
GONE = "from now on nothing passes at"
"""What a run notes where its proxies died and it goes on, and a report looks for."""


class Transport(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`server` is EMBEDDED or EXTERNAL; `external`, of the second, is the address of a Toxiproxy (host:port) or its
    binary (a path). `on_proxy_death`: STOP ends the run with 5, CONTINUE goes on without the hops it held."""

    server: str = EMBEDDED
    external: str = ""
    on_proxy_death: str = STOP


class Request(msgspec.Struct, frozen=True):
    """One kind of request at a hop; the first that fits counts. `method`: empty means any. `path` is a regular
    expression of the whole path, without its query and without the instance's own prefix (/epay). `when`: places, and
    regular expressions of the whole text that stands there, for gateways that name the operation in a field.

    A place is `query.NAME`, `form.NAME`, `json.NAME`, `header.NAME` or `path.NAME` (a named group of `path`, decoded);
    `form.*` is every field in turn. Behind further dots lie fields of JSON, also of JSON written as text
    (`form.biz_content.passback_params`), and those of each item of a list. Texts and numbers are read, nothing else.

    `key` are the places of the order key: the first text counts in which `plan.orders.find_key` or
    `plan.orders.key_of_account` finds one. `number` are the places of the numbers that the order goes by at this
    upstream: all of them are remembered with its key, and where a request carries no key, the first number that is
    known tells it.
    """

    method: str
    path: str
    operation: Operation
    when: dict[str, str] = {}
    key: tuple[str, ...] = ()
    number: tuple[str, ...] = ()

    @property
    def tells_order(self) -> bool:
        """Whether a proxy can tell from it which order it belongs to, by itself or by an earlier one."""
        return bool(self.key or self.number)
