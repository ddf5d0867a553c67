"""Replay: nothing differs from what was recorded, and whatever is changed in the evidence is found."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import pytest

from worldgate.facts import Error
from worldgate.trading.desk import Desk
from worldgate.trading.inputs import OtherBars
from worldgate.trading.replay import NotEvidence, Replayed, inputs_of, replay
from worldgate.worlds.market.bars import Bars
from worldgate.worlds.market.generator import generate

from .sessions import RULES, eventful

BARS = generate(["A", "B"], 24, 5, volume="60")
INPUTS = eventful("crossover", BARS)
KINDS = ("tape", "executions")
POSITIONS = 200


def written(folder: Path, kind: str = "crossover", bars: Bars = BARS) -> Path:
    """The folder of a session that was run."""
    with Desk.at(folder, eventful(kind, bars), bars, lambda: "2030-01-01T00:00:00Z") as desk:
        desk.run()
        desk.report()
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("replay") / "out")


@pytest.fixture(scope="module", params=KINDS)
def evidence(request: pytest.FixtureRequest, folder: Path) -> tuple[str, bytes]:
    """A kind of evidence, and its bytes."""
    return request.param, (folder / f"{request.param}.json").read_bytes()


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "evidence.json"


def outcome(place: Path, content: bytes) -> Replayed | str:
    """What replay says of this content: what it found, or an error's number; anything else is a failure."""
    place.write_bytes(content)
    try:
        return replay(place, BARS)
    except Error as error:
        return error.number


def assert_found(place: Path, content: bytes, what: object = "") -> None:
    found = outcome(place, content)
    assert isinstance(found, str) or not found.same, what
    if isinstance(found, Replayed):
        assert found.found != found.expected, what
        f"{found.found}{found.expected}".encode()  # can be printed


@pytest.mark.parametrize("kind", RULES)
def test_nothing_differs(kind: str, tmp_path: Path) -> None:
    bars = generate(["A", "B"], 300, 9, volume="60")
    written(tmp_path, kind, bars)
    seen: list[int] = []
    tape, executions = (replay(tmp_path / f"{name}.json", bars, seen.append) for name in KINDS)
    assert tape.same
    assert executions.same
    assert (tape.line, tape.found, tape.expected) == (0, "", "")
    assert tape.rows == len((tmp_path / "tape.json").read_text().splitlines()) - 2 > 200
    assert executions.rows == len((tmp_path / "executions.json").read_text().splitlines()) - 2 > 3
    assert tape.session == executions.session == eventful(kind, bars).digest
    assert seen[-1] == 300


def test_a_session_without_fills_replays_too(tmp_path: Path) -> None:
    with Desk.at(tmp_path, eventful("crossover", BARS, policy={"opening": {"max": 0}}), BARS) as desk:
        desk.run()
        desk.report()
    found = replay(tmp_path / "executions.json", BARS)
    assert found.same
    assert found.rows == 0
    assert replay(tmp_path / "tape.json", BARS).same


def test_the_inputs_are_in_the_file(folder: Path) -> None:
    for kind in KINDS:
        assert inputs_of(folder / f"{kind}.json") == (kind, INPUTS)


# --- one change -----------------------------------------------------------------------------------


def changes(content: bytes, at: int, random: Random) -> Iterator[bytes]:
    """The byte there changed, gone, doubled, no UTF-8, the end of a line."""
    yield content[:at] + bytes([content[at] ^ (1 << random.randrange(8))]) + content[at + 1 :]
    kind = random.randrange(4)
    replaced = (b"", content[at : at + 1] * 2, b"\xff", b"\n")[kind]
    if content[at : at + 1] != replaced:
        yield content[:at] + replaced + content[at + 1 :]


def structural(content: bytes) -> list[int]:
    """The ends of the file and of its first and last lines, and every kind of bracket, comma and quote around them."""
    ends = [at for at, byte in enumerate(content) if byte == 0x0A]
    lines = [*ends[:3], *ends[-3:]]
    near = {at + step for at in lines for step in (-3, -2, -1, 0, 1, 2)} | {0, 1, 2, len(content) - 1, len(content) - 2}
    head = content[: ends[0]]
    first = {head.find(mark) for mark in (b"{", b"}", b"[", b"]", b",", b":", b'"', b"\\", b".", b"0", b"true")}
    return sorted(at for at in near | first if 0 <= at < len(content))


def test_any_changed_byte_is_found(evidence: tuple[str, bytes], place: Path) -> None:
    _, content = evidence
    random = Random(2013)
    for at in sorted(random.sample(range(len(content)), POSITIONS)):
        assert_found(place, next(changes(content, at, random)), at)
    for at in structural(content):
        for changed in changes(content, at, random):
            assert_found(place, changed, at)


