"""A scenario file turned into a plan; unknown keys, words and impossible values are refused with place and nearest."""

from collections.abc import Collection, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import msgspec
import yaml

from faults import read as reading
from faults.catalog import catalog
from faults.read import Around
from ledger.states import Hop
from plan import document, stubs
from plan.arrivals import Arrivals, arrivals
from plan.dialects import DIALECTS, STUB
from plan.document import Document, DocumentError, nearest
from plan.faults import FaultPlan
from plan.gates import Abort, Gate, parse_abort, parse_gate
from plan.ladders import LADDERS, Ladder
from plan.orders import Mix
from plan.run import SCHEMA, Plan, TargetPlan, UpstreamPlan, stuck_after
from plan.stubs import Stub
from plan.transport import EXTERNAL, Request
from plan.units import BusinessTime, Rate, Share, WireTime
from scenarios import wire
from scenarios.schema import ScenarioDoc, UpstreamDoc

POLLS_A_THRESHOLD = 10
POLL_S_MIN, POLL_S_MAX = 0.05, 1.0
THRESHOLD_S_MIN = 0.5
"""Wire seconds: a compressed threshold below this cannot be told from the polls."""
EXTENDS_MAX = 8


class Vocabulary(msgspec.Struct, frozen=True):
    """What the harness read from the target, handed over as values. `needs`: the role of the upstream without which a
    product cannot be sold; `offers`: what faults may need of the target; `prices` of the products in fen; `databases`
    that it may have, its first by default, and of each whether a link leads to it; `buyer`: what buyers say to it;
    `key_in`: the fields in which it passes the order's key on."""

    products: tuple[str, ...]
    regions: tuple[str, ...]
    dialects: tuple[str, ...]
    profiles: tuple[str, ...]
    switches: tuple[str, ...]
    compressible: bool
    needs: dict[str, str] = {}
    offers: tuple[str, ...] = ()
    business_time: tuple[str, ...] = ()
    prices: Mapping[str, int] = {}
    databases: Mapping[str, bool] = {}
    buyer: tuple[Request, ...] = ()
    key_in: Mapping[Hop, Sequence[str]] = {}


class Changes(msgspec.Struct, frozen=True):
    """What the command line lays over a scenario. `sets`: (dotted path, YAML text)."""

    seed: int | None = None
    profile: str | None = None
    rate: str | None = None
    duration: str | None = None
    sets: tuple[tuple[str, str], ...] = ()
    ci: bool = False
    workers: int = 1


def shipped() -> dict[str, Path]:
    """The scenario files that come with orderjam, by name."""
    folder = Path(str(files("scenarios")))
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}


def find(name: str) -> Path:
    """The file of a scenario given by name (one of ours) or by path; DocumentError with the nearest name."""
    if name.endswith((".yaml", ".yml")) or "/" in name:
        path = Path(name)
        if not path.is_file():
            raise DocumentError(f"{name}: no such scenario file")
        return path
    known = shipped()
    if name not in known:
        raise DocumentError(f"no scenario {name!r}{nearest(name, known)}")
    return known[name]


def read(path: Path, changes: Changes) -> tuple[Document, ScenarioDoc]:
    """The scenario as written, its bases and the command line's changes laid together, checked as far as the file
    alone tells. The harness then reads the target that it names."""
    found = _with_bases(path, 0)
    if changes.ci:
        found = _laid_over(found, found.value.get("ci", {}), ("ci",))
    for dotted, text in changes.sets:
        found = _set(found, dotted, text)
    return found, document.convert(found, ScenarioDoc)


def _with_bases(path: Path, depth: int) -> Document:
    found = document.read_file(path)
    base_name = found.value.get("extends")
    if base_name is None:
        return found
    if depth >= EXTENDS_MAX or not isinstance(base_name, str):
        raise found.error(("extends",), f"{base_name!r} goes round in a circle, or is no name")
    try:
        beside = path.parent / f"{base_name}.yaml"
        base = _with_bases(beside if beside.is_file() else find(base_name), depth + 1)
    except DocumentError as error:
        raise found.error(("extends",), str(error)) from None
    below = _without_load(base.value) if "shape" in (found.value.get("load") or {}) else base.value
    return Document(found.source, document.merged(below, found.value), {**base.lines, **found.lines})


def _without_load(base: Mapping[str, Any]) -> dict[str, Any]:
    """The base of a scenario that names its own shape of load: the keys of one shape mean nothing to another."""
    cut = {key: value for key, value in (base.get("ci") or {}).items() if key != "load"}
    return {**{key: value for key, value in base.items() if key != "load"}, "ci": cut}


