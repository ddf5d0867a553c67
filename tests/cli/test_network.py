"""The network's commands: a workspace of what hosts say of themselves, asked and changed."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli.conftest import Shell

OFFICE = str(Path(__file__).parents[2] / "examples" / "network" / "office")


def test_an_imported_network_answers_and_says_what_it_lacks(worldgate: Shell) -> None:
    said = worldgate("network", "import", OFFICE, "office", "--json").json
    assert said["hosts"] == 9
    assert {one["host"] for one in said["left_out"]} == {"core", "db", "edge", "web"}
    reached = worldgate("network", "explain", "web", "db", "5432", "-C", "office")
    assert reached.lines == ["web reaches db 5432", "  in 1 hop by web, db"]
    blocked = worldgate("network", "explain", "printer", "db", "5432", "-C", "office", code=2)
    assert blocked.lines[1] == "  core's forward drops what no rule accepts: 10.1.0.11 -> 10.3.0.20 tcp/5432"
    flows = worldgate("network", "paths", "db", "web", "-C", "office", "--json").json
    assert [flow["service"] for flow in flows] == ["443", "80", "8000"]
    assert "reaches nothing" in worldgate("network", "paths", "printer", "db", "-C", "office").out


def test_a_change_of_it_is_judged_by_its_paths(worldgate: Shell) -> None:
    worldgate("network", "import", OFFICE, "office")
    worldgate.write(
        policy_yaml='version: 1\nworld: network\ninvariants: {apart: \'isolated("printer", "db")\'}',
        opens_yaml=json.dumps([f"rule_add {at} 1 accept from 10.1.0.11/32" for at in ("core forward", "db input")]),
        harmless_yaml=json.dumps(["rule_add core forward 1 drop from 10.1.0.11/32"]),
    )
    refused = worldgate("plan", "opens.yaml", "--policy", "policy.yaml", "-C", "office", code=2).out
    assert "printer reaches db 22 at 10.3.0.20 22 by printer, edge, core, db" in refused
    worldgate("plan", "harmless.yaml", "--policy", "policy.yaml", "--commit", "-C", "office")
    blocked = worldgate("network", "explain", "printer", "db", "5432", "-C", "office", code=2).out
    assert "rule 1 of core's forward drops" in blocked


def test_what_cannot_be_asked_is_a_numbered_error(worldgate: Shell) -> None:
    worldgate("network", "import", OFFICE, "office")
    assert "WG901" in worldgate("network", "import", OFFICE, "office", code=1).err
    assert "WG901" in worldgate("network", "paths", "nobody", "db", "-C", "office", code=1).err
    assert "WG901" in worldgate("network", "explain", "web", "db", "http", "-C", "office", code=1).err
    assert "there is no host nobody" in worldgate("network", "explain", "nobody", "db", "1", "-C", "office", code=2).out
    (worldgate.root / "plain").mkdir()
    worldgate("init", "plain")
    assert "over a network" in worldgate("network", "explain", "web", "db", "1", "-C", "plain", code=1).err
    strict = worldgate("network", "import", OFFICE, "exact", "--strict", code=1).err
    assert "left out" in strict
    assert not (worldgate.root / "exact").exists()
