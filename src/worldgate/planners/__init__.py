"""Planners: whatever proposes actions. All of them are untrusted, and none of them can change anything.

A planner is shown what has happened so far and answers with actions, which the gate simulates, judges and commits, or
refuses. It is given no gate, no target and no clock: the same inputs give the same proposal.
"""
