"""The groups `orderjam mocks` and `orderjam fault`: the mocks alone, and faults switched by hand."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Any, TypeVar

import msgspec
import psutil
import typer
import yaml

from faults.catalog import ON_THE_WIRE
from faults.read import COMMON, LEASE_BY_HAND_S, LEASE_KEY, at_of
from harness import handout
from harness.cli_common import OUT, AsJson, Out, print_json, print_rows, refuse, resolve, say, warn
from harness.hand import FILE, Added, Hand, Known, Said, find, known_in, remember, write_secret
from harness.run import Exit
from harness.saved import as_scenario
from harness.up import Standing, Up, UpOptions, plan_of
from harness.wiring import TOKEN_VARIABLE, roles
from ledger.rundir import RunDir
from ledger.states import Hop
from mocks.tlsproxy import HOSTS, is_host
from plan import run as plans
from plan.dialects import DIALECTS, STUB
from plan.document import nearest
from plan.loopback import is_loopback_host
from plan.run import Plan, UpstreamPlan
from plan.stubs import read as read_stubs
from plan.units import WireTime
from scenarios import loader
from targets import webshop
from targets.webshop import Target

mocks = typer.Typer(help="The mocks alone, for a shop of your own.", no_args_is_help=True)
fault = typer.Typer(help="Faults switched by hand while `orderjam mocks up` runs.", no_args_is_help=True)
PORTS_MAX = 65535 - 3
LEASE = WireTime(LEASE_BY_HAND_S).text()

T = TypeVar("T")
Mocks = Annotated[
    list[str] | None,
    typer.Option("--mocks", help=f"Address of a mock; once for each. {TOKEN_VARIABLE} holds the token, if any."),
]


@mocks.callback()
def _group() -> None:
    """The mocks alone, for a shop of your own."""


@mocks.command(
    epilog="Examples: `orderjam mocks up` · `orderjam mocks up alipay fulu rcon --env-file .env` · "
    "`orderjam mocks up --scenario notice_lost --port-base 4100` · `orderjam mocks up --stubs stubs.yaml`"
)
def up(
    dialects: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[DIALECT]...", help="What to speak, one instance of each; else what the target speaks."
        ),
    ] = None,
    scenario: Annotated[
        str | None, typer.Option(help="Scenario whose upstreams and faults to play: a name or a YAML file.")
    ] = None,
    target: Annotated[str | None, typer.Option(help="Name or file of the target: its products, and its .env.")] = None,
    host: Annotated[str, typer.Option(help=f"Where to listen; off loopback: {TOKEN_VARIABLE} set.")] = "127.0.0.1",
    port_base: Annotated[
        int | None, typer.Option(min=1, max=PORTS_MAX, help="Payment listens here, supplier, game, proxy on the next.")
    ] = None,
    stubs: Annotated[
        Path | None, typer.Option(help="One more upstream that answers what this YAML file says (docs/mocks_up.md).")
    ] = None,
    tls_proxy: Annotated[
        bool, typer.Option("--tls-proxy", help="A TLS proxy beside them, for clients with an https host built in.")
    ] = False,
    tls_host: Annotated[
        list[str] | None,
        typer.Option(metavar="HOST=NAME", help="One more host of the proxy, and the upstream that plays it."),
    ] = None,
    env_file: Annotated[Path | None, typer.Option(help="Write the .env of the shop here, for your eyes only.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite --env-file.")] = False,
    out: Out = OUT,
) -> None:
    """Starts the mocks and keeps them until Ctrl-C; prints addresses, keys and a ready .env."""
    options = UpOptions(host, port_base, os.environ.get(TOKEN_VARIABLE, ""))
    _check_place(options, env_file, force=force, out=out)
    plan, shop = _plan(scenario, target, _named(dialects or [], scenario))
    told = shop if target or not dialects else None  # the default target reads nothing of dialects named by hand
    plan = plan if stubs is None else _with_stubs(plan, stubs)
    if tls_proxy or tls_host or shop.start.wants_tls_proxy:
        hosts = _tls_hosts(plan, tls_host or [], is_wanted=tls_proxy)
        options = msgspec.structs.replace(options, tls=True, tls_hosts=hosts)
    if (port := options.taken(roles(plan))) is not None:
        refuse(f"port {port} cannot be listened on at {host}; legal: free ones of this machine")
    folder = RunDir.create(out, "mocks", plan.seed)
    plans.save(plan, folder.plan)
    _warn(plan)

    def ready(standing: Standing) -> None:
        me = psutil.Process()
        known = Known(me.pid, me.create_time(), str(folder.path.resolve()), standing.urls, options.token)
        file = remember(out, known)
        handout.write_pems(plan, standing.secrets)
        if env_file is not None:
            write_secret(env_file, handout.env(plan, told, standing).encode())
        print(handout.page(plan, told, standing, folder.path), flush=True)
        say(f"`orderjam fault` finds these mocks by {file}" + (f"; .env: {env_file}" if env_file else ""))

    ended = asyncio.run(Up(plan, folder, options, say).play(ready))
    if (known := known_in(out)) is not None and known.pid == os.getpid():
        (out / FILE).unlink()
    if ended.why:
        say(f"orderjam: {ended.why}")
    say(f"mocks have ended; journals: {folder.path}")
    raise typer.Exit(ended.code or Exit.PASSED)


def _check_place(options: UpOptions, env_file: Path | None, *, force: bool, out: Path) -> None:
    """Refuses what can be known before anything is started."""
    if not options.token and not is_loopback_host(options.host):
        refuse(f"--host {options.host} can be reached from outside; set {TOKEN_VARIABLE} to protect /_admin")
    if env_file is not None and env_file.exists() and not force:
        refuse(f"--env-file {env_file}: exists already; --force overwrites it")
    if env_file is not None and not env_file.parent.is_dir():
        refuse(f"--env-file {env_file}: its folder does not exist")
    if (known := known_in(out)) is not None and known.is_alive:
        refuse(f"mocks are up already (process {known.pid}, {out / FILE}); end them, or use another --out")


def _named(dialects: list[str], scenario: str | None) -> list[str]:
    """The dialects that were named, each once."""
    legal = [name for name in DIALECTS if name != STUB]
    if dialects and scenario is not None:
        refuse(f"{dialects[0]}: a scenario says itself what is spoken; legal: dialects or --scenario")
    for name in dialects:
        if name not in legal:
            refuse(f"no dialect {name!r}{nearest(name, legal)}")
    return list(dict.fromkeys(dialects))


def _plan(scenario: str | None, target: str | None, dialects: list[str]) -> tuple[Plan, Target]:
    """What to play, and the target whose shop is to buy there."""
    if scenario is None:
        file = webshop.find(target or "cardshop")
        shop = webshop.load(file)
        return plan_of(shop, target or "cardshop", file, dialects), shop
    sets = (("target", target),) if target else ()
    plan = resolve(loader.find(scenario), loader.Changes(sets=sets))
    return plan, webshop.load(Path(plan.target.file))


def _tls_hosts(plan: Plan, texts: list[str], *, is_wanted: bool) -> dict[str, str]:
    """Hosts by hand, and who plays each. `is_wanted`: a proxy that plays no host at all would be of no use."""
    found = {}
    for text in texts:
        host, _, name = text.partition("=")
        if not is_host(host):
            refuse(f"--tls-host {text}: legal: HOST=NAME, such as openapi.alipay.com=alipay")
        if name not in plan.upstreams:
            refuse(f"--tls-host {text}: no upstream {name!r}{nearest(name, plan.upstreams)}")
        found[host] = name
    if is_wanted and not found and not any(up.dialect in HOSTS.values() for up in plan.upstreams.values()):
        refuse(
            f"--tls-proxy: none of these upstreams is of {', '.join(sorted(set(HOSTS.values())))}; name its host "
            "with --tls-host HOST=NAME"
        )
    return found


def _with_stubs(plan: Plan, file: Path) -> Plan:
    if STUB in plan.upstreams:
        refuse(f"--stubs {file}: the scenario has an upstream {STUB!r} already")
    more = UpstreamPlan(DIALECTS[STUB].role, STUB, file=str(file.resolve()), stubs=read_stubs(file))
    return msgspec.structs.replace(plan, upstreams={**plan.upstreams, STUB: more})


def _warn(plan: Plan) -> None:
    wired = [fault.id for fault in plan.faults if fault.layer in ON_THE_WIRE]
    others = [fault.id for fault in plan.faults if fault.layer != "application" and fault.id not in wired]
    if others:
        say(f"warning: mocks alone play no fault of buyers or of the shop's house: {', '.join(others)}")
    if wired:
        say(f"warning: faults on the wire are played only in a run, or by hand in `orderjam proxy`: {', '.join(wired)}")
    if plan.compress != 1:
        say(f"warning: compress {plan.compress:g}: ladders are so much shorter; shorten the shop's own limits as well")


# --- faults by hand ---------------------------------------------------------------------------------------------
@fault.callback()
def _faults() -> None:
    """Faults switched by hand while `orderjam mocks up` runs."""


@fault.command(
    epilog="Examples: `orderjam fault add notice_lost --rate 30% --first 2` · "
    "`orderjam fault add slow --at 'shop>payment/epay' --for '60 s' ms=400` (> needs quotes in a shell)"
)
def add(
    name: Annotated[str, typer.Argument(help="Name of the fault (`orderjam list faults`).")],
    params: Annotated[list[str] | None, typer.Argument(metavar="KEY=VALUE", help="Its own parameters.")] = None,
    at: Annotated[
        str | None,
        typer.Option(help="Hop, such as 'shop>payment/cheap'; not needed where only one is legal here."),
    ] = None,
    id_: Annotated[str | None, typer.Option("--id", help="Its id; its name if none is given.")] = None,
    rate: Annotated[str | None, typer.Option(help="Share of the attempts that are struck, such as 30%.")] = None,
    first: Annotated[int | None, typer.Option(help="Only the first so many attempts of an operation.")] = None,
    for_: Annotated[str, typer.Option("--for", help="Ends by itself after so long.")] = WireTime(
        LEASE_BY_HAND_S
    ).text(),
    mocks_: Mocks = None,
    out: Out = OUT,
) -> None:
    """Adds a fault to mocks that are up. It ends by itself."""
    if at is not None and any(hop.startswith(f"{at}>") for hop in Hop):
        refuse(f"--at {at} is half a hop; in a shell > needs quotes: --at 'payment>shop'")
    given = {"fault": name, "id": id_, "at": at, "rate": rate, "first": first}
    raw: dict[str, Any] = {key: value for key, value in given.items() if value is not None}
    try:
        raw[LEASE_KEY] = float(WireTime.parse(for_))
    except ValueError as error:
        refuse(f"--for {error}")
    for text in params or []:
        key, equals, value = text.partition("=")
        if not equals or key in raw or key == LEASE_KEY:
            refuse(f"{text}: legal: the fault's own parameters as key=value, each once, such as ms=400")
        try:
            raw[key] = yaml.safe_load(value)
        except yaml.YAMLError:
            refuse(f"{text}: not YAML after the =")
    added = _with_hand(mocks_, out, lambda hand: hand.add(raw, f"fault add {name}"))
    share = added.plan.rate.text()
    say(f"{added.plan.id}: {name} at {at_of(added.plan)}, {share}, for {WireTime(added.lease_s).text()}")


@fault.command("list", epilog="Examples: `orderjam fault list` · `orderjam fault list --json`")
def list_(as_json: AsJson = False, mocks_: Mocks = None, out: Out = OUT) -> None:
    """Lists the faults of the mocks that are up: the scenario's, and those by hand, ended ones too."""
    said = _with_hand(mocks_, out, Hand.look)
    rows = [*_planned(said), *(_row(added) for one in said for added in one.by_hand or [])]
    if as_json:
        print_json(rows)
        return
    print_rows([{key: str(value) for key, value in row.items()} for row in rows])


