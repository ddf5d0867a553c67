"""What a judgement costs as rules are added, beside a plain interpreter of the same rules. CPU time, one core.

Claims: a hundred limits cost what one does and a judgement with a hundred protected globs less than twice
one with a single glob (they are compiled together and asked only about what a delta touches), where a
loop pays for each rule. A hundred CEL invariants cost a hundred evaluations: those are not shared.
cedarpy is measured when it is installed; its request is one action on one path, ours the whole delta.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
from measure import cpu, table

from worldgate.facts import INT, Delta, Relation, Schema, State, diff, ref
from worldgate.gate.policy import Judged, Policy, make_policy
from worldgate.worlds.filesystem.effects import effects
from worldgate.worlds.filesystem.schema import SCHEMA, Inode

COUNTS = (1, 10, 100)
QUIET = {
    "allow_escape_links": True,
    "allow_outside_links": True,
    "allow_set_id": True,
    "allow_world_writable": True,
    "allow_network": True,
    "limits": {"deleted": None},
}


DIR = Inode("dir", 0o755, 1000, 1000)


def workspace() -> tuple[State, Delta, State]:
    """A directory of 200 files, of which a run writes seven, makes two and deletes one."""
    facts: list[Any] = [("inode", (".",), DIR)]
    for top in range(10):
        facts += [("entry", (".", f"d{top}"), f"d{top}"), ("inode", (f"d{top}",), DIR)]
        for number in range(20):
            path = f"d{top}/f{number}.py"
            facts += [("entry", (f"d{top}", f"f{number}.py"), path), *_file(path, "0")]
    before = after = State.of(SCHEMA, facts)
    for number in range(7):
        after = after.set("content", (f"d{number}/f3.py",), "1").set("size", (f"d{number}/f3.py",), 2)
    for path in ("d1/new.py", "d2/new.txt"):
        after = after.set("entry", tuple(path.split("/")), path)
        for relation, key, value in _file(path, "2"):
            after = after.set(relation, key, value)
    after = after.set("entry", ("d9", "f9.py"), None)
    for relation, key, _ in _file("d9/f9.py", "0"):
        after = after.set(relation, key, None)
    return before, diff(before, after), after


def _file(path: str, content: str) -> list[Any]:
    values = {"inode": Inode("file", 0o644, 1000, 1000), "content": content, "size": 1}
    return [(relation, (path,), value) for relation, value in values.items()]


def globs(count: int) -> list[str]:
    """Names, suffixes, prefixes and paths in turn; the kinds that people write."""
    kinds = ("secret{}", "*.key{}", "/conf/{}/**", "id{}_*", "vault{}/")
    return [kinds[number % len(kinds)].format(number) for number in range(count)]


def naive_protect(patterns: list[str], judged: Judged) -> list[str]:
    """Each rule in turn: each changed path, and each directory above it, against its pattern."""
    found = []
    changes = effects(judged.before, judged.delta, judged.after)
    for pattern in patterns:
        rule = {"kind": "protect", "pattern": pattern.strip("/").replace("/**", "")}
        for change in changes:
            parts = change.path.split("/")
            for end in range(1, len(parts) + 1):
                if rule["kind"] == "protect":
                    place = "/".join(parts[:end]) if "/" in rule["pattern"] else parts[end - 1]
                    if fnmatchcase(place, rule["pattern"]):
                        found.append(change.path)
    return found


def naive_edits(limits: dict[str, int], judged: Judged) -> list[str]:
    found = []
    for relation, most in limits.items():
        count = 0
        for edit in judged.delta:
            if edit.relation == relation:
                count += 1
        if count > most:
            found.append(relation)
    return found


def compare(
    title: str, make: Callable[[int], Policy], naive: Callable[[int], Callable[[], Any]], judged: Judged
) -> None:
    """One table: our judgement and the loop's, at each number of rules."""
    rows, first = [], (0.0, 0.0)
    for count in COUNTS:
        policy, loop = make(count), naive(count)
        assert policy.judge(judged) == []
        assert not loop()
        ours = cpu(lambda _, policy=policy: policy.judge(judged), 300) * 1e6
        theirs = cpu(lambda _, loop=loop: loop(), 300) * 1e6
        first = (ours, theirs) if count == COUNTS[0] else first
        rows.append((count, ours, theirs, theirs / ours, ours / first[0], theirs / first[1]))
    head = ("rules", "judge, us", "loop, us", "loop / judge", "judge, growth", "loop, growth")
    table(title, head, rows)


