"""The page about declared worlds: its fences run in order, and it names every field and every number."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from msgspec.structs import fields

from worldgate.gate import conditions, interleave
from worldgate.worlds.declared import document, errors

PAGE = (Path(__file__).parents[3] / "docs" / "worlds" / "declared.md").read_text()
FENCE = re.compile(r'^```(\w+)(?: title="([^"]+)")?\n(.*?)^```$', re.MULTILINE | re.DOTALL)


def test_the_fences_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    ran = 0
    for language, title, text in FENCE.findall(PAGE):
        if language == "yaml":
            Path(title).write_text(text)
        else:
            exec(compile(text, "declared.md", "exec"), names)
            ran += 1
    assert ran == 2
    assert (tmp_path / "plan.svg").exists()


@pytest.mark.parametrize("structure", [document.WorldFile, document.Field, document.Parameter, document.Collection,
                                       document.Resource, document.Action, document.Each, document.Limits])  # fmt: skip
def test_every_field_is_on_the_page(structure: type) -> None:
    missing = [field.name for field in fields(structure) if not re.search(rf"\b{field.name}\b", PAGE)]
    assert missing == []


def test_every_number_is_on_the_page() -> None:
    known = {kind.number for kind in vars(errors).values() if isinstance(kind, type) and hasattr(kind, "number")}
    known |= set(re.findall(r"WG31\d", interleave.__doc__ or "")) | {conditions.BadCondition.number}
    assert sorted(number for number in known - {"WG000", "WG201"} if number not in PAGE) == []
