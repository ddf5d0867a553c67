"""What a ledger promises, as named asserts, and small ledgers to try them on."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

from worldgate.facts import Error
from worldgate.gate.export import verify_export
from worldgate.gate.ledger import Ledger, Record
from worldgate.gate.signing import Signer

AT = "2030-01-01T00:00:00Z"
LATER = "2030-01-01T00:05:00Z"
EXPIRES = "2030-01-02T00:00:00Z"
DELTA = "ab" * 32


def open_ledger(folder: Path, signer: Signer | None = None, **options: object) -> Ledger:
    """The ledger of a folder, with its head in there too (but not beside it)."""
    return Ledger.open(
        folder / "work" / "ledger.db", head=folder / "heads" / "head.json", signer=signer, workspace="w" * 32, **options
    )


def fill(folder: Path, count: int = 3, signer: Signer | None = None) -> list[Record]:
    """A ledger of `count` records and the first one, closed again."""
    with open_ledger(folder, signer) as ledger:
        for number in range(count):
            ledger.append("simulated", f"run{number % 2}", {"number": number}, at=AT)
        return list(ledger.records())


def look(folder: Path) -> tuple[list[str], list[Record]]:
    """(kinds of damage found, or the error's number; the records when all could be read)."""
    try:
        with open_ledger(folder, wait=1) as ledger:
            found = [damage.kind for damage in ledger.verify()]
            return found, [] if found else list(ledger.records())
    except Error as error:
        return [error.number], []


def assert_whole(ledger: Ledger) -> None:
    """No damage, a head that covers everything, and an export that passes on its own."""
    assert ledger.verify() == []
    assert ledger.behind() == 0
    stream = io.BytesIO()
    head = ledger.export(stream)
    stream.seek(0)
    assert verify_export(stream, head=head) == []


def assert_reported_or_harmless(folder: Path, records: list[Record], what: object) -> bool:
    """Either the change is reported, or every record is what it was. Returns whether it was reported."""
    found, seen = look(folder)
    assert found or seen == records, f"{what}: not reported, and the records differ"
    return bool(found)


def assert_refuses_writing(ledger: Ledger, error: type[Error]) -> None:
    """An append raises that error and leaves no record."""
    before = ledger._store.last()
    try:
        ledger.append("failed", "run", {}, at=AT)
    except error:
        assert ledger._store.last() == before
        return
    raise AssertionError(f"an append went through; expected {error.__name__}")


def in_processes(count: int, code: str, *arguments: str) -> list[str]:
    """Run `code` in that many Python processes at once (sys.argv[1] is the number); their outputs."""
    command = [sys.executable, "-c", code]
    started = [
        subprocess.Popen([*command, str(number), *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for number in range(count)
    ]
    outputs = [process.communicate(timeout=120) for process in started]
    assert [process.returncode for process in started] == [0] * count, outputs
    return [out for out, _ in outputs]
