"""Mutation testing of the gate: take one check away at a time, and see whether a test notices.

    python bench/mutation.py [--modules verify,workspace] [--share N] [--seed N] [--jobs N] [--list]

Each mutant is one change to one module of `gate/`: a guard without its raise, a condition turned round, a filter or
a call left out, a breach that is not appended, a comparison off by one, a list returned empty. It is killed when the
tests of its module fail (or take too long), and survives when they pass. `--share 5` takes every fifth mutant.
The tests must pass on the module as it is, or nothing is said about it. Survivors that mean the same as the
original are listed with the reason in `equivalents.toml`; the script exits 1 when another one survives, and when
one that is listed does not.
"""

from __future__ import annotations

import argparse
import ast
import copy
import os
import shutil
import sys
import tempfile
import time
import tomllib
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
GATE = Path("src") / "worldgate" / "gate"
EQUIVALENTS = Path(__file__).with_name("equivalents.toml")
TESTS: dict[str, tuple[str, ...]] = {
    "verify": ("test_verify.py",),
    "shrink": ("test_verify.py",),
    "proposing": ("test_workspace.py", "test_run.py"),
    "committing": ("test_workspace.py", "test_run.py"),
    "again": ("test_workspace.py", "test_audit.py"),
    "inverse": ("test_inverse.py", "test_workspace.py"),
    "audit": ("test_audit.py",),
    "proposal": ("test_workspace.py", "test_verify.py", "test_audit.py"),
    "policy": ("test_policy.py", "test_measured.py"),
    "rules": ("test_policy.py",),
    "measured": ("test_measured.py",),
    "intent": ("test_intent.py",),
    "approvals": ("test_approvals.py", "test_workspace.py"),
    "budget": ("test_budget.py",),
    "base": ("test_base.py", "test_workspace.py"),
    "run": ("test_run.py", "test_workspace.py"),
    "plan": ("test_plan.py", "test_verify.py"),
}
SWAPS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is,  # codespell:ignore
}  # fmt: skip
EXACT = (ast.Eq, ast.NotEq, ast.In, ast.NotIn, ast.Is, ast.IsNot)  # codespell:ignore
QUICK = """\
import resource

from hypothesis import HealthCheck, Phase, settings

settings.register_profile(
    "mutants",
    phases=[Phase.explicit, Phase.generate],
    derandomize=True,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
settings.load_profile("mutants")


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: hasattr(item.obj, "is_hypothesis_test"))


resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))
"""
"""One failing example is enough, it is the same each time, and being slow is not failing; taking 4 GiB is. The tests
that take longer come last."""


NURSERY = get_context("forkserver")
NURSERY.set_forkserver_preload(["pytest", "hypothesis.stateful", "msgspec", "yaml", "cel"])
"""Where the processes come from that run tests: with all imported that is not ours."""


class Mutant(NamedTuple):
    """One change: in which function, at which line, of what kind, to what, and the module's text with it."""

    module: str
    function: str
    line: int
    kind: str
    was: str
    text: str

    @property
    def name(self) -> str:
        return f"{self.module}.{self.function} {self.kind}: {self.was}"


def mutants(module: str, text: str) -> Iterator[Mutant]:
    """Every mutant of a module, in the order of its text."""
    tree = ast.parse(text)
    for function, line, parent, field, number, node in _places(tree, "", 1):
        for kind, was, new in _changes(node):
            changed = new if number is None else [*(old := getattr(parent, field))[:number], new, *old[number + 1 :]]
            whole = getattr(parent, field)
            setattr(parent, field, changed)
            mutated = ast.unparse(ast.fix_missing_locations(tree))
            setattr(parent, field, whole)
            yield Mutant(module, function, line, kind, was, mutated)


