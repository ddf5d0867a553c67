"""The oracle against real namespaces, and the kernel's own promises.

`bench/network_differential.py` does the comparing; its figures for a thousand programs a level are in
docs/worlds/network.md.
"""

from __future__ import annotations

import importlib.util
import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise, product
from pathlib import Path
from random import Random

import pytest

from worldgate.facts import Draft, State
from worldgate.worlds.network import Network, reachable
from worldgate.worlds.network.kernel import Kernel, NotReal, layout, probe, undetermined
from worldgate.worlds.network.schema import keys

from .networks import bare, run

SCRIPT = Path(__file__).parents[3] / "bench" / "network_differential.py"
WHY_NOT = probe()
real = pytest.mark.skipif(WHY_NOT is not None, reason=str(WHY_NOT))


@pytest.fixture(scope="module")
def kernel() -> Iterator[Kernel]:
    with Kernel() as one:
        yield one


def asked(kernel: Kernel, state: State, *questions: tuple[str, str, str]) -> list[bool]:
    """What the real network says, which must be what the oracle says."""
    kernel.realise(state)
    net = Draft(state)
    wanted = [reachable(net, *question) for question in questions]
    found = kernel.reaches(questions, 0.5)
    if found != wanted:  # silence is a drop only where there was time to answer
        found = kernel.reaches(questions, 4)
    assert found == wanted
    return found


def everything(state: State) -> list[tuple[str, str, str]]:
    """Every host with every service."""
    hosts = [host for (host,) in keys(state, "up")]
    return [(source, *service) for source, service in product(hosts, keys(state, "service"))]


# --- random programs -----------------------------------------------------------------------------------


@real
@pytest.mark.parametrize(("level", "programs"), [(0, 24), (1, 16)])
def test_random_programs_agree(level: int, programs: int) -> None:
    command = [sys.executable, str(SCRIPT), "--level", str(level), "--programs", str(programs), "--jobs", "3", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=240)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout)
    assert found["differences"] == 0
    assert found["programs"] == programs
    assert found["open"] > found["programs"], "a comparison in which nothing opens shows nothing"
    assert found["connects"] + found["flows"] + found["pairs"] > found["open"], "nor one in which everything does"


