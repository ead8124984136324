"""`orderjam mocks up` and `orderjam fault`, as a person uses them: real processes and sockets, a shop that listens."""

import json
import os
import re
import shlex
import signal
import socket
import stat
import struct
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import psutil
import pytest
import requests

from harness import cli
from harness.run import Exit
from ledger import journal
from ledger.events import Captured, NoticeAnswered, Struck
from ledger.journal import Wholeness
from ledger.rundir import RunDir
from targets import webshop
from tests.mocks.running import Shop, a_shop
from tests.mocks.world import signed
from tests.whole_run import ORDERJAM, children_of

pytestmark = pytest.mark.slow
WITHIN_S = 30.0
TOKEN = "t0ken-t0ken-t0ken"


def orderjam(*words: str, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*ORDERJAM, *words], cwd=cwd, capture_output=True, text=True, timeout=WITHIN_S, env=environment(**env)
    )


def environment(**more: str) -> dict[str, str]:
    return {k: v for k, v in os.environ.items() if not k.startswith("ORDERJAM_")} | more


class Up:
    """Mocks that are up, and a person beside them."""

    def __init__(self, process: "subprocess.Popen[str]", folder: Path, token: str) -> None:
        self.process, self.folder, self.token = process, folder, token
        self.page = ""

    @property
    def run(self) -> RunDir:
        (path,) = (self.folder / "runs").glob("mocks-2*")
        return RunDir(path)

    def known(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.folder / "runs" / "mocks-up.json").read_bytes())
        return found

    def wait_until_up(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.page += line
            if "Ctrl-C ends it" in line:
                return
        raise AssertionError((self.page, self.process.communicate()))

    def fault(self, *words: str) -> subprocess.CompletedProcess[str]:
        return orderjam("fault", *words, cwd=self.folder)

    def listed(self) -> dict[str, dict[str, Any]]:
        return {row["id"]: row for row in json.loads(self.fault("list", "--json").stdout)}

    def env(self) -> dict[str, str]:
        """What a shop would read from the .env."""
        lines = (line for line in (self.folder / ".env").read_text().splitlines() if not line.startswith("#"))
        return dict(shlex.split(line)[0].split("=", 1) for line in lines)

    def buy(self, shop: Shop, order_no: str) -> None:
        """Orders and pays, as a shop and its buyer would."""
        env = self.env()
        fields = {"pid": env["EPAY_PID"], "type": "alipay", "out_trade_no": order_no, "name": "card", "money": "10.00"}
        order = signed(fields | {"notify_url": shop.url}, env["EPAY_KEY"])
        made = json.loads(ask(env["EPAY_URL"] + "mapi.php", order))
        assert made["code"] == 1, made
        assert json.loads(ask(made["payurl"], {}, Accept="application/json"))["paid"] is True

    def end(self, number: int = signal.SIGINT) -> tuple[int, str]:
        """The exit code, and all that was said on standard error."""
        self.process.send_signal(number)
        _, said = self.process.communicate(timeout=WITHIN_S)
        return self.process.returncode, said

    def events(self) -> list[Any]:
        return [event for path in self.run.journals() for event in journal.read(path)]


def ask(url: str, fields: dict[str, str] | None = None, **headers: str) -> bytes:
    body = urlencode(fields).encode() if fields is not None else None
    with urlopen(Request(url, body, headers), timeout=WITHIN_S) as answer:
        read: bytes = answer.read()
    return read


@contextmanager
def up(folder: Path, *words: str, **env: str) -> Iterator[Up]:
    """Mocks in a folder of their own; whatever is left of them is killed."""
    started = subprocess.Popen(
        [*ORDERJAM, "mocks", "up", *words],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(**env),
        start_new_session=True,
    )
    here = Up(started, folder, env.get("ORDERJAM_ADMIN_TOKEN", ""))
    try:
        here.wait_until_up()
        yield here
    finally:
        if started.poll() is None:
            started.kill()
            started.communicate()


def free_ports() -> int:
    """A port that is free, as are the three behind it, below those that the kernel gives to whoever asks for any."""
    for base in range(20000 + os.getpid() % 12000, 32700, 7):
        with ExitStack() as taken, suppress(OSError):
            for port in range(base, base + 4):
                taken.enter_context(socket.create_server(("127.0.0.1", port)))
            return base
    raise AssertionError("no four ports are free")


def wait_until(what: str, is_so: Any) -> None:
    until = time.monotonic() + WITHIN_S
    while not is_so():
        assert time.monotonic() < until, what
        time.sleep(0.05)


# --- the whole way ---------------------------------------------------------------------------------------------------
def test_a_person_buys_breaks_lists_saves_and_ends(tmp_path: Path) -> None:
    with a_shop() as shop, up(tmp_path, "--env-file", ".env") as here:
        here.buy(shop, "T1")
        assert shop.wait_until_told()["out_trade_no"] == "T1"

        added = here.fault("add", "notice_lost", "--at", "payment>shop", "--first", "1")
        assert (added.returncode, added.stderr) == (
            0,
            "notice_lost: notice_lost at payment>shop, 100%, for 5 min\n",
        )
        here.buy(shop, "T2")
        wait_until("it struck", lambda: here.listed()["notice_lost"]["struck"] == 1)
        assert len(shop.told) == 1

        slow = here.fault("add", "slow", "--at", "shop>payment/epay", "--id", "dusk", "--for", "60 s", "ms=1")
        assert slow.returncode == 0, slow.stderr
        row = here.listed()["dusk"]
        assert (row["fault"], row["at"], row["rate"]) == ("slow ms=1", "shop>payment/epay", "100%")
        assert 0 < int(row["left"].removesuffix(" s")) <= 60

        removed = here.fault("remove", "notice_lost")
        assert "it struck 1 times" in removed.stderr
        here.buy(shop, "T3")
        assert shop.wait_until_told(2)["out_trade_no"] == "T3"
        assert here.listed()["notice_lost"]["left"] == "ended"

        saved = here.fault("save", "mine.yaml")
        assert saved.returncode == 0, saved.stderr
        assert orderjam("check", "mine.yaml", cwd=tmp_path).returncode == 0
        plan = json.loads(orderjam("run", "./mine.yaml", "--dry-run", "--json", cwd=tmp_path).stdout)
        windows = {fault["id"]: fault["window"] for fault in plan["faults"]}
        assert windows.keys() == {"notice_lost", "dusk"}
        assert all(".." in window for window in windows.values())

        code, said = here.end()
        assert code == Exit.PASSED, said
        assert not (tmp_path / "runs" / "mocks-up.json").exists()
        assert here.run.verify().wholeness is Wholeness.CLOSED
        events = here.events()
        struck = [event for event in events if isinstance(event, Struck) and event.fault == "notice_lost"]
        assert [(event.o, event.keyed_by) for event in struck] == [("T2", "order_number")]
        assert [event.o for event in events if isinstance(event, Captured)] == ["T1", "T2", "T3"]
        assert {event.o for event in events if isinstance(event, NoticeAnswered) and event.status == 200} == {
            "T1",
            "T3",
        }
        assert "notice_lost" in (here.run.path / "by_hand.yaml").read_text()


def test_what_is_printed_and_written_is_for_its_owner_and_no_log_holds_a_key(tmp_path: Path) -> None:
    with up(tmp_path, "--env-file", ".env") as here:
        env = here.env()
        assert env["EPAY_KEY"] in here.page
        assert json.loads(env["CARDSHOP_CHANNELS"])["epay"]["key"] == env["EPAY_KEY"]
        for path in (tmp_path / ".env", tmp_path / "runs" / "mocks-up.json"):
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert env["EPAY_KEY"] not in json.dumps(here.known())
        curl = next(line.strip() for line in here.page.splitlines() if line.strip().startswith("curl -s http"))
        _, _, url, _, body = shlex.split(curl)
        with urlopen(Request(url, body.encode()), timeout=WITHIN_S) as answer:
            assert json.loads(answer.read())["code"] == 1, "the printed order can be sent as it is"
        here.end(signal.SIGTERM)
        left = b"".join(path.read_bytes() for path in here.run.path.rglob("*") if path.is_file())
        assert env["EPAY_KEY"].encode() not in left


def test_ports_stay_the_same_and_a_scenario_is_in_force_from_the_start(tmp_path: Path) -> None:
    base = free_ports()
    (tmp_path / "mine.yaml").write_text(
        "about: Requests are shed.\nextends: calm_day\nupstreams: {good: {dialect: epay}}\n"
        "faults:\n- {id: shed, fault: refuse, at: shop>payment/good, status: 502}\n"
        "- {id: late, fault: notice_late, at: payment>shop, by: 1 s, window: 5 s..6 s}\n"
    )
    for _ in range(2):
        with up(tmp_path, "--scenario", "mine.yaml", "--port-base", str(base), "--out", "r") as here:
            assert f"http://127.0.0.1:{base}/good/" in here.page
            assert "in force from the start, as the scenario says: shed (refuse), late (notice_late)" in here.page
            with pytest.raises(HTTPError, match="502"):
                ask(f"http://127.0.0.1:{base}/good/mapi.php", {"pid": "1"})
            assert b'"code"' in ask(f"http://127.0.0.1:{base}/epay/mapi.php", {"pid": "1"})
            rows = json.loads(orderjam("fault", "list", "--json", "--out", "r", cwd=tmp_path).stdout)
            assert [(row["id"], row["left"], row["struck"]) for row in rows] == [
                ("shed", "the scenario's", 1),
                ("late", "not now", 0),
            ]
            refused = orderjam("fault", "remove", "shed", "--out", "r", cwd=tmp_path)
            assert "'shed' is a fault of the scenario" in refused.stderr
            code, said = here.end()
            assert code == 0
            assert "warning: compress 15" in said


def test_every_role_has_its_process_and_a_fault_goes_to_the_one_at_its_hop(tmp_path: Path) -> None:
    text = webshop.find("cardshop").read_text(encoding="utf-8")
    (tmp_path / "mine.yaml").write_text(
        re.sub(r"dialects: \[.*\]", "dialects: [epay, sharedstore, topup]", text), encoding="utf-8"
    )
    with up(tmp_path, "--target", "mine.yaml") as here:
        urls = here.known()["mocks"]
        assert list(urls) == ["payment", "supplier", "game"]
        assert here.fault("add", "notice_lost", "--at", "game>shop").returncode == 0
        assert here.fault("add", "refuse", "--at", "shop>supplier/store").returncode == 0
        in_force = {role: json.loads(ask(f"{url}/_admin/health"))["faults"] for role, url in urls.items()}
        assert in_force == {"payment": [], "supplier": ["refuse"], "game": ["notice_lost"]}
        with pytest.raises(HTTPError, match="503"):
            ask(f"{urls['supplier']}/store/shared/commodity/items", {})
        assert here.listed()["refuse"]["struck"] == 1
        only = here.fault("add", "slow", "--at", "shop>game", "ms=1", "--mocks", urls["payment"])
        assert "no mock of role game was asked; asked: payment" in only.stderr
        assert here.fault("remove", "refuse").returncode == 0
        assert list(here.listed()) == ["refuse", "notice_lost"]
        assert here.end()[0] == 0


def test_a_client_with_an_https_host_built_in_buys_through_the_tls_proxy_which_ends_with_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = free_ports()
    words = ("--tls-proxy", "--tls-host", "pay.example.com=epay", "--port-base", str(base), "--env-file", ".env")
    with up(tmp_path, *words) as here:
        env = here.env()
        assert env["HTTPS_PROXY"] == f"http://127.0.0.1:{base + 3}"
        assert env["SSL_CERT_FILE"] == env["NODE_EXTRA_CA_CERTS"] == env["REQUESTS_CA_BUNDLE"]
        for name in ("HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy", "REQUESTS_CA_BUNDLE"):
            monkeypatch.setenv(name, env[name])
        order = {"pid": env["EPAY_PID"], "out_trade_no": "T1", "name": "card", "money": "1.00", "type": "alipay"}
        fields = signed(order | {"notify_url": "http://127.0.0.1:9/n"}, env["EPAY_KEY"])
        made = requests.post("https://pay.example.com/mapi.php", fields, timeout=WITHIN_S).json()
        assert made["payurl"].startswith(f"http://127.0.0.1:{base}/epay/"), "a browser needs no proxy to pay"
        with pytest.raises(requests.exceptions.ProxyError, match="403 no mock plays"):
            requests.get("https://pay.example.org/", timeout=WITHIN_S)
        left = {*children_of(here.process.pid).values(), here.process.pid}
        here.process.kill()
        here.process.wait()
        wait_until("all have gone", lambda: not any(psutil.pid_exists(pid) for pid in left))
        log = (here.run.logs / "tls-proxy.log").read_text()
        assert "no mock plays pay.example.org" in log
        assert env["EPAY_KEY"] not in log


def test_dialects_that_are_named_are_all_there_is_and_each_is_of_its_name(tmp_path: Path) -> None:
    with up(tmp_path, "wechat", "rcon", "--env-file", ".env") as here:
        assert list(here.known()["mocks"]) == ["payment", "game"]
        env = here.env()
        assert {name for name in env if name.endswith("_URL")} == {"WECHAT_URL", "RCON_URL"}
        assert Path(env["WECHAT_MERCHANT_PRIVATE_KEY_FILE"]).read_text().startswith("-----BEGIN PRIVATE KEY-----")
        with pytest.raises(HTTPError, match="401"):
            ask(env["WECHAT_URL"] + "v3/certificates")
        port = int(env["RCON_URL"].rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port), timeout=WITHIN_S) as console:
            console.sendall(frame(1, 3, env["RCON_KEY"]) + frame(2, 2, "list"))
            assert console.recv(14) == frame(1, 2, "")
        assert here.end()[0] == 0


