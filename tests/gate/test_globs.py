"""Globs match what their table says, in bounded time, and refuse what would be guesswork."""

from __future__ import annotations

import time
from fnmatch import fnmatchcase

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worldgate.gate.globs import MAX_PATTERN, BadGlob, Globs, escape, is_literal, literal_prefix

TABLE = [
    # pattern, what it matches, what it does not
    (".env", [".env", "a/.env", "a/b/.env"], [".env/x", ".envrc", "x.env", "ENV"]),
    ("*.pem", ["a.pem", ".pem", "d/a.pem"], ["a.pem/x", "a.PEM", "a.pem2"]),
    ("id_rsa*", ["id_rsa", "id_rsa.pub", "x/id_rsa2"], ["my_id_rsa", "id_rsa/x"]),
    ("a*b*c", ["abc", "axbxc", "d/abbcc"], ["ab", "a/b/c", "abcd"]),
    ("*", ["a", "a/b", ".x"], ["."]),
    ("?", ["a", "d/b", "\udcff"], ["ab", "."]),
    ("a?", ["ab", "d/ax"], ["a", "abc", "a/b"]),
    ("?a", ["ba", "d/ba"], ["a", "bba"]),
    ("[a-c]?.txt", ["a1.txt", "d/cx.txt"], ["d1.txt", "a.txt", "a/.txt"]),
    ("[!a]", ["b", "x/!"], ["a", "x/a"]),
    ("[^a]", ["b"], ["a"]),
    ("[]x]", ["]", "x"], ["[", "a"]),
    ("[a^]", ["a", "^"], ["b"]),
    ("[a-]", ["a", "-"], ["b"]),
    ("/Makefile", ["Makefile"], ["a/Makefile"]),
    ("./Makefile", ["Makefile"], []),
    ("src/*.py", ["src/a.py", "src/.py"], ["a/src/a.py", "src/b/a.py", "src"]),
    (".git/", [".git", ".git/config", "a/.git/x/y"], ["x.git", ".gitignore"]),
    ("/build/", ["build", "build/a/b"], ["a/build", "buildx"]),
    ("src/**", ["src", "src/a", "src/a/b"], ["srcx", "a/src"]),
    ("**/x", ["x", "a/x", "a/b/x"], ["ax", "x/a"]),
    ("docs/**/a.md", ["docs/a.md", "docs/x/y/a.md"], ["docs/xa.md", "a.md"]),
    ("**/a/**/b", ["a/b", "x/a/y/z/b"], ["ab", "a/bc", "xa/b"]),
    ("a/**/b/**", ["a/b", "a/b/c", "a/x/b/c/d"], ["a/bc/d", "a"]),
    ("a/**/**/b", ["a/b", "a/x/b"], ["b"]),
    ("**", [".", "a", "a/b"], []),
    ("./", [".", "a", "a/b"], []),
    ("/", [".", "a/b"], []),
    (".", ["."], ["a"]),
    (r"\*", ["*", "a/*"], ["a"]),
    (r"a\[b", ["a[b"], ["ab"]),
    (r"\!x", ["!x"], ["x"]),
    ("a b", ["a b"], ["ab"]),
    ("é", ["é"], ["e"]),
    ("*\udcff", ["a\udcff"], ["a"]),
    ("a\nb", ["a\nb"], ["a"]),
    ("*.k", ["a\nb.k"], []),
    ("(a|b)+.", ["(a|b)+."], ["a", "ab"]),
]


@pytest.mark.parametrize(("pattern", "matched", "others"), TABLE, ids=[repr(row[0]) for row in TABLE])
def test_table(pattern, matched, others):
    globs = Globs([pattern])
    assert [path for path in matched if not globs.match(path)] == []
    assert [path for path in others if globs.match(path)] == []
    together = Globs([row[0] for row in TABLE])
    assert all(together.match(path) for path in matched)


@pytest.mark.parametrize(("pattern", "matched", "others"), TABLE, ids=[repr(row[0]) for row in TABLE])
def test_beneath_adds_all_that_is_beneath(pattern, matched, others):
    globs = Globs([pattern], beneath=True)
    for path in matched:
        assert globs.match(path)
        assert globs.match("x/y" if path == "." else path + "/x/y")


@pytest.mark.parametrize(
    "pattern",
    [
        "",
        "!a",
        "a/../b",
        "..",
        "a//b",
        "[a",
        "a{b,c}",
        "[b-a]",
        "[[:alpha:]]",
        "a\\",
        "x" * (MAX_PATTERN + 1),
        "a\0b",
        7,
    ],
)
def test_guesswork_is_refused(pattern):
    with pytest.raises(BadGlob):
        Globs([pattern])


