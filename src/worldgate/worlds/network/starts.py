"""Where networks begin: nothing but hosts, or a family of topologies drawn from a seed.

`empty` is every host up and nothing else. The others have links, services and denials, so that connections
succeed from the first step; `campus` has addresses, routers that learn their routes, filters and a translating edge.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from random import Random

from ...facts import Fact, Key, Value
from .schema import Match, Route, Rule, Translation

PORTS = ("22", "80", "443", "53", "8080", "3306", "5432", "6379", "9200", "25", "110", "143")


def host_names(count: int) -> tuple[str, ...]:
    return tuple(f"h{number}" for number in range(count))


def ports(count: int) -> tuple[str, ...]:
    """The first of a fixed list, then 10000 and up."""
    return tuple(PORTS[number] if number < len(PORTS) else str(10000 + number) for number in range(count))


def empty(hosts: Sequence[str], _ports: Sequence[str], _random: Random) -> Iterator[Fact]:
    """All up, nothing else."""
    for host in hosts:
        yield "up", (host,), True
    yield "clock", (), 0
    yield "exit", (), 0


def _link(one: str, other: str) -> Fact:
    return "link", (min(one, other), max(one, other)), True


def _served(hosts: Sequence[str], ports: Sequence[str], random: Random) -> Iterator[Fact]:
    """A service on three hosts of four, and a denial on one of eight."""
    for host in hosts:
        if random.random() < 0.75:
            yield "service", (host, random.choice(ports)), True
        if random.random() < 0.125:
            yield "deny", (host, random.choice(hosts)), True


def scattered(hosts: Sequence[str], ports: Sequence[str], random: Random) -> Iterator[Fact]:
    """A random graph of two links a host, on average four a host's end."""
    yield from empty(hosts, ports, random)
    for host in hosts:
        for other in random.sample(hosts, min(2, len(hosts) - 1)):
            if other != host:
                yield _link(host, other)
    yield from _served(hosts, ports, random)


def ring(hosts: Sequence[str], ports: Sequence[str], random: Random) -> Iterator[Fact]:
    """Each host has a link to the next: the longest detours there are."""
    yield from empty(hosts, ports, random)
    for one, other in zip(hosts, (*hosts[1:], hosts[0]), strict=True):
        if one != other:
            yield _link(one, other)
    yield from _served(hosts, ports, random)


def tree(hosts: Sequence[str], ports: Sequence[str], random: Random) -> Iterator[Fact]:
    """Every link that goes parts the network."""
    yield from empty(hosts, ports, random)
    for number in range(1, len(hosts)):
        yield _link(hosts[number], hosts[random.randrange(number)])
    yield from _served(hosts, ports, random)


def islands(hosts: Sequence[str], ports: Sequence[str], random: Random) -> Iterator[Fact]:
    """Parts of any size that no link joins: each a path, half of them closed to a ring, or a tree."""
    yield from empty(hosts, ports, random)
    mixed = random.sample(hosts, len(hosts))
    while mixed:
        size = random.randint(1, len(mixed))
        part, mixed = mixed[:size], mixed[size:]
        branching = random.random() < 0.5
        for number in range(1, size):
            yield _link(part[number], part[random.randrange(number) if branching else number - 1])
        if size > 2 and not branching and random.random() < 0.5:
            yield _link(part[0], part[-1])
    yield from _served(hosts, ports, random)


def campus(hosts: Sequence[str], ports: Sequence[str], random: Random) -> Iterator[Fact]:
    """Level 1: routers in a ring with a chord, a switch each with a third of the hosts behind it, and an edge.

    The first host is outside, behind the edge router, which translates what leaves for it. Routers learn their routes;
    the others have one by hand. The last network holds the databases: its router lets in only what rules accept.
    """
    outside, inside = hosts[0], hosts[1:]
    routers = ["r1", "r2", "r3"]
    yield from empty((*hosts, "edge", *routers, "s1", "s2", "s3"), ports, random)
    lines = [("edge", "r1"), ("r1", "r2"), ("r2", "r3"), ("r1", "r3")]
    for number, (one, other) in enumerate(lines):
        yield _link(one, other)
        yield "address", (one, other, f"10.255.{number}.1/30"), True
        yield "address", (other, one, f"10.255.{number}.2/30"), True
    for router in ("edge", *routers):
        yield "forwards", (router,), True
        yield "dynamic", (router,), True
        yield "unsettled", (router,), True
    yield _link(outside, "edge")
    yield "address", (outside, "edge", "198.51.100.2/24"), True
    yield "address", ("edge", outside, "198.51.100.1/24"), True
    yield "zone", (outside,), "untrusted"
    yield "route", ("r1", "0.0.0.0/0"), Route("10.255.0.1", "edge", 0, False)
    for number, router in enumerate(routers, 1):
        switch = f"s{number}"
        yield _link(router, switch)
        yield "address", (router, switch, f"10.{number}.0.1/24"), True
        if number > 1:
            yield "route", (router, "0.0.0.0/0"), Route(f"10.255.{(0, 0, 1, 3)[number]}.1", "r1", 0, False)
    for number, host in enumerate(inside):
        lan = number % 3 + 1
        yield _link(host, f"s{lan}")
        yield "address", (host, f"s{lan}", f"10.{lan}.0.{number // 3 + 10}/24"), True
        yield "route", (host, "0.0.0.0/0"), Route(f"10.{lan}.0.1", f"s{lan}", 0, False)
        yield "zone", (host,), ("clients", "servers", "database")[lan - 1]
    yield from _guarded(ports)
    yield from _served(inside, ports, random)


def _guarded(ports: Sequence[str]) -> Iterator[Fact]:
    def accepts(order: int, match: Match) -> tuple[str, Key, Value]:
        return "rule", ("r3", "forward", order), Rule(*match, verdict="accept")

    yield accepts(10, Match(state="established"))
    yield accepts(20, Match(source="10.3.0.0/24"))
    yield accepts(30, Match(source="10.2.0.0/24", destination="10.3.0.0/24"))
    yield accepts(40, Match(source="10.255.0.0/16"))
    yield "fallback", ("r3", "forward"), "drop"
    leaving = Match(source="10.0.0.0/8", destination="198.51.100.0/24")
    yield "nat", ("edge", 10), Translation(*leaving[:-1], "source", "", 0)
    entering = Match(destination="198.51.100.1/32", protocol="tcp", low=int(ports[0]), high=int(ports[0]))
    yield "nat", ("edge", 20), Translation(*entering[:-1], "destination", "10.2.0.10", 0)


Start = Callable[[Sequence[str], Sequence[str], Random], Iterator[Fact]]
STARTS: dict[str, Start] = {
    "empty": empty,
    "scattered": scattered,
    "ring": ring,
    "tree": tree,
    "islands": islands,
    "campus": campus,
}
LEVEL_0 = tuple(name for name in STARTS if name != "campus")
"""Those without addresses."""
