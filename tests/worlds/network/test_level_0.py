"""Level 0 exactly as published: each action, its exit codes, the order of its checks, and what it edits."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from worldgate.facts import State
from worldgate.worlds import get
from worldgate.worlds.network.actions import parse
from worldgate.worlds.network.rules import step

from .networks import act, bare, exit_of, holds, run

GOLDENS = json.loads((Path(__file__).parent / "fixtures/level_0.json").read_text(encoding="utf-8"))


def shown(state: State) -> dict:
    """A state in the form of the fixtures."""
    keys = {relation: sorted(key for _, key, _ in state.facts(relation)) for relation in state.schema.relations}
    hosts = {}
    for (host,) in keys["up"]:
        ports = [port for one, port in keys["service"] if one == host]
        hosts[host] = [state.get("up", (host,)), ports, [source for one, source in keys["deny"] if one == host]]
    links, flows = [list(key) for key in keys["link"]], [list(key) for key in keys["flow"]]
    return {
        "hosts": hosts,
        "links": links,
        "flows": flows,
        "clock": state.get("clock", ()),
        "exit": state.get("exit", ()),
    }


@pytest.mark.parametrize("golden", GOLDENS, ids=lambda golden: golden["name"])
def test_golden(golden: dict) -> None:
    state = bare("a", "b", "c")
    for text, expected in golden["script"]:
        state, code = act(state, text)
        assert code == expected, text
        holds(state)
    assert shown(state) == {name: value for name, value in golden.items() if name not in ("name", "script")}


def test_the_beginning_is_every_host_up_and_nothing_else() -> None:
    state = get("network-0").initial(7)
    assert shown(state) == {
        "hosts": {f"h{number}": [True, [], []] for number in range(5)},
        "links": [], "flows": [], "clock": 0, "exit": 0,
    }  # fmt: skip


ONE_EDIT = {
    "host_down a": ("up", ("a",), True, False),
    "link_up b a": ("link", ("a", "b"), None, True),
    "svc_up a 80": ("service", ("a", "80"), None, True),
    "svc_up a 80/tcp": ("service", ("a", "80"), None, True),
    "svc_up a 53/udp": ("service", ("a", "53/udp"), None, True),
    "fw_deny a b": ("deny", ("a", "b"), None, True),
    "fw_deny a a": ("deny", ("a", "a"), None, True),
    "link_down d c": ("link", ("c", "d"), True, None),
    "svc_down d 80": ("service", ("d", "80"), True, None),
    "fw_allow d a": ("deny", ("d", "a"), True, None),
    "host_up e": ("up", ("e",), False, True),
    "connect c d 80": ("flow", ("c", "d", "80"), None, True),
    "close d d 80": ("flow", ("d", "d", "80"), True, None),
    "advance": ("clock", (), 0, 1),
}


@pytest.mark.parametrize("text", ONE_EDIT)
def test_an_action_edits_one_fact(text: str) -> None:
    state = run(
        bare("a", "b", "c", "d", "e"), "link_up c d", "svc_up d 80", "fw_deny d a", "connect d d 80", "host_down e"
    )
    moved = step(state, parse(text))
    assert [tuple(edit) for edit in moved.delta] == [ONE_EDIT[text]]
    assert moved.observation == {"exit": 0}


def test_the_exit_code_is_a_fact_of_the_actor() -> None:
    state, _ = act(bare("a", "b"), "close a b 80")
    assert step(state, parse("svc_up a 80")).delta[-1] == ("exit", (), 1, 0)
    assert state.schema.relations["exit"].local


def test_an_advance_moves_the_clock_then_drops_flows_in_order() -> None:
    state = run(
        bare("a", "b", "c"),
        "link_up a b", "link_up b c", "svc_up c 80", "svc_up c 22", "svc_up b 80",
        "connect b c 80", "connect a c 80", "connect a c 22", "connect a b 80", "connect c c 80",
        "link_down b c",
    )  # fmt: skip
    moved = step(state, parse("advance"))
    assert [edit[:2] for edit in moved.delta] == [
        ("clock", ()), ("flow", ("a", "c", "22")), ("flow", ("a", "c", "80")), ("flow", ("b", "c", "80")),
    ]  # fmt: skip


@pytest.mark.parametrize(("text", "code"), [
    ("connect x b 80", 2), ("connect a x 80", 2), ("connect x x 80", 2), ("close x b 80", 1), ("link_up x x", 2),
    ("fw_deny x x", 2), ("svc_up x 80", 2), ("connect a b 80", 1),
])  # fmt: skip
def test_unknown_hosts_come_first(text: str, code: int) -> None:
    assert exit_of(bare("a", "b"), text) == code


def test_tcp_and_udp_are_different_ports() -> None:
    state = run(bare("a"), "svc_up a 53/udp")
    assert exit_of(state, "connect a a 53") == 1
    assert exit_of(state, "connect a a 53/udp") == 0
