"""The way of a packet at level 1: routes, filters, translation, and the reply that has to come back."""

from __future__ import annotations

import pytest

from worldgate.facts import State
from worldgate.worlds.network.forwarding import HOP_LIMIT

from .networks import bare, exit_of, path, run, why

# c (10.0.1.2) - r - d (10.0.2.2), and d's network is also reached over q, from r: r - q (10.0.9.0/30) - d (10.0.3.2)
LINKS = ("link_up c r", "link_up r d", "link_up r q", "link_up q d")
ADDRESSES = (
    "addr_add c r 10.0.1.2/24", "addr_add r c 10.0.1.1/24",
    "addr_add r d 10.0.2.1/24", "addr_add d r 10.0.2.2/24",
    "addr_add r q 10.0.9.1/30", "addr_add q r 10.0.9.2/30",
    "addr_add q d 10.0.3.1/24", "addr_add d q 10.0.3.2/24",
)  # fmt: skip
ROUTES = (
    "route_add c default 10.0.1.1", "route_add d default 10.0.2.1", "route_add r 10.0.3.0/24 10.0.9.2",
    "route_add q default 10.0.9.1", "forward_on r", "forward_on q", "svc_up d 80", "svc_up d 53/udp", "svc_up c 80",
)  # fmt: skip
OFFICE = run(bare("c", "d", "r", "q"), *LINKS, *ADDRESSES, *ROUTES)


def reached(state: State, source: str = "c", target: str = "d", port: str = "80") -> bool:
    return exit_of(state, f"connect {source} {target} {port}") == 0


def test_a_packet_goes_over_the_router() -> None:
    assert path(OFFICE, "c", "d") == "c r d"
    assert path(OFFICE, "c", "d", "53/udp") == "c r d"
    assert why(OFFICE, "c", "d", "53") == "d has no service on 53"
    assert path(OFFICE, "d", "c") == "d r c"


def test_an_address_may_be_asked_for_instead_of_a_name() -> None:
    assert path(OFFICE, "c", "10.0.2.2") == "c r d"
    assert exit_of(OFFICE, "connect c 10.0.7.7 80") == 1
    assert why(OFFICE, "c", "10.0.7.7") == "r has no route to 10.0.7.7"
    assert exit_of(OFFICE, "connect c nobody 80") == 2


# --- routes ------------------------------------------------------------------------------------------


def test_the_longest_prefix_wins() -> None:
    state = run(OFFICE, "route_add r 10.0.2.2/32 10.0.9.2", "route_add q 10.0.2.2/32 10.0.3.2")
    assert path(state, "c", "d") == "c r q d"
    assert path(run(state, "route_del r 10.0.2.2/32"), "c", "d") == "c r d"


def test_a_connected_network_stands_before_a_route_of_the_same_length() -> None:
    assert path(run(OFFICE, "route_add r 10.0.2.0/24 10.0.9.2 0"), "c", "d") == "c r d"


def test_a_route_over_a_link_that_is_gone_is_none() -> None:
    state = run(OFFICE, "route_add r 10.0.2.0/24 10.0.9.2", "route_add q 10.0.2.0/24 10.0.3.2")
    assert path(state, "c", "d") == "c r d"
    state = run(state, "link_down r d", "route_add d 10.0.1.0/24 10.0.3.1")
    assert path(state, "c", "d") == "c r q d"


def test_a_prefix_has_one_route_by_hand() -> None:
    state = run(OFFICE, "route_add r 10.7.0.0/16 10.0.9.2 3")
    assert exit_of(state, "route_add r 10.7.0.0/16 10.0.9.2 3") == 0
    assert exit_of(state, "route_add r 10.7.0.0/16 10.0.9.2 1") == 1
    assert exit_of(state, "route_add r 10.7.0.0/16 10.0.1.2 3") == 1
    assert exit_of(state, "route_del r 10.8.0.0/16") == 1


