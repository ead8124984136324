"""API requests gone wrong, by the hundred thousand: `python -m tests.faults.transport.fuzzing` (`make fuzz`).

Each begins as a genuine request and is damaged, in its values or byte by byte. Whatever comes, the embedded server
answers, never with a status of 500 for anything but an address, and lives on without keeping memory. Where the real
Toxiproxy is here, it is asked the same, and its status must be the same. The same seed makes the same requests.
"""

import argparse
import json
import random
import re
import sys
import time
from contextlib import ExitStack, suppress
from typing import Any

import msgspec
import psutil

from faults.transport import go_json
from tests.faults.transport.servers import EMBEDDED, REAL, Answer, Server, real_binary, started

KEPT_MIB_MAX = 24.0
FINDINGS_MAX = 10
RESTORE_EVERY = 100
LISTENS = [
    "127.0.0.1:0",
    "localhost:0",
    "[::1]:0",
    "127.0.0.1:",
    "x",
    "::1:0",
    "127.0.0.1:99999",
    "127.0.0.1:x",
    "[::1",
]
UPSTREAMS = ["127.0.0.1:1", "127.0.0.1:2", ""]
NASTY: list[Any] = [
    "", " ", "0", "é", "\0", "\u2028", "x" * 5000, "<a>&", "..", "%2f", "UPSTREAM", "Downstream", "null",
    None, True, False, 0, -0.0, -1, 1, 1.0, 1.5, 1e3, 1e-7, 1e21, 1e38, 3.5e38, 2**31, 2**63 - 1, 2**63, -(2**63),
    [], [[]], {}, {"a": {"b": []}}, [None], [{}], {"latency": "1"}, {"latency": 1.5}, {"rate": 1}, {"LATENCY": None},
]  # fmt: skip
KEYS = ["name", "Name", "NAME", "upstream", "enabled", "ENABLED", "type", "stream", "toxicity", "attributes",
        "Attributes", "toxics", "Logger", "logger", "direction", "latency", "jitter", "rate", "", "a"]  # fmt: skip
TEXTS = [b"", b"\0", b"\xff", b"\xe4\xb8", b"{", b"}", b"[", b"]", b",", b":", b'"', b"\\", b"\\u", b"\\ud800", b"-",
         b"e", b".", b"1e999", b"nul", b"null", b"true", b"[" * 4000, b"9" * 3000, b" \n", b"//", b"'",
         b"\xef\xbb\xbf"]  # fmt: skip
PATHS = ["/proxies", "/populate", "/reset", "/version", "/metrics", "/proxies/p", "/proxies/q", "/proxies/p/toxics",
         "/proxies/p/toxics/up", "/proxies/p/toxics/latency_downstream", "/proxies/nope", "/proxies/p/toxics/nope",
         "/proxies/q/toxics", "//proxies", "/proxies/", "/proxies/%70", "/proxies/..", "/%2e/version",
         "/proxies/p/toxics/a%2fb", "/proxies/p/toxics/%ff", "/PROXIES", "/"]  # fmt: skip
BASE = [
    {"name": "p", "listen": "127.0.0.1:0", "upstream": "127.0.0.1:1", "enabled": False},
    {"name": "q", "listen": "127.0.0.1:0", "upstream": "127.0.0.1:1"},
]
UP = {"type": "bandwidth", "name": "up", "stream": "upstream", "toxicity": 0.5, "attributes": {"rate": 64}}


_PORT = re.compile(r":[0-9]+\"")


class Asked(msgspec.Struct, frozen=True):
    """A request."""

    method: str
    path: str
    body: bytes

    def __str__(self) -> str:
        return f"{self.method} {self.path} {self.body[:300]!r}"


class Finding(msgspec.Struct, frozen=True):
    """What must not be, and the request that shows it."""

    what: str
    asked: str


