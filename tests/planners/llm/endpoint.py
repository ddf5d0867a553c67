"""A real HTTP server on this machine that says what a test tells it to, and keeps what it was asked."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from worldgate.planners.llm import BedrockModel, OpenAIModel

JSON = "application/json"


@dataclass
class Said:
    """One response. `parts` are written one by one, `pause` seconds apart; `hang` never answers."""

    body: bytes = b""
    status: int = 200
    type: str = JSON
    headers: dict[str, str] = field(default_factory=dict)
    parts: Iterable[bytes] | None = None
    pause: float = 0.0
    hang: bool = False
    length: int | None = None


@dataclass
class Asked:
    path: str
    headers: dict[str, str]
    data: Any


class Endpoint:
    """What it will say, in order (the last for ever), what it was asked, and how many bytes of bodies it got rid of."""

    def __init__(self, *said: Said) -> None:
        self.said, self.asked, self.written = list(said), list[Asked](), 0
        self.over = threading.Event()
        self.url = ""

    def openai(self, **options: Any) -> OpenAIModel:
        return OpenAIModel("some-model", base_url=f"{self.url}/v1", api_key="sk-secret", **options)

    def bedrock(self, **options: Any) -> BedrockModel:
        dummy = {"aws_access_key_id": "AKID", "aws_secret_access_key": "secret", "region_name": "eu-central-1"}
        return BedrockModel("some.model-v1:0", endpoint_url=self.url, options=dummy, **options)

    def texts(self, number: int) -> list[str]:
        """The contents of the messages of one request, in either dialect."""
        data = self.asked[number].data
        parts = [one["content"] for one in data["messages"]]
        return [one if isinstance(one, str) else one[0]["text"] for one in parts]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    endpoint: Endpoint

    def do_POST(self) -> None:
        endpoint = self.endpoint
        data = json.loads(self.rfile.read(int(self.headers["content-length"])))
        endpoint.asked.append(Asked(self.path, {name.lower(): one for name, one in self.headers.items()}, data))
        said = endpoint.said.pop(0) if len(endpoint.said) > 1 else endpoint.said[0]
        self.close_connection = True
        if said.hang:
            endpoint.over.wait(20)
            return
        with suppress(OSError):
            self.send_response(said.status)
            length = len(said.body) if said.length is None else said.length
            for name, value in {"content-type": said.type, "content-length": str(length), **said.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            for part in said.parts or [said.body]:
                self.wfile.write(part)
                endpoint.written += len(part)
                if said.pause and endpoint.over.wait(said.pause):
                    return

    def log_message(self, *_: Any) -> None:
        """Quiet."""


@contextmanager
def serving(*said: Said) -> Iterator[Endpoint]:
    endpoint = Endpoint(*said)
    handler = type("Handler", (_Handler,), {"endpoint": endpoint})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    endpoint.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield endpoint
    finally:
        endpoint.over.set()
        server.shutdown()
        server.server_close()
        thread.join()


USAGE = {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120}


def completion(text: str | None, finish: str = "stop", usage: Any = USAGE, **message: Any) -> Said:
    """A chat completion as endpoints send it."""
    choice = {"index": 0, "finish_reason": finish, "message": {"role": "assistant", "content": text, **message}}
    data = {"id": "c1", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]}
    return Said(json.dumps(data | ({"usage": usage} if usage is not None else {})).encode())


def conversation(*blocks: Any, stop: str = "tool_use", usage: Any = (100, 20)) -> Said:
    """A Converse response as Bedrock sends it."""
    data = {"output": {"message": {"role": "assistant", "content": list(blocks)}}, "stopReason": stop}
    counted = {"inputTokens": usage[0], "outputTokens": usage[1], "totalTokens": sum(usage)} if usage else None
    return Said(json.dumps(data | {"metrics": {"latencyMs": 5}} | ({"usage": counted} if counted else {})).encode())


def call(given: Any, name: str = "propose_plan") -> Any:
    return {"toolUse": {"toolUseId": "t1", "name": name, "input": given}}


def plan(*steps: str, **fields: Any) -> str:
    return json.dumps({"steps": [{"do": step} for step in steps], "rationale": "why", **fields})
