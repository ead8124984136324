"""A shop's house as its target file has it: what the harness may stop, kill, lock or lose there, and its databases."""

from typing import Literal

import msgspec


class House(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the harness may stop, kill, lock or lose of a shop that it has started; {data} is filled in.

    `processes`: for each name (web, worker) a file that holds its process numbers, one a line, rewritten by the shop as
    they change. `database`: a SQLAlchemy address for the harness's own connection; `lock`: what takes the write lock
    on it, given back by ROLLBACK. `queued` counts the jobs that wait; `lose_jobs` takes :n of them out of the queue and
    returns a text with the order key of each.
    """

    processes: dict[str, str] = {}
    database: str = ""
    lock: list[str] = []
    queued: str = ""
    lose_jobs: str = ""

    def __post_init__(self) -> None:
        if (self.lock or self.queued or self.lose_jobs) and not self.database:
            raise ValueError("lock, queued and lose_jobs need database: the address for the harness's own connection")
        if bool(self.queued) != bool(self.lose_jobs):
            raise ValueError("queued and lose_jobs belong together")
        if self.lose_jobs and ":n" not in self.lose_jobs:
            raise ValueError("lose_jobs takes :n jobs, so :n must stand in it")

    @property
    def offers(self) -> tuple[str, ...]:
        """What faults of the house may need: kill, a process name, lock, queue."""
        has = {"lock": self.database and self.lock, "queue": self.database and self.queued and self.lose_jobs}
        return ("kill", *self.processes, *(name for name, there in has.items() if there))


HOUSE_OF_DATABASE = ("database", "lock", "queued", "lose_jobs")


class DatabaseDoc(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One of the databases that a shop may have. `server`: one that the harness starts for the run, its address
    {database_url} for the shop (through a proxy, where a fault is for that hop) and {database_direct} for the harness.
    `env` is laid over that of start; the rest takes the place of what stands in `house` by the same name."""

    server: Literal["", "postgresql"] = ""
    env: dict[str, str] = {}
    database: str = ""
    lock: list[str] = []
    queued: str = ""
    lose_jobs: str = ""

    def names(self, name: str) -> bool:
        """Whether its environment is told this."""
        return any(f"{{{name}}}" in text for text in self.env.values())

    def laid_over(self, house: House | None) -> House | None:
        """The house of a shop that has this database; ValueError where the parts do not make one."""
        laid = {name: value for name in HOUSE_OF_DATABASE if (value := getattr(self, name))}
        return msgspec.structs.replace(house, **laid) if house and laid else house