def _places(node: ast.AST, function: str, line: int) -> Iterator[tuple[str, int, ast.AST, str, int | None, ast.AST]]:
    """Each node below: its function, its line, and where it hangs (parent, field, place in a list)."""
    for field, value in ast.iter_fields(node):
        for number, child in enumerate(value) if isinstance(value, list) else [(None, value)]:
            if isinstance(child, ast.AST):
                at, inner = getattr(child, "lineno", line), getattr(child, "name", "")
                yield function, at, node, field, number, child
                yield from _places(child, inner if isinstance(child, ast.FunctionDef) else function, at)


def _changes(node: ast.AST) -> Iterator[tuple[str, str, ast.AST]]:
    """(kind, what is changed, what stands in its place)."""
    if isinstance(node, ast.If | ast.IfExp):
        if not _has_complement(node.test):
            yield "condition negated", ast.unparse(node.test), _with(node, test=ast.UnaryOp(ast.Not(), node.test))
        if isinstance(node, ast.If) and any(isinstance(one, ast.Raise) for one in node.body):
            never = ast.BoolOp(ast.And(), [node.test, ast.Constant(False)])
            yield "guard removed", ast.unparse(node.test), _with(node, test=never)
    elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Yield | ast.YieldFrom):
        yield "result dropped", ast.unparse(node), ast.parse("yield from ()").body[0]
    elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        yield "call dropped", ast.unparse(node), ast.Pass()
    elif isinstance(node, ast.AugAssign) and isinstance(node.op, ast.Add):
        yield "result dropped", ast.unparse(node), ast.Pass()
    elif isinstance(node, ast.Compare):
        for number, op in enumerate(node.ops):
            ops = [*node.ops[:number], SWAPS[type(op)](), *node.ops[number + 1 :]]
            yield f"comparison {number + 1} changed", ast.unparse(node), _with(node, ops=ops)
    elif isinstance(node, ast.comprehension):
        for number, test in enumerate(node.ifs):
            yield "filter removed", ast.unparse(test), _with(node, ifs=[*node.ifs[:number], *node.ifs[number + 1 :]])
    elif isinstance(node, ast.Return) and isinstance(node.value, ast.ListComp):
        yield "returned empty", ast.unparse(node), _with(node, value=ast.List([], ast.Load()))
    elif isinstance(node, ast.BoolOp):
        yield "and / or", ast.unparse(node), _with(node, op=ast.Or() if isinstance(node.op, ast.And) else ast.And())


def _has_complement(test: ast.expr) -> bool:
    """Whether changing this comparison is turning it round."""
    return isinstance(test, ast.Compare) and len(test.ops) == 1 and isinstance(test.ops[0], EXACT)


def _with(node: ast.AST, **fields: object) -> ast.AST:
    changed = copy.copy(node)
    for field, value in fields.items():
        setattr(changed, field, value)
    return changed


def _pytest(place: Path, tests: tuple[str, ...], caching: bool) -> None:
    """Run the tests of a bed in this process, which is for nothing else."""
    import pytest

    os.chdir(place)
    os.environ |= {"PYTHONPATH": str(place / "src"), "PYTHONDONTWRITEBYTECODE": "" if caching else "1"}
    sys.path[:0] = [str(place), str(place / "src")]
    sys.dont_write_bytecode = not caching
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 1)
        os.dup2(nowhere.fileno(), 2)
    warm = ["-W", "ignore::pytest.PytestAssertRewriteWarning"]  # of what was imported beforehand
    sys.exit(int(pytest.main(["-x", "-q", "-p", "no:randomly", "-p", "no:xdist", *warm, *tests])))