def frame(number: int, kind: int, text: str) -> bytes:
    return struct.pack("<iii", len(text) + 10, number, kind) + text.encode() + b"\0\0"


def test_killed_with_9_it_leaves_no_process_and_the_next_one_starts(tmp_path: Path) -> None:
    with up(tmp_path) as here:
        left = {*children_of(here.process.pid).values(), here.process.pid}
        assert len(left) == 5, "harness, guard and three mocks"
        here.process.kill()
        here.process.wait()
        wait_until("all have gone", lambda: not any(psutil.pid_exists(pid) for pid in left))
        none = here.fault("list")
        assert (none.returncode, "no mocks are up" in none.stderr) == (Exit.WRONG_USE, True)
    with up(tmp_path) as again:
        assert again.end()[0] == 0


def test_a_mock_that_dies_ends_it_with_5_and_one_line(tmp_path: Path) -> None:
    with up(tmp_path) as here:
        os.kill(children_of(here.process.pid)["mocks.payment"], signal.SIGKILL)
        _, said = here.process.communicate(timeout=WITHIN_S)
        assert here.process.returncode == Exit.BROKEN
        assert "payment was killed by SIGKILL" in said
        assert "Traceback" not in said


def test_where_the_env_cannot_be_written_it_ends_with_5_and_one_line_and_no_process(tmp_path: Path) -> None:
    (tmp_path / ".env").mkdir()
    ran = orderjam("mocks", "up", "--env-file", ".env", "--force", cwd=tmp_path)
    assert ran.returncode == Exit.BROKEN
    assert "Is a directory: '.env'" in ran.stderr
    assert "Traceback" not in ran.stderr
    assert not (tmp_path / "runs" / "mocks-up.json").exists()


