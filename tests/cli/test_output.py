"""What is printed: at any width, into any pipe, with any name in it."""

from __future__ import annotations

import os
import pty
import re
import subprocess

import pytest

from tests.cli.conftest import COMMAND, Shell
from worldgate.render import clip, collapse, plain, size, wrapped

NASTY = [b"new\nline", b"esc\x1b[31mred\x1b]0;title\x07", b"not \xff utf-8", "tab\tand ünï ‮ fdp".encode(), b" blank "]


def assert_plain(text: str) -> None:
    """Nothing a terminal would obey: no control characters but the newline, no change of direction."""
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e]", text), repr(text)


def assert_fits(text: str, width: int = 80) -> None:
    for line in text.splitlines():
        assert len(line) <= width, line


def test_nothing_a_terminal_obeys_gets_through(worldgate: Shell) -> None:
    for name in NASTY:
        (worldgate.root / os.fsdecode(name)).write_text("x")
    printing = r"printf '\033[31mred\007\r\n'; rm ./*; printf '\033]0;x\007' >&2"
    first = worldgate("try", "--", printing)
    run = first.lines[0].split()[2]
    outputs = [first, worldgate("show", run), worldgate("explain", run), worldgate("log"), worldgate("commit", run)]
    outputs += [worldgate("plan", "-", stdin='- "rm \\"\\e[31m\\""', code=2), worldgate("undo", run)]
    outputs += [worldgate("plan", "\x1b[31m", code=1), worldgate("show", "\x1b[31m", code=1)]
    outputs += [worldgate("try", "--policy", "\x1b]0;x\x07", "--", "true", code=1), worldgate("\x1b[2J", code=1)]
    outputs += [worldgate("verify")]
    for output in outputs:
        assert_plain(output.out)
        assert_plain(output.err)
    assert "not " in first.out


def test_json_holds_every_name_whole(worldgate: Shell) -> None:
    for name in NASTY:
        (worldgate.root / os.fsdecode(name)).write_text("x")
    for command in (("try", "--json", "--", "rm ./*"), ("log", "--json"), ("verify", "--json")):
        result = worldgate(*command)
        assert result.json
        assert result.err == ""
        assert_plain(result.out)


def test_a_command_line_that_is_not_utf_8_works(worldgate: Shell) -> None:
    (worldgate.root / os.fsdecode(b"not \xff utf-8")).write_text("x")
    result = worldgate("try", "--commit", "--", "rm", b"not \xff utf-8")
    assert_plain(result.out)
    assert worldgate.names() == []
    assert "WG902" in worldgate("try", "--", b"rm 'not \xff utf-8'", code=1).err


def test_lines_fit_80_columns(project: Shell) -> None:
    long = "f" * 120
    (project.root / "deep").mkdir()
    for number in range(30):
        (project.root / "deep" / f"{long}{number}").write_text("x")
    command = f"rm deep/{long}1*; mv deep/{long}2 deep/{long}x; chmod o+w deep; echo {long}; echo more > a.txt"
    outputs = [project("try", "--protect", f"deep/{long}*", "--", command, code=2)]
    run = outputs[0].lines[0].split()[2]
    outputs += [project("explain", run), project("log"), project("verify"), project("commit", run, code=2)]
    outputs += [project("plan", "-", stdin="- touch one\n" * 60 + "- rm nothing", code=2)]
    outputs += [project("try", "--policy", "p" * 60, "--", "true", code=1), project("world", "list")]
    for output in outputs:
        assert_fits(output.out)
        assert_fits(output.err)


@pytest.mark.parametrize("command", ["--help", "try --help", "world check --help", "plan --help"])
def test_help_fits_80_columns(worldgate: Shell, command: str) -> None:
    assert_fits(worldgate(*command.split()).out)


def test_many_changes_are_collapsed_and_told_in_full_by_show(worldgate: Shell) -> None:
    for number in range(90):
        path = worldgate.root / f"d{number % 3}" / f"f{number}"
        path.parent.mkdir(exist_ok=True)
        path.write_text("x")
    lines = worldgate("try", "--", "rm -r d0; rm d1/*; touch d2/f2").lines
    assert lines[0].endswith("61 deleted, 60 B removed")
    assert "  - d0/  (and 30 beneath)" in lines
    assert len(lines) < 30
    assert any(re.fullmatch(r"  \.\.\. \d+ more \(worldgate show RUN\)", line) for line in lines)
    full = worldgate("show", lines[0].split()[2]).lines
    assert len([line for line in full if line.startswith("  - ")]) == 61


def test_no_colour_in_pipes_and_colour_on_a_terminal(project: Shell) -> None:
    assert "\x1b" not in project("try", "--", "rm a.txt").out
    terminal, ours = pty.openpty()
    with os.fdopen(terminal, "rb", buffering=0) as screen:
        command = [*COMMAND, "try", "--", "rm a.txt"]
        subprocess.run(command, cwd=project.root, env=project.environment | {"TERM": "xterm"}, stdout=ours, check=True)
        os.close(ours)
        assert b"\x1b[32m" in screen.read(1000)