class Bed:
    """A copy of the package and its tests in which one module at a time is replaced."""

    def __init__(self, place: Path) -> None:
        self.place = place
        for name in ("src", "tests", "docs", "bench", "examples"):
            shutil.copytree(ROOT / name, place / name)
        shutil.copy(ROOT / "pyproject.toml", place)
        (place / "conftest.py").write_text(QUICK, encoding="utf-8")

    def kills(self, module: str, text: str, tests: tuple[str, ...], limit: float = 90) -> str:
        """How the tests take the module with this text: "killed", "timeout" (after `limit` seconds) or "survived"."""
        path = self.place / GATE / f"{module}.py"
        whole = path.read_text(encoding="utf-8")
        path.write_text(text, encoding="utf-8")
        try:
            return self.run(tests, limit)
        finally:
            path.write_text(whole, encoding="utf-8")

    def run(self, tests: tuple[str, ...], limit: float = 90, *, caching: bool = False) -> str:
        process = NURSERY.Process(target=_pytest, args=(self.place, tests, caching))
        process.start()
        process.join(limit)
        if process.exitcode is None:
            process.kill()
            process.join()
            return "timeout"
        if process.exitcode > 2:
            raise RuntimeError(f"pytest ends with {process.exitcode} for {tests}")
        return "killed" if process.exitcode else "survived"

    def limit(self, module: str) -> float:
        """Seconds that the tests of a module may take, from what they take on the module as it is."""
        start = time.monotonic()
        if self.run(_tests(module), caching=True) != "survived":
            raise SystemExit(f"the tests of {module} fail on the module as it is")
        return 10 + 4 * (time.monotonic() - start)


def _tests(module: str) -> tuple[str, ...]:
    return tuple(f"tests/gate/{name}" for name in TESTS[module])


def equivalents(modules: list[str]) -> dict[str, str]:
    """The mutants of these modules that mean the same as the original, and why."""
    listed = tomllib.loads(EQUIVALENTS.read_text(encoding="utf-8"))
    return {f"{module}.{place}": why for module in modules for place, why in listed.get(module, {}).items()}


def judged(chosen: list[Mutant], jobs: int) -> Iterator[tuple[Mutant, str]]:
    """Each mutant and what became of it, `jobs` at a time."""
    with tempfile.TemporaryDirectory() as place:
        beds = [Bed(Path(place) / str(number)) for number in range(jobs)]
        limits = {module: beds[0].limit(module) for module in dict.fromkeys(mutant.module for mutant in chosen)}

        def judge(bed: Bed, share: list[Mutant]) -> list[tuple[Mutant, str]]:
            found = []
            for mutant in share:
                outcome = bed.kills(mutant.module, mutant.text, _tests(mutant.module), limits[mutant.module])
                found.append((mutant, outcome))
                if outcome == "survived":
                    print(f"survived, line {mutant.line}: {mutant.name}", flush=True)
            return found

        with ThreadPoolExecutor(jobs) as pool:
            for found in pool.map(judge, beds, [chosen[number::jobs] for number in range(jobs)]):
                yield from found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--modules", default=",".join(TESTS))
    parser.add_argument("--share", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--list", action="store_true")
    given = parser.parse_args()
    every: list[Mutant] = []
    for module in given.modules.split(","):
        every += mutants(module, (ROOT / GATE / f"{module}.py").read_text(encoding="utf-8"))
    chosen = every[given.seed % given.share :: given.share]
    if given.list:
        print(*(mutant.name for mutant in chosen), sep="\n")
        return 0
    same = equivalents(given.modules.split(","))
    counts = Counter[tuple[str, str]]()
    wrong = [f"no such mutant: {name}" for name in sorted(same.keys() - {mutant.name for mutant in every})]
    for mutant, outcome in judged(chosen, given.jobs):
        if outcome == "survived" and mutant.name in same:
            outcome = "equivalent"
        elif outcome == "survived" or mutant.name in same:
            wrong.append(f"{outcome}: {mutant.name}")
        counts[mutant.module, outcome] += 1
    print("\n| module | mutants | killed | timeout | equivalent | survived |\n| --- | --- | --- | --- | --- | --- |")
    for module in dict.fromkeys(mutant.module for mutant in chosen):
        row = [counts[module, outcome] for outcome in ("killed", "timeout", "equivalent", "survived")]
        print(f"| {module} | {sum(row)} | {' | '.join(map(str, row))} |")
    print(f"\n{len(chosen)} mutants", *wrong, sep="\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
