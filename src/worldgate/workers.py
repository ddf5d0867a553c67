"""Processes that work for another: they end with it, however it ends, and at an interrupt without a word."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from multiprocessing import get_context, parent_process
from threading import Thread
from typing import Any


class Workers(ProcessPoolExecutor):
    """Processes, each begun by `begin`, which is or calls `end_with_parent`. An interrupt from the keyboard, which all
    of them get, is not heard before that."""

    def __init__(self, count: int, begin: Callable[..., None], arguments: tuple[Any, ...] = ()) -> None:
        super().__init__(count, get_context("spawn"), begin, arguments)

    def submit(self, *task: Any, **options: Any) -> Future[Any]:  # starts processes, which inherit the mask
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            return super().submit(*task, **options)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


def end_with_parent() -> None:
    """Make this process end as soon as the one that started it does, however that ends; and at an interrupt without a
    word, where the one that started it hears those."""
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    parent = parent_process()

    def watch() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    Thread(target=watch, daemon=True).start()
