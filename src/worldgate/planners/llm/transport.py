"""What both dialects share: a limit on the time and the size of one exchange, and a strict reading of its reply.

The libraries' time-outs are for one read each, so a server that drips could hold a call for ever; `within` limits the
whole of it. A call given up on ends by itself at its next read; its thread never keeps the process from ending.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from queue import Empty, SimpleQueue
from threading import Thread
from time import monotonic
from typing import TypeVar

import msgspec

from ..script import NoPlan
from .errors import BadReply, BadSetting, EndpointFailed, Refused, TimedOut, TooLarge, TooManyRequests, Unreachable
from .parse import strict_json

MAX_BYTES = 1 << 20
"""Bytes of one reply's body."""
_EXCERPT = 300

T = TypeVar("T")


def within(seconds: float, call: Callable[[], T]) -> T:
    """What `call` returns or raises; `TimedOut` when it has done neither after `seconds`."""
    box: SimpleQueue[tuple[T | None, BaseException | None]] = SimpleQueue()

    def work() -> None:
        try:
            box.put((call(), None))
        except BaseException as error:  # it is raised where somebody waits for it
            box.put((None, error))

    Thread(target=work, daemon=True).start()
    try:
        result, error = box.get(timeout=seconds)
    except Empty:
        raise timed_out(seconds) from None
    if error is not None:
        raise error
    return result  # type: ignore[return-value]


def timed_out(seconds: float) -> TimedOut:
    return TimedOut(f"no whole reply after {seconds:.3f} s", "one in time", "Allow more seconds, or ask for less.")


def bounded(chunks: Iterable[bytes], seconds: float, began: float) -> Iterator[bytes]:
    """The chunks of a body, as long as they are within `MAX_BYTES` and `seconds` since `began`."""
    size, rest = 0, iter(chunks)
    while True:
        try:
            chunk = next(rest, None)
        except Exception as error:  # a connection that broke, in the words of whichever library
            broken = Unreachable(f"a reply that broke off after {size} bytes: {error!r:.120}", "a whole reply")
            raise (timed_out(seconds) if monotonic() - began >= seconds else broken) from error
        if chunk is None:
            return
        size += len(chunk)
        if size > MAX_BYTES:
            raise TooLarge(f"more than {MAX_BYTES} bytes", f"at most {MAX_BYTES}")
        if monotonic() - began > seconds:
            raise timed_out(seconds)
        yield chunk


def received(status: int, headers: Mapping[str, str], body: bytes, kind: type[T], secret: str = "") -> T:
    """The reply of an exchange as `kind`; raises by status, content type, encoding and shape, in that order.

    `secret` is what must not be quoted from an endpoint's error.
    """
    if status != 200:
        raise _by_status(status, body, secret)
    media = headers.get("content-type", "").partition(";")[0].strip().lower()
    if media != "application/json":
        raise BadReply(f"content type {media or 'of no name'!r:.80}", "application/json")
    try:
        return msgspec.convert(strict_json(body.decode("utf-8")), kind)
    except UnicodeDecodeError as error:
        raise BadReply(f"the byte 0x{body[error.start]:02x} at {error.start}", "UTF-8") from error
    except (ValueError, msgspec.ValidationError) as error:
        raise BadReply(f"{error!s:.200}", f"a {kind.__name__.lstrip('_').lower()}") from error


def refuse_encoded(headers: Mapping[str, str]) -> None:
    """Raise for a compressed body: a small one could become any size."""
    encoding = headers.get("content-encoding", "identity").strip().lower()
    if encoding != "identity":
        raise BadReply(f"content encoding {encoding!r:.60}", "no encoding, as was asked for")


def _by_status(status: int, body: bytes, secret: str) -> NoPlan:
    said = body.decode("utf-8", "replace")
    said = " ".join((said.replace(secret, "***") if secret else said).split())[:_EXCERPT]
    kinds = {429: (TooManyRequests, "Wait, then plan again."), 5: (EndpointFailed, "Plan again later.")}
    kind, do = kinds.get(status) or kinds.get(status // 100) or (Refused, "Check model, key, address and format.")
    return kind(f"HTTP {status}: {said or 'no body'}", "HTTP 200", do)


def checked_text(name: str, given: str | None, do: str, most: int = 8_000) -> str:
    """A setting that must be there and go into a header or an address as it is."""
    if not given or len(given) > most or not given.isascii() or not given.isprintable() or given != given.strip():
        found = "text that cannot be sent" if given else "none"
        raise BadSetting(f"{name}: {found}", f"at most {most} printable ASCII characters", do)
    return given