def test_off_loopback_it_wants_a_token_and_then_hides_admin_behind_it(tmp_path: Path) -> None:
    refused = orderjam("mocks", "up", "--host", "0.0.0.0", cwd=tmp_path)
    assert (refused.returncode, "set ORDERJAM_ADMIN_TOKEN" in refused.stderr) == (Exit.WRONG_USE, True)
    with up(tmp_path, "--host", "0.0.0.0", ORDERJAM_ADMIN_TOKEN=TOKEN) as here:
        url = here.known()["mocks"]["payment"]
        with pytest.raises(HTTPError, match="401"):
            ask(f"{url}/_admin/health")
        assert here.fault("add", "notice_lost", "--at", "payment>shop").returncode == 0, "the file holds the token"
        assert json.loads(ask(f"{url}/_admin/health", Authorization=f"Bearer {TOKEN}"))["faults"] == ["notice_lost"]
        by_address = orderjam("fault", "list", "--mocks", url, cwd=tmp_path)
        assert by_address.returncode == Exit.WRONG_USE
        by_address = orderjam("fault", "list", "--mocks", url, cwd=tmp_path, ORDERJAM_ADMIN_TOKEN=TOKEN)
        assert "notice_lost" in by_address.stdout
        assert TOKEN not in here.page


def test_stubs_are_one_more_upstream_with_faults_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "stubs.yaml").write_text("stubs:\n- {name: price, path: '/prices/{sku}', json: {sku: '{sku}'}}\n")
    with up(tmp_path, "--stubs", "stubs.yaml", "--env-file", ".env") as here:
        url = here.env()["STUB_URL"]
        assert json.loads(ask(url + "prices/a")) == {"sku": "a"}
        assert here.fault("add", "refuse", "--at", "shop>supplier/stub", "status=502").returncode == 0
        with pytest.raises(HTTPError, match="502"):
            ask(url + "prices/a")
        assert here.fault("save", "mine.yaml").returncode == 0
        assert here.end()[0] == 0
    assert orderjam("check", "mine.yaml", cwd=tmp_path).returncode == 0


