"""npm toxiproxy-node-client 4.1.0, unmodified, against the embedded server as a process of its own."""

import json
import shutil
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from tests.faults.transport.servers import EMBEDDED, Upstream, echo, started

FOLDER = Path(__file__).parents[2] / ".conformance" / "node"
SCRIPT = Path(__file__).parent / "node" / "toxiproxy.mjs"
RUNTIME = shutil.which("node")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        RUNTIME is None or not (FOLDER / "node_modules" / "toxiproxy-node-client").exists(),
        reason="node or npm's toxiproxy-node-client is not here: make .conformance/.made",
    ),
]


def test_it_creates_breaks_disables_resets_populates_and_removes() -> None:
    assert RUNTIME is not None
    run = [RUNTIME, "--input-type=module", "--eval", SCRIPT.read_text(encoding="utf-8")]
    with started(EMBEDDED) as server, closing(Upstream(echo)) as upstream:
        job = {"url": f"http://127.0.0.1:{server.port}", "upstream": f"127.0.0.1:{upstream.port}"}
        ran = subprocess.run(run, input=json.dumps(job), capture_output=True, text=True, timeout=30, cwd=FOLDER)
    assert ran.returncode == 0, ran.stderr
    done = json.loads(ran.stdout)

    assert done["version"] == '{"version": "2.12.0"}\n'
    created = done["created"]
    assert created["listen"].startswith("127.0.0.1:")
    assert created == {"name": "db", "enabled": True, "listen": created["listen"], "upstream": job["upstream"]}
    assert done["again"] == "Request failed with status code 409"

    attributes = {"latency": 120, "jitter": 0}
    toxic = {"attributes": attributes, "name": "late", "stream": "downstream", "toxicity": 1, "type": "latency"}
    assert done["toxic"] == toxic
    assert done["changed"] == done["found"] == toxic | {"attributes": {"latency": 250, "jitter": 0}}
    assert done["gone"] == "Request failed with status code 404"
    assert max(done["plain_ms"], done["after_ms"], done["reset_ms"]) < 120 <= done["late_ms"]
    assert done["later_ms"] >= 250

    assert (done["disabled"]["enabled"], done["refused"]) == (False, "ECONNREFUSED")
    assert done["reset"] == created
    assert (done["populated"], done["all"], done["left"]) == (["a", "b"], ["a", "b", "db"], [])
