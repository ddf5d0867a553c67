"""Addresses and prefixes as integers, IPv4 and IPv6, parsed once.

Canonical texts are those of the `ipaddress` module (RFC 5952 for IPv6).
"""

from __future__ import annotations

from functools import lru_cache
from ipaddress import ip_address, ip_interface, ip_network
from typing import NamedTuple


class Address(NamedTuple):
    version: int
    number: int

    def __str__(self) -> str:
        return str(ip_address(self.number.to_bytes(4 if self.version == 4 else 16, "big")))


class Prefix(NamedTuple):
    version: int
    network: int
    length: int

    def ends(self) -> list[tuple[int, int]]:
        """(version, number) of its first address and of the one after its last, where there is one."""
        bits = 32 if self.version == 4 else 128
        after = self.network + (1 << (bits - self.length))
        return [(self.version, self.network), *([(self.version, after)] if after >> bits == 0 else [])]

    def covers(self, address: Address) -> bool:
        """Whether the address is in it."""
        if address.version != self.version:
            return False
        return (address.number ^ self.network) >> ((32 if self.version == 4 else 128) - self.length) == 0


class Interface(NamedTuple):
    """An address with the prefix it is in, such as `10.0.0.1/24`."""

    address: Address
    prefix: Prefix

    @property
    def prefix_text(self) -> str:
        return f"{Address(self.prefix.version, self.prefix.network)}/{self.prefix.length}"


@lru_cache(maxsize=1 << 16)
def address(text: str) -> Address:
    """Raises `ValueError`."""
    found = ip_address(text)
    return Address(found.version, int(found))


@lru_cache(maxsize=1 << 16)
def prefix(text: str) -> Prefix:
    """Raises `ValueError`, also when bits beyond the length are set."""
    found = ip_network(text)
    return Prefix(found.version, int(found.network_address), found.prefixlen)


@lru_cache(maxsize=1 << 16)
def interface(text: str) -> Interface:
    """Raises `ValueError`."""
    found = ip_interface(text)
    return Interface(address(str(found.ip)), prefix(str(found.network)))