# --- refusals --------------------------------------------------------------------------------------------------------
PAYMENT_ONLY = """\
about: one payment channel and nothing else
load: {shape: constant, rate: 1/s, orders: 10}
mix: {product: {card_10: 100%}, channel: {epay: 100%}, pay_delay: {constant: 1 s}}
upstreams: {epay: {dialect: epay}}
"""
REFUSED = [
    (["add", "notice_lst"], "no fault 'notice_lst'; did you mean 'notice_lost'?"),
    (["add", "slow", "ms=4"], "slow needs --at; legal: "),
    (["add", "slow", "--at", "payment", "ms=4"], "--at payment is half a hop; in a shell > needs quotes"),
    (["add", "slow", "--at", "shop>paymnt", "ms=4"], "did you mean 'shop>payment'?"),
    (["add", "slow", "--at", "shop>payment/epai", "ms=4"], "no upstream 'epai'; did you mean 'epay'?"),
    (["add", "slow", "--at", "shop>game", "ms=4"], "no mock of role game is up; up: payment"),
    (["add", "slow", "--at", "shop>payment", "mss=4"], "unknown key 'mss' of fault slow; did you mean 'ms'?"),
    (["add", "slow", "--at", "shop>payment", "ms"], "ms: legal: the fault's own parameters as key=value"),
    (["add", "slow", "--at", "shop>payment", "ms=["], "ms=[: not YAML after the ="),
    (["add", "slow", "--at", "shop>payment", "ms=4", "at=x"], "at=x: legal: "),
    (["add", "slow", "--at", "shop>payment", "ms=4", "--rate", "30"], "'30' is not legal here; legal: a share"),
    (["add", "slow", "--at", "shop>payment", "ms=4", "--for", "30"], "--for '30' is not legal here"),
    (["add", "slow", "--at", "shop>payment", "ms=4", "--for", "2 d"], "172800.0 is not legal here; legal: seconds"),
    (["add", "slow", "--at", "shop>payment", "ms=4", "window=1 s..2 s"], "'window' cannot be given by hand"),
    (["add", "notice_lost", "--id", "taken"], "'taken' is taken; remove that one first"),
    (["add", "double_click", "--at", "buyer>shop"], "double_click is a fault of the buyers; by hand: faults of the"),
    (["add", "shop_kill"], "shop_kill is done to the shop itself; by hand: faults of the mocks"),
    (["remove", "takn"], "no fault 'takn' was added by hand; did you mean 'taken'?"),
    (["save", "mine.yml.txt"], "legal: a name that ends in .yaml"),
    (["save", "there.yaml"], "there.yaml: exists already; --force overwrites it"),
    (["save", "no/such/folder.yaml"], "cannot be written: No such file or directory"),
    (["list", "--mocks", "http://127.0.0.1:9"], "http://127.0.0.1:9/_admin/faults: no answer"),
    (["list", "--mocks", "nonsense"], "nonsense/_admin/faults: no answer"),
    (["list", "--out", "elsewhere"], "no mocks are up (elsewhere/mocks-up.json); start them with `orderjam mocks up`"),
]


