"""Policies load strictly, refuse what they say, refuse nothing else, and never fail open."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.worlds.filesystem.strategies import steps
from tests.worlds.filesystem.trees import Tree, path_map
from worldgate.facts import BOOL, BYTES, INT, TEXT, Relation, Schema, State, diff, ref
from worldgate.facts import numbers as error_numbers
from worldgate.gate.decision import Breach
from worldgate.gate.globs import Globs
from worldgate.gate.invariants import functions
from worldgate.gate.plan import load_plan
from worldgate.gate.policy import (
    DEFAULT_PROTECT,
    BadInvariant,
    BadPolicy,
    FilesystemDocument,
    Judged,
    Policy,
    WrongWorld,
    allow_net,
    explain,
    load_policy,
    make_policy,
    with_protect,
)
from worldgate.gate.rules import LIMITS, NUMBERS, Rule

BASE = {"src/a.py": "one", "src/b.py": "two", "conf/keys/id": "k", "conf/plain": "p", ".env": "secret", "bin/tool": "x"}


def policy(**fields) -> Policy:
    """A policy with only these rules."""
    off = {
        "protect": [],
        "allow_escape_links": True,
        "allow_outside_links": True,
        "allow_set_id": True,
        "allow_world_writable": True,
        "allow_network": True,
        "limits": {"deleted": None},
    }
    return make_policy({"version": 1, **off, **fields}, "test")


def judge(rules: Policy, before: Tree, after: Tree, **fields) -> list[Breach]:
    state, delta, new = after.since(before)
    return rules.judge(Judged(state, new, delta, **fields))


def numbers(rules: Policy, before: Tree, *trees: Tree, **fields) -> list[str]:
    return [breach.number for after in trees for breach in judge(rules, before, after, **fields)]


# --- loading ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# only a comment",
        "[]",
        "just words",
        "protect: [a]",  # no version
        "version: 2",
        "version: '1'",
        "version: true",
        "version: 1\nversion: 1",
        "version: 1\nprotects: [a]",
        "version: 1\nlimits: {deleted: 1, delete: 2}",
        "version: 1\nlimits: {deleted: -1}",
        "version: 1\nlimits: {deleted: many}",
        "version: 1\nlimits: {deleted: true}",
        "version: 1\nlimits: {deleted: 1.5}",
        "version: 1\nlimits: 5",
        "version: 1\nmax_deleted_percent: 0",
        "version: 1\nmax_deleted_percent: 101",
        "version: 1\nprotect: a",
        "version: 1\nprotect: [1]",
        "version: 1\nprotect: ['']",
        "version: 1\nprotect: ['{a,b}']",
        "version: 1\nwritable: ['../x']",
        "version: 1\nwritable:",
        "version: 1\nallow_network: 1",
        "version: 1\nmode: off",
        "version: 1\nmode: dry",
        "version: 1\nedits: {nothing: 1}",
        "version: 1\nedits: {entry: -1}",
        "version: 1\ninvariants: {a: }",
        "version: 1\ninvariants: {a: ''}",
        "version: 1\ninvariants: {a: 'unknown() == 1'}",
        "version: 1\ninvariants: {a: 'count_deleted()'}",
        "version: 1\ninvariants: {a: 'exists(1)'}",
        "version: 1\ninvariants: {a: 'exists('}",
        "version: 1\ninvariants: [a]",
        "version: 1\nworld: 7",
        "version: 1\nworld: no-such-world",
        "version: 1\n---\nversion: 1",
        "version: !!python/object/apply:os.system [ls]",
        "a: &x [1]\nb: *x",
        "version: 1\nprotect: [a",
        'version: 1\nprotect: ["\\udcff"]',
    ],
)
def test_what_is_not_understood_is_refused(text):
    with pytest.raises(BadPolicy) as caught:
        load_policy(text, "p.yaml")
    assert caught.value.number in NUMBERS


def test_an_invariant_that_does_not_compile_is_named():
    with pytest.raises(BadInvariant, match=r"WG402.*tidy.*no matching overload"):
        load_policy("version: 1\ninvariants: {tidy: 'exists(1)'}")


def test_a_policy_for_another_world_is_refused():
    with pytest.raises(WrongWorld):
        load_policy("version: 1", world="support-desk")
    with pytest.raises(WrongWorld, match="Write `world: network`"):  # not that its question is unheard of
        load_policy('{version: 1, invariants: {closed: \'!opens_path("a", "b")\'}}', world="network")
    assert load_policy("version: 1", world="filesystem").document.world == "filesystem"


def test_json_is_a_policy_too():
    assert load_policy('{"version": 1, "protect": ["x"]}').digest == load_policy("version: 1\nprotect: [x]").digest


def test_the_digest_is_of_the_content():
    one = load_policy("version: 1\nprotect: [a]", "one")
    assert one.digest == load_policy("protect:\n- a\nversion: 1  # same", "two").digest
    assert one.digest != load_policy("version: 1\nprotect: [b]").digest
    assert one.digest != with_protect(one, ["c"]).digest
    assert one.digest != allow_net(one).digest
    assert one.digest != load_policy("version: 1\nprotect: [a]\nmode: shadow").digest
    assert Policy.default().digest == load_policy("version: 1").digest


# --- the default -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        ".git/config",
        "sub/.git/hooks/pre-commit",
        ".ssh/authorized_keys",
        "a/server.pem",
        "x.key",
        "id_rsa",
        "id_ed25519.pub",
        *(".env", ".env.local", "app/.env", ".netrc", ".aws/credentials", ".gnupg/x", ".kube/config"),
        *("credentials.json", "cert.p12", "cert.pfx", ".npmrc", ".pypirc", "home/.docker/config.json"),
    ],
)
def test_the_default_protects_history_and_secrets(path):
    before = Tree({path: "x", "other": "y"})
    changes = [before.copy().write(path, "z"), before.copy().remove(path), before.copy().move(path, "elsewhere")]
    changes += [
        before.copy().chmod(path, 0o600),
        before.copy().link(path, "alias"),
        before.copy().remove(path.split("/")[0]),
    ]
    for after in changes:
        assert {"WG420", "WG427"} & set(numbers(Policy.default(), before, after))
    assert judge(Policy.default(), Tree({"other": "y"}), before), "made anew"


def test_the_default_lets_work_through():
    before = Tree(BASE)
    after = before.copy().write("src/a.py", "1").make("src/new/c.py", "x").remove("src/b.py").move("bin", "tools")
    after.make("l", target="src/a.py").chmod("tools/tool", 0o755)
    assert judge(Policy.default(), before, after) == []


def test_the_default_bounds_deletions():
    before = Tree({f"d/f{number}": "" for number in range(101)})
    exactly = before.copy()
    for number in range(100):
        exactly.remove(f"d/f{number}")
    (breach,) = judge(Policy.default(), before, exactly.copy().remove("d/f100"))
    assert judge(Policy.default(), before, exactly) == []
    assert (breach.number, breach.rule, breach.found, breach.allowed, breach.margin) == (
        "WG430",
        "limits.deleted",
        101,
        100,
        1,
    )
    assert breach.fact == "- d/f0"


def test_the_default_says_what_it_enforces():
    text = explain(Policy.default())
    assert text.startswith(f"policy default {Policy.default().digest[:12]} for filesystem")
    assert all(pattern in text for pattern in DEFAULT_PROTECT)
    assert "writable: the workspace" in text
    assert "the network" in text
    assert "at most 100 deleted" in text
    assert "at most None" not in text


def test_explain_speaks_of_every_rule():
    text = explain(
        make_policy(
            {"version": 1, "mode": "shadow", "writable": ["out/"], "protect": [], "allow_network": True}
            | {"limits": {"bytes_created": 7}, "max_deleted_percent": 20, "edits": {"inode": 3}}
            | {"invariants": {"calm": "count_deleted() == 0"}},
            "mine",
        )
    )
    for part in ("shadow", "writable: out/", "protected: nothing", "at most 7 bytes created", "at most 20 %"):
        assert part in text
    assert "at most 3 edits of inode" in text
    assert "calm: count_deleted() == 0" in text
    assert "network" not in text


# --- protect ---------------------------------------------------------------------------------------

KEYS = ["conf/keys/"]


@pytest.mark.parametrize(
    ("name", "attack"),
    [
        ("content", lambda t: t.write("conf/keys/id", "evil")),
        ("mode only", lambda t: t.chmod("conf/keys/id", 0o600)),
        ("mode of the directory itself", lambda t: t.chmod("conf/keys", 0o700)),
        ("owner only", lambda t: t.chown("conf/keys/id", 0)),
        ("extended attribute only", lambda t: t.xattr("conf/keys/id", "user.x", "00")),
        ("removed", lambda t: t.remove("conf/keys/id")),
        ("removed with the directory above", lambda t: t.remove("conf")),
        ("made beneath", lambda t: t.make("conf/keys/more", "x")),
        ("moved away", lambda t: t.move("conf/keys/id", "id")),
        ("directory moved away", lambda t: t.move("conf/keys", "k")),
        ("directory above moved away", lambda t: t.move("conf", "old")),
        ("renamed over", lambda t: t.move("bin/tool", "conf/keys/id")),
        ("replaced by a link", lambda t: t.remove("conf/keys/id").make("conf/keys/id", target="../../bin/tool")),
        ("directory replaced by a link", lambda t: t.remove("conf/keys").make("conf/keys", target="../bin")),
        ("parent replaced by a link", lambda t: t.move("conf", "c2").make("conf", target="c2")),
        (
            "the same again, as another file",
            lambda t: t.make("tmp", "k").remove("conf/keys/id").move("tmp", "conf/keys/id"),
        ),
        ("deleted inside a moved directory", lambda t: t.move("conf", "c").remove("c/keys/id").move("c", "conf")),
        ("swapped", lambda t: t.move("conf/keys", "t").move("bin", "conf/keys").move("t", "bin")),
    ],
)
def test_protected_paths(name, attack):
    before = Tree(BASE)
    after = attack(before.copy())
    found = judge(policy(protect=KEYS), before, after)
    assert [breach.number for breach in found if breach.number == "WG420"], name
    assert found[0].rule == "protect: conf/keys/"
    assert found[0].fact
    assert found[0].margin == found[0].found >= 1


def test_a_protected_file_changed_through_another_of_its_links():
    before = Tree(BASE).link("conf/keys/id", "alias")
    rules = policy(protect=KEYS)
    for after in (before.copy().write("alias", "evil"), before.copy().chmod("alias", 0o777)):
        (breach,) = judge(rules, before, after)
        assert breach.number == "WG420"
        assert breach.fact.startswith("~ conf/keys/id")
    assert judge(rules, before, before.copy().remove("alias")) == [], "fewer ways in are no harm"
    assert judge(rules, before, before.copy().move("alias", "other")) == []


def test_a_further_link_to_a_protected_file():
    before = Tree(BASE)
    (breach,) = judge(policy(protect=KEYS), before, before.copy().link("conf/keys/id", "alias"))
    assert (breach.number, breach.fact) == ("WG427", "+ alias: conf/keys/id")
    assert breach.message == "what conf/keys/ protects gets a further link"
    over = before.copy().remove("bin/tool").link("conf/keys/id", "bin/tool")
    assert numbers(policy(protect=KEYS), before, over) == ["WG427"]


def test_a_link_on_the_way_to_a_protected_path():
    """Where nothing stands yet, a symbolic link would decide what the protected path means."""
    before = Tree({"bin/tool": ""})
    rules = policy(protect=["/conf/keys/*"])
    for place in ("conf", "conf/keys"):
        after = before.copy().make(place, target="bin")
        assert numbers(rules, before, after) == ["WG428"]
    assert judge(rules, before, before.copy().make("config", target="bin")) == []
    assert numbers(policy(protect=["/conf"]), before, before.copy().make("conf", target="bin")) == ["WG420"]


def test_a_link_on_the_way_comes_with_a_directory_or_lies_behind_another():
    rules = policy(protect=["/conf/keys/*", "/conf/keys/x"])
    before = Tree({"bin/tool": ""}).make("box/keys", target="../bin")
    assert numbers(rules, before, before.copy().move("box", "conf")) == ["WG428"] * 2
    before = Tree({"bin/tool": "", "a/keys/": None, "b/keys/": None}).make("conf", target="via").make("via", target="a")
    turned = before.copy()
    turned.set("via", target="b")
    assert numbers(rules, before, turned, before.copy().remove("conf")) == ["WG428"] * 4


def test_what_is_shown_of_a_way_that_changes_is_the_link():
    rules = policy(protect=["/conf/keys/*"])
    before = Tree({"bin/tool": ""})
    (breach,) = judge(rules, before, before.copy().make("a").make("conf", target="bin"))
    assert breach.fact == "+ conf -> bin"
    before = Tree({"a/keys/": None, "b/keys/": None}).make("conf", target="via").make("via", target="a")
    turned = before.copy().make("a new file")
    turned.set("via", target="b")
    (breach,) = judge(rules, before, turned)
    assert breach.fact.startswith("~ via")


def test_every_pattern_follows_the_link_it_begins_with():
    before = Tree({"real/a1": "", "real/b1": ""}).make("conf", target="real")
    rules = policy(protect=["conf/a*", "conf/b*"])
    assert (
        numbers(rules, before, before.copy().write("real/a1", "x"), before.copy().write("real/b1", "x"))
        == ["WG420"] * 2
    )


def test_protection_follows_a_link_that_stood_before():
    before = Tree({"real/id": "k", "real/sub/x": ""}).make("conf", target="real")
    rules = policy(protect=["conf/id", "/conf/sub/"])
    assert numbers(rules, before, before.copy().write("real/id", "evil")) == ["WG420"]
    assert numbers(rules, before, before.copy().remove("real/sub")) == ["WG420"]
    assert judge(rules, before, before.copy().make("real/other")) == []


def test_a_protected_path_whose_way_leads_out_hinders_nothing_else():
    before = Tree({"bin/tool": ""}).make("conf", target="/etc")
    rules = policy(protect=["conf/id"])
    assert judge(rules, before, before.copy().make("new")) == []
    assert numbers(rules, before, before.copy().remove("conf")) == ["WG428"]


def test_protection_follows_to_names_with_special_characters():
    before = Tree({"r[e]*l/id": "k", "real/id": "k"}).make("conf", target="r[e]*l")
    rules = policy(protect=["conf/id"])
    assert numbers(rules, before, before.copy().write("r[e]*l/id", "evil")) == ["WG420"]
    assert judge(rules, before, before.copy().write("real/id", "x")) == []


def test_a_directory_moved_to_where_its_contents_would_be_protected():
    before = Tree({"box/secret": "", "vault/": None})
    rules = policy(protect=["/vault/*/secret"])
    assert numbers(rules, before, before.copy().move("box", "vault/box")) == ["WG420"]
    assert judge(rules, before, before.copy().move("box", "box2")) == []


def test_what_is_deleted_and_made_again_is_refused_at_the_step():
    start = Tree(BASE)
    gone = start.copy().remove(".env")
    back = gone.copy().make(".env", "secret")
    assert judge(Policy.default(), start, back) == [], "the net effect is nothing"
    (breach,) = judge(Policy.default(), start, gone, step="s1")
    assert (breach.number, breach.step, breach.fact) == ("WG420", "s1", "- .env")
    (breach,) = judge(Policy.default(), gone, back, step="s2")
    assert (breach.step, breach.fact) == ("s2", "+ .env")


def test_a_protected_directory_emptied_over_several_steps():
    states = [Tree({"conf/keys/a": "", "conf/keys/b": ""})]
    for path in ("conf/keys/a", "conf/keys/b"):
        states.append(states[-1].copy().remove(path))
    for number, (before, after) in enumerate(pairwise(states)):
        assert numbers(policy(protect=KEYS), before, after, step=f"s{number}") == ["WG420"]
    (breach,) = judge(policy(protect=KEYS), states[0], states[-1])
    assert (breach.found, breach.allowed, breach.margin) == (2, 0, 2)


def test_every_protected_pattern_that_is_broken_is_reported():
    before = Tree({"a.pem": "", "b.pem": "", ".env": "", "free": ""})
    after = before.copy()
    for path in ("a.pem", "b.pem", ".env", "free"):
        after.remove(path)
    found = judge(policy(protect=["*.pem", ".env"]), before, after)
    assert {breach.rule: breach.found for breach in found} == {"protect: *.pem": 2, "protect: .env": 1}


protections = st.lists(
    st.sampled_from(["k", "*.k", "a/", "/a/b", "/a/*", "b/**/k", "/k/", "y", "/b/a/k/y", "**/b/x.k", "/a/b/**"]),
    min_size=1,
    max_size=3,
    unique=True,
)


def is_protected(path: str, patterns: list[str]) -> bool:
    """At or beneath a match, asked of every directory above: `beneath` is not relied on."""
    above = path.split("/")
    return any(Globs(patterns).match("/".join(above[:end])) for end in range(1, len(above) + 1))


@given(steps(), protections)
@settings(max_examples=400, deadline=None)
def test_exactly_the_changes_of_protected_paths_are_refused(history, patterns):
    """By comparing every path of both states, with all beneath, and every link of every file."""
    before, after = history[0], history[-1]
    old, new = path_map(before.state), path_map(after.state)
    mine = {path for path in old.keys() | new.keys() if is_protected(path, patterns)}
    changed = {path for path in mine if old.get(path) != new.get(path)}
    linked = {
        path
        for path in mine & old.keys()
        if sum(row[0] == old[path][0] for row in new.values()) > sum(row[0] == old[path][0] for row in old.values())
    }
    found = {"WG420", "WG427"} & set(numbers(policy(protect=patterns), before, after))
    assert bool(found) == bool(changed | linked)


@given(steps(), protections)
@settings(max_examples=100, deadline=None)
def test_every_step_that_changes_a_protected_path_is_refused(history, patterns):
    for before, after in pairwise(history):
        old, new = path_map(before.state), path_map(after.state)
        changed = any(
            old.get(path) != new.get(path) for path in old.keys() | new.keys() if is_protected(path, patterns)
        )
        if changed:
            assert "WG420" in numbers(policy(protect=patterns), before, after, step="s")


# --- where, and what kind --------------------------------------------------------------------------


def test_writable_roots():
    before = Tree(BASE).link("src/a.py", "bin/alias")
    rules = policy(writable=["src/", "out/"])
    ok = before.copy().write("src/b.py", "1").make("out/x/y", "").remove("src/b.py").move("src", "out/src")
    assert judge(rules, before, before.copy().make("out/x/y").remove("src/b.py")) == []
    assert ok.id("out/src/a.py")
    for after in (
        before.copy().write("conf/plain", "1"),
        before.copy().make("top"),
        before.copy().move("src/b.py", "b.py"),
        before.copy().move("conf/plain", "src/plain"),
        before.copy().write("src/a.py", "through a link that is not writable"),
        before.copy().chmod(".", 0o700),
    ):
        assert numbers(rules, before, after) == ["WG421"]


def test_nothing_is_writable_with_an_empty_list():
    before = Tree(BASE)
    assert numbers(policy(writable=[]), before, before.copy().make("x")) == ["WG421"]
    assert judge(policy(writable=[]), before, before) == []


@pytest.mark.parametrize(
    ("roots", "says"),
    [(["src/", "out/"], "outside src/, out/"), ([], "outside nothing, which is all that is writable")],
)
def test_what_is_writable_is_said(roots, says):
    (breach,) = judge(policy(writable=roots), Tree(BASE), Tree(BASE).make("x"))
    assert breach.message == f"writes {says}"


@pytest.mark.parametrize("target", ["/etc/passwd", "../x", "src/../../x", "l", "up/../.."])
def test_links_that_lead_out(target):
    before = Tree(BASE).make("src/up", target="..")
    after = before.copy().make("l", target=target)
    assert numbers(policy(allow_escape_links=False), before, after) == ["WG422"]
    assert judge(policy(), before, after) == []


def test_links_that_stay():
    before = Tree(BASE)
    after = before.copy().make("l", target="src/../bin/tool").make("src/m", target="../gone").make("n", target=".")
    assert judge(policy(allow_escape_links=False), before, after) == []


def test_links_that_led_out_before_are_no_breach():
    rules = policy(allow_escape_links=False)
    before = Tree(BASE).make("env/python", target="/usr/bin/python").make("out", target="/tmp")
    after = before.copy().move("env", "venv").move("out", "away").chown("away", 0)
    assert judge(rules, before, after) == []
    assert judge(rules, before, before.copy().remove("out")) == []
    risen = Tree().make("a/b/l", target="/etc").make("a/b/m", target="../../../x")
    assert judge(rules, risen, risen.copy().move("a/b", "b")) == []
    copied = before.copy().make("again", target="/tmp")
    assert numbers(rules, before, copied) == ["WG422"]


def test_links_that_lead_out_because_they_moved():
    before = Tree(BASE).make("a/b/l", target="../../x")
    rules = policy(allow_escape_links=False)
    assert numbers(rules, before, before.copy().move("a/b/l", "l")) == ["WG422"]
    (breach,) = judge(rules, before, before.copy().move("a/b", "b"))
    assert (breach.number, breach.fact) == ("WG422", "~ a/b -> b/: b/l")
    assert judge(rules, before, before.copy().move("a", "c")) == []
    inner = Tree(BASE).make("a/b/l", target="x")
    assert judge(rules, inner, inner.copy().move("a/b", "b")) == []


def test_each_link_that_leads_out_counts_once():
    (breach,) = judge(policy(allow_escape_links=False), Tree(BASE), Tree(BASE).make("new/l", target="/etc"))
    assert (breach.found, breach.fact) == (1, "+ new/l -> /etc")


def test_a_directory_that_is_renamed_at_its_depth_is_not_searched(monkeypatch):
    before = Tree(BASE).make("a/b/l", target="../x")
    monkeypatch.delattr("worldgate.gate.rules.beneath")
    assert judge(policy(allow_escape_links=False), before, before.copy().move("a/b", "a/c")) == []
    assert numbers(policy(allow_escape_links=False), before, before.copy().move("a/b", "b")) == ["WG442"]


def test_links_that_are_turned_outwards():
    before = Tree(BASE).make("l", target="src").make("d", target="a")
    turned = before.copy()
    turned.set("l", target="/etc")
    replaced = before.copy().make("tmp", target="/etc").move("tmp", "l")
    for after in (turned, replaced):
        assert numbers(policy(allow_escape_links=False), before, after) == ["WG422"]
    turned = before.copy()
    turned.set("d", target="b")
    assert numbers(policy(protect=["/d/keys/*"]), before, turned) == ["WG428"]


def test_files_with_links_outside_the_workspace():
    before = Tree(BASE)
    before.set("src/a.py", outside=1)
    rules = policy(allow_outside_links=False)
    for after in (before.copy().write("src/a.py", "1"), before.copy().chmod("src/a.py", 0o600)):
        assert numbers(rules, before, after) == ["WG423"]
        assert judge(policy(), before, after) == []
    assert judge(rules, before, before.copy().remove("src/a.py")) == []
    assert judge(rules, before, before.copy().make("tmp", "new").move("tmp", "src/a.py")) == []
    assert judge(rules, before, before.copy().remove("src/a.py").make("src/a.py", "new")) == []
    assert judge(rules, before, before.copy().write("src/b.py", "1").link("src/a.py", "more")) == []


def test_set_id():
    rules = policy(allow_set_id=False)
    before = Tree(BASE).chmod("bin/tool", 0o4755)
    bad = [
        before.copy().chmod("src/a.py", 0o4755),
        before.copy().chmod("src/a.py", 0o2755),
        before.copy().make("new", "x", mode=0o6755),
        before.copy().write("bin/tool", "other code under the same rights"),
        before.copy().chown("bin/tool", 0),
        before.copy().chmod("bin/tool", 0o6755),
        before.copy().make("tmp", "evil", mode=0o4755).move("tmp", "bin/tool"),
        before.copy().chmod("src", 0o2755),
        before.copy().xattr("src/a.py", "security.capability", "01"),
        before.copy().make("new").xattr("new", "security.capability", "01"),
    ]
    assert numbers(rules, before, *bad) == ["WG424"] * len(bad)
    good = [
        before.copy().chmod("bin/tool", 0o755),
        before.copy().chmod("bin/tool", 0o4700),
        before.copy().move("bin/tool", "t"),
        before.copy().remove("bin/tool"),
        before.copy().link("bin/tool", "t"),
        before.copy().move("bin", "b"),
        before.copy().xattr("src/a.py", "user.note", "01"),
    ]
    assert numbers(rules, before, *good) == []
    assert numbers(policy(), before, *bad) == []


def test_capabilities_that_are_there_already():
    before = Tree(BASE).xattr("bin/tool", "security.capability", "01")
    rules = policy(allow_set_id=False)
    assert judge(rules, before, before.copy().xattr("bin/tool", "security.capability", None)) == []
    assert numbers(rules, before, before.copy().write("bin/tool", "other code")) == ["WG424"]
    assert numbers(rules, before, before.copy().xattr("bin/tool", "security.capability", "02")) == ["WG424"]


def test_a_directory_may_take_the_group_bit_from_the_one_it_is_made_in():
    before = Tree({"shared/": None}).chmod("shared", 0o2775)
    rules = policy(allow_set_id=False)
    assert judge(rules, before, before.copy().make("shared/d/", mode=0o2755)) == []
    assert numbers(rules, before, before.copy().make("shared/f", mode=0o2755)) == ["WG424"], "a file does not"
    assert numbers(rules, before, before.copy().make("shared/d/", mode=0o6755)) == ["WG424"]


def test_the_mode_is_shown():
    for mode, shown in ((0o4755, "runs with the rights of its owner, group or capabilities (mode 4755)"),
                        (0o666, "is writable for everyone (mode 666)")):  # fmt: skip
        (breach,) = judge(Policy.default(), Tree(BASE), Tree(BASE).chmod("src/a.py", mode))
        assert breach.message == f"src/a.py {shown}"


def test_world_writable():
    rules = policy(allow_world_writable=False)
    before = Tree(BASE).chmod("bin/tool", 0o777).make("tmp/").chmod("tmp", 0o1777)
    bad = [
        before.copy().chmod("src/a.py", 0o666),
        before.copy().chmod("src", 0o777),
        before.copy().chmod("tmp", 0o777),
        before.copy().make("new", "", mode=0o602),
        before.copy().make("pipe", kind="fifo", mode=0o666),
        before.copy().chmod("src/a.py", 0o1666),
    ]
    assert numbers(rules, before, *bad) == ["WG425"] * len(bad)
    good = [
        before.copy().chmod("bin/tool", 0o775),
        before.copy().chmod("bin/tool", 0o776),
        before.copy().write("bin/tool", "1"),
        before.copy().move("bin/tool", "t"),
        before.copy().make("t2", "n", mode=0o777).move("t2", "bin/tool"),
        before.copy().chmod("src", 0o1777),
        before.copy().make("l", target="src"),
    ]
    assert numbers(rules, before, *good) == []
    assert numbers(policy(), before, *bad) == []


def test_network():
    before = Tree(BASE)
    assert numbers(Policy.default(), before, before, network=True) == ["WG426"]
    assert judge(allow_net(Policy.default()), before, before, network=True) == []
    assert judge(Policy.default(), before, before) == []


# --- how much --------------------------------------------------------------------------------------


def busy() -> tuple[Tree, Tree]:
    before = Tree({"a": "1234", "b": "12", "c": "123", "d": ""})
    return before, before.copy().remove("a").write("b", "12345").chmod("d", 0o600).make("n", "123456").move("c", "m")


@pytest.mark.parametrize(
    ("name", "found", "first"),
    [
        ("deleted", 1, "- a"),
        ("changed", 2, "~ b (2 -> 5 bytes)"),
        ("created", 1, "+ n"),
        ("moved", 1, "~ c -> m"),
        ("bytes_deleted", 4, "- a"),
        ("bytes_changed", 5, "~ b (2 -> 5 bytes)"),
        ("bytes_created", 6, "+ n"),
    ],
)
def test_limits(name, found, first):
    before, after = busy()
    assert judge(policy(limits={"deleted": None, name: found}), before, after) == []
    (breach,) = judge(policy(limits={"deleted": None, name: found - 1}), before, after)
    assert (breach.number, breach.rule, breach.fact) == (LIMITS[name], f"limits.{name}", first)
    assert (breach.found, breach.allowed, breach.margin) == (found, found - 1, 1)


def test_bytes_changed_in_what_was_also_moved():
    before = Tree({"a": "1"})
    (breach,) = judge(policy(limits={"bytes_changed": 2}), before, before.copy().move("a", "b").write("b", "123"))
    assert (breach.number, breach.fact) == ("WG435", "~ a -> b (1 -> 3 bytes)")
    assert breach.message == "3 bytes of content changed, 1 more than 2"


def test_every_limit_that_is_broken_is_reported():
    before, after = busy()
    assert numbers(policy(limits=dict.fromkeys(LIMITS, 0)), before, after) == list(LIMITS.values())


def test_a_change_of_the_mode_alone_is_one():
    before = Tree(BASE)
    assert numbers(policy(limits={"deleted": None, "changed": 0}), before, before.copy().chmod("src", 0o700)) == [
        "WG431"
    ]


def test_limits_are_of_the_net_effect():
    before = Tree(BASE)
    after = before.copy().make("tmp").remove("tmp")
    assert judge(policy(limits=dict.fromkeys(LIMITS, 0)), before, after) == []
    assert judge(policy(limits=dict.fromkeys(LIMITS, 0)), before, before.copy().make("tmp"), step="s1") == []


def test_share_of_a_directory():
    before = Tree({f"d/s{number % 3}/f{number}": "" for number in range(50)} | {"r1": "", "r2": ""})

    def without(count: int) -> Tree:
        after = before.copy()
        for number in range(count):
            after.remove(f"d/s{number % 3}/f{number}")
        return after

    rules = policy(max_deleted_percent=50)
    assert judge(rules, before, without(25)) == []
    (breach,) = judge(rules, before, without(26))
    assert (breach.number, breach.found, breach.allowed) == ("WG437", 52, 50)
    assert judge(policy(max_deleted_percent=30), before, without(20)) == [], "few files are not measured"
    assert judge(rules, before, before.copy().remove("r1").remove("r2")) == []
    assert numbers(rules, before, before.copy().remove("d")) == ["WG437"]


def test_share_of_the_top_itself():
    before = Tree({f"f{number}": "" for number in range(30)} | {f"d/{number}": "" for number in range(100)})
    after = before.copy()
    for number in range(21):
        after.remove(f"f{number}")
    assert numbers(policy(max_deleted_percent=50), before, after) == ["WG437"]
    assert judge(policy(max_deleted_percent=70), before, after) == []


@pytest.mark.parametrize(("had", "found"), [(73, ["WG437"]), (74, [])])
def test_a_share_is_exact(had, found):
    """22 are more than 30 % of 73, and not of 74."""
    before = Tree({f"d/{number}": "" for number in range(had)})
    after = before.copy()
    for number in range(22):
        after.remove(f"d/{number}")
    assert numbers(policy(max_deleted_percent=30), before, after) == found


def test_a_share_is_of_deleted_files():
    before = Tree({f"d/{number}": "" for number in range(30)} | {f"d/e{number}/": None for number in range(30)})
    changed, emptied = before.copy(), before.copy()
    for number in range(30):
        changed.write(f"d/{number}", "new")
        emptied.remove(f"d/e{number}")
    rules = policy(max_deleted_percent=10)
    assert numbers(rules, before, changed, emptied) == []


def test_edits_of_a_relation():
    before = Tree(BASE)
    after = before.copy().chmod("src/a.py", 0o600).chmod("src/b.py", 0o600)
    assert judge(policy(edits={"inode": 2, "outside": 0}), before, after) == []
    (breach,) = judge(policy(edits={"inode": 1}), before, after)
    assert (breach.number, breach.rule, breach.found, breach.allowed) == ("WG438", "edits.inode", 2, 1)
    assert breach.fact == 'inode("src/a.py"): mode 420 -> 384'
    (breach,) = judge(policy(edits={"inode": 1}), before, after.make("a new file"))
    assert breach.fact.startswith("inode(")


# --- invariants ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ("true", True),
        ("false", False),
        ("deleted() == ['a']", True),
        ("changed() == ['b', 'd']", True),
        ("created() == ['n']", True),
        ("moved() == ['m'] && moved_from() == ['c']", True),
        ("count_deleted() == 1 && count_changed() == 2 && count_created() == 1 && count_moved() == 1", True),
        ("bytes_created() == 6 && bytes_deleted() == 4 && bytes_changed() == 5", True),
        ("existed('a') && !exists('a') && exists('m') && !existed('m')", True),
        ("size_of('b') == 5 && before_size_of('b') == 2", True),
        ("mode('d') == 384 && before_mode('d') == 420", True),
        ("uid('d') == 1000 && gid('d') == before_gid('d') && before_uid('a') == 1000", True),
        ("kind('n') == 'file' && before_kind('a') == 'file'", True),
        ("content_changed('b') && content_changed('a') && content_changed('n') && !content_changed('d')", True),
        ("under('x/y', 'x') && under('x', 'x') && under('x', '.') && under('x/y', 'x/') && !under('xy', 'x')", True),
        ("glob('a/b.py', '*.py') && !glob('a/b.py', '/*.py')", True),
        ("deleted().all(path, glob(path, 'build/**'))", False),
        ("deleted().exists(path, path == 'a')", True),
        ("edits('inode') > 1", True),
        ("network()", False),
    ],
)
def test_invariants(condition, holds):
    before, after = busy()
    found = judge(policy(invariants={"mine": condition}), before, after)
    assert [breach.number for breach in found] == ([] if holds else ["WG440"])
    assert all((breach.rule, breach.fact) == ("invariants.mine", condition) for breach in found)


def test_target_of_a_link():
    before = Tree(BASE)
    after = before.copy().make("l", target="src")
    assert judge(policy(invariants={"mine": "target('l') == 'src'"}), before, after) == []


@pytest.mark.parametrize(
    "condition",
    [
        "mode('missing') == 0",
        "size_of('src') == 0",
        "target('b') == ''",
        "glob('a', '[')",
        "edits('nothing') == 0",
        "1 / count_created() == 1",
        "true || mode('missing') == 0 || deleted()[7] == ''",
    ],
)
def test_an_invariant_that_raises_is_a_breach(condition):
    before = Tree(BASE)
    rules = policy(invariants={"mine": condition, "next": "false"})
    found = judge(rules, before, before.copy().chmod("src/a.py", 0o600))
    if condition.startswith("true"):
        assert [breach.number for breach in found] == ["WG440"], "what is not evaluated does not raise"
    else:
        assert [breach.number for breach in found] == ["WG441", "WG440"]
        assert "mine" in found[0].message


def test_names_that_are_not_text_cannot_enter_an_invariant():
    before = Tree(BASE)
    after = before.copy().make("\udcff")
    assert numbers(policy(invariants={"mine": "created().size() == 1"}), before, after) == ["WG441"]


def test_invariants_are_judged_for_the_whole_run_only():
    before = Tree(BASE)
    rules = policy(invariants={"mine": "false"})
    assert judge(rules, before, before, step="s1") == []
    assert numbers(rules, before, before) == ["WG440"]


def test_a_rule_that_raises_is_a_breach_and_the_others_still_speak():
    def broken(subject):
        raise ZeroDivisionError("oops")

    rules = policy(invariants={"mine": "false"})
    rules = Policy("test", rules.document, (Rule("broken", None, broken), *rules.transition), rules.final)
    before = Tree(BASE)
    found = judge(rules, before, before)
    assert [breach.number for breach in found] == ["WG442", "WG440"]
    assert "broken" in found[0].message
    assert "oops" in found[0].message


def test_a_state_that_is_no_tree_is_refused():
    before = Tree({"d/e/": None, "c/": None})
    after = before.copy()
    after.state = after.state.set("entry", ("c", "e"), "d/e").set("entry", ("d/e", "n"), "x")
    assert set(numbers(Policy.default(), before, after)) == {"WG442"}


# --- any world -------------------------------------------------------------------------------------

LAMPS = Schema(
    "lamps",
    "1",
    [
        Relation("lit", (("lamp", ref("lamp")),), BOOL),
        Relation("watts", (("lamp", ref("lamp")), ("hour", INT)), INT),
        Relation("size", (("lamp", ref("lamp")),), TEXT),
        Relation("raw", (("lamp", ref("lamp")),), BYTES),
        Relation("total", (), INT),
    ],
)


def lamps(**fields) -> Policy:
    return make_policy({"version": 1, "world": "lamps", **fields}, "lamps", LAMPS)


def lamps_judge(rules: Policy, **after) -> list[str]:
    facts = [("lit", ("hall",), False), ("watts", ("hall", 3), 40), ("size", ("hall",), "big"), ("total", (), 40)]
    before = State.of(LAMPS, facts)
    new = before.set("lit", ("hall",), after.get("lit")).set("total", (), after.get("total", 40))
    return [breach.number for breach in rules.judge(Judged(before, new, diff(before, new)))]


def test_invariants_over_a_schemas_relations():
    rules = lamps(
        invariants={
            "after": "lit('hall') && !before_lit('hall') && watts('hall', 3) == 40 && total() == before_total() + 1",
            "text": "after_size('hall') == 'big' && has_lit('hall') && !has_lit('attic') && had_watts('hall', 3)",
        }
    )
    assert lamps_judge(rules, lit=True, total=41) == []
    assert lamps_judge(rules, lit=True) == ["WG440"]
    assert lamps_judge(rules) == ["WG441", "WG440"], "an absent fact has no value"


def test_relations_without_functions():
    for condition in ("raw('hall') == b'x'", "exists('a')", "has_raw('hall')"):
        with pytest.raises(BadInvariant):
            lamps(invariants={"mine": condition})


def test_edit_limits_in_any_world():
    assert lamps_judge(lamps(edits={"lit": 0, "total": 5}), lit=True) == ["WG438"]
    assert lamps_judge(lamps(edits={"lit": 1}), lit=True, total=3) == []


def test_fields_of_the_filesystem_are_unknown_elsewhere():
    for field in ("protect", "writable", "limits", "allow_network"):
        with pytest.raises(BadPolicy):
            lamps(**{field: []})
    with pytest.raises(BadPolicy):
        with_protect(lamps(), ["a"])
    with pytest.raises(BadPolicy):
        allow_net(lamps())


def test_a_schemas_invariants_only_for_its_world():
    assert lamps().judge(Judged(State.of(LAMPS), State.of(LAMPS), ())) == []


# --- modes -----------------------------------------------------------------------------------------


def test_shadow_reports_and_says_that_it_does_not_refuse():
    rules = make_policy({"version": 1, "mode": "shadow"}, "p")
    before = Tree(BASE)
    assert not rules.enforced
    assert Policy.default().enforced
    assert numbers(rules, before, before.copy().remove(".env")) == ["WG420"]


def test_with_protect_adds():
    rules = with_protect(Policy.default(), ["src/", "src/"])
    before = Tree(BASE)
    assert numbers(rules, before, before.copy().write("src/a.py", ""), before.copy().remove(".env")) == ["WG420"] * 2
    with pytest.raises(BadPolicy):
        with_protect(rules, ["{a,b}"])


def test_breaches_can_be_written_down():
    import msgspec

    before = Tree({"\udcff.pem": "1"})
    (breach,) = judge(Policy.default(), before, before.copy().remove("\udcff.pem"))
    assert b"udcff" in msgspec.json.encode(breach)


# --- what is written about them --------------------------------------------------------------------

ROOT = Path(__file__).parents[2]
DOC = (ROOT / "docs" / "policy.md").read_text()
EXAMPLES = sorted((ROOT / "examples" / "policies").glob("*.yaml"))


def test_the_page_lists_every_number():
    rows = re.findall(r"^\| (WG4\d\d) \| (.*?) \| (.*?) \|$", DOC, re.MULTILINE)
    assert [(number, (name, meaning)) for number, name, meaning in rows] == list(NUMBERS.items())


def test_errors_and_breaches_share_no_number():
    ours = {number for number in error_numbers() if "WG400" <= number <= "WG449"}
    assert ours == {"WG400", "WG401", "WG402", "WG403"}
    assert all(number in NUMBERS for number in ours)


def test_the_page_lists_every_field_and_default():
    for name in FilesystemDocument.__struct_fields__:
        assert f"| `{name}` |" in DOC
    assert all(f"`{pattern}`" in DOC for pattern in DEFAULT_PROTECT)
    assert all(f"`{name}`" in DOC for name in LIMITS)


def test_the_page_lists_every_function():
    for name in functions(Tree().state.schema):
        assert f"`{name.removeprefix('before_')}(" in DOC, name


def test_the_pages_policies_load():
    fences = re.findall(r"```yaml\n(.*?)```", DOC, re.DOTALL)
    policies = [text for text in fences if text.startswith("version")]
    paths, market, asking = map(load_policy, policies)
    assert asking.risk is not None
    assert paths.document.limits.deleted == 10
    assert [rule.name for rule in market.transition] == [f"measures.{name}" for name in market.document.measures]
    assert load_plan("steps: [touch a]\n" + fences[-1]).intent is not None


@pytest.mark.parametrize("file", EXAMPLES, ids=[file.stem for file in EXAMPLES])
def test_examples_load(file):
    assert load_policy(file.read_text(), file.name, "filesystem").document.version == 1


def test_examples_judge():
    rules = {file.stem: load_policy(file.read_text(), file.name) for file in EXAMPLES}
    assert set(rules) == {"default", "release", "source-only", "watch"}
    assert rules["default"].digest == Policy.default().digest
    before = Tree({"src/a.py": "1", "tests/test_a.py": "2", "dist/old.whl": "3", "infra/main.tf": "4"})
    edit = before.copy().write("src/a.py", "11").make("tests/test_b.py", "5")
    assert judge(rules["source-only"], before, edit) == []
    assert numbers(rules["source-only"], before, before.copy().remove("tests/test_a.py")) == ["WG440"]
    assert numbers(rules["source-only"], before, before.copy().write("infra/main.tf", "")) == ["WG421"]
    release = before.copy().make("dist/new.whl", "6")
    assert numbers(rules["release"], before, release) == ["WG440"]
    assert judge(rules["release"], before, release.make("dist/MANIFEST", "new.whl")) == []
    assert not rules["watch"].enforced
    assert numbers(rules["watch"], before, before.copy().write("infra/main.tf", "")) == ["WG420"]
