"""wire.down: nobody listens, and what was connected is cut off."""

from faults.catalog import WITH_PROXY, Cause, Fault, NoParams
from faults.verdict import Down
from plan.faults import Label

FAULT = Fault(
    name="wire.down",
    label=Label("link down", "链路中断"),
    hops=WITH_PROXY,
    params=NoParams,
    effect=lambda p: Down(),
    layer="wire",
    by_exposure=True,
    of_hop=True,
    cause=Cause.LINK,
    imitates="a broken line, or a server that is being restarted: connections end, new ones are refused",
    source="family 4 of the causes: transport failures; a proxy of Toxiproxy that is disabled",
)
