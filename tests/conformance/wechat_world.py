"""WeChat Pay's mock as a process, a shop to be told, and faults that tests switch; for any client."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple
from urllib.request import Request, urlopen

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from mocks.upstreams import Keys
from plan.run import UpstreamPlan
from tests.mocks.running import WITHIN_S, Running, Shop, a_shop, as_text, keys_of, running
from tests.mocks.world import a_plan

KEY = "b00000007"


class World(NamedTuple):
    mock: Running
    shop: Shop
    keys: Keys
    folder: Path

    def pay(self, code_url: str) -> None:
        answer = self.mock.ask(code_url.removeprefix(self.mock.url), {"key": KEY}, Accept="application/json")
        assert json.loads(answer)["paid"] is True

    def put(self, *faults: dict[str, object]) -> None:
        """From now on just these faults strike."""
        self.mock.post("/_admin/lease", b"")
        body = json.dumps({"faults": faults}).encode()
        with urlopen(Request(f"{self.mock.url}/_admin/faults", body, method="PUT"), timeout=WITHIN_S) as answer:
            assert answer.status == 200

    @contextmanager
    def struck_by(self, fault: str, *hops: str, **params: object) -> Iterator[None]:
        """While this fault strikes everything at these hops."""
        self.put(*({"id": f"{fault} {hop}", "fault": fault, "at": hop, **params} for hop in hops))
        try:
            yield
        finally:
            self.put()


@contextmanager
def a_world(folder: Path) -> Iterator[World]:
    plan = a_plan(upstreams={"wechat": UpstreamPlan("payment", "wechat")})
    keys = keys_of(plan)
    with a_shop() as shop, running(folder, plan, "--by-hand", ORDERJAM_UPSTREAMS=as_text(keys)) as mock:
        mock.post("/_admin/phase", b'{"phase": "load", "l0_t": 0}')
        yield World(mock, shop, keys["wechat"], folder)


def a_strangers_key() -> str:
    """A private key that nobody knows, as clients read it."""
    key = rsa.generate_private_key(65537, 2048)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
