"""What several rooms need of the system: files that are whole or not there, why one cannot be read, libraries of
extras, modules of users, sums that are the same on every processor, and a rest for the collector of garbage."""

from __future__ import annotations

import errno
import gc
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

from .facts import Error


def replace(path: Path, write: Callable[..., Any]) -> Path:
    """`write(temporary path)`, then that file in the place of `path`: killed at any point, the old one or the new."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        write(temporary)
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        if str(error.filename) == str(temporary):
            error.filename = str(path)
        raise
    finally:
        temporary.unlink(missing_ok=True)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
    return path


def writable(path: Path) -> None:
    """Raise what `replace` would of a place that may not be written, before the work and not after it."""
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.touch()
        temporary.unlink()
    except OSError as error:
        error.filename = str(path)
        raise


def unreadable(path: Path, error: Exception) -> str:
    """What is found where a file cannot be read, its name once."""
    if path.is_dir():
        return f"{path}, which is a folder"
    if not path.exists():
        return f"no such file as {path}"
    return f"{path}: {getattr(error, 'strerror', None) or error!s:.160}"


def library(name: str, missing: type[Error], extra: str) -> Any:
    """The module of that name, or the error that names the extra which brings it."""
    try:
        return import_module(name)
    except ImportError as error:
        raise missing(str(error), name.partition(".")[0], f"Install worldgate[{extra}]") from error


def narrow() -> None:
    """Have torch add in registers of AVX2 where there are wider ones, so that processors agree to the last bit.

    What the environment says already stands. Torch and its libraries look once, before they first add."""
    try:
        known = " avx2 " in Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return
    for name in ("ATEN_CPU_CAPABILITY", "MKL_CBWR", "ONEDNN_MAX_CPU_ISA") if known else ():
        os.environ.setdefault(name, "avx2" if name == "ATEN_CPU_CAPABILITY" else "AVX2")


def use(modules: Iterable[str], refused: type[Error]) -> None:
    """Import modules of users, which add worlds, policies and the like; `refused` names one that fails."""
    for name in modules:
        try:
            import_module(name)
        except Exception as error:
            found = f"module {name!r}, which does not import: {error!r:.200}"
            raise refused(found, "a module of yours", "Put its folder on PYTHONPATH") from error


@contextmanager
def uncollected() -> Iterator[None]:
    """Without looking for cyclic garbage: where many things are made and no cycles, all that is kept would be looked
    through again and again."""
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()
