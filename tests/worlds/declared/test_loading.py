"""Loading a world file: what is refused, with which number, and with the path of the offending place."""

from __future__ import annotations

import json
from copy import deepcopy
from importlib.resources import files
from typing import Any

import jsonschema
import pytest
import yaml

from worldgate.facts import Error
from worldgate.worlds import declared
from worldgate.worlds.declared import BadWorldFile, json_schema, world_from_file, world_from_text
from worldgate.worlds.documents import MAX_BYTES

LAMPS: dict[str, Any] = yaml.safe_load("""
world: lamps
version: "1"
units: {lm: base}
resources: {ladder: {exclusive: true}, cable: {consumable: 10, unit: cm}}
collections:
  lamps:
    each: lamp
    fields:
      state: {enum: [dark, lit]}
      light: {type: int, unit: lm, min: 0, max: 800}
      twin: {ref: lamp, optional: true}
values: {total: {type: int, unit: lm}}
invariants:
  dark-has-no-light: {each: lamp, holds: 'lamp_state(lamp) == "lit" || lamp_light(lamp) == 0'}
  some: size(lamps()) > 0
actions:
  light:
    params: {lamp: {ref: lamp}, light: {type: int, unit: lm, min: 1, max: 800, default: 400}}
    requires: ['lamp_state(lamp) == "dark"', lamp_exists(lamp)]
    effects: {lamp_state(lamp): '"lit"', lamp_light(lamp): light, total(): total() + light}
    ensures: [lamp_light(lamp) == light]
    uses: {ladder: 1}
    undo: "quench(lamp: lamp)"
  quench:
    params: {lamp: {ref: lamp}}
    effects: {lamp_state(lamp): '"dark"', lamp_light(lamp): 0, total(): total() - lamp_light(lamp)}
  hang:
    params: {lamp: {new: lamp}}
    effects: {lamp(lamp): {state: '"dark"', light: 0}}
    uses: {cable: 5}
  unhang: {params: {lamp: {ref: lamp}}, effects: {lamp(lamp): null}}
start:
  total: 0
  lamps: {a: {state: dark, light: 0}, b: {state: dark, light: 0, twin: a}}
""")


def changed(path: str, value: Any) -> str:
    """The lamps with one place set; "-" in front of the path removes it."""
    data = deepcopy(LAMPS)
    *way, last = path.lstrip("-").split("/")
    place: Any = data
    for key in way:
        place = place[int(key) if isinstance(place, list) else key]
    if path.startswith("-"):
        del place[last]
    elif isinstance(place, list):
        place[int(last)] = value
    else:
        place[last] = value
    return json.dumps(data)


def test_the_world_itself_loads() -> None:
    world = world_from_text(json.dumps(LAMPS))
    assert world.initial(0).get("lamp_twin", ("b",)) == "a"
    assert world.initial(0).get("cable_left", ()) == 10


