"""Write the JSON Schemas of a run's documents to docs/schemas: `python bench/schemas.py`."""

from __future__ import annotations

import json
from pathlib import Path

from worldgate.gate.run import json_schemas

PLACE = Path(__file__).resolve().parent.parent / "docs" / "schemas"

if __name__ == "__main__":
    PLACE.mkdir(exist_ok=True)
    for name, schema in json_schemas().items():
        text = json.dumps(schema, indent=1, sort_keys=True) + "\n"
        (PLACE / f"{name}.schema.json").write_text(text, encoding="utf-8")