def here_said(words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """The exit code and standard error of a command, in this process: starting one for each takes a second."""
    monkeypatch.setattr("sys.argv", ["orderjam", *words])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert isinstance(ended.value.code, int)
    return ended.value.code, capsys.readouterr().err


def test_wrong_use_of_fault_is_one_line_and_exit_code_2_and_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "there.yaml").write_text("")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "payment_only.yaml").write_text(PAYMENT_ONLY, encoding="utf-8")
    with up(tmp_path, "--scenario", "payment_only.yaml") as here:
        nothing = here.fault("save", "x.yaml")
        assert "nothing was added by hand yet" in nothing.stderr
        assert here.fault("add", "refuse", "--at", "shop>payment", "--id", "taken", "--rate", "0%").returncode == 0
        for words, says in REFUSED:
            code, said = here_said(["fault", *words], monkeypatch, capsys)
            assert (code, says in said, len(said.splitlines())) == (2, True, 1), (words, said)
        assert list(here.listed()) == ["taken"]
        code, said = here_said(["mocks", "up"], monkeypatch, capsys)
        assert (code, "mocks are up already" in said) == (2, True)
        assert here.end()[0] == 0


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--scenario", "notice_lst"], "did you mean 'notice_lost'?"),
        (["--target", "cardshp"], "no target 'cardshp'; did you mean 'cardshop'?"),
        (["--scenario", "calm_day", "--target", "cardshp"], "did you mean 'cardshop'?"),
        (["--stubs", "nowhere.yaml"], "nowhere.yaml: no such file"),
        (["--stubs", "bad.yaml"], "bad.yaml:2 stubs[0].pth: unknown key 'pth'; did you mean 'path'?"),
        (["alipai"], "no dialect 'alipai'; did you mean 'alipay'?"),
        (["stub"], "no dialect 'stub'"),
        (["alipay", "--scenario", "calm_day"], "alipay: a scenario says itself what is spoken"),
        (["sharedstore", "--tls-proxy"], "--tls-proxy: none of these upstreams is of alipay, "),
        (["--tls-host", "Pay.example=epay"], "--tls-host Pay.example=epay: legal: HOST=NAME"),
        (["--tls-host", "pay.example=epai"], "no upstream 'epai'; did you mean 'epay'?"),
        (["--host", "192.0.2.1"], "--host 192.0.2.1 can be reached from outside"),
        (["--env-file", "bad.yaml"], "--env-file bad.yaml: exists already; --force overwrites it"),
        (["--env-file", "no/such/.env"], "--env-file no/such/.env: its folder does not exist"),
    ],
)
def test_wrong_use_of_up_is_one_line_and_leaves_nothing(
    words: list[str], says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "bad.yaml").write_text("stubs:\n- {name: a, pth: /x}\n")
    monkeypatch.chdir(tmp_path)
    code, said = here_said(["mocks", "up", *words], monkeypatch, capsys)
    assert (code, says in said, len(said.splitlines())) == (2, True, 1), said
    assert not (tmp_path / "runs").exists()


def test_a_port_in_use_is_refused_before_anything_starts(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ran = orderjam("mocks", "up", "--port-base", str(port), cwd=tmp_path)
    assert (ran.returncode, f"port {port} cannot be listened on" in ran.stderr) == (2, True)
    assert not (tmp_path / "runs").exists()
