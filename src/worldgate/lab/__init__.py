"""The lab: an experiment is a data file; its runs are records; tables and figures are made from the records alone."""

from .experiment import Experiment, Planned, expand
from .figure import report
from .loading import load_experiment
from .run import run

__all__ = ["Experiment", "Planned", "expand", "load_experiment", "report", "run"]