@pytest.mark.parametrize(("text", "code"), [
    ("route_add r 10.7.0.0/16 10.0.1.1", 1),  # its own address
    ("route_add r 10.7.0.0/16 192.0.2.1", 1),  # not in a network of its own
    ("route_add r 2001:db8::/32 10.0.9.2", 1),  # another family
    ("route_add x 10.7.0.0/16 10.0.9.2", 2),
    ("addr_add c r 10.0.1.2/16", 1),  # has that address
    ("addr_add c q 10.0.5.2/24", 1),  # no link
    ("addr_add c r 10.0.1.2/24", 0),
    ("addr_add c c 10.255.0.1/32", 0),  # its loopback
    ("addr_add c x 10.0.5.2/24", 2),
    ("addr_del c r 10.0.5.2/24", 1),
    ("addr_del x r 10.0.5.2/24", 2),
    ("rule_del c input 1", 1), ("rule_del x input 1", 2), ("nat_del c 1", 1), ("nat_del x 1", 2),
    ("nat_add r 1 destination leaving", 2), ("nat_add r 1 source 10.0.9.1@80", 2),
    ("nat_add r 1 source leaving state new", 2), ("nat_add x 1 source leaving", 2), ("rule_add x input 1 drop", 2),
    ("fallback x input drop", 2), ("zone x lab", 2), ("zone c lab", 0), ("forward_on x", 2), ("dynamic_off x", 2),
])  # fmt: skip
def test_exit_codes_of_configuration(text: str, code: int) -> None:
    assert exit_of(OFFICE, text) == code


def test_a_place_among_the_rules_is_taken_once() -> None:
    state = run(OFFICE, "rule_add r forward 5 drop port 22", "nat_add r 5 source leaving from 10.0.1.0/24")
    assert exit_of(state, "rule_add r forward 5 drop port 22") == 0
    assert exit_of(state, "rule_add r forward 5 drop port 23") == 1
    assert exit_of(state, "nat_add r 5 source leaving from 10.0.1.0/24") == 0
    assert exit_of(state, "nat_add r 5 source leaving") == 1
    assert exit_of(run(state, "rule_del r forward 5"), "rule_add r forward 5 drop port 23") == 0


def test_the_version_of_a_name_is_one_that_the_client_has() -> None:
    state = run(
        OFFICE,
        "addr_add c r 2001:db8:1::2/64", "addr_add r c 2001:db8:1::1/64",
        "addr_add r d 2001:db8:2::1/64", "addr_add d r 2001:db8:2::2/64",
        "route_add c default6 2001:db8:1::1", "route_add d default6 2001:db8:2::1",
    )  # fmt: skip
    assert path(state, "c", "2001:db8:2::2") == "c r d"
    only_6 = run(state, "addr_del c r 10.0.1.2/24", "link_down r q")
    assert path(only_6, "c", "d") == "c r d"
    longer = run(state, "route_add r 2001:db8:2::2/128 2001:db8:1::2")
    assert why(longer, "c", "2001:db8:2::2") == "c does not forward"
    assert why(run(only_6, "addr_del d r 2001:db8:2::2/64"), "c", "d") == ("d has no address of a family that c has")


def test_the_way_back_is_the_replys_own() -> None:
    """The first packet goes over r, the reply over q: without a filter that is fine, and both must know a way."""
    state = run(OFFICE, "route_add d 10.0.1.0/24 10.0.3.1")
    assert path(state, "c", "d") == "c r d"
    assert why(run(state, "forward_off q"), "c", "d") == "q does not forward"
    assert why(run(state, "route_del q 0.0.0.0/0"), "c", "d") == "q has no route to 10.0.1.2"
    assert why(run(OFFICE, "route_del d 0.0.0.0/0"), "c", "d") == "d has no route to 10.0.1.2"


def test_a_switch_between_routers_has_no_say() -> None:
    state = run(
        bare("a", "b", "s", "t"), "link_up a s", "link_up s t", "link_up t b", "addr_add a s 10.0.0.1/24",
        "addr_add b t 10.0.0.2/24", "svc_up b 80", "fallback s forward drop", "rule_add t forward 1 drop",
    )  # fmt: skip
    assert path(state, "a", "b") == "a b"
    assert why(run(state, "host_down t"), "a", "b") == "nobody answers for 10.0.0.2 on a's interface to s"
    assert why(run(state, "host_down s"), "a", "b") == "nobody answers for 10.0.0.2 on a's interface to s"
    assert why(state, "a", "s") == "s has no address of a family that a has"


