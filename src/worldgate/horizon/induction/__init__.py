"""Symbolic rule induction: lifted preconditions and effects, learned from transitions and printed as text.

reading    the words of an action             table       examples as rows, terms as columns
records    actions that are records           told        a state beside the tables of an action
following  a text, from thing to thing        walks       words that lead somewhere
common     what all actions show              beside      what rules are told beside a state
terms      what a rule can name               arithmetic  fields, sums, products, records
literals   what a rule can ask                study       the literals that tell examples apart
language   which of these there are, and      tree        how questions are chosen
           what is not expressible            answers     what facts may become
texts      put together, and by digest        wording     what texts are made of
making     ids of what is made and copied     copying     facts about copies
passing    what facts are on the way          bits        numbers that are sets
addresses  which facts change                 solving     expressions, from examples
goals      values that explain each other     effects     what becomes of a fact
gathering  sums of what belongs to one         stages     what is explained first
folding    one fact after another              written    rules as data
ways       paths through what conditions hold  some       whether there is a fact about a thing
joins      facts that several facts say        offers     the best of what joins say
formats    parts of values                     learner    `Induction`, the predictor
"""

from .learner import Induction

__all__ = ["Induction"]
