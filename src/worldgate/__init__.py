"""worldgate: judge what a change does before it is done.

An exact, executable copy of the world computes the effect of a proposed change; policies and
budgets judge the resulting state; only then is it committed, once, and recorded.
"""

__version__ = "0.1.0"
