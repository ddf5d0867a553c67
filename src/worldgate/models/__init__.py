"""Learned predictors: families of models, and what trains, keeps and runs them.

family      what a family is, and the table of them      document    a training file
source      what to train on                             pools       the questions of its walks
stream      batches from worker processes, in order      training    the loop, which goes on after any stop
forcing     questions where the model itself leads       checkpoint  a trained net as one file
predictor   a checkpoint as a predictor

A family knows nothing of loops, files or drivers; these know nothing of how a family predicts. What needs torch is
imported where it is used (extra `learn`); worker processes never import it.
"""

from ..system import narrow

narrow()  # before torch is imported