class Fuzz:
    """One embedded server under fire, and the real one beside it where it is here."""

    def __init__(self, embedded: Server, real: Server | None, seed: int) -> None:
        self._embedded, self._real = embedded, real
        self._chance = random.Random(f"{seed} toxiproxy")
        self.findings: list[Finding] = []
        self.sent = self.compared = self.same_text = 0

    def run(self, count: int) -> None:
        """So many more requests; stops early where enough was found."""
        for n in range(count):
            if n % RESTORE_EVERY == 0:
                self._restore()
            self._send(self._next())
            if len(self.findings) >= FINDINGS_MAX:
                return
        self._restore()

    def _restore(self) -> None:
        for server in (self._embedded, self._real):
            if server is not None:
                server.forget()
                server.done("POST", "/populate", BASE)
                server.done("POST", "/proxies/p/toxics", UP)
                server.done("POST", "/proxies/p/toxics", {"type": "latency", "attributes": {"latency": 5}})

    def _send(self, asked: Asked) -> None:
        self.sent += 1
        answer = self._answer(self._embedded, asked)
        if answer is None:
            return
        if answer.status >= 500 and "address" not in answer.text and "lookup" not in answer.text:
            self._found(f"status {answer.status}: {answer.text[:300]}", asked)
        if self._real is None:
            return
        if not _is_for_both(asked):
            self._restore()
            return
        real = self._answer(self._real, asked)
        if real is None:
            return
        self.compared += 1
        self.same_text += answer.text == real.text
        if _is_known(asked, answer, real):
            self._restore()
        elif real.status != answer.status:
            told = f"status {answer.status}, and of the real server {real.status}"
            self._found(f"{told}: {answer.text[:200]!r} {real.text[:200]!r}", asked)
            self._restore()

    def _answer(self, server: Server, asked: Asked) -> Answer | None:
        try:
            return server.ask(asked.method, asked.path, asked.body)
        except Exception as error:
            self._found(f"{server.kind} does not answer: {error!r}", asked)
            return None

    def _found(self, what: str, asked: Asked) -> None:
        self.findings.append(Finding(what, str(asked)))

    # --- making requests ----------------------------------------------------------------------------------------
    def _next(self) -> Asked:
        chance = self._chance
        method, path, value = self._genuine()
        for _ in range(chance.randrange(3)):
            value = self._twisted(value)
        body = json.dumps(value, ensure_ascii=chance.random() < 0.5).encode("utf-8", "replace")
        if chance.random() < 0.5:
            body = self._damaged(body)
        if chance.random() < 0.1:
            path = chance.choice(PATHS)
        if chance.random() < 0.1:
            method = chance.choice(["GET", "POST", "PATCH", "DELETE", "PUT", "HEAD", "OPTIONS"])
        return Asked(method, path, body)

    def _genuine(self) -> tuple[str, str, Any]:
        chance = self._chance
        name = chance.choice("pqrs")
        proxy = {"name": name, "upstream": chance.choice(UPSTREAMS), "enabled": chance.random() < 0.5}
        if chance.random() < 0.5:
            proxy["listen"] = chance.choice(LISTENS)
        kind = chance.choice(["latency", "bandwidth", "slicer", "noop", "reset_peer", "timeout", "limit_data", "nope"])
        toxic = {"type": kind, "attributes": {"latency": 1, "jitter": 2, "rate": 3, "delay": 4}, "toxicity": 0.1}
        if chance.random() < 0.5:
            toxic |= {"name": chance.choice(["up", "a", "b"]), "stream": chance.choice(["upstream", "downstream"])}
        return chance.choice(
            [
                ("POST", "/proxies", proxy),
                ("POST", "/populate", [proxy, *BASE][: chance.randrange(4)]),
                ("PATCH", "/proxies/p", {key: value for key, value in proxy.items() if chance.random() < 0.6}),
                ("POST", "/proxies/p/toxics", toxic),
                ("POST", "/proxies/p/toxics", toxic),
                ("POST", "/proxies/p/toxics/up", toxic),
                ("PATCH", "/proxies/p/toxics/latency_downstream", toxic),
            ]
        )

    def _twisted(self, value: Any) -> Any:
        """The value with one thing in it changed for a nasty one."""
        chance = self._chance
        if isinstance(value, dict) and value and chance.random() < 0.9:
            key = chance.choice(list(value))
            match chance.randrange(3):
                case 0 if key not in ("listen", "upstream"):
                    return value | {key: self._twisted(value[key])}
                case 1:
                    return {k: v for k, v in value.items() if k != key}
            return {chance.choice(KEYS): chance.choice(NASTY), **value, chance.choice(KEYS): chance.choice(NASTY)}
        if isinstance(value, list) and value and chance.random() < 0.9:
            at = chance.randrange(len(value))
            return [*value[:at], self._twisted(value[at]), *value[at + 1 :]]
        return chance.choice(NASTY)

    def _damaged(self, body: bytes) -> bytes:
        raw, chance = bytearray(body), self._chance
        for _ in range(1 + chance.randrange(3)):
            at = chance.randrange(len(raw) + 1)
            raw[at : at + chance.randrange(3)] = chance.choice([chance.choice(TEXTS), chance.randbytes(1), b""])
        return bytes(raw)