def test_forwarding_is_off_until_it_is_on() -> None:
    assert why(run(OFFICE, "forward_off r"), "c", "d") == "r does not forward"
    assert path(run(OFFICE, "forward_off q"), "c", "d") == "c r d"


def test_a_router_answers_on_any_of_its_addresses() -> None:
    state = run(OFFICE, "svc_up r 80", "addr_add r r 10.255.0.1/32")
    for address in ("10.0.1.1", "10.0.2.1", "10.0.9.1", "10.255.0.1"):
        assert path(state, "c", address) == "c r"


def test_a_loop_of_routes_ends_at_the_hop_limit() -> None:
    state = run(OFFICE, "route_add r 10.8.0.0/16 10.0.9.2", "route_add q 10.8.0.0/16 10.0.9.1")
    assert why(state, "c", "10.8.0.1") == f"the hop limit: a loop of routes, or a way of more than {HOP_LIMIT}"


@pytest.mark.parametrize(("hops", "fits"), [(HOP_LIMIT, True), (HOP_LIMIT + 1, False)])
def test_a_packet_is_handed_on_as_often_as_the_limit_says(hops: int, fits: bool) -> None:
    """As with a time to live of 64 on Linux: 63 routers on the way are not too many, 64 are."""
    names = [f"n{number:02}" for number in range(hops + 1)]
    texts = []
    for number in range(hops):
        one, other, net = names[number], names[number + 1], f"10.0.{number}"
        texts += [f"link_up {one} {other}", f"addr_add {one} {other} {net}.1/30", f"addr_add {other} {one} {net}.2/30"]
        texts += [f"route_add {one} 10.0.{hops - 1}.0/30 {net}.2"] if number < hops - 1 else []
        texts += [f"route_add {other} 10.0.0.0/30 {net}.1"] if number else []
        texts += [f"forward_on {other}"]
    state = run(bare(*names), *texts, f"svc_up {names[-1]} 80")
    assert reached(state, names[0], f"10.0.{hops - 1}.2") is fits


# --- filters -----------------------------------------------------------------------------------------


def test_each_hook_judges_what_passes_it() -> None:
    for host, hook, stands in (
        ("c", "output", True), ("c", "input", True), ("c", "forward", False), ("r", "forward", True),
        ("r", "input", False), ("r", "output", False), ("d", "input", True), ("d", "output", True),
        ("q", "forward", False),
    ):  # fmt: skip
        for text in (f"fallback {host} {hook} drop", f"rule_add {host} {hook} 1 drop"):
            assert reached(run(OFFICE, text)) is not stands, text


def test_the_first_rule_that_matches_decides() -> None:
    state = run(
        OFFICE, "rule_add r forward 10 accept from 10.0.1.0/24 port 80", "rule_add r forward 20 drop from 10.0.1.0/24"
    )
    assert reached(state)
    assert why(state, "c", "d", "53/udp").startswith("rule 20 of r's forward drops")
    assert not reached(run(state, "rule_add r forward 5 drop"))


def test_the_fallback_judges_what_no_rule_accepts() -> None:
    state = run(OFFICE, "fallback r forward drop", "rule_add r forward 1 accept state established")
    assert why(state, "c", "d").startswith("r's forward drops what no rule accepts: 10.0.1.2 -> 10.0.2.2 tcp/80")
    assert reached(run(state, "rule_add r forward 2 accept state new"))
    assert reached(run(state, "fallback r forward accept"))
    assert run(state, "fallback r forward accept").get("fallback", ("r", "forward")) is None


@pytest.mark.parametrize(("match", "matches"), [
    ("", True), ("from 10.0.1.2", True), ("from 10.0.1.0/24", True), ("from 10.0.2.0/24", False), ("to 10.0.2.2", True),
    ("to 10.0.1.2", False), ("from 10.0.1.0/24 to 10.0.2.0/24", True), ("from 10.0.1.0/24 to 10.0.3.0/24", False),
    ("proto tcp", True), ("proto udp", False), ("port 80", True), ("port 79-81", True), ("port 81-90", False),
    ("port 80 proto udp", False), ("state new", True), ("from ::/0", False), ("from 0.0.0.0/0", True),
])  # fmt: skip
def test_what_a_rule_matches(match: str, matches: bool) -> None:
    """In d's input, which only the first packet passes."""
    state = run(OFFICE, "rule_add d input 1 drop " + match if match else "rule_add d input 1 drop")
    assert reached(state) is not matches
    opposite = run(OFFICE, "fallback d input drop", f"rule_add d input 1 accept {match}".rstrip())
    assert reached(opposite) is matches


