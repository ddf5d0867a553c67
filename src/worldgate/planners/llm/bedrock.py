"""Amazon Bedrock's Converse: any model there, by one request shape.

boto3 finds credentials, signs and sends; the reply is bounded in time and size and read strictly by us. No retries.
The answer is asked for as the input of one tool, `propose_plan`; nothing is ever called. Needs the extra `aws`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from time import monotonic
from typing import Annotated, Any, Literal

import msgspec

from .errors import BadReply, BadSetting, MissingExtra, Unreachable
from .model import Message, Reply, Usage
from .parse import SCHEMA
from .transport import bounded, checked_text, received, refuse_encoded, timed_out, within

TOOL = "propose_plan"
_TOOLS = {
    "tools": [
        {"toolSpec": {"name": TOOL, "description": "Propose the whole plan.", "inputSchema": {"json": SCHEMA}}},
    ],
    "toolChoice": {"tool": {"name": TOOL}},
}
_ENDS: Mapping[str, Literal["stop", "length", "declined"]] = {
    "end_turn": "stop", "tool_use": "stop", "stop_sequence": "stop",
    "max_tokens": "length", "model_context_window_exceeded": "length",
    "content_filtered": "declined", "guardrail_intervened": "declined", "refusal": "declined",
}  # fmt: skip
_Count = Annotated[int, msgspec.Meta(ge=0, le=10**9)]


class _Usage(msgspec.Struct, frozen=True, rename="camel"):
    input_tokens: _Count
    output_tokens: _Count


class _ToolUse(msgspec.Struct, frozen=True):
    name: str
    input: Any


class _Block(msgspec.Struct, frozen=True, rename="camel"):
    text: str | None = None
    tool_use: _ToolUse | None = None


class _Message(msgspec.Struct, frozen=True):
    content: list[_Block]


class _Output(msgspec.Struct, frozen=True):
    message: _Message


class _Conversation(msgspec.Struct, frozen=True, rename="camel"):
    output: _Output
    stop_reason: str
    usage: _Usage | None = None


class BedrockModel:
    """A model of Bedrock's, by its id or the ARN of an inference profile. Credentials and region are boto3's to find.

    `tool=False` is for models that take no tools: then the answer is their text. `options` are boto3 session
    arguments (`region_name`, `profile_name`, ...); `endpoint_url` is for private endpoints.
    """

    name = "bedrock"

    def __init__(
        self,
        model: str,
        *,
        endpoint_url: str | None = None,
        tool: bool = True,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        self.model = checked_text("model", model, "Name a model id of Bedrock.", 200)
        self._endpoint, self._tool = endpoint_url, tool
        boto3, errors, _ = _libraries()
        try:
            self._session = boto3.session.Session(**(options or {}))
        except (errors.BotoCoreError, TypeError) as error:
            raise BadSetting(f"{error!s:.200}", "arguments of a boto3 session") from error

    def ask(self, messages: Sequence[Message], *, max_tokens: int, seconds: float) -> Reply:
        """One Converse request."""
        request: dict[str, Any] = {
            "modelId": self.model,
            "system": [{"text": one.content} for one in messages if one.role == "system"],
            "messages": [
                {"role": one.role, "content": [{"text": one.content}]} for one in messages if one.role != "system"
            ],
            "inferenceConfig": {"maxTokens": max_tokens},
        }
        if self._tool:
            request["toolConfig"] = _TOOLS
        return _reply(within(seconds, lambda: self._exchange(request, seconds)))

    def _exchange(self, request: dict[str, Any], seconds: float) -> _Conversation:
        _, errors, config = _libraries()
        began = monotonic()
        found: list[_Conversation] = []
        settings = config.Config(
            connect_timeout=seconds, read_timeout=seconds, retries={"total_max_attempts": 1, "mode": "standard"}
        )
        try:
            with closing(
                self._session.client("bedrock-runtime", endpoint_url=self._endpoint, config=settings)
            ) as client:
                http = client._endpoint.http_session

                def send(request: Any, **_: Any) -> Any:
                    """Sends, and reads the reply before the library does: bounded, and no more leniently than we do."""
                    request.stream_output = True
                    response = http.send(request)
                    with closing(response.raw) as raw:
                        refuse_encoded(response.headers)
                        response.raw = _Body(raw, seconds, began)
                        found.append(received(response.status_code, response.headers, response.content, _Conversation))
                    return response

                client.meta.events.register("before-send.bedrock-runtime.Converse", send)
                client.converse(**request)
        except (errors.ConnectTimeoutError, errors.ReadTimeoutError):
            raise timed_out(seconds) from None
        except (errors.HTTPClientError, errors.ConnectionError) as error:
            raise Unreachable(f"{error!s:.200}", "an endpoint that answers") from None
        except (errors.BotoCoreError, ValueError) as error:
            do = "Check region, credentials and endpoint."
            raise BadSetting(f"{error!s:.200}", "settings that boto3 can use", do) from error
        return found[0]


class _Body:
    """A body that is read within its bounds, whoever reads it."""

    def __init__(self, raw: Any, seconds: float, began: float) -> None:
        self._raw, self._seconds, self._began = raw, seconds, began

    def stream(self) -> Iterator[bytes]:
        return bounded(self._raw.stream(), self._seconds, self._began)


def _reply(said: _Conversation) -> Reply:
    if said.stop_reason not in _ENDS:
        raise BadReply(f"stopReason {said.stop_reason!r:.60}", f"one of {', '.join(_ENDS)}")
    usage = Usage(said.usage.input_tokens, said.usage.output_tokens) if said.usage else None
    blocks = said.output.message.content
    calls = [block.tool_use for block in blocks if block.tool_use]
    text = "".join(block.text or "" for block in blocks)
    if calls:
        if len(calls) > 1 or calls[0].name != TOOL:
            raise BadReply(f"calls of {', '.join(call.name for call in calls)!r:.120}", f"one of {TOOL}")
        text = json.dumps(calls[0].input)  # in ASCII: lone surrogates stay escaped until they are refused
    return Reply(text, _ENDS[said.stop_reason], usage)


def _libraries() -> tuple[Any, Any, Any]:
    """boto3, its errors, and its settings."""
    try:
        import boto3
        import botocore.config
        import botocore.exceptions
    except ImportError as error:
        raise MissingExtra(f"no {error.name}", "boto3", "pip install 'worldgate[aws]'") from error
    return boto3, botocore.exceptions, botocore.config
