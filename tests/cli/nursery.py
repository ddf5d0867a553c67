"""Processes that run `worldgate`, each forked from one that has imported it: importing takes most of a command.

What is forked returns from here into a program that goes on as if it had been started so: descriptors, directory,
environment, arguments, and the interpreter's own end with its exit code are real. What is read when Python starts
(PYTHONHASHSEED, the locale) is that of the nursery.
"""

from __future__ import annotations

import os
import pickle
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

PROGRAM = """
import sys
sys.path.append({root!r})
from worldgate.cli import main
import worldgate.gate.audit, worldgate.gate.risk, worldgate.gate.workspace, worldgate.render
import worldgate.trading.desk, worldgate.worlds.declared, worldgate.worlds.network
from pydantic import AfterValidator, Field, TypeAdapter  # typer's, at its first command
from tests.cli.nursery import born
born({descriptor})
main()
"""
ROOT = str(Path(__file__).resolve().parents[2])
LIMIT = 1 << 17
"""Bytes of a request: what one message of a Unix socket takes."""


class Nursery:
    """One process that forks, started with this environment."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.ours.settimeout(120)
        with theirs:
            program = PROGRAM.format(root=ROOT, descriptor=theirs.fileno())
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-c", program], env=environment, stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE, pass_fds=[theirs.fileno()],
            )  # fmt: skip

    def __call__(
        self, arguments: Sequence[str | bytes], cwd: Path, environment: Mapping[str, str], stdin: bytes
    ) -> tuple[int, bytes, bytes]:
        """Exit code, standard output and error of the command."""
        request = pickle.dumps((list(map(os.fsencode, arguments)), os.fsencode(cwd), dict(environment)))
        assert len(request) < LIMIT
        with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            given.write(stdin)
            given.seek(0)
            socket.send_fds(self.ours, [request], [file.fileno() for file in (given, out, err)])
            code = int(self.ours.recv(100))
            return code, _whole(out), _whole(err)

    def close(self) -> None:
        self.ours.close()
        assert self.process.wait(60) == 0
        assert self.process.stdout is not None
        self.process.stdout.close()


def _whole(file: IO[bytes]) -> bytes:
    file.seek(0)
    return file.read()


def born(descriptor: int) -> None:
    """Fork for each request and tell its exit code; return in what was forked."""
    with socket.socket(fileno=descriptor) as asked:
        while True:
            request, descriptors, *_ = socket.recv_fds(asked, LIMIT, 3)
            if not request:
                sys.exit()
            child = os.fork()
            if not child:
                break
            for one in descriptors:
                os.close(one)
            asked.send(str(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])).encode())
    for number, one in enumerate(descriptors):
        os.dup2(one, number)
        os.close(one)
    arguments, cwd, environment = pickle.loads(request)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(environment)
    sys.path.remove(ROOT)
    sys.argv[1:] = map(os.fsdecode, arguments)
