"""Symbolic rule induction: lifted preconditions and effects, learned from transitions and printed as text.

reading    the words of an action             table      examples as rows, terms as columns
terms      what a rule can name               literals   what a rule can ask
language   which of these there are, and      study      the literals that tell examples apart
           what is not expressible            tree       how questions are chosen
addresses  which facts change                 answers    what they may become
effects    what becomes of a fact             learner    `Induction`, the predictor
"""

from .learner import Induction

__all__ = ["Induction"]