@fault.command(epilog="Examples: `orderjam fault remove notice_lost`")
def remove(
    id_: Annotated[str, typer.Argument(metavar="ID", help="The id of a fault that was added by hand.")],
    mocks_: Mocks = None,
    out: Out = OUT,
) -> None:
    """Takes a fault away that was added by hand; whatever waits for one goes on at once."""
    gone = _with_hand(mocks_, out, lambda hand: hand.remove(id_))
    say(f"{gone.id}: removed, {WireTime(round(gone.left_s, 1)).text()} before its end; it struck {gone.struck} times")


@fault.command(epilog="Examples: `orderjam fault save mine.yaml` · then `orderjam run ./mine.yaml`")
def save(
    file: Annotated[Path, typer.Argument(help="The scenario to write, NAME.yaml.")],
    force: Annotated[bool, typer.Option("--force", help="Overwrite the file.")] = False,
    mocks_: Mocks = None,
    out: Out = OUT,
) -> None:
    """Writes what was done by hand since the mocks came up as a scenario, each fault in the window in which it was."""
    if file.suffix not in (".yaml", ".yml"):
        refuse(f"{file}: legal: a name that ends in .yaml")
    if file.exists() and not force:
        refuse(f"{file}: exists already; --force overwrites it")

    async def text_of(hand: Hand) -> str | None:
        return as_scenario(await hand.plan(), await hand.look())

    text = _with_hand(mocks_, out, text_of)
    if text is None:
        refuse("nothing was added by hand yet; `orderjam fault add` does")
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        refuse(f"{file}: cannot be written: {error.strerror}")
    warn(resolve(file, loader.Changes()))
    say(f"{file}: `orderjam run {file if '/' in str(file) else f'./{file}'}` plays it")