def many_relations(count: int) -> tuple[Schema, Judged]:
    """A world of `count` relations, of which a run edits ten facts of three."""
    schema = Schema("many", "1", [Relation(f"r{number}", (("id", ref("thing")),), INT) for number in range(count)])
    before = State.of(schema, [(f"r{number}", ("x",), 0) for number in range(count)])
    after = before
    for number in range(10):
        after = after.set(f"r{number % 3}", (f"k{number}",), number)
    return schema, Judged(before, after, diff(before, after))


def invariants(count: int) -> dict[str, str]:
    return {f"i{number}": f"count_deleted() <= {number + 5} && size_of('d1/new.py') == 1" for number in range(count)}


def cedar(judged: Judged) -> None:
    """One request about one path, against as many forbidding policies."""
    try:
        import cedarpy
    except ImportError:
        print("\ncedarpy is not installed: not measured")
        return
    rows, paths = [], len(effects(judged.before, judged.delta, judged.after))
    request = {"principal": 'A::"a"', "action": 'X::"write"', "resource": 'F::"f"', "context": {"path": "d1/f3.py"}}
    for count in COUNTS:
        text = "permit(principal, action, resource);\n" + "\n".join(
            f'forbid(principal, action, resource) when {{ context.path like "*secret{number}*" }};'
            for number in range(count)
        )
        policies = cedarpy.PolicySet.from_str(text) if hasattr(cedarpy, "PolicySet") else text
        theirs = cpu(lambda _, policies=policies: cedarpy.is_authorized(request, policies, []), 200) * 1e6
        policy = make_policy({"version": 1, **QUIET, "protect": globs(count)}, "bench")
        ours = cpu(lambda _, policy=policy: policy.judge(judged), 200) * 1e6
        rows.append((count, ours, theirs, theirs * paths / ours))
    table(
        "cedarpy, one request a changed path",
        ("rules", "judge, us", "cedarpy, us a request", "cedarpy for every path / judge"),
        rows,
    )


def main() -> None:
    before, delta, after = workspace()
    judged = Judged(before, after, delta)
    print(f"One delta: {len(delta)} edits, {len(effects(before, delta, after))} changed paths.")
    alone = cpu(lambda _: effects(before, delta, after), 300) * 1e6
    print(f"Its effects alone, which every judgement and the loop compute once: {alone:.0f} us.")
    compare(
        "protected globs",
        lambda count: make_policy({"version": 1, **QUIET, "protect": globs(count)}, "bench"),
        lambda count: partial(naive_protect, globs(count), judged),
        judged,
    )
    schema, other = many_relations(100)
    most = {f"r{number}": 100 for number in range(100)}

    def some(count: int) -> dict[str, int]:
        return dict(list(most.items())[:count])

    compare(
        "limits on edits, by relation",
        lambda count: make_policy({"version": 1, "world": "many", "edits": some(count)}, "bench", schema),
        lambda count: partial(naive_edits, some(count), other),
        other,
    )
    empty = {**QUIET, "protect": []}
    rows = []
    for count in COUNTS:
        policy = make_policy({"version": 1, **empty, "invariants": invariants(count)}, "bench")
        assert policy.judge(judged) == []
        rows.append((count, cpu(lambda _, policy=policy: policy.judge(judged), 100) * 1e6))
    table(
        "CEL invariants, each evaluated",
        ("invariants", "judge, us", "growth"),
        [(*row, row[1] / rows[0][1]) for row in rows],
    )
    default = Policy.default()
    print(f"\nThe default policy on this delta: {cpu(lambda _: default.judge(judged), 300) * 1e6:.0f} us.")
    cedar(judged)


if __name__ == "__main__":
    main()