def _laid_over(found: Document, over: Mapping[str, Any], at: tuple[str, ...]) -> Document:
    lines = {path[len(at) :]: line for path, line in found.lines.items() if path[: len(at)] == at}
    return Document(found.source, document.merged(found.value, over), {**found.lines, **lines})


def _set(found: Document, dotted: str, text: str) -> Document:
    source = f"--set {dotted}={text}"
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError:
        raise DocumentError(f"{source}: not YAML after the =") from None
    parts = dotted.split(".")
    if not all(parts):
        raise DocumentError(f"{source}: legal: --set key.key=value")
    root: Any = found.value
    for part in parts[:-1]:
        index = _by_id(root, part)
        if isinstance(root, list) and index is None:
            raise DocumentError(f"{source}: no item {part!r}{nearest(part, _ids(root))}")
        root = root[index] if index is not None else root.get(part, {}) if isinstance(root, dict) else None
        if not isinstance(root, dict | list):
            raise DocumentError(f"{source}: {part!r} holds no keys")
    return Document(source, _replaced(found.value, parts, value), {})


def _ids(items: list[Any]) -> list[str]:
    return [str(item.get("id")) for item in items if isinstance(item, dict)]


def _by_id(container: Any, part: str) -> int | None:
    """The place in a list that a path's part means: its number, or the id of the item."""
    if not isinstance(container, list):
        return None
    if part.isdecimal() and int(part) < len(container):
        return int(part)
    return _ids(container).index(part) if part in _ids(container) else None


def _replaced(container: Any, parts: list[str], value: Any) -> Any:
    if not parts:
        return value
    index = _by_id(container, parts[0])
    if isinstance(container, list):
        assert index is not None
        return [_replaced(item, parts[1:], value) if i == index else item for i, item in enumerate(container)]
    inner = container.get(parts[0], {})
    return {**container, parts[0]: _replaced(inner, parts[1:], value)}


def resolve(path: Path, target_file: Path, words: Vocabulary, changes: Changes) -> Plan:
    """The plan of a scenario for a target; DocumentError for the first thing that cannot be."""
    found, doc = read(path, changes)
    load = _load(found, doc, changes)
    profile = changes.profile or doc.profile
    _check_profile(found.place(("profile",)) if changes.profile is None else "--profile", profile, words)
    if doc.compress < 1 or (doc.compress != 1 and not words.compressible):
        legal = "1 or more" if words.compressible else "1: this target's limits cannot be shortened"
        raise found.error(("compress",), f"{doc.compress:g} is not legal here; legal: {legal}")
    upstreams = _upstreams(found, path.parent, doc.upstreams, words)
    mix = _mix(found, doc, words, upstreams)
    dialects = {name: upstream.dialect for name, upstream in upstreams.items()}
    transport = wire.transport(found, path.parent, doc)
    database = wire.database(found, doc, words.databases)
    around = Around(
        dialects,
        mix,
        float(load.points[-1][0]),
        words.offers,
        words.buyer,
        has_database_link=words.databases.get(database, False),
        is_external=transport.server == EXTERNAL,
    )
    faults = tuple(reading.read(found, ("faults", i), raw, around) for i, raw in enumerate(doc.faults))
    plan = Plan(
        schema=SCHEMA,
        scenario=path.stem,
        about=" ".join(doc.about.split()),
        file=str(path),
        seed=doc.seed if changes.seed is None else changes.seed,
        compress=doc.compress,
        target=TargetPlan(
            doc.target,
            str(target_file),
            profile,
            _business_time(found, doc, words),
            dict(words.prices),
            dict(words.needs),
            database,
        ),
        load=load,
        mix=mix,
        upstreams=upstreams,
        faults=(*faults, *_of_buyers(found, mix, faults, words.offers)),
        deadline=doc.deadline,
        stuck_after=stuck_after(doc.stuck_after),
        poll_every=doc.poll_every or WireTime(0.1),
        warm_up_orders=doc.warm_up,
        evidence=doc.evidence,
        gates=_gates(found, doc.gates),
        abort_when=_aborts(found, doc.abort_when),
        workers=changes.workers,
        transport=transport,
        requests=wire.requests(faults, dialects, words.buyer, words.key_in),
    )
    _check_ids(found, plan)
    return msgspec.structs.replace(plan, poll_every=_poll_every(found, doc, plan))


def _load(found: Document, doc: ScenarioDoc, changes: Changes) -> Arrivals:
    try:
        rate = Rate.parse(changes.rate) if changes.rate else None
        duration = WireTime.parse(changes.duration) if changes.duration else None
    except ValueError as error:
        raise DocumentError(f"--rate or --duration: {error}") from None
    try:
        return arrivals(doc.load, rate=rate, duration=duration)
    except ValueError as error:
        raise found.error(("load",), str(error)) from None