def _is_for_both(asked: Asked) -> bool:
    """Whether both may be asked: no address that the real one would look up in the world, or take from the other."""
    with suppress(go_json.JsonError):
        value = go_json.read(asked.body)
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, go_json.Object):
                for key, said in one.pairs:
                    legal = {"listen": [*LISTENS, ""], "upſtream": UPSTREAMS, "upstream": UPSTREAMS}.get(key.lower())
                    if legal is not None and isinstance(said, str) and said not in legal:
                        return False
    return True


def _is_known(asked: Asked, answer: Answer, real: Answer) -> bool:
    """Whether the two went different ways as docs/transport.md says they do, and must be brought together again."""
    if asked.path == "/reset" and real.status >= 500:
        return True  # the real one goes over its proxies in another order each time, and stops at the first error
    if asked.path == "/populate" and _PORT.sub("", answer.text) != _PORT.sub("", real.text):
        return answer.status == real.status or (answer.status, real.status) == (500, 201)
    return (answer.status, real.status) == (500, 201) and '"listen tcp: ' in answer.text


def fuzz(count: int, seed: int = 7, *, with_real: bool = True) -> tuple[Fuzz, float]:
    """What was found, and the MiB that the embedded server kept."""
    with ExitStack() as both:
        embedded = both.enter_context(started(EMBEDDED, "-proxy-metrics"))
        is_here = with_real and real_binary() is not None
        made = Fuzz(embedded, both.enter_context(started(REAL, "-proxy-metrics")) if is_here else None, seed)
        process = psutil.Process(embedded.pid)
        made.run(min(count // 4, 2_000))  # what is made but once is made by now
        before = process.memory_info().rss
        made.run(count - made.sent)
        with suppress(psutil.NoSuchProcess):
            return made, (process.memory_info().rss - before) / 2**20
        made.findings.append(Finding("the embedded server died", ""))
        return made, 0.0


def main() -> int:
    parser = argparse.ArgumentParser(description="Fuzzes the embedded Toxiproxy, and holds it against the real one.")
    parser.add_argument("--requests", type=int, default=100_000, help="how many (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=7)
    args = parser.parse_args()
    began = time.perf_counter()
    made, kept = fuzz(args.requests, args.seed)
    per_s = made.sent / (time.perf_counter() - began)
    print(f"toxiproxy's API: {made.sent} requests, {len(made.findings)} findings, {kept:.1f} MiB kept, {per_s:.0f}/s")
    print(f"  held against the real one: {made.compared}, of which {made.same_text} letter by letter the same")
    for finding in made.findings:
        print(f"  {finding.what}\n  {finding.asked}")
    return int(bool(made.findings) or kept > KEPT_MIB_MAX)


if __name__ == "__main__":
    sys.exit(main())
