"""Mutation testing of the gate: take one check away at a time, and see whether a test notices.

    python bench/mutation.py [--modules verify,workspace] [--share N] [--seed N] [--list]

Each mutant is one change to one module of `gate/`: a guard without its raise, a condition turned round, a breach
that is not appended, a comparison off by one, a list returned empty. It is killed when the tests of its module
fail (or take too long), and survives when they pass. `--share 5` takes every fifth mutant. Survivors are printed
with their place; the script exits 1 when there are any. Not every survivor is a missing test: some mutants mean
the same as the original.
"""

from __future__ import annotations

import argparse
import ast
import os
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
GATE = Path("src") / "worldgate" / "gate"
LIMIT = 90.0
TESTS: dict[str, tuple[str, ...]] = {
    "verify": ("test_verify.py",),
    "shrink": ("test_verify.py",),
    "workspace": ("test_workspace.py", "test_run.py"),
    "again": ("test_workspace.py", "test_audit.py"),
    "inverse": ("test_inverse.py", "test_workspace.py"),
    "audit": ("test_audit.py",),
    "proposal": ("test_workspace.py", "test_verify.py", "test_audit.py"),
    "policy": ("test_policy.py",),
    "rules": ("test_policy.py",),
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


class Mutant(NamedTuple):
    """One change: where, what kind, the line as it was, and the whole text of the module with the change in it."""

    module: str
    line: int
    kind: str
    was: str
    text: str


def mutants(module: str, text: str) -> Iterator[Mutant]:
    """Every mutant of a module, in the order of its lines."""
    places = [(node, kind) for node in ast.walk(ast.parse(text)) for kind in _kinds(node)]
    for node, kind in sorted(places, key=lambda place: (place[0].lineno, place[0].col_offset, place[1])):
        tree = ast.parse(text)
        changed = _Change((node.lineno, node.col_offset, type(node)), kind).visit(tree)
        was = text.splitlines()[node.lineno - 1].strip()
        yield Mutant(module, node.lineno, kind, was, ast.unparse(ast.fix_missing_locations(changed)))


def _kinds(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.If):
        yield "condition negated"
        if any(isinstance(one, ast.Raise) for one in node.body):
            yield "guard removed"
    elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Yield | ast.YieldFrom | ast.Call):
        if isinstance(node.value, ast.Yield | ast.YieldFrom) or "append" in ast.unparse(node.value.func):
            yield "result dropped"
    elif isinstance(node, ast.AugAssign) and isinstance(node.op, ast.Add):
        yield "result dropped"
    elif isinstance(node, ast.Compare) and type(node.ops[0]) in SWAPS:
        yield "comparison changed"
    elif isinstance(node, ast.Return) and isinstance(node.value, ast.ListComp):
        yield "returned empty"
    elif isinstance(node, ast.BoolOp):
        yield "and / or"


class _Change(ast.NodeTransformer):
    def __init__(self, place: tuple[int, int, type[ast.AST]], kind: str) -> None:
        self.place, self.kind = place, kind

    def visit(self, node: ast.AST) -> ast.AST:
        place = (getattr(node, "lineno", 0), getattr(node, "col_offset", 0), type(node))
        return self._changed(node) if place == self.place else self.generic_visit(node)

    def _changed(self, node: ast.AST) -> ast.AST:
        if isinstance(node, ast.If) and self.kind == "condition negated":
            node.test = ast.UnaryOp(ast.Not(), node.test)
        elif isinstance(node, ast.If):
            node.test = ast.BoolOp(ast.And(), [node.test, ast.Constant(False)])
        elif isinstance(node, ast.Compare):
            node.ops[0] = SWAPS[type(node.ops[0])]()
        elif isinstance(node, ast.Return):
            node.value = ast.List([], ast.Load())
        elif isinstance(node, ast.BoolOp):
            node.op = ast.Or() if isinstance(node.op, ast.And) else ast.And()
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Yield | ast.YieldFrom):
            return ast.parse("yield from ()").body[0]
        else:
            return ast.Pass()
        return node


class Bed:
    """A copy of the package and its tests in which one module at a time is replaced."""

    def __init__(self, place: Path) -> None:
        self.place = place
        for name in ("src", "tests", "docs", "bench"):
            shutil.copytree(ROOT / name, place / name, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "pyproject.toml", place)

    def kills(self, module: str, text: str, tests: tuple[str, ...]) -> str:
        """How the tests take the module with this text: "killed", "timeout" or "survived"."""
        path = self.place / GATE / f"{module}.py"
        whole = path.read_text(encoding="utf-8")
        path.write_text(text, encoding="utf-8")
        try:
            return self.run(tests)
        finally:
            path.write_text(whole, encoding="utf-8")

    def run(self, tests: tuple[str, ...]) -> str:
        command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:randomly", "-p", "no:xdist", *tests]
        env = {**os.environ, "PYTHONPATH": str(self.place / "src"), "PYTHONDONTWRITEBYTECODE": "1"}
        try:
            ran = subprocess.run(command, cwd=self.place, env=env, capture_output=True, timeout=LIMIT, check=False)
        except subprocess.TimeoutExpired:
            return "timeout"
        if ran.returncode not in (0, 1, 2):
            raise RuntimeError(ran.stdout.decode() + ran.stderr.decode())
        return "killed" if ran.returncode else "survived"


def _tests(module: str) -> tuple[str, ...]:
    return tuple(f"tests/gate/{name}" for name in TESTS[module])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--modules", default=",".join(TESTS))
    parser.add_argument("--share", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--list", action="store_true")
    given = parser.parse_args()
    chosen: list[Mutant] = []
    for module in given.modules.split(","):
        chosen += list(mutants(module, (ROOT / GATE / f"{module}.py").read_text(encoding="utf-8")))
    chosen = chosen[given.seed % given.share :: given.share]
    if given.list:
        for mutant in chosen:
            print(f"{mutant.module}:{mutant.line} {mutant.kind}: {mutant.was}")
        return 0
    survivors, counts = [], Counter[tuple[str, str]]()
    with tempfile.TemporaryDirectory() as place:
        beds = [Bed(Path(place) / str(number)) for number in range(given.jobs)]

        def judge(bed: Bed, share: list[Mutant]) -> list[tuple[Mutant, str]]:
            found = []
            for mutant in share:
                found.append((mutant, bed.kills(mutant.module, mutant.text, _tests(mutant.module))))
                if found[-1][1] == "survived":
                    print(f"survived {mutant.module}:{mutant.line} {mutant.kind}: {mutant.was}", flush=True)
            return found

        with ThreadPoolExecutor(len(beds)) as pool:
            shares = [chosen[number :: len(beds)] for number in range(len(beds))]
            for found in pool.map(judge, beds, shares):
                for mutant, outcome in found:
                    counts[mutant.module, outcome] += 1
                    if outcome == "survived":
                        survivors.append(mutant)
    print("\n| module | mutants | killed | timeout | survived |\n| --- | --- | --- | --- | --- |")
    for module in dict.fromkeys(mutant.module for mutant in chosen):
        row = [counts[module, outcome] for outcome in ("killed", "timeout", "survived")]
        print(f"| {module} | {sum(row)} | {' | '.join(map(str, row))} |")
    print(f"\n{len(chosen)} mutants, {len(survivors)} survived")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main())
