"""The evidence is what its published schemas say, field for field."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest

from tests.trading.sessions import eventful
from worldgate.trading import files
from worldgate.trading.desk import session
from worldgate.trading.schemas import Executions, Tape, TapeRow, json_schemas
from worldgate.worlds.market.generator import generate


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The evidence of a session in which much happens."""
    folder = tmp_path_factory.mktemp("evidence")
    bars = generate(["A", "B"], 120, 3)
    inputs = eventful("reversion", bars)
    steps = ((advanced.step, advanced.delta) for advanced in session(inputs, bars))
    for _ in files.write(folder, inputs, files.rows(inputs, bars, steps)):
        pass
    return folder


@pytest.mark.parametrize(
    ("name", "kind", "document"), [("tape", Tape, files.TAPE), ("executions", Executions, files.EXECUTIONS)]
)
def test_a_document_is_as_its_schema_says(written: Path, name: str, kind: Any, document: str) -> None:
    data = (written / document).read_bytes()
    found = msgspec.json.decode(data, type=kind)
    assert len(found.rows) > 10
    jsonschema.validate(json.loads(data), json_schemas()[name])
    broken = json.loads(data)
    broken["rows"][3]["surprise"] = 1
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(broken, json_schemas()[name])


def test_rows_have_the_fields_in_their_order(written: Path) -> None:
    row = next(files.read(written / files.TAPE))
    assert tuple(row) == TapeRow.__struct_fields__
    header = (written / files.TABLE).read_text().splitlines()[0]
    assert header == ",".join(("schema_version", *TapeRow.__struct_fields__))
