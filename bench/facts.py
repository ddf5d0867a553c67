"""What facts cost, beside the bare persistent map they are kept in. CPU time, one core.

Claims: forking a 10,000-fact state (one fact set, the old state kept) takes at most 2 microseconds or so;
setting a fact costs at most three times the bare map's own `set`; the fingerprint after one edit at
most 20 microseconds at any size; diff and distance of states that share history cost what differs.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from measure import cpu, table

from worldgate.facts import INT, TEXT, Relation, Schema, State, diff, distance, ref

SCHEMA = Schema(
    "bench",
    "1",
    [
        Relation("mode", (("inode", ref("inode")),), INT),
        Relation("entry", (("dir", ref("inode")), ("name", TEXT)), ref("inode"), index=(1,), inverse=True),
    ],
)
SIZES = (100, 1_000, 10_000, 100_000)


def main() -> None:
    sets, prints, diffs = [], [], []
    for size in SIZES:
        keys = [(f"f{number}",) for number in range(size)]
        state = State.of(SCHEMA, (("mode", key, 420) for key in keys))
        bare, addresses = state._facts, [("mode", key) for key in keys]
        state.fingerprint  # noqa: B018
        count = 20_000
        one = cpu(lambda i, bare=bare, at=addresses, n=size: bare.set(at[i % n], -1), count) * 1e6
        two = cpu(lambda i, state=state, keys=keys, n=size: state.set("mode", keys[i % n], -1), count) * 1e6
        hold = cpu(lambda i, state=state: state, count) * 1e6
        sets.append((size, one, two, two / one, hold))

        def asked(i: int, state: State = state, keys: list[tuple[str]] = keys, n: int = size) -> str:
            return state.set("mode", keys[i % n], -1).fingerprint

        scratch = cpu(lambda i, state=state: State.of(SCHEMA, state.facts()).fingerprint, 1, 1) * 1e6
        edited = cpu(asked, 2_000) * 1e6
        prints.append((size, edited, scratch, scratch / edited))

        row = [size]
        for edits in (1, 10, 100):
            other = state
            for key in keys[:edits]:
                other = other.set("mode", key, -1)
            row += [cpu(lambda i, a=state, b=other: diff(a, b), 200) * 1e6]
            row += [cpu(lambda i, a=state, b=other: distance(a, b), 200) * 1e6]
        unrelated = State.of(SCHEMA, state.facts()).set("mode", keys[0], -1)
        row.append(cpu(lambda i, a=state, b=unrelated: diff(a, b), 1, 1) * 1e6)
        diffs.append(row)
    table(
        "Fork with one fact set, microseconds",
        ("facts", "bare immutables.Map.set", "State.set", "ratio", "fork alone (a reference)"),
        sets,
    )
    table("Fingerprint after one edit, microseconds", ("facts", "set + fingerprint", "from scratch", "ratio"), prints)
    table(
        "Diff and distance, microseconds",
        ("facts", "diff 1", "distance 1", "diff 10", "distance 10", "diff 100", "distance 100", "diff, no history"),
        diffs,
    )


if __name__ == "__main__":
    main()
