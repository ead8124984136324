"""The queue as a process: a shop and a plugin of other people's making at its port."""

import json
import time
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest

from ledger.events import Credited
from mocks.upstreams import Keys
from plan.run import UpstreamPlan
from plan.units import WireTime
from tests.mocks.goods import PRODUCTS, REGIONS, TARGET
from tests.mocks.running import WITHIN_S, Running, as_text, running
from tests.mocks.world import KEY, PID, a_plan

pytestmark = pytest.mark.slow
FORM = "application/x-www-form-urlencoded"


def ask(mock: Running, method: str, path: str, body: bytes = b"", kind: str = "application/json") -> tuple[int, Any]:
    headers = {"X-Tebex-Secret": KEY, "Content-Type": kind}
    asked = Request(f"{mock.url}/{path}", body or None, headers, method=method)
    with urlopen(asked, timeout=WITHIN_S) as answer:
        text = answer.read()
    return answer.status, json.loads(text) if text else None


def test_a_command_is_run_by_whoever_pulls_the_queue(tmp_path: Path) -> None:
    queues = {
        "played": UpstreamPlan("game", "command_queue", takes=WireTime(0.01)),
        "real": UpstreamPlan("game", "command_queue", options={"puller": "none"}),
    }
    plan = a_plan(upstreams=queues, target=TARGET, product=PRODUCTS, region=REGIONS)
    keys = dict.fromkeys(queues, Keys(PID, KEY))
    with running(tmp_path, plan, role="game", ORDERJAM_UPSTREAMS=as_text(keys)) as mock:
        for n, queue in enumerate(queues):
            body = json.dumps({"payment": f"G{n}", "player": "someone", "package": "topup_10"}).encode()
            assert ask(mock, "POST", f"{queue}/commands", body)[0] == 202
        until = time.monotonic() + WITHIN_S
        while ask(mock, "GET", "played/commands/G0")[1]["status"] != "done":
            assert time.monotonic() < until
            time.sleep(0.01)
        _, due = ask(mock, "GET", "real/queue/offline-commands")
        assert [command["command"] for command in due["commands"]] == ["give someone topup_10 1 order=G1"]
        assert ask(mock, "DELETE", "real/queue", b"ids[]=1", FORM) == (204, None)
        assert ask(mock, "GET", "real/commands/G1")[1]["status"] == "done"
        assert mock.stop() == (0, "")
        credits = [(c.upstream, c.request_no) for c in mock.events() if isinstance(c, Credited)]
    assert credits == [("played", "G0"), ("real", "G1")]
