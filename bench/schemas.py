"""Write the JSON Schemas of a run's documents and of strategy files to docs/schemas: `python bench/schemas.py`."""

from __future__ import annotations

import json
from pathlib import Path

from worldgate.gate.run import json_schemas
from worldgate.planners.strategy import json_schema

PLACE = Path(__file__).resolve().parent.parent / "docs" / "schemas"

if __name__ == "__main__":
    PLACE.mkdir(exist_ok=True)
    documents = {f"{name}.schema.json": schema for name, schema in json_schemas().items()}
    for name, schema in {**documents, "strategy.json": json_schema()}.items():
        (PLACE / name).write_text(json.dumps(schema, indent=1, sort_keys=True) + "\n", encoding="utf-8")
