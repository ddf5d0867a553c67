"""What grounds a latent predictor: the truth, machinery against collapse, or exact negatives. Configs to numbers.

examples    transitions, negatives and branches of a world      objectives    losses, and what health is (torch)
latent      the network (torch)                              study         a config to numbers on held-out branches
"""

from .study import Measured, Study, checked, run

__all__ = ["Measured", "Study", "checked", "run"]
