"""Requests gone wrong, by the thousand, at every dialect and at /_admin: `python -m tests.mocks.fuzzing` (`make fuzz`).

Each begins as a genuine request of tests/mocks/seeds.py. Some are twisted before they are signed, so that nonsense gets
behind the signature; others are damaged byte by byte after it. Whatever comes, the mock answers or closes: no
exception, no status of 500, no secret in what it says or journals, and no memory kept once all is forgotten.
The same seed makes the same requests.
"""

import argparse
import asyncio
import gc
import json
import random
import re
import sys
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import msgspec
import psutil

from ledger.events import Event
from mocks.admin import give_memory_back
from mocks.game import rcon_frames
from mocks.game.mock import GameMock
from mocks.game.rcon_frames import BadFrame, read_frame
from mocks.identities import fresh
from mocks.keyring import Keyring
from mocks.payment.mock import PaymentMock
from mocks.server import Asked, NoRoute, Unmatcher
from mocks.supplier.mock import SupplierMock
from mocks.upstreams import Keys, Upstreams
from plan.dialects import DIALECTS
from plan.run import Plan, UpstreamPlan
from tests.mocks.goods import REGIONS, TARGET
from tests.mocks.seeds import SEEDS, Merchant, Seed
from tests.mocks.world import KEY, WALL_S, Around, a_plan

KINDS: dict[str, type[Upstreams]] = {"payment": PaymentMock, "supplier": SupplierMock, "game": GameMock}
TOKEN = "t0ken-of-the-admin"
ORDERS = 40
FORGET_EVERY, LOOK_EVERY = 20_000, 500
KEPT_MIB_MAX = 24.0
FINDINGS_MAX = 5
T = TypeVar("T")

NASTY: list[Any] = [
    "", " ", "0", "-1", "00.1", "1e309", "NaN", "Infinity", "0x10", "１２", "9" * 400, "x" * 20_000, "\0", "\r\nX: y",
    "\udcff\udc80", "\ud800", "../../etc/passwd", "%00%ff", "http://198.51.100.9/", "javascript:alert(1)", "<script>",
    "{}",
    "null", "true", "2026-13-41 25:61:61", "9999-12-31 23:59:59", "1970-01-01T00:00:00+08:00", "[" * 5_000,
    '{"a":' * 3_000,
    None, True, 0, -1, 2**63, 2**70, 1.5, 1e308, [], [[]], {}, {"a": {"b": []}}, ["x"] * 50,
]  # fmt: skip
NAMES = ["sign", "a[b][c]", "a[", "]", "", "__proto__", "pid", "out_trade_no", "amount", "money", "num", "sku[x]"]
HEADERS = ["Authorization", "Content-Type", "Accept", "X-Signature", "X-Timestamp", "Idempotency-Key", "Api-Signature"]
BYTES = [b"", b"\0", b"\xff\xfe", b"&&==&", b"%", b"%zz", b"{", b'"', b"[" * 4_000, b"0" * 3_000, "会员".encode("gbk")]


class Finding(msgspec.Struct, frozen=True):
    """What must not be: in which dialect, what, and the request that shows it."""

    dialect: str
    what: str
    asked: str


