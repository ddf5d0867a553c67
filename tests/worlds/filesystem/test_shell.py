"""The grammar: what parses, what it means, and what is outside with its position."""

from __future__ import annotations

from random import Random

import pytest

from worldgate.worlds import Outside
from worldgate.worlds.filesystem import world
from worldgate.worlds.filesystem.actions import Text, Variable

WORLD = world()


def assert_canonical(text: str) -> None:
    """The canonical text of an action parses to an equal action and is its own canonical text."""
    action = WORLD.parse(text)
    again = WORLD.parse(str(action))
    assert again == action, (text, str(action))
    assert str(again) == str(action)


@pytest.mark.parametrize(
    "text",
    [
        "ls",
        "  ls   -a  ;",
        "mkdir -p a/b && cd a || echo no; pwd",
        "echo 'it'\\''s' \"x $A ${B}y\" \\* a\\ b",
        "echo \"\" '' \"$A\"$B ''$C $D''",
        "echo a>b >>'c d'",
        "> f",
        "A= B='x y' C=$A",
        "export A=$B 'C=x y' D",
        "echo 'a\nb'; cd nosuch",
        "echo $? ${?}",
        "rm -- -rf [a-c]* [!x]?",
        "test ! -f x",
        "[ a = b ]",
        'echo "a\\"b\\$c\\d" \'é\udcff\'',
        "mv a#b c~d {x} !",
    ],
)
def test_canonical_text_parses_to_the_same_action(text: str) -> None:
    assert_canonical(text)


def test_driver_texts_are_canonical_too() -> None:
    for name, driver in WORLD.drivers.items():
        for seed in range(30):
            state, random = WORLD.initial(seed), Random(f"{name} {seed}")
            for _ in range(10):
                text = driver(state, random)
                assert_canonical(text)
                state = WORLD.step(state, WORLD.parse(text)).state


@pytest.mark.parametrize(
    ("text", "what", "position"),
    [
        ("", "no command", 0),
        ("ls | cat", "a pipe", 3),
        ("ls &", "a background command", 3),
        ("(ls)", "a subshell", 0),
        ("ls; ; ls", "no command", 4),
        ("ls &&", "no command", 5),
        ("ls\nls", "a line break", 2),
        ("cat < f", "an input redirection", 4),
        ("cat << E", "an input redirection", 4),
        ("ls 2> f", "a numbered descriptor", 3),
        ("ls 2>&1", "a numbered descriptor", 3),
        ("ls >& f", "the redirection", 3),
        ("ls >| f", "the redirection", 3),
        ("echo x > /dev/null", "/dev/null", 9),
        ("echo `ls`", "a command substitution", 5),
        ("echo $(ls)", "a command substitution", 5),
        ("echo $((1+1))", "a command substitution", 5),
        ("echo ${A:-b}", "a parameter expansion", 5),
        ("echo $1 $@", "a parameter expansion", 5),
        ("echo $IFS", "the variable IFS", 5),
        ("PATH=/x", "an assignment to PATH", 0),
        ("export LC_ALL=C", "LC_ALL", 7),
        ("A=b ls", "an assignment in front", 0),
        ("if true", "the reserved word 'if'", 0),
        ("! ls", "the reserved word '!'", 0),
        ("frobnicate x", "the command 'frobnicate'", 0),
        ("$A x", "the command '$A'", 0),
        ("/bin/ls", "the command '/bin/ls'", 0),
        ("ls; rm -v x", "rm -v", 4),
        ("cp --archive a b", "cp --archive", 0),
        ("cd -P x", "cd -P", 0),
        ("test a -a b", "test with -a", 0),
        ("export", "export without a name", 0),
        ("echo 'a", "a quote without its end", 5),
        ('echo "a', "a quote without its end", 5),
        ("echo a\\", "a backslash at the end", 6),
        ("echo ~", "a tilde", 5),
        ("ls # all", "a comment", 3),
        ("echo [[:alpha:]]", "'[' in a bracket pattern", 6),
        ("echo [^a]", "'^' in a bracket pattern", 6),
        ("echo a\0b", "a NUL", 6),
    ],
)
def test_outside_names_the_construct_and_its_position(text: str, what: str, position: int) -> None:
    with pytest.raises(Outside) as caught:
        WORLD.parse(text)
    assert what in caught.value.found
    assert f"at position {position}" in caught.value.found


def test_a_text_too_long_is_outside() -> None:
    with pytest.raises(Outside, match="at most 65536"):
        WORLD.parse("echo " + "x" * 70_000)


def test_words_keep_what_was_quoted() -> None:
    ((_, command),) = WORLD.parse("echo a'b'\"$C\"$D").commands
    assert command.words[1] == (Text("a", False), Text("b", True), Variable("C", True), Variable("D", False))
    assert command.argv is None
    ((_, fixed),) = WORLD.parse("echo 'a*' b").commands
    assert fixed.argv == ("echo", "a*", "b")
