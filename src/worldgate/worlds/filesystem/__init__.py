"""The filesystem world: what shell commands do to a directory tree, exactly."""

from .world import FilesystemWorld

__all__ = ["FilesystemWorld", "world"]


def world() -> FilesystemWorld:
    """A filesystem world with its own store of contents."""
    return FilesystemWorld()
