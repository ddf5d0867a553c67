"""The lab: an experiment is a data file; its runs are records; tables and figures are made from the records alone.

`load` reads either kind of file: experiments, or grounding studies, and `run` runs either.
"""

from .experiment import Experiment, Planned, expand
from .figure import report
from .loading import load, load_experiment
from .run import run
from .studies import Studies, total

__all__ = [
    "Experiment",
    "Planned",
    "Studies",
    "expand",
    "load",
    "load_experiment",
    "report",
    "run",
    "total",
]
