"""Write the JSON Schemas of runs, sessions, strategies and trainings to docs/schemas: `python bench/schemas.py`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from worldgate.gate.run import json_schemas
from worldgate.models.document import json_schema as training_schema
from worldgate.planners.strategy import json_schema
from worldgate.trading.schemas import json_schemas as evidence_schemas

PLACE = Path(__file__).resolve().parent.parent / "docs" / "schemas"


def published() -> dict[str, Any]:
    """Every document that the project writes, by name."""
    return json_schemas() | evidence_schemas()


if __name__ == "__main__":
    PLACE.mkdir(exist_ok=True)
    documents = {f"{name}.schema.json": schema for name, schema in published().items()}
    for name, schema in {**documents, "strategy.json": json_schema(), "training.json": training_schema()}.items():
        (PLACE / name).write_text(json.dumps(schema, indent=1, sort_keys=True) + "\n", encoding="utf-8")