def test_on_a_terminal_what_takes_long_says_what_it_does(project: Shell) -> None:
    terminal, ours = pty.openpty()
    with os.fdopen(terminal, "rb", buffering=0) as screen:
        for arguments, shown in (
            (["generate", "A", "--out", "a.csv"], (b"generating", b"writing")),
            (["open", "--bars", "a.csv", "account"], (b"looking for symbols", b"reading bars")),
        ):
            (project.root / "account").mkdir(exist_ok=True)
            command = [*COMMAND, "market", *arguments]
            environment = project.environment | {"TERM": "xterm"}
            subprocess.run(command, cwd=project.root, env=environment, stderr=ours, stdout=subprocess.PIPE, check=True)
            said = screen.read(10_000)
            assert all(word in said for word in shown), said
        os.close(ours)


def test_an_option_that_is_wrong_is_named_with_whose_help_to_read(project: Shell) -> None:
    for arguments, told, help_of in (
        (("market", "generate", "A", "--seed", "x", "--out", "a.csv"), "'--seed'", "market generate"),
        (("market", "generate", "A", "--steps", "0", "--out", "a.csv"), "'--steps'", "market generate"),
        (("market", "generate", "A"), "'--out'", "market generate"),
        (("plan",), "'file'", "plan"),
        (("market", "transfer", "give", "5"), "'way'", "market transfer"),
        (("nosuch",), "'nosuch'", ""),
    ):
        said = " ".join(project(*arguments, code=1).err.split())
        assert "WG902" in said
        assert told.lower() in said.lower()
        assert f"`worldgate {help_of} --help`".replace("  ", " ") in said


def test_a_reader_that_goes_away_is_no_disaster(project: Shell) -> None:
    for number in range(800):
        (project.root / f"file-{'x' * 200}-{number}").touch()
    run = project("try", "--json", "--budget", "files=5000", "--", "rm file-*", code=2).json["run"]
    for options in ((), ("--json",)):
        with subprocess.Popen(
            [*COMMAND, "show", run, *options], cwd=project.root, env=project.environment,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        ) as process:  # fmt: skip
            assert process.stdout is not None
            assert process.stderr is not None
            process.stdout.read(10)
            process.stdout.close()
            assert process.stderr.read() == b""
            assert process.wait() in (0, 1)  # 0 when all was written before anyone could say that it is not read


def test_it_works_from_a_subdirectory_and_from_elsewhere(project: Shell) -> None:
    project("init")
    inside = project.root / "d"
    run = project("try", "--json", "--", "rm x.txt; ls ..", cwd=inside).json["run"]
    project("commit", run, cwd=inside)
    assert project.names() == ["a.txt", "b.txt", "d", "d/y.txt"]
    assert not (inside / ".worldgate").exists()
    elsewhere = project.home
    assert "y.txt" in project("try", "-C", "project/d", "--", "ls", cwd=elsewhere).out
    project("plan", "-C", "project/d", "--commit", "-", stdin="- rm d/y.txt", cwd=elsewhere)  # from its root
    assert project.names() == ["a.txt", "b.txt", "d"]
    assert project("log", "-C", "project", cwd=elsewhere).lines == project("log").lines


def test_errors_are_json_when_json_is_asked_for(project: Shell) -> None:
    for arguments in (
        ("log", "--json"), ("commit", "--json", "nothing"), ("try", "--json", "--budget", "x", "--", "true"),
        ("plan", "--json", "nowhere"), ("nosuch", "--json"), ("show", "--json"), ("init", "--json", "nowhere"),
        ("world", "check", "--json", "nosuch"), ("demo", "--json", "unheard-of"),
    ):  # fmt: skip
        result = project(*arguments, code=1)
        assert set(result.json["error"]) == {"number", "title", "found", "expected", "do"}
        assert result.err == ""


def test_the_same_command_gives_the_same_json(project: Shell) -> None:
    command = ("try", "--json", "--", "rm -r d; echo x > e")
    first = project.afresh(*command)
    assert first.json
    assert project.afresh(*command) == project(*command) == first


# --- pure functions --------------------------------------------------------------------------------


def test_collapse_folds_what_is_beneath_a_directory() -> None:
    lines = ["- a/", "- a/b/", "- a/b/c", "- ab", "+ d/", "~ e/", "~ e/f (mode)"]
    assert list(collapse(lines)) == ["- a/  (and 2 beneath)", "- ab", "+ d/", "~ e/", "~ e/f (mode)"]
    assert list(collapse([])) == []


def test_clip_and_plain_and_wrapped() -> None:
    assert clip("short") == "short"
    assert clip("x" * 81) == "x" * 77 + "..."
    assert clip("a\nb\x1b", 10) == "a?b?"
    assert plain("\u202efdp") == "?fdp"
    assert [text for _, text in wrapped("", "  " + "word " * 30)][1].startswith("  word")
    assert list(wrapped("", "")) == [("", "")]


def test_size_is_for_people() -> None:
    sizes = {0: "0 B", 999: "999 B", 1000: "1.0 kB", 12_345: "12 kB", 3_400_000: "3.4 MB", 10**15: "1000 TB"}
    assert {count: size(count) for count in sizes} == sizes
