"""What `orderjam mocks up` hands to a person: addresses and keys, an order to buy by hand, and a ready .env."""

import shlex
from pathlib import Path
from string import Formatter
from urllib.parse import urlencode

from harness import directions, wiring
from harness.hand import write_secret
from harness.up import Standing
from mocks.keyring import Keyring
from mocks.payment.epay_signing import signature
from plan.run import Plan
from targets.webshop import Target, filled

NOTIFY = "http://127.0.0.1:9000/notify"
"""Where the example's notice goes; whoever tries it out puts a listener there, or an address of his own."""


DIRECT = "127.0.0.1,localhost,::1"
"""Hosts that are not asked for through the TLS proxy."""


def page(plan: Plan, target: Target | None, standing: Standing, run: Path) -> str:
    """The lines that `orderjam mocks up` prints once all mocks answer. Holds keys: for the terminal alone."""
    lines = [f"mocks are up · compress {plan.compress:g} · journals in {run}", ""]
    for role, url in standing.urls.items():
        lines.append(f"{role:<9} process {standing.pids[role]}, {url}/_admin/health  trades  faults")
        for name, at in wiring.channels(role, plan, standing.secrets, url, standing.own_urls).items():
            upstream = plan.upstreams[name]
            identity = "" if upstream.stubs else f"  pid {at['pid']}  key {at['key']}"
            lines.append(f"  {name:<12} {upstream.dialect:<12} {at['url']}{identity}")
            if not upstream.stubs:
                lines += [f"    {line}" for line in directions.lines(upstream.dialect, at["url"])]
            lines += [f"    {stub.method} {at['url'].rstrip('/')}{stub.path}" for stub in upstream.stubs]
    if standing.proxy:
        lines += [f"TLS proxy {standing.proxy}: plays {', '.join(standing.hosts)}; every other host is refused"]
    lines += _buying(plan, standing)
    if faults := [f"{fault.id} ({fault.fault})" for fault in plan.faults if fault.layer == "application"]:
        lines += ["", f"in force from the start, as the scenario says: {', '.join(faults)}"]
    lines += ["", "break something (> needs quotes in a shell):"]
    lines += ["  orderjam fault add notice_lost --at 'payment>shop' --rate 30% --for '5 min'"]
    lines += ["  orderjam fault list · orderjam fault remove notice_lost · orderjam fault save mine.yaml"]
    lines += ["", ".env for the shop:"]
    lines += [f"  {line}" for setting in _settings(plan, target, standing) for line in _shown(setting).splitlines()]
    return "\n".join([*lines, "", "Ctrl-C ends it"])


def _shown(setting: str) -> str:
    """A setting of the .env, all lines of it, as a terminal may show it: terminals are recorded and shared."""
    name = setting.partition("=")[0]
    return f"# {name} holds a private key: --env-file writes it" if "PRIVATE KEY-----" in setting else setting


def _buying(plan: Plan, standing: Standing) -> list[str]:
    """An order that can be sent as it is printed, to the first Epay instance."""
    name = next((n for n, upstream in plan.upstreams.items() if upstream.dialect == "epay"), None)
    if name is None:
        return []
    keys = standing.secrets.upstreams[name]
    fields = {"pid": keys.pid, "type": "alipay", "out_trade_no": "T1", "notify_url": NOTIFY, "name": "card"}
    fields |= {"money": "10.00"}
    fields |= {"sign": signature(fields, keys.key), "sign_type": "MD5"}
    url = f"{standing.urls['payment']}/{name}/mapi.php"
    return [
        "",
        "buy by hand (signed already; the notice goes to notify_url):",
        f"  curl -s {url} -d {shlex.quote(urlencode(fields))}",
        "  then open the payurl of the answer in a browser, or: curl -s -X POST -H 'Accept: application/json' PAYURL",
        f"  what became of it: curl -s {standing.urls['payment']}/_admin/trades",
    ]


def env(plan: Plan, target: Target | None, standing: Standing) -> str:
    """A .env: address, pid and key of each upstream, and the settings of the target, if any, that hold these or are
    limits in business time, as a run would set them. Holds keys; PEM texts stand in files, named by their paths."""
    return "\n".join(_settings(plan, target, standing)) + "\n"


def _settings(plan: Plan, target: Target | None, standing: Standing) -> list[str]:
    """The settings of the .env, one by one; where one holds a key it may be of several lines."""
    lines = ["# made by `orderjam mocks up`; the keys are new each time"]
    for role, url in standing.urls.items():
        for name, at in wiring.channels(role, plan, standing.secrets, url, standing.own_urls).items():
            told = {"url": at["url"]} if plan.upstreams[name].stubs else at
            for field, text in told.items():
                if is_pem(text):
                    lines.append(_line(f"{name}_{field}_file".upper(), str(pem_file(at["dialect"], field))))
                else:
                    lines.append(_line(f"{name}_{field}".upper(), text))
    values = wiring.shop_values(plan, standing.secrets, standing.urls, standing.own_urls)
    if standing.proxy:
        values |= wiring.tls_values(standing.proxy)
        lines += _through_proxy(values["tls_proxy"], values["tls_ca"])
    return lines + (_as_read_by(target, plan, values) if target is not None else [])


def _as_read_by(target: Target, plan: Plan, values: dict[str, str]) -> list[str]:
    lines = [f"# as the target {plan.target.name} reads them"]
    templates = target.start.env.items()
    lines += [_line(name, filled(text, values)) for name, text in templates if _speaks_of_upstreams(text)]
    if plan.compress != 1:
        limits = {**target.business_time, **plan.target.business_time}
        lines += [f"{name}={plan.wire_s(limit):.6f}" for name, limit in sorted(limits.items())]
    return lines


def is_pem(text: str) -> bool:
    return text.startswith("-----BEGIN ")


def pem_file(dialect: str, field: str) -> Path:
    """Where a key or certificate that a merchant is told lies: beside this machine's keys, the same for all runs."""
    return Keyring().folder / "told" / f"{dialect}-{field}.pem"


def write_pems(plan: Plan, secrets: wiring.Secrets) -> None:
    """Writes every key and certificate that merchants are told, for their owner's eyes only; OSError."""
    for name, keys in secrets.upstreams.items():
        for field, text in keys.told.items():
            if is_pem(text):
                path = pem_file(plan.upstreams[name].dialect, field)
                path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                if not path.exists() or path.read_text() != text:
                    write_secret(path, text.encode())


def _speaks_of_upstreams(template: str) -> bool:
    fields = {field for _, field, _, _ in Formatter().parse(template) if field}
    return any(field.startswith(("payment", "supplier", "game", "tls_")) for field in fields)


def _through_proxy(url: str, ca: str) -> list[str]:
    """What makes a client with an https host built in go through the TLS proxy and trust it."""
    names = {"HTTPS_PROXY": url, "https_proxy": url, "NO_PROXY": DIRECT, "no_proxy": DIRECT}
    names |= dict.fromkeys(("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS"), ca)
    lines = ["# through the TLS proxy: Python, curl, Go, node (which needs its last line, or an agent of its own)"]
    lines += [_line(name, text) for name, text in names.items()]
    return [*lines, "NODE_USE_ENV_PROXY=1", f"# PHP: php -d curl.cainfo={ca} -d openssl.cafile={ca}"]


def _line(name: str, text: str) -> str:
    return f"{name}={shlex.quote(text)}"
