"""worldgate: judge what a change does before it is done.

An exact, executable copy of the world computes the effect of a proposed change; policies and
budgets judge the resulting state; only then is it committed, once, and recorded.
"""

from pathlib import Path

__version__ = "0.1.0"

COMPILED = not (Path(__file__).parent / "facts" / "maps.py").exists()
"""Whether the hot modules are machine code (`make compiled`): their sources are not beside them then."""
