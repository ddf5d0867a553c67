"""The horizon: how far a prediction can be trusted between two looks at the truth."""

from .consultation import POLICIES, Consultation, Moment, Setting
from .costs import Budget, Cost, Prices
from .derived import Derived, faithfulness
from .predictor import Prediction, Predictor
from .record import Edits, Look, RunRecord, from_json, to_json
from .rollout import rollout
from .settings import Settings
from .trajectory import Step, Trajectory, roll

__all__ = [
    "POLICIES",
    "Budget",
    "Consultation",
    "Cost",
    "Derived",
    "Edits",
    "Look",
    "Moment",
    "Prediction",
    "Predictor",
    "Prices",
    "RunRecord",
    "Setting",
    "Settings",
    "Step",
    "Trajectory",
    "faithfulness",
    "from_json",
    "roll",
    "rollout",
    "to_json",
]