@pytest.mark.parametrize(
    ("path", "value", "number", "says"),
    [
        # shape
        ("colour", 1, "WG251", "colour"),
        ("actions/light/cost", 1, "WG251", "actions.light: "),
        ("actions/light/params/light/maximum", 1, "WG251", "actions.light.params.light"),
        ("actions/light/risk", "huge", "WG251", "actions.light.risk"),
        ("actions/light/requires/1", 5, "WG251", "actions.light.requires[1]"),
        ("actions/light/uses/ladder", 0, "WG251", "actions.light.uses.ladder"),
        ("-actions", None, "WG251", "actions"),
        ("actions", {}, "WG251", "actions"),
        ("world", "Big World", "WG251", "world"),
        ("version", 1, "WG251", "version"),
        ("collections/lamps/fields/light", "float", "WG251", "collections.lamps.fields.light"),
        ("collections/lamps/fields/state", {"enum": ["a"], "type": "int"}, "WG251", "collections.lamps.fields.state"),
        ("collections/lamps/fields/state", {}, "WG251", "collections.lamps.fields.state"),
        ("collections/lamps/fields/state", {"enum": ["a"], "min": 1}, "WG251", "collections.lamps.fields.state"),
        ("collections/lamps/fields/light/min", 900, "WG251", "collections.lamps.fields.light"),
        ("resources/ladder/capacity", 2, "WG251", "resources.ladder"),
        ("resources/ladder", {}, "WG251", "resources.ladder"),
        ("values/size", "int", "WG251", "size"),
        ("values/Total", "int", "WG251", "Total"),
        ("actions/Light", {}, "WG251", "actions.Light"),
        ("actions/quench/params/in", "int", "WG251", "actions.quench.params.in"),
        ("actions/light/uses/ladder", 2, "WG251", "actions.light.uses.ladder"),
        ("actions/light/acquires", ["cable"], "WG251", "actions.light.acquires[0]"),
        ("actions/light/acquires", ["ladder"], "WG251", "actions.light.acquires[0]"),
        ("actions/hang/effects/cable_left()", 4, "WG251", "actions.hang.effects.cable_left()"),
        ("actions/hang/effects/ladder_in_use()", 0, "WG251", "actions.hang.effects.ladder_in_use()"),
        ("units/cd", "one lm", "WG251", "units.cd"),
        # names
        ("collections/lamps/fields/twin/ref", "lampe", "WG252", "collections.lamps.fields.twin"),
        ("collections/lamps/fields/light/unit", "lux", "WG252", "collections.lamps.fields.light"),
        ("resources/cable/unit", "ft", "WG252", "resources.cable"),
        ("units/cd", "12 lux", "WG252", "units.cd"),
        ("actions/light/params/lamp/ref", "lampe", "WG252", "actions.light.params.lamp"),
        ("actions/light/uses", {"rope": 1}, "WG252", "actions.light.uses.rope"),
        ("actions/light/releases", ["rope"], "WG252", "actions.light.releases[0]"),
        ("actions/light/effects/lamp_colour(lamp)", 1, "WG252", "actions.light.effects.lamp_colour(lamp)"),
        ("actions/hang/effects/lamp(lamp)/colour", 1, "WG252", "actions.hang.effects.lamp(lamp).colour"),
        ("actions/light/requires/0", 'lamp_state(lamp) == "darc"', "WG252", "actions.light.requires[0]"),
        ("actions/light/requires/0", '"darc" != lamp_state(lamp)', "WG252", "actions.light.requires[0]"),
        ("actions/light/requires/0", 'lamp_state(lamp) in ["lit", "of"]', "WG252", "actions.light.requires[0]"),
        ("actions/light/effects/lamp_state(lamp)", '"litt"', "WG252", "actions.light.effects.lamp_state(lamp)"),
        ("actions/light/undo", "quensh(lamp: lamp)", "WG252", "actions.light.undo"),
        ("actions/light/undo", "quench(lmp: lamp)", "WG252", "actions.light.undo"),
        ("invariants/dark-has-no-light/each", "lampe", "WG252", "invariants.dark-has-no-light.each"),
        ("start/lumps", {}, "WG252", "start.lumps"),
        ("start/lamps/a/colour", 1, "WG252", "start.lamps.a.colour"),
        ("start/lamp_state", "lit", "WG252", "start.lamp_state"),
        # expressions
        ("actions/light/requires/1", "lamp_exist(lamp)", "WG253", "actions.light.requires[1]"),
        ("actions/light/requires/1", "lamp_light(lamp)", "WG253", "actions.light.requires[1]"),
        ("actions/light/requires/1", "lamp_light(light) > 1", "WG253", "actions.light.requires[1]"),
        ("actions/light/requires/1", "lmp == lamp", "WG253", "actions.light.requires[1]"),
        ("actions/light/requires/1", "1 +", "WG253", "actions.light.requires[1]"),
        ("actions/light/requires/1", "true // a comment", "WG253", "actions.light.requires[1]"),
        ("actions/light/requires/1", 'lamp == r"a"', "WG253", "actions.light.requires[1]"),
        ("actions/light/requires/1", ".total() == 0", "WG253", "actions.light.requires[1]"),
        ("actions/light/ensures/0", 'lamp_light(lamp) == "1"', "WG253", "actions.light.ensures[0]"),
        ("actions/light/effects/lamp_light(lamp)", '"much"', "WG253", "actions.light.effects.lamp_light(lamp)"),
        ("actions/light/effects/lamp_light(light)", 1, "WG253", "actions.light.effects.lamp_light(light)"),
        ("actions/light/effects/lamp_light()", 1, "WG253", "actions.light.effects.lamp_light()"),
        ("actions/light/effects/total(lamp)", 1, "WG253", "actions.light.effects.total(lamp)"),
        ("actions/light/effects/lamp_light(lamp)", None, "WG253", "actions.light.effects.lamp_light(lamp)"),
        ("actions/light/effects/total", 1, "WG253", "actions.light.effects.total"),
        ("actions/hang/effects/lamp(lamp)", {"light": 0}, "WG253", "actions.hang.effects.lamp(lamp)"),
        ("actions/hang/effects/lamp(lamp)", 7, "WG253", "actions.hang.effects.lamp(lamp)"),
        ("actions/light/undo", "quench()", "WG253", "actions.light.undo"),
        ("actions/light/undo", "quench(lamp: light)", "WG253", "actions.light.undo"),
        ("actions/light/undo", "quench", "WG253", "actions.light.undo"),
        ("invariants/some", "size(lamps())", "WG253", "invariants.some"),
        ("invariants/dark-has-no-light/holds", "lamp_light(lamp) >= nothing", "WG253", "invariants.dark-has-no-light"),
        # the start
        ("-start/total", None, "WG254", "total()"),
        ("-start/lamps/a/light", None, "WG254", 'lamp_light("a")'),
        ("start/lamps/a/light", 801, "WG254", "start.lamps.a.light"),
        ("start/lamps/a/light", "1 kg", "WG254", "start.lamps.a.light"),
        ("start/lamps/a/state", "on", "WG254", "start.lamps.a.state"),
        ("start/lamps/b/twin", "c", "WG254", 'lamp_twin("b")'),
        ("start/lamps/a/light", 5, "WG254", 'lamp "a"'),
        ("start/lamps", 5, "WG254", "start.lamps"),
        ("start/lamps/", {"state": "dark", "light": 0}, "WG254", "an id of 0 characters"),
        # names given twice
        ("values/lamp_state", "int", "WG255", "lamp_state"),
        ("values/lamps", "int", "WG255", "lamps"),
        ("values/sum_lamp_light", "int", "WG255", "sum_lamp_light"),
        ("collections/more", {"each": "lamp"}, "WG255", "lamp"),
        ("collections/lamps/fields/state", {"enum": ["a", "a"]}, "WG255", "collections.lamps.fields.state"),
        ("units/mm", "base", "WG255", "units.mm"),
        ("invariants/whole", "true", "WG255", "invariants.whole"),
    ],
)
def test_what_is_wrong_is_named(path: str, value: Any, number: str, says: str) -> None:
    with pytest.raises(BadWorldFile) as caught:
        world_from_text(changed(path, value), "lamps.yaml")
    assert caught.value.number == number
    assert says in caught.value.found


