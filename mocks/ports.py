"""The ports of a mock's process: one for HTTP, and one more for each instance that speaks something else."""

import msgspec

OWN_AFTER = 10
"""With a fixed port, instances that speak no HTTP listen from so many above it: the ports between are other roles'."""


def own_first(port: int) -> int:
    """The first of such ports; 0, free ones, where the process takes a free one itself."""
    return port + OWN_AFTER if port else 0


class Ports(msgspec.Struct, frozen=True):
    """What a process listens on; `own` by the name of the instance."""

    http: int
    own: dict[str, int] = {}

    def written(self) -> str:
        """As the port file holds it: the port of HTTP, then a line NAME PORT for each other."""
        return "".join([f"{self.http}\n", *(f"{name} {port}\n" for name, port in self.own.items())])

    @classmethod
    def read(cls, text: str) -> "Ports":
        """The ports of a port file."""
        first, *others = text.splitlines()
        own = (line.rsplit(" ", 1) for line in others)
        return cls(int(first), {name: int(port) for name, port in own})