def _business_time(found: Document, doc: ScenarioDoc, words: Vocabulary) -> dict[str, BusinessTime]:
    for name in doc.business_time:
        if name not in words.business_time:
            raise found.error(
                ("business_time", name), f"no setting {name!r} in this target{nearest(name, words.business_time)}"
            )
    return doc.business_time


def _check_profile(place: str, profile: str, words: Vocabulary) -> None:
    name, *switches = profile.replace("-", "+").split("+")
    if name not in words.profiles:
        raise DocumentError(f"{place}: no profile {name!r} in this target{nearest(name, words.profiles)}")
    for switch in switches:
        if switch not in words.switches:
            raise DocumentError(f"{place}: no switch {switch!r} in this target{nearest(switch, words.switches)}")


def _upstreams(
    found: Document, folder: Path, docs: dict[str, UpstreamDoc], words: Vocabulary
) -> dict[str, UpstreamPlan]:
    dialects = (*words.dialects, STUB)
    result: dict[str, UpstreamPlan] = {}
    for name, doc in docs.items():
        if not name.isidentifier() or not name.isascii():
            raise found.error(("upstreams", name), f"{name!r} is no name; legal: letters, digits and _")
        if doc.dialect not in DIALECTS or doc.dialect not in dialects:
            legal = [d for d in dialects if d in DIALECTS]
            raise found.error(
                ("upstreams", name, "dialect"), f"no dialect {doc.dialect!r}{nearest(doc.dialect, legal)}"
            )
        _check_stock(found, name, doc, words)
        file, said = _stubs(found, folder, name, doc)
        ladder = _ladder(found, name, doc)
        result[name] = UpstreamPlan(
            role=DIALECTS[doc.dialect].role,
            dialect=doc.dialect,
            ladder=ladder.gaps,
            notice_timeout=ladder.timeout if doc.notice_timeout is None else doc.notice_timeout,
            stock=doc.stock,
            on_repeat=doc.on_repeat,
            takes=doc.takes,
            complaint_after=doc.complaint_after,
            forced_after=doc.forced_after,
            file=file,
            stubs=said,
            options=_options(found, name, doc),
        )
    return result


def _ladder(found: Document, name: str, doc: UpstreamDoc) -> Ladder:
    """The ladder that is named, written down, or else the dialect's own."""
    own = LADDERS[DIALECTS[doc.dialect].ladder]
    match doc.ladder:
        case None:
            return own
        case str():
            if doc.ladder not in LADDERS:
                words = f"no ladder {doc.ladder!r}{nearest(doc.ladder, LADDERS)}; or a list of gaps"
                raise found.error(("upstreams", name, "ladder"), words)
            return LADDERS[doc.ladder]
    return Ladder(tuple(doc.ladder), own.timeout, "the scenario's own")


def _options(found: Document, name: str, doc: UpstreamDoc) -> dict[str, str]:
    """Every option of the dialect, as the scenario has it or else as it is by default."""
    legal = DIALECTS[doc.dialect].options
    for option, word in doc.options.items():
        at = ("upstreams", name, "options", option)
        if option not in legal:
            raise found.error(at, f"{doc.dialect} has no option {option!r}{nearest(option, legal)}")
        if word not in legal[option]:
            raise found.error(at, f"{word!r} is not legal; legal: {' or '.join(legal[option])}")
    return {option: doc.options.get(option, words[0]) for option, words in legal.items()}


def _stubs(found: Document, folder: Path, name: str, doc: UpstreamDoc) -> tuple[str, tuple[Stub, ...]]:
    """The stubs file of an upstream (beside the scenario, or as the path says) and what it holds."""
    at = ("upstreams", name, "file")
    if (doc.dialect == STUB) != bool(doc.file):
        raise found.error(at, f"an upstream of the dialect {STUB} needs a stubs file, and no other has one")
    if not doc.file:
        return "", ()
    path = folder / doc.file if (folder / doc.file).is_file() else Path(doc.file)
    if not path.is_file():
        raise found.error(at, f"{doc.file!r}: no such file")
    return str(path.resolve()), stubs.read(path)


def _check_stock(found: Document, name: str, doc: UpstreamDoc, words: Vocabulary) -> None:
    for product, count in doc.stock.items():
        if product not in words.products:
            raise found.error(
                ("upstreams", name, "stock", product), f"no product {product!r}{nearest(product, words.products)}"
            )
        if count < 0:
            raise found.error(("upstreams", name, "stock", product), f"{count} is not legal here; legal: 0 or more")