@pytest.mark.parametrize(
    ("pattern", "directory", "could"),
    [
        ("src/", ".", True),
        ("src/", "src", True),
        ("/src/*", "src/a", False),
        ("/src/*", "srcx", False),
        ("/src/*/k", "src/a", True),
        ("src/**", "src/a/b", True),
        ("*.pem", "anything/at/all", True),
        ("a/**/b", "a/x/y", True),
        ("a/**/b", "c", False),
        ("/a", "a", False),
        (".", "a", False),
        ("**", "x", True),
    ],
)
def test_could_match_beneath(pattern, directory, could):
    assert Globs([pattern]).could_match_beneath(directory) is could


def test_which_names_the_pattern():
    globs = Globs(["/a", "*.pem", "a/"], beneath=True)
    assert globs.which("a/x") == "/a"
    assert globs.which("b/a/x") == "a/"
    assert globs.which("b/x.pem") == "*.pem"
    assert globs.which("b") is None


def test_no_patterns_match_nothing():
    assert not Globs([])
    assert not Globs([]).match("a")
    assert not Globs([]).match(".")
    assert not Globs([], beneath=True).could_match_beneath(".")


@pytest.mark.parametrize(
    ("pattern", "prefix"),
    [
        ("a/b/*.c", "a/b"),
        ("/a", "a"),
        ("a/b/", "a/b"),
        ("a", ""),
        ("*.c", ""),
        ("**/a", ""),
        ("a/**", "a"),
        (r"a/\*", "a"),
    ],
)
def test_literal_prefix(pattern, prefix):
    assert literal_prefix(pattern) == prefix


def test_literal_patterns():
    assert [pattern for pattern in ("a", "a/b", "/a", "a/", "a*", "[a]", r"\*") if is_literal(pattern)] == [
        "a",
        "a/b",
        "/a",
    ]


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        ("*a" * 500 + "b", "a" * 250),
        ("**/a/" * 100 + "b", "a/" * 2000 + "c"),
        ("**/*a*a*a*a*a*/" * 20 + "b", ("a" * 60 + "/") * 60 + "c"),
        ("?*" * 300 + "[!a]", "a" * 255),
    ],
)
def test_no_pattern_is_slow(pattern, path):
    globs = Globs([pattern])
    start = time.perf_counter()
    assert not globs.match(path)
    assert time.perf_counter() - start < 1


names = st.text(alphabet="ab.[*", min_size=1, max_size=4).filter(lambda name: name not in (".", ".."))
paths = st.lists(names, min_size=1, max_size=4).map("/".join)


def slow_match(pattern: list[str], path: list[str]) -> bool:
    """The meaning of a pattern of several parts, written down plainly."""
    if not pattern:
        return not path
    if pattern[0] == "**":
        return any(slow_match(pattern[1:], path[start:]) for start in range(len(path) + 1))
    return bool(path) and fnmatchcase(path[0], pattern[0]) and slow_match(pattern[1:], path[1:])


@given(
    st.lists(
        st.one_of(
            st.sampled_from(["a", "b", ".a"]), st.sampled_from(["**", "*", "?", "*a", "a*", "a*b*", "[ab]", "[!a]*"])
        ),
        min_size=2,
        max_size=5,
    ),
    st.lists(st.text("ab.", min_size=1, max_size=3).filter(lambda name: name.strip(".")), min_size=1, max_size=5),
)
def test_patterns_mean_what_the_plain_reading_says(pattern, path):
    globs = Globs(["/" + "/".join(pattern)])
    assert globs.match("/".join(path)) == slow_match(pattern, path)


@given(st.lists(st.sampled_from(["a", "b", "**", "*", "a*", "?"]), min_size=1, max_size=4), st.booleans(), paths)
def test_what_cannot_match_beneath_does_not(pattern, beneath, path):
    globs = Globs(["/" + "/".join(pattern)], beneath=beneath)
    directories = path.split("/")[:-1]
    if globs.match(path):
        assert all(globs.could_match_beneath("/".join(directories[:end]) or ".") for end in range(len(directories) + 1))


@given(paths)
def test_an_escaped_path_is_itself(path):
    globs = Globs(["/" + escape(path)])
    assert globs.match(path)
    assert not globs.match(path + "a")
    assert not globs.match("a/" + path)