@real
def test_a_wrong_oracle_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = importlib.util.spec_from_file_location("network_differential", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    monkeypatch.setattr(script, "PATIENT", 0.1)
    monkeypatch.setattr(script, "reachable", lambda net, source, target, port: source != target)
    _, told = script.work([script.Program(0, 2, 6)])
    assert told
    assert all("oracle" in line for line in told)


# --- what a real network does --------------------------------------------------------------------------


@real
def test_links_and_switches_and_loops_of_them(kernel: Kernel) -> None:
    state = run(bare("a", "b", "c", "d"), "svc_up c 80", "link_up a b", "link_up b c", "link_up a c", "link_up c d")
    assert asked(kernel, state, ("a", "c", "80"), ("d", "c", "80"), ("c", "c", "80"), ("a", "d", "80")) == [
        True, True, True, False,
    ]  # fmt: skip
    state = run(state, "link_down a c", "fw_deny c d", "fw_deny c c")
    assert asked(kernel, state, ("a", "c", "80"), ("d", "c", "80"), ("c", "c", "80")) == [True, False, True]
    assert asked(kernel, run(state, "host_down b"), ("a", "c", "80"), ("b", "b", "80")) == [False, False]


def routed(version: int) -> State:
    """c - r - d: two networks and a router; d serves TCP and UDP."""
    one, two, most = {4: ("10.0.1.", "10.0.2.", "24"), 6: ("fd00:1::", "fd00:2::", "64")}[version]
    whole = "default" if version == 4 else "default6"
    return run(
        bare("c", "r", "d"), "link_up c r", "link_up r d", "svc_up d 80", "svc_up d 53/udp", "forward_on r",
        f"addr_add c r {one}2/{most}", f"addr_add r c {one}1/{most}",
        f"addr_add d r {two}2/{most}", f"addr_add r d {two}1/{most}",
        f"route_add c {whole} {one}1", f"route_add d {whole} {two}1",
    )  # fmt: skip


TCP, UDP = ("c", "d", "80"), ("c", "d", "53/udp")


@real
@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize(
    ("texts", "tcp", "udp"),
    [
        ((), True, True),
        (("forward_off r",), False, False),
        (("route_del d {whole}",), False, False),
        (("fw_deny d c",), False, False),
        (("rule_add r forward 1 drop proto tcp port 50-90",), False, True),
        (("fallback r forward drop", "rule_add r forward 1 accept to {two} proto udp"), False, False),
        (
            (
                "fallback r forward drop",
                "rule_add r forward 1 accept to {two} proto tcp",
                "rule_add r forward 2 accept state established",
            ),
            True,
            False,
        ),
        (("fallback d output drop", "rule_add d output 1 accept state established"), True, True),
        (("fallback c input drop",), False, False),
        (("route_del d {whole}", "nat_add r 1 source leaving to {two}"), True, True),
        (("nat_add r 1 destination {c}@81 proto tcp port 80",), False, True),
        (("svc_down d 80", "svc_up d 81", "nat_add r 1 destination {d}@81 proto tcp port 80"), True, True),
        (("link_down r d",), False, False),
    ],
)
def test_routes_rules_and_translations(
    kernel: Kernel, version: int, texts: tuple[str, ...], tcp: bool, udp: bool
) -> None:
    four = {"whole": "0.0.0.0/0", "two": "10.0.2.0/24", "c": "10.0.1.2", "d": "10.0.2.2"}
    six = {"whole": "::/0", "two": "fd00:2::/64", "c": "fd00:1::2", "d": "fd00:2::2"}
    state = run(routed(version), *(text.format(**(four if version == 4 else six)) for text in texts))
    assert asked(kernel, state, TCP, UDP) == [tcp, udp]


@real
@pytest.mark.parametrize(("routers", "fits"), [(63, True), (64, False)])
def test_the_hop_limit(kernel: Kernel, routers: int, fits: bool) -> None:
    hosts = ["c", *(f"r{number}" for number in range(routers)), "d"]
    texts = ["svc_up d 80"]
    for number, (one, other) in enumerate(pairwise(hosts)):
        texts += [f"link_up {one} {other}", f"addr_add {one} {other} 10.0.{number}.1/24",
                  f"addr_add {other} {one} 10.0.{number}.2/24", f"route_add {one} default 10.0.{number}.2",
                  f"route_add {other} 10.0.0.0/24 10.0.{number}.1" if number else "forward_off c"]  # fmt: skip
    texts += [f"forward_on {host}" for host in hosts[1:-1]]
    state = bare(*hosts)
    world = Network()
    for text in texts:
        state = world.step(state, world.parse(text)).state
    assert asked(kernel, state, ("c", "d", "80")) == [fits]


# --- what the oracle learned from it -------------------------------------------------------------------


@real
def test_in_ipv6_only_the_interface_that_is_asked_answers(kernel: Kernel) -> None:
    four = run(bare("c", "d"), "link_up c d", "svc_up d 80", "addr_add c d 10.0.0.1/24", "addr_add d c 10.0.0.9/24",
               "addr_add d d 10.0.0.2/24")  # fmt: skip
    assert asked(kernel, four, ("c", "10.0.0.2", "80")) == [True]
    six = run(bare("c", "d"), "link_up c d", "svc_up d 80", "addr_add c d fd00::1/64", "addr_add d c fd00::9/64",
              "addr_add d d fd00::2/64")  # fmt: skip
    assert asked(kernel, six, ("c", "fd00::2", "80"), ("c", "fd00::9", "80")) == [False, True]


@real
def test_a_broadcast_address_is_nobodys(kernel: Kernel) -> None:
    state = run(bare("c", "d"), "link_up c d", "svc_up d 80", "addr_add c d 10.0.0.1/30", "addr_add d c 10.0.0.3/30")
    assert asked(kernel, state, ("c", "d", "80"), ("d", "d", "80")) == [False, True]
    state = run(state, "addr_add d c 10.0.0.2/30", "route_add c 10.9.0.0/16 10.0.0.3", "addr_add d d 10.9.0.1/32")
    assert asked(kernel, state, ("c", "10.0.0.2", "80"), ("c", "10.9.0.1", "80")) == [True, False]


@real
def test_translation_speaks_as_the_network_of_the_next_hop(kernel: Kernel) -> None:
    state = run(routed(4), "addr_add r d 10.0.0.7/24", "route_del d default", "nat_add r 1 source leaving")
    assert asked(kernel, state, TCP) == [True]


@real
def test_an_ipv6_host_speaks_as_what_is_most_like_the_destination(kernel: Kernel) -> None:
    state = run(routed(6), "addr_add c r fd00:2:0:1::5/64", "route_add r fd00:2:0:1::/64 fd00:1::2")
    assert asked(kernel, state, TCP) == [True]
    assert asked(kernel, run(state, "rule_add d input 1 drop from fd00:1::/64"), TCP) == [True]


@real
@pytest.mark.parametrize(("version", "fits"), [(4, True), (6, False)])
def test_of_two_interfaces_in_one_network_ipv6_takes_the_one_a_packet_came_by(
    kernel: Kernel, version: int, fits: bool
) -> None:
    state = run(routed(version), f"addr_add r c {'10.0.2.9/24' if version == 4 else 'fd00:2::9/64'}")
    assert asked(kernel, state, TCP) == [fits]


@real
def test_an_interface_without_an_address_borrows_one(kernel: Kernel) -> None:
    state = run(
        routed(4), "addr_add r r 10.7.0.1/32", "addr_add d r 10.7.0.2/24", "addr_add d d 10.9.0.1/32",
        "route_add r 10.9.0.1/32 10.0.2.2", "addr_del r d 10.0.2.1/24", "addr_del r c 10.0.1.1/24",
    )  # fmt: skip
    assert undetermined(layout(state)) == ""
    assert asked(kernel, state, ("r", "10.9.0.1", "80")) == [True]


# --- the kernel itself ---------------------------------------------------------------------------------


@real
@pytest.mark.parametrize("start", ["scattered", "campus"])
def test_what_is_brought_up_to_date_is_what_is_made_anew(kernel: Kernel, start: str) -> None:
    world = Network(hosts=5, start=start)
    state, random = world.initial(3), Random(3)
    for _ in range(40):
        driver = world.drivers["routed" if start == "campus" else "outages"]
        state = world.step(state, world.parse(driver(state, random))).state
        kernel.realise(state)
    assert kernel.realise(state) == 0
    with Kernel() as other:
        other.realise(state)
        questions = everything(state)
        assert kernel.reaches(questions, 0.5) == other.reaches(questions, 0.5)


@pytest.mark.parametrize(
    ("texts", "found"),
    [
        (("svc_up a 0",), "a service of a on port 0"),
        (("link_up a b", "addr_add a b 198.18.0.1/24"), "the address 198.18.0.1/24"),
    ],
)
def test_states_that_no_network_can_be_like(texts: tuple[str, ...], found: str) -> None:
    with pytest.raises(NotReal) as refused:
        layout(run(bare("a", "b"), *texts))
    assert refused.value.found == found


def test_what_linux_leaves_open_is_named() -> None:
    twice = run(bare("a", "b"), "link_up a b", "addr_add a b 10.0.0.1/24", "addr_add b a 10.0.0.1/24")
    assert undetermined(layout(twice)) == "10.0.0.1 of a and b"
    borrowed = run(
        routed(4), "addr_add r r 10.8.0.1/32", "route_add r 10.9.0.0/16 10.0.2.2", "addr_del r d 10.0.2.1/24"
    )
    assert undetermined(layout(borrowed)) == "what r speaks as by its interface to d"


@real
def test_it_ends_with_its_caller() -> None:
    program = (
        "import sys; from worldgate.worlds.network.kernel import Kernel; kernel = Kernel(); "
        "print(kernel.process, flush=True); sys.stdin.read()"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as caller:
        assert caller.stdout is not None
        inside = os.pidfd_open(int(caller.stdout.readline()))
        caller.send_signal(signal.SIGKILL)
    assert select.select([inside], [], [], 10)[0], "it has ended"
    os.close(inside)


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux for what it forbids")
def test_a_machine_that_forbids_it_is_told_apart() -> None:
    forbid = "echo 0 > /proc/sys/user/max_user_namespaces && exec "
    program = "from worldgate.worlds.network.kernel import probe; print(probe())"
    command = ["unshare", "-Urm", "sh", "-c", f'{forbid} {sys.executable} -c "{program}"']
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"cannot forbid it here: {done.stderr.strip()}")
    assert done.stdout.startswith("WG285 ")
    assert "make a user namespace" in done.stdout
    assert "max_user_namespaces" in done.stdout