def _mix(found: Document, doc: ScenarioDoc, words: Vocabulary, upstreams: Mapping[str, UpstreamPlan]) -> Mix:
    even = {region: Share(1 / len(words.regions)) for region in words.regions}
    payment = [name for name, upstream in upstreams.items() if upstream.role == "payment"]
    mix = Mix(
        product=doc.mix.product,
        channel=doc.mix.channel,
        pay_delay=doc.mix.pay_delay,
        region=doc.mix.region or even,
        buyer=doc.mix.buyer or {"plain": Share(1.0)},
    )
    legal = {"product": words.products, "channel": payment, "region": words.regions, "buyer": buyers()}
    for row, names in legal.items():
        shares: dict[str, Share] = getattr(mix, row)
        for name in shares:
            if name not in names:
                raise found.error(("mix", row, name), f"no {row} {name!r}{nearest(name, names)}")
        if abs(sum(shares.values()) - 1) > 1e-6:
            raise found.error(("mix", row), f"the shares sum to {sum(shares.values()):.4%}, not to 100%")
    roles = {upstream.role for upstream in upstreams.values()}
    for product in mix.product:
        if (role := words.needs.get(product, "payment")) not in roles:
            raise found.error(
                ("mix", "product", product), f"{product!r} needs an upstream of role {role}; none is named"
            )
    return mix


def buyers() -> tuple[str, ...]:
    """The kinds of buyer that a mix may hold: plain, and those that the catalogue has a fault for."""
    return ("plain", *(name for name, fault in catalog().items() if fault.layer == "buyer"))


def _of_buyers(
    source: Document, mix: Mix, faults: Sequence[FaultPlan], offers: Collection[str]
) -> tuple[FaultPlan, ...]:
    """A kind of buyer in the mix is a fault of its own, that strikes all buyers of that kind."""
    found = []
    for kind, share in mix.buyer.items():
        if kind == "plain" or share <= 0 or any(fault.id == kind for fault in faults):
            continue
        fault = catalog()[kind]
        if fault.needs and fault.needs not in offers:
            offered = ", ".join(offers) or "nothing"
            raise source.error(
                ("mix", "buyer", kind), f"{kind} needs {fault.needs!r} of the target, which offers {offered}"
            )
        params = fault.params()
        found.append(
            FaultPlan(
                id=kind,
                fault=kind,
                hops=fault.hops,
                label=fault.label,
                cause=str(fault.cause),
                select={"buyer": [kind]},
                layer=fault.layer,
                lengthens=BusinessTime(fault.lengthens(params) if fault.lengthens else 0.0),
            )
        )
    return tuple(found)


def _gates(found: Document, texts: list[str]) -> tuple[Gate, ...]:
    gates = []
    for i, text in enumerate(texts):
        try:
            gates.append(parse_gate(text))
        except ValueError as error:
            raise found.error(("gates", i), str(error)) from None
    return tuple(gates)


def _aborts(found: Document, texts: list[str]) -> tuple[Abort, ...]:
    aborts = []
    for i, text in enumerate(texts):
        try:
            aborts.append(parse_abort(text))
        except ValueError as error:
            raise found.error(("abort_when", i), str(error)) from None
    return tuple(aborts)


def _check_ids(found: Document, plan: Plan) -> None:
    seen: set[str] = set()
    for i, fault in enumerate(plan.faults):
        if fault.id in seen or not fault.id:
            raise found.error(("faults", i, "id"), f"{fault.id!r} stands twice or is empty; every id is its own")
        seen.add(fault.id)


def _poll_every(found: Document, doc: ScenarioDoc, plan: Plan) -> WireTime:
    shortest = min(plan.wire_s(s) for s in plan.stuck_after.values())
    if shortest < THRESHOLD_S_MIN:
        place = ("stuck_after",) if doc.stuck_after else ("compress",)
        raise found.error(
            place,
            f"the shortest stuck threshold is {WireTime(round(shortest, 6)).text()} at compress "
            f"{plan.compress:g}; legal: {WireTime(THRESHOLD_S_MIN).text()} or more, the polls tell no less",
        )
    own = shortest / POLLS_A_THRESHOLD
    if doc.poll_every is None:
        return WireTime(round(min(max(own, POLL_S_MIN), POLL_S_MAX), 6))
    if doc.poll_every > own or doc.poll_every <= 0:
        legal = WireTime(round(own, 6)).text()
        raise found.error(
            ("poll_every",),
            f"{doc.poll_every.text()} is not legal here; legal: at most {legal}, a tenth of the shortest threshold",
        )
    return doc.poll_every