@pytest.mark.parametrize(
    ("default", "number"),
    [("2 kg", "WG262"), (801, "WG261"), ("much", "WG260"), (True, "WG260")],
)
def test_a_default_is_checked_at_load(default: Any, number: str) -> None:
    with pytest.raises(Error) as caught:
        world_from_text(changed("actions/light/params/light/default", default))
    assert caught.value.number == number
    assert "actions.light.params.light.default" in caught.value.found


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a: [", "line 1"),
        ("world: a\nworld: b", "second time on line 2"),
        ("world: &x a\nversion: *x", "alias"),
        ("- 1", "the document"),
        ("", "the document"),
        ("!!python/object:os.system {}", "python"),
        ("a" * (MAX_BYTES + 1), "characters"),
    ],
)
def test_what_is_no_document_is_refused(text: str, says: str) -> None:
    with pytest.raises(BadWorldFile, match="WG251") as caught:
        world_from_text(text)
    assert says in str(caught.value)


@pytest.mark.parametrize("name", ["support_desk", "robot_cell"])
def test_shipped_files_fit_the_published_schema(name: str) -> None:
    text = files(declared).joinpath(f"{name}.yaml").read_text()
    jsonschema.validate(yaml.safe_load(text), json_schema(), cls=jsonschema.Draft202012Validator)


def test_the_published_schema_is_the_derived_one() -> None:
    assert json.loads(files(declared).joinpath("schema.json").read_text()) == json.loads(json.dumps(json_schema()))


def test_the_published_schema_refuses_an_unknown_field() -> None:
    with pytest.raises(jsonschema.ValidationError, match="cost"):
        jsonschema.validate(json.loads(changed("actions/light/cost", 1)), json_schema())


def test_a_world_is_read_from_a_file(tmp_path: Any) -> None:
    (tmp_path / "lamps.yaml").write_text(json.dumps(LAMPS))
    assert world_from_file(tmp_path / "lamps.yaml").name == "lamps"
