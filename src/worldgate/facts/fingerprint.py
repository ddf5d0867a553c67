"""An order-free, incremental, collision-resistant hash of a set of facts.

Each fact is hashed to a 4096-bit integer (SHAKE-128 of its canonical bytes) and the integers are
added modulo 2**4096: the additive multiset hash of Bellare and Micciancio (1997). Wagner's
generalised birthday attack costs 2**(2*sqrt(4096)) = 2**128. Adding or removing a fact is one
addition, whatever the size of the set. What is shown is the SHA-256 of the sum.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from hashlib import sha256, shake_128

from .codec import fact_bytes
from .schema import Key, Value

BYTES = 512
_MASK = (1 << (8 * BYTES)) - 1


def weight(relation: str, key: Key, value: Value) -> int:
    """The 4096-bit integer of one fact."""
    return _weight(fact_bytes(relation, key, value))


@lru_cache(maxsize=4096)  # a world has facts that come and go: an exit status, a host that is up
def _weight(data: bytes) -> int:
    return int.from_bytes(shake_128(data).digest(BYTES), "big")


def total(facts: Iterable[tuple[str, Key, Value]]) -> int:
    """The sum over a set of facts, from scratch."""
    return sum(weight(*fact) for fact in facts) & _MASK


def moved(accumulator: int, edits: Iterable[tuple[str, Key, Value | None, Value | None]]) -> int:
    """The sum after edits."""
    for relation, key, before, after in edits:
        if before is not None:
            accumulator -= weight(relation, key, before)
        if after is not None:
            accumulator += weight(relation, key, after)
    return accumulator & _MASK


def digest(accumulator: int) -> str:
    """64 hexadecimal digits."""
    return sha256(accumulator.to_bytes(BYTES, "big")).hexdigest()
