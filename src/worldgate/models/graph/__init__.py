"""The graph family: message passing over a state's entities, a recurrent Gaussian belief, a decoder of deltas.

layout     what is a node, an edge, a feature      features   one state and action as a graph
tokens     deltas as tokens, and their grammar     encoder    batches
net        the network (torch)                     config     its sizes, and how it knows entities
"""