def test_a_reply_is_established_where_its_connection_was_seen() -> None:
    state = run(
        OFFICE, "fallback r forward drop", "rule_add r forward 1 accept state established",
        "rule_add r forward 2 accept from 10.0.1.0/24", "fallback c input drop",
        "rule_add c input 1 accept state established",
    )  # fmt: skip
    assert reached(state)
    assert why(state, "d", "c").startswith("r's forward drops what no rule accepts: 10.0.2.2 -> 10.0.1.2")
    assert why(run(state, "rule_add r forward 3 accept from 10.0.2.0/24"), "d", "c").startswith("c's input")


def test_a_reply_that_comes_another_way_is_not_established_there() -> None:
    """A reply of TCP whose beginning q never saw is neither new nor established; one of UDP looks like a beginning."""
    state = run(
        OFFICE,
        "route_add d 10.0.1.0/24 10.0.3.1",
        "fallback q forward drop",
        "rule_add q forward 1 accept state established",
    )
    assert why(state, "c", "d").startswith("q's forward drops what no rule accepts: 10.0.2.2 -> 10.0.1.2")
    new = run(state, "rule_add q forward 2 accept state new")
    assert not reached(new)
    assert reached(new, port="53/udp")
    assert reached(run(state, "rule_add q forward 2 accept from 10.0.2.0/24"))


def test_a_reply_is_judged_by_its_own_ports() -> None:
    state = run(OFFICE, "rule_add c input 1 drop port 80")
    assert reached(state)
    assert not reached(run(state, "rule_add c input 2 drop port 40000"))


def test_loopback_meets_no_rule_and_no_denial() -> None:
    state = run(OFFICE, "fallback d input drop", "fallback d output drop", "fw_deny d d", "rule_add d input 1 drop")
    assert path(state, "d", "d") == "d"
    assert path(state, "d", "10.0.3.2") == "d"
    assert why(state, "d", "d", "22") == "d has no service on 22"


def test_a_denial_is_of_a_hosts_addresses() -> None:
    assert why(run(OFFICE, "fw_deny d c"), "c", "d") == "d denies c"
    assert reached(run(OFFICE, "fw_deny c d"))
    assert reached(run(OFFICE, "fw_deny d c"), "d", "c"), "a reply is not denied"
    hidden = run(OFFICE, "fw_deny d c", "nat_add r 1 source leaving from 10.0.1.0/24")
    assert reached(hidden), "d sees r"
    assert why(run(hidden, "fw_deny d r"), "c", "d") == "d denies r"


# --- translation ---------------------------------------------------------------------------------------


def test_the_source_is_translated_when_a_packet_leaves_and_back_when_its_reply_comes() -> None:
    no_way_back = run(OFFICE, "route_del d 0.0.0.0/0")
    assert why(no_way_back, "c", "d") == "d has no route to 10.0.1.2"
    for to in ("leaving", "10.0.2.1"):
        assert path(run(no_way_back, f"nat_add r 1 source {to} from 10.0.1.0/24"), "c", "d") == "c r d"
    assert not reached(run(no_way_back, "nat_add r 1 source leaving from 10.0.7.0/24"))
    assert not reached(run(no_way_back, "nat_add r 1 source 10.0.2.77"))


def test_filters_see_the_source_as_it_was() -> None:
    state = run(
        OFFICE, "nat_add r 1 source leaving", "fallback r forward drop", "rule_add r forward 1 accept from 10.0.1.2"
    )
    assert not reached(state), "the reply"
    assert reached(run(state, "rule_add r forward 2 accept state established"))
    assert reached(run(OFFICE, "nat_add r 1 source leaving", "rule_add d input 1 drop from 10.0.1.0/24"))
    assert not reached(run(OFFICE, "nat_add r 1 source leaving", "rule_add d input 1 drop from 10.0.2.1"))


