"""The part of the sandbox that runs inside it: a program of its own that needs only the standard library.

`sandbox.py` sends these modules, compiled, to a bare Python, with a request (data) and a control socket
on which the program asks for its user mapping, hands over the overlay's layers, and tells how the
command ended. Any step that fails ends everything, before the command has started, with that step's
name: there is no weaker mode.

Imports cost time in every run: these modules take few, and no expensive ones (`socket`, `contextlib`).
"""

MODULES = ("calls", "mounts", "command", "processes")
"""In the order in which they need one another."""
