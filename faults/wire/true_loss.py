"""wire.true_loss: real packets of a real TCP connection are lost, in network namespaces of the run's own."""

from faults.catalog import WITH_PROXY, Cause, Fault
from faults.verdict import TrueLoss
from plan.faults import Label

FAULT = Fault(
    name="wire.true_loss",
    label=Label("true packet loss", "真实丢包"),
    hops=WITH_PROXY,
    params=TrueLoss,
    effect=lambda p: p,
    layer="kernel",
    by_exposure=True,
    of_hop=True,
    cause=Cause.PACKET_LOSS,
    imitates="a bad line as the kernel's TCP meets it: retransmissions, back-off, reordering, duplicates",
    source="tc-netem(8): loss, gemodel, delay, reorder, duplicate, rate; family 4 of the causes: packet loss",
)
