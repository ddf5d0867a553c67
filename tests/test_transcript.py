"""Transcripts: what they let pass, and what they notice."""

from __future__ import annotations

from pathlib import Path

import pytest

from worldgate.transcript import Command, Session, match, parse

ONE, TWO = "0123456789ab", "ba9876543210"


@pytest.mark.parametrize(
    ("expected", "printed", "shown"),
    [
        (["a"], ["a"], ["a"]),
        (["a"], ["b"], None),
        (["a"], ["a", "b"], None),
        (["a", "b"], ["a"], None),
        ([], [], []),
        ([], ["a"], None),
        (["..."], [], []),
        (["..."], ["a", "b"], ["..."]),
        (["...", "b"], ["a", "b"], ["...", "b"]),
        (["...", "b"], ["a", "b", "c"], None),
        (["...", "b", "..."], ["b"], ["b"]),
        (["...", "b", "c", "..."], ["b", "b", "c", "d"], ["...", "b", "c", "..."]),
        (["a ... z"], ["a to z"], ["a to z"]),
        (["a ... z"], ["a to y"], None),
        (["a.*"], ["ab"], None),
    ],
)
def test_lines_fit_or_do_not(expected: list[str], printed: list[str], shown: list[str] | None) -> None:
    assert match(expected, printed, {}) == shown


def test_an_id_stands_for_the_one_printed_in_its_place() -> None:
    ids: dict[str, str] = {}
    assert match(["...", f"run {ONE}"], ["noise", "run aaaaaaaaaaaa"], ids)
    assert ids == {ONE: "aaaaaaaaaaaa"}
    assert match([f"run {ONE}"], ["run aaaaaaaaaaaa"], ids)
    assert match([f"run {ONE}"], ["run bbbbbbbbbbbb"], ids) is None
    assert match([f"{ONE} {TWO}"], ["aaaaaaaaaaaa bbbbbbbbbbbb"], ids)
    assert ids == {ONE: "aaaaaaaaaaaa", TWO: "bbbbbbbbbbbb"}


def test_commands_run_with_their_code_and_the_ids_that_were_printed(tmp_path: Path) -> None:
    text = f"# Title\n\nOne\nparagraph.\n\n```console\n$ echo run \\\n> aaaaaaaaaaaa; exit 3\nrun {ONE}\n[exit 3]\n"
    text += f'$ test {ONE} = aaaaaaaaaaaa\n```\n\n```sh\nnot run\n```\n\n```python title="a.py"\nnot run\n```\n'
    title, prose, first, second = parse(text)
    assert (title, prose) == ("# Title", "One paragraph.")
    assert isinstance(first, Command)
    assert isinstance(second, Command)
    session = Session(tmp_path, {})
    assert not session.run(first).problem
    ran = session.run(second)
    assert (ran.command, ran.problem) == ("test aaaaaaaaaaaa = aaaaaaaaaaaa", "")


@pytest.mark.parametrize("block", ["$ exit 1\n", "$ true\n[exit 1]\n", "$ echo a\n", "$ echo a\nb\n", "$ kill -9 $$\n"])
def test_what_differs_is_noticed(block: str, tmp_path: Path) -> None:
    (command,) = parse(f"```console\n{block}```")
    assert isinstance(command, Command)
    assert Session(tmp_path, {}).run(command).problem.startswith("line 2: ")


@pytest.mark.parametrize("text", ["```console\nno command\n```", "```console\n$ true\n"])
def test_what_is_no_transcript_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"console block|without an end"):
        list(parse(text))