def test_the_destination_is_translated_before_routing() -> None:
    state = run(OFFICE, "nat_add r 1 destination 10.0.2.2@80 to 10.0.1.1 proto tcp port 8080")
    assert path(state, "c", "10.0.1.1", "8080") == "c r d"
    assert not reached(state, "c", "10.0.1.1", "80")
    assert not reached(state, "c", "10.0.1.1", "8080/udp")
    moved = run(state, "svc_down d 80", "svc_up d 8080")
    assert why(moved, "c", "10.0.1.1", "8080") == "d has no service on 80"
    assert not reached(run(state, "rule_add r forward 1 drop port 80"), "c", "10.0.1.1", "8080")
    assert reached(run(state, "rule_add r forward 1 drop port 8080"), "c", "10.0.1.1", "8080")
    assert not reached(run(state, "fallback r forward drop"), "c", "10.0.1.1", "8080")
    assert reached(run(state, "fallback r input drop"), "c", "10.0.1.1", "8080")


def test_without_a_port_the_port_stays() -> None:
    state = run(OFFICE, "nat_add r 1 destination 10.0.2.2 to 10.0.1.1")
    assert path(state, "c", "10.0.1.1") == "c r d"
    assert path(state, "c", "10.0.1.1", "53/udp") == "c r d"


def test_the_first_translation_of_a_kind_that_matches_counts() -> None:
    state = run(
        OFFICE, "nat_add r 2 destination 10.0.2.2 to 10.0.1.1", "nat_add r 1 destination 10.0.2.99 to 10.0.1.1 port 81"
    )
    assert reached(state, "c", "10.0.1.1")
    assert why(state, "c", "10.0.1.1", "81") == "nobody answers for 10.0.2.99 on r's interface to d"


def test_both_kinds_meet_in_one_connection() -> None:
    """Back to the network it came from: without the source's translation the reply takes the short way, unasked for."""
    state = run(
        bare("c", "d", "e", "r", "s"), "link_up c s", "link_up d s", "link_up e s", "link_up r s", "forward_on r",
        "svc_up d 80", "addr_add e s 10.0.1.4/24",
        "addr_add r s 10.0.1.1/24", "addr_add c s 10.0.1.2/24", "addr_add d s 10.0.1.3/24",
        "nat_add r 1 destination 10.0.1.3 to 10.0.1.1",
    )  # fmt: skip
    assert why(state, "c", "10.0.1.1") == "the reply comes as 10.0.1.3 -> 10.0.1.2 tcp/40000"
    assert path(run(state, "nat_add r 2 source leaving"), "c", "10.0.1.1") == "c r d"
    assert why(run(state, "nat_add r 2 source 10.0.1.4"), "c", "10.0.1.1") == "the reply goes to e"


def test_what_a_host_says_itself_keeps_its_destination() -> None:
    state = run(OFFICE, "nat_add c 1 destination 10.0.2.99 to 10.0.2.2")
    assert reached(state)
    assert not reached(run(OFFICE, "nat_add r 1 destination 10.0.2.99 to 10.0.2.2"))
    own = run(OFFICE, "nat_add c 1 source 10.0.1.77")
    assert not reached(own), "its source is translated as it leaves, and nobody has that address"


def test_a_server_may_translate_what_comes_to_itself() -> None:
    state = run(OFFICE, "nat_add d 1 destination 10.0.3.2@80 to 10.0.2.2 port 8080")
    assert path(state, "c", "d", "8080") == "c r d"


def test_a_translation_is_of_one_family() -> None:
    state = run(
        OFFICE, "addr_add c r 2001:db8:1::2/64", "addr_add r c 2001:db8:1::1/64", "addr_add d r 2001:db8:2::2/64",
        "addr_add r d 2001:db8:2::1/64", "route_add d default6 2001:db8:2::1", "svc_up r 80",
        "nat_add r 1 destination 10.0.2.2", "nat_add r 2 source 10.0.2.1",
    )  # fmt: skip
    assert path(state, "c", "2001:db8:1::1") == "c r"
    assert path(state, "c", "10.0.1.1") == "c r d"