def test_a_changed_number_of_a_row_is_found_where_it_is(folder: Path, place: Path) -> None:
    lines = (folder / "tape.json").read_bytes().splitlines(keepends=True)
    for number, line in enumerate(lines[1:-1], 2):
        at = line.rfind(b'"equity":"') + len(b'"equity":"')
        changed = line[:at] + (b"1" if line[at : at + 1] != b"1" else b"2") + line[at + 1 :]
        found = outcome(place, b"".join([*lines[: number - 1], changed, *lines[number:]]))
        assert isinstance(found, Replayed)
        assert found.line == number
        assert (found.found, found.expected) == (changed.decode().rstrip("\n"), line.decode().rstrip("\n"))


Lines = list[bytes]
WHOLE: dict[str, Callable[[Lines], Lines]] = {
    "empty": lambda lines: [],
    "only the head": lambda lines: lines[:1],
    "without the end": lambda lines: lines[:-1],
    "without the last row": lambda lines: [*lines[:-2], lines[-1]],
    "without the first row": lambda lines: [lines[0], *lines[2:]],
    "without a row": lambda lines: [*lines[:5], *lines[6:]],
    "a row twice": lambda lines: [*lines[:5], lines[4], *lines[5:]],
    "two rows the other way": lambda lines: [*lines[:4], lines[5], lines[4], *lines[6:]],
    "one more row": lambda lines: [*lines[:-2], lines[-2].rstrip(b"\n") + b",\n", *lines[-2:]],
    "another file after it": lambda lines: lines * 2,
    "one more line": lambda lines: [*lines, b"\n"],
    "no last newline": lambda lines: [*lines[:-1], lines[-1].rstrip(b"\n")],
    "lines as elsewhere": lambda lines: [line.replace(b"\n", b"\r\n") for line in lines],
    "a mark at the beginning": lambda lines: [b"\xef\xbb\xbf", *lines],
    "spaces": lambda lines: [line.replace(b",", b", ") for line in lines],
    "no UTF-8 in a late row": lambda lines: [*lines[:-2], lines[-2].replace(b'"time"', b'"\xfftime"', 1), lines[-1]],
}


@pytest.mark.parametrize("what", WHOLE)
def test_lines_lost_added_or_moved_are_found(evidence: tuple[str, bytes], place: Path, what: str) -> None:
    content = b"".join(WHOLE[what](evidence[1].splitlines(keepends=True)))
    assert content != evidence[1]
    assert_found(place, content, what)


def test_cut_short_anywhere_it_is_found(evidence: tuple[str, bytes], place: Path) -> None:
    _, content = evidence
    for at in Random(7).sample(range(len(content)), 40):
        assert_found(place, content[:at], at)


def test_what_was_changed_with_care_is_found(folder: Path, place: Path) -> None:
    """Settings and the session's id changed together: then the rows are not those of that session."""
    content = (folder / "tape.json").read_text()
    other = eventful("crossover", BARS, cash="3001")
    assert content.count('"cash":"3000"') >= 1
    forged = content.replace('"cash":"3000"', '"cash":"3001"', 1).replace(INPUTS.digest, other.digest)
    place.write_text(forged)
    assert inputs_of(place) == ("tape", other)
    found = outcome(place, forged.encode())
    assert isinstance(found, Replayed)
    assert found.line == 2


# --- other files ----------------------------------------------------------------------------------


def test_other_bars_are_refused(folder: Path) -> None:
    for other in (
        generate(["A", "B"], 24, 6, volume="60"),
        generate(["A", "B"], 25, 5, volume="60"),
        generate(["A"], 24, 5),
    ):
        with pytest.raises(OtherBars, match="WG382"):
            replay(folder / "tape.json", other)


@pytest.mark.parametrize("name", ["tape.csv", "bars.csv", "inputs.json", "report.md", "ledger.db", "none.json", "."])
def test_what_is_no_evidence_is_refused(folder: Path, name: str) -> None:
    with pytest.raises(NotEvidence, match="WG385"):
        replay(folder / name, BARS)


HEADS = {
    "list": b"[]",
    "nothing": b"null",
    "number": b"3",
    "empty": b"{}",
    "kind is a list": b'{"kind": [], "inputs": {}, "rows":[',
    "no such kind": b'{"kind": "tapes", "inputs": {}, "rows":[',
    "no inputs": b'{"kind": "tape", "inputs": null, "rows":[',
    "other inputs": b'{"kind": "tape", "inputs": {"bars": 1}, "rows":[',
    "deep": b"[" * 100_000,
    "zero": b"\0",
    "half a character": b'{"kind": "\xed\xa0\x80"',
}


@pytest.mark.parametrize("what", HEADS)
def test_no_head_is_refused(place: Path, what: str) -> None:
    assert outcome(place, HEADS[what]) == "WG385"