class Fuzz:
    """One dialect under fire. `run` may be called again: it goes on."""

    def __init__(self, dialect: str, world: Around[Any], keys: Keys, chance: random.Random) -> None:
        self.dialect, self.findings = dialect, list[Finding]()
        self._world, self._keys, self._chance = world, keys, chance
        self._unmatched = Unmatcher(world.events.append, world.clock, world.mock.routes(), world.mock.secrets)
        self._secrets = [s.encode() for s in (*_secret_texts(keys), TOKEN)]
        self._genuine = [seed for n in range(ORDERS) for seed in self._seeds(Merchant(dialect, keys, n, WALL_S))]
        self._addresses: deque[str] = deque(maxlen=50)
        self.sent = 0

    def _seeds(self, merchant: Merchant) -> Iterator[Seed]:
        return SEEDS[self.dialect](merchant)

    async def run(self, count: int) -> None:
        """So many more requests; stops early where enough was found."""
        for _ in range(count):
            asked = self._next()
            self.sent += 1
            await self._send(asked)
            if self.sent % LOOK_EVERY == 0:
                self._look_at_journal()
            if self.sent % FORGET_EVERY == 0:
                await forget(self._world)
            if len(self.findings) >= FINDINGS_MAX:
                return
        self._look_at_journal()

    async def _send(self, asked: Asked) -> None:
        try:
            async with asyncio.timeout(10):
                try:
                    reply = await self._world.mock.answer(asked)
                except NoRoute:
                    reply = self._unmatched.refuse(asked)
            if reply is None:
                return
            flat = reply.flat()
            said = flat.body + repr((flat.headers, flat.location)).encode("utf-8", "backslashreplace")
        except Exception:
            self._found(traceback.format_exc(limit=-6), asked)
            return
        if reply.status >= 500:
            self._found(f"status {reply.status}: {said[:300]!r}", asked)
        if any(secret in said for secret in self._secrets) and "webhook" not in asked.path:  # whose secret is asked for
            self._found(f"a secret in an answer: {said[:400]!r}", asked)
        for address in re.findall(rb"http://127\.0\.0\.1:8000(/[^\"' <>]+)", flat.body.replace(b"\\/", b"/")):
            self._addresses.append(address.decode("utf-8", "replace"))

    def _look_at_journal(self) -> None:
        events, self._world.events[:] = list(self._world.events), []
        self._world.letters.clear()
        text = b"".join(self._journalled(event) for event in events)
        for secret in self._secrets:
            if secret in text:
                around = text.index(secret)
                self._found(f"a secret in the journal: {text[max(0, around - 200) : around]!r}", Asked("", "(journal)"))

    def _journalled(self, event: Event) -> bytes:
        try:
            return msgspec.json.encode(event)
        except Exception as error:
            self._found(f"cannot be journalled: {error}: {event!r}", Asked("", "(journal)"))
            return b""

    def _found(self, what: str, asked: Asked) -> None:
        shown = repr((asked.method, asked.path, asked.query, asked.body, dict(asked.headers), asked.form))
        self.findings.append(Finding(self.dialect, what, shown[:1500]))

    # --- what is sent -------------------------------------------------------------------------------------------
    def _next(self) -> Asked:
        way = self._chance.random()
        if way < 0.2 and self._addresses:
            path = self._pick(list(self._addresses))
            seed = Seed("POST", path, b"key=b00000001", {"Accept": "application/json"})
            return self._damaged(seed.asked()) if way < 0.1 else seed.asked()
        if way < 0.45:
            merchant = Merchant(
                self.dialect, self._keys, self._chance.randrange(ORDERS), WALL_S, twist=lambda f: self._twisted(f)
            )
            return self._nth(self._seeds(merchant)).asked()
        asked = self._pick(self._genuine).asked()
        return asked if way < 0.55 else self._damaged(asked)

    def _pick(self, of: list[T]) -> T:
        return of[self._chance.randrange(len(of))]

    def _nth(self, seeds: Iterator[Seed]) -> Seed:
        """One of them, the later the rarer: each costs a signature."""
        seed = next(seeds)
        for later in seeds:
            if self._chance.random() < 0.25:
                break
            seed = later
        return seed

    def _twisted(self, fields: dict[str, Any], depth: int = 0) -> dict[str, Any]:
        twisted = dict(fields)
        for _ in range(1 + self._chance.randrange(2)):
            name = self._pick([*twisted, self._pick(NAMES)])
            value = twisted.get(name)
            if isinstance(value, dict) and depth < 3 and self._chance.random() < 0.7:
                twisted[name] = self._twisted(value, depth + 1)
            elif self._chance.random() < 0.15:
                twisted.pop(name, None)
            else:
                twisted[name] = self._pick(NASTY)
        return twisted

    def _damaged(self, asked: Asked) -> Asked:
        for _ in range(1 + self._chance.randrange(3)):
            self._pick(DAMAGES)(self, asked)
        return asked

    def damage_bytes(self, raw: bytes) -> bytes:
        at = self._chance.randrange(len(raw) + 1)
        match self._chance.randrange(4):
            case 0:
                return raw[:at]
            case 1:
                return raw[:at] + self._pick(BYTES) + raw[at:]
            case 2 if raw:
                at = min(at, len(raw) - 1)
                return raw[:at] + bytes([raw[at] ^ (1 << self._chance.randrange(8))]) + raw[at + 1 :]
        return raw + b"&" + raw

    def damage_text(self, text: str) -> str:
        """As a server reads it off the wire: what is no UTF-8 is kept as escapes."""
        return self.damage_bytes(text.encode("utf-8", "surrogateescape")).decode("utf-8", "surrogateescape")

    def damage_method(self, asked: Asked) -> None:
        asked.method = self._pick(["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "get", "X"])

    def damage_path(self, asked: Asked) -> None:
        asked.path = "/" + self.damage_text(asked.path).lstrip("/")

    def damage_query(self, asked: Asked) -> None:
        asked.query = self.damage_text(asked.query)

    def damage_body(self, asked: Asked) -> None:
        asked.body = self.damage_bytes(asked.body)

    def damage_header(self, asked: Asked) -> None:
        headers = dict(asked.headers)
        name = self._pick([*headers, *HEADERS])
        value = self.damage_text(headers.get(name, "")).replace("\r", "").replace("\n", "").replace("\0", "")
        headers[name] = value
        asked.headers = headers
        asked.authorization, asked.accept = headers.get("Authorization", ""), headers.get("Accept", "")

    def damage_form(self, asked: Asked) -> None:
        """As if the fields had come as multipart."""
        fields = self._twisted(dict(asked.body_fields()))
        asked.form = {str(k): str(v).encode("utf-8", "replace").decode() for k, v in fields.items()}

    def damage_host(self, asked: Asked) -> None:
        asked.host = self._pick(["", "a:b:c", "127.0.0.1:99999", "[::1", "x" * 255, "..", "evil.example"])


DAMAGES: list[Callable[[Fuzz, Asked], None]] = [
    Fuzz.damage_method, Fuzz.damage_path, Fuzz.damage_query, Fuzz.damage_query, Fuzz.damage_body, Fuzz.damage_body,
    Fuzz.damage_body, Fuzz.damage_header, Fuzz.damage_header, Fuzz.damage_form, Fuzz.damage_host,
]  # fmt: skip


class AdminFuzz(Fuzz):
    """/_admin of a payment mock, faults by hand allowed."""

    def _seeds(self, merchant: Merchant) -> Iterator[Seed]:
        own = {"Authorization": f"Bearer {TOKEN}"}

        def call(method: str, path: str, body: Any = None) -> Seed:
            raw = b"" if body is None else json.dumps(merchant.twist(body)).encode()
            return Seed(method, f"/_admin/{path}", raw, own)

        fault = {"id": "dusk", "fault": "slow", "at": "shop>payment", "rate": "30%", "lease_s": 0.001, "ms": 4}
        yield call("PUT", "faults", {"faults": [merchant.twist(fault)]})
        yield call("POST", "phase", {"phase": "load", "l0_t": 5})
        yield call("GET", f"trades?key=b{merchant.n:08d}")
        yield call("GET", "trades?out_trade_no=x&trade_no=y")
        for path in ("health", "trades", "plan", "faults"):
            yield call("GET", path)
        yield call("POST", "lease")
        if merchant.n == 0:  # it collects garbage, which takes long
            yield call("POST", "reset")


def _secret_texts(keys: Keys) -> Iterator[str]:
    """Everything that only the two of them know, and a part of each private key that stands on one line."""
    for text in (keys.key, *keys.own.values(), *keys.told.values()):
        if "PRIVATE KEY" in text:
            yield text.splitlines()[3]
    yield keys.key


def plan_for(dialect: str) -> Plan:
    spoken = DIALECTS[dialect]
    options = {option: words[0] for option, words in spoken.options.items()}
    upstreams = {dialect: UpstreamPlan(spoken.role, dialect, options=options)}
    return a_plan(upstreams=upstreams, target=TARGET, region=REGIONS)


async def fuzz(dialect: str, count: int, seed: int = 7) -> tuple[list[Finding], float]:
    """What was found, and the MiB that were kept when all was forgotten."""
    spoken = "epay" if dialect == "admin" else dialect
    plan = plan_for(spoken)
    keys = {spoken: fresh(spoken, 1001, Keyring()) if DIALECTS[spoken].role != "" else Keys("1", KEY)}
    is_admin = dialect == "admin"
    kind = KINDS[DIALECTS[spoken].role]
    async with asyncio.TaskGroup() as tasks:
        world = Around(kind, plan, tasks, TOKEN if is_admin else None, by_hand=is_admin, keys=keys)
        made = (AdminFuzz if is_admin else Fuzz)(dialect, world, keys[spoken], random.Random(f"{seed} {dialect}"))
        await made.run(min(count // 4, FORGET_EVERY))  # what is made but once is made by now
        before = await _mib_after_forgetting(world)
        await made.run(count - made.sent)
        kept = await _mib_after_forgetting(world) - before
        world.mock.injector.release()
        world.mock.stop()
    return made.findings, kept


async def forget(world: Around[Any]) -> None:
    """As POST /_admin/reset does. A clock that stands still keeps even waits that were given up: those are dropped."""
    world.mock.forget()
    world.letters.clear()
    await world.settle()
    world.clock.drop_given_up()


async def _mib_after_forgetting(world: Around[Any]) -> float:
    await forget(world)
    world.events.clear()
    gc.collect()
    give_memory_back()
    return float(psutil.Process().memory_info().rss) / 2**20


async def fuzz_frames(count: int, seed: int = 7) -> list[Finding]:
    """RCON's frames: bytes that are, or nearly are, some. Each is read to its end, or refused as none."""
    chance, found = random.Random(seed), list[Finding]()
    for _ in range(count):
        frames = [
            rcon_frames.Frame(
                chance.randrange(-(2**31), 2**31), chance.choice([0, 2, 3, 9]), chance.randbytes(chance.randrange(40))
            )
            for _ in range(1 + chance.randrange(3))
        ]
        raw = bytearray(b"".join(frame.written() for frame in frames))
        for _ in range(chance.randrange(4)):
            at = chance.randrange(len(raw))
            raw[at : at + chance.randrange(2)] = chance.randbytes(chance.randrange(3))
            raw += b"\0"
        reader = asyncio.StreamReader()
        reader.feed_data(bytes(raw))
        reader.feed_eof()
        try:
            async with asyncio.timeout(5):
                while await read_frame(reader, 1446) is not None:
                    pass
        except BadFrame:
            continue
        except Exception:
            found.append(Finding("rcon", traceback.format_exc(limit=-4), bytes(raw).hex()))
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description="Fuzzes every dialect, /_admin and RCON's frames.")
    parser.add_argument("dialects", nargs="*", help="which; all unless some are named")
    parser.add_argument("--requests", type=int, default=200_000, help="at each (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=7)
    args = parser.parse_args()
    failed = False
    for dialect in args.dialects or [*SEEDS, "admin", "rcon"]:
        began = time.perf_counter()
        if dialect == "rcon":
            findings, kept = asyncio.run(fuzz_frames(args.requests, args.seed)), 0.0
        else:
            findings, kept = asyncio.run(fuzz(dialect, args.requests, args.seed))
        per_s = args.requests / (time.perf_counter() - began)
        print(f"{dialect}: {len(findings)} findings, {kept:.1f} MiB kept, {per_s:.0f}/s", flush=True)
        for finding in findings:
            print(f"  {finding.what}\n  {finding.asked}", flush=True)
        failed |= bool(findings) or kept > KEPT_MIB_MAX
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
