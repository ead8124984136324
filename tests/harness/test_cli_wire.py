"""`orderjam toxiproxy` and `orderjam proxy`: what is refused, what would be placed, and how they end."""

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from harness.cli import app
from harness.run import Exit
from tests.faults.transport.servers import Start, Upstream, connected, echo, received

UPSTREAM = ["proxy", "--upstream", "127.0.0.1:1"]


def orderjam(*words: str) -> Result:
    return CliRunner().invoke(app, words)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["toxiproxy", "--host", "0.0.0.0"], "--host: listen 0.0.0.0:8474: only addresses of this machine are allowed"),
        (
            ["toxiproxy", "--config", "/nowhere.json"],
            "--config /nowhere.json: cannot be read: no such file or directory",
        ),
        (["proxy", "--upstream", "localhost"], "--upstream localhost: address localhost: missing port in address"),
        (["proxy", "--upstream", "example.com:80"], "only addresses of this machine are allowed"),
        ([*UPSTREAM, "--listen", "[::]:80"], "--listen: listen [::]:80: only addresses of this machine are allowed"),
        ([*UPSTREAM, "--toxic", "latncy latency=5"], "no toxic 'latncy'; did you mean 'latency'?"),
        ([*UPSTREAM, "--toxic", ""], "no toxic ''; legal: bandwidth, corrupt"),
        ([*UPSTREAM, "--toxic", "latency jiter=5"], "latency has no 'jiter'; did you mean 'jitter'?"),
        ([*UPSTREAM, "--toxic", "latency 200"], "'200' is no key=value"),
        ([*UPSTREAM, "--toxic", "latency latency=x"], "latency=x; legal: a whole number from 0"),
        ([*UPSTREAM, "--toxic", "latency latency=1.5"], "latency=1.5; legal: a whole number from 0"),
        ([*UPSTREAM, "--toxic", "latency latency=-1"], "latency=-1; legal: a whole number from 0"),
        ([*UPSTREAM, "--toxic", "noop stream=up"], "stream=up; legal: downstream, upstream"),
        ([*UPSTREAM, "--toxic", "noop toxicity=1.1"], "toxicity=1.1; legal: 0 to 1"),
        ([*UPSTREAM, "--toxic", "noop match.pth=/a"], "noop has no 'match.pth'; did you mean 'match.path'?"),
        ([*UPSTREAM, "--toxic", "corrupt per_mb=x"], "attributes: Expected `float`, got `str` - at `$.per_mb`"),
        ([*UPSTREAM, "--toxic", "noop", "--toxic", "noop"], "another toxic has this name already"),
    ],
)
def test_wrong_use_is_one_clear_line_and_exit_code_2(words: list[str], says: str) -> None:
    ran = orderjam(*words)
    assert ran.exit_code == Exit.WRONG_USE, ran.output
    assert says in ran.stderr
    assert len(ran.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[{"name":"a"}]', "missing required field: upstream at proxy 1"),
        ("{", "bad request body: unexpected EOF"),
        ('[{"name":"a","upstream":"example.com:80"}]', "only addresses of this machine are allowed"),
        (" " * 300_000, "300000 bytes; legal: up to 262144"),
    ],
)
def test_a_wrong_config_file_is_refused_before_anything_is_served(tmp_path: Path, text: str, words: str) -> None:
    config = tmp_path / "proxies.json"
    config.write_text(text)
    ran = orderjam("toxiproxy", "--port", "0", "--config", str(config))
    assert ran.exit_code == Exit.WRONG_USE
    assert f"--config {config}: " in ran.stderr
    assert words in ran.stderr
    assert "the API is at" not in ran.stderr


def test_a_port_that_is_taken_is_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        words = f"127.0.0.1:{port} cannot be listened on: address already in use"
        ran = orderjam("toxiproxy", "--port", str(port))
        assert (ran.exit_code, ran.stderr) == (Exit.WRONG_USE, f"orderjam: --port {port}: {words}\n")
        ran = orderjam(*UPSTREAM, "--listen", f"127.0.0.1:{port}")
        assert (ran.exit_code, ran.stderr) == (Exit.WRONG_USE, f"orderjam: --listen {words}\n")


def test_a_dry_run_prints_the_toxics_as_the_api_would_take_them() -> None:
    words = "latency latency=200 jitter=50 stream=upstream toxicity=30% match.path=/pay/* match.header.X-A=b*"
    ran = orderjam(*UPSTREAM, "--dry-run", "--toxic", words, "--toxic", "loss_with_load curve=[[0,0],[100,0.2]] name=l")
    assert ran.exit_code == Exit.PASSED
    told = json.loads(ran.stdout)
    assert (told["listen"], told["upstream"]) == ("127.0.0.1:0", "127.0.0.1:1")
    latency, loss = told["toxics"]
    assert latency == {
        "attributes": {"latency": 200, "jitter": 50},
        "name": "latency_upstream",
        "type": "latency",
        "stream": "upstream",
        "toxicity": 0.3,
        "match": {"method": "", "path": "/pay/*", "header": {"X-A": "b*"}},
    }
    assert (loss["name"], loss["attributes"]["curve"]) == ("l", [[0, 0], [100, 0.2]])


@contextmanager
def running(*words: str) -> Iterator["subprocess.Popen[str]"]:
    command = [sys.executable, "-P", "-m", "harness.cli", *words]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.fixture
def upstream() -> Iterator[Start]:
    made: list[Upstream] = []

    def start() -> int:
        made.append(Upstream(echo))
        return made[-1].port

    yield start
    for one in made:
        one.close()


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, Exit.PASSED), (signal.SIGINT, Exit.INTERRUPTED)])
def test_a_proxy_carries_until_it_is_ended_and_says_what_it_carried(
    upstream: Start, number: signal.Signals, code: Exit
) -> None:
    with running("proxy", "--upstream", f"127.0.0.1:{upstream()}", "--toxic", "noop") as process:
        assert process.stderr is not None
        listen, _, leads = process.stderr.readline().partition(" leads to ")
        assert leads
        with connected(int(listen.rpartition(":")[2])) as link:
            link.sendall(b"x" * 2000)
            assert received(link, 2000) == b"x" * 2000
        process.send_signal(number)
        said = process.communicate(timeout=10)[1]
        assert process.returncode == code
        assert said.splitlines()[-1].endswith(" of 1 · 2.0 KB sent up · 2.0 KB sent down")


@pytest.mark.slow
def test_the_server_begins_with_its_config_file_and_a_kill_closes_every_connection(
    upstream: Start, tmp_path: Path
) -> None:
    config = tmp_path / "proxies.json"
    config.write_text(json.dumps([{"name": "db", "listen": "127.0.0.1:0", "upstream": f"127.0.0.1:{upstream()}"}]))
    with running("toxiproxy", "--port", "0", "--config", str(config)) as process:
        assert process.stderr is not None
        assert "the API is at http://127.0.0.1:" in process.stderr.readline()
        line = process.stderr.readline()
        assert line.startswith("  db: 127.0.0.1:")
        with connected(int(line.split()[1].rpartition(":")[2])) as link:
            link.sendall(b"x")
            assert received(link, 1) == b"x"
            process.kill()
            process.wait(10)
            assert received(link, 1) == b""