def _with_hand(urls: list[str] | None, out: Path, do: Callable[[Hand], Awaitable[T]]) -> T:
    """What `do` gives, with a hand on the mocks that are named, or else on those that are up."""
    token = os.environ.get(TOKEN_VARIABLE, "")
    if not urls:
        known = find(out)
        urls, token = list(known.mocks.values()), known.token

    async def within() -> T:
        async with Hand(urls, token) as hand:
            return await do(hand)

    return asyncio.run(within())


def _planned(said: list[Said]) -> list[dict[str, Any]]:
    """The faults of the plan, each once: every mock lists them all and counts its own strikes."""
    rows: dict[str, dict[str, Any]] = {}
    for fault_ in (fault_ for one in said for fault_ in one.faults):
        at = f"{fault_['hops'][0]}/{fault_['upstream']}" if fault_["upstream"] else fault_["hops"][0]
        row = {"id": fault_["id"], "fault": fault_["fault"], "at": at, "rate": fault_["rate"]}
        is_ours = fault_["layer"] == "application"
        row |= {"left": ("the scenario's" if fault_["in_force"] else "not now") if is_ours else "only in a run"}
        known = rows.setdefault(fault_["id"], {**row, "struck": 0})
        known["struck"] += fault_["struck"]
    return list(rows.values())


def _row(added: Added) -> dict[str, Any]:
    told = added.fault
    own = " ".join(f"{key}={value}" for key, value in told.items() if key not in COMMON)
    left = f"{added.left_s:.0f} s" if added.left_s > 0 else "ended"
    row = {"id": added.id, "fault": f"{told['fault']} {own}".strip(), "at": told["at"]}
    return {**row, "rate": told.get("rate", "100%"), "left": left, "struck": added.struck}
