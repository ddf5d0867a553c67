"""Any endpoint that speaks OpenAI's chat completions: OpenAI itself, vLLM, llama.cpp, Ollama, gateways.

One request a question: no retries, no redirects, an answer bounded in time and size, read strictly by us and not by
the library. Needs the extra `llm`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from time import monotonic
from typing import Annotated, Any, Literal

import msgspec

from .errors import BadReply, BadSetting, MissingExtra, Unreachable
from .model import Message, Reply, Usage
from .parse import SCHEMA
from .transport import bounded, checked_text, received, refuse_encoded, timed_out, within

_LIMITS = ("max_tokens", "max_completion_tokens")
_OURS = ("model", "messages", "response_format", "stream", "n", "tools", *_LIMITS)
_FORMATS: Mapping[str, Any] = {
    "json_schema": {"type": "json_schema", "json_schema": {"name": "plan", "strict": True, "schema": SCHEMA}},
    "json_object": {"type": "json_object"},
}
_ENDS: Mapping[str, Literal["stop", "length", "declined"]] = {
    "stop": "stop", "length": "length", "content_filter": "declined",
}  # fmt: skip
_Count = Annotated[int, msgspec.Meta(ge=0, le=10**9)]


class _Usage(msgspec.Struct, frozen=True):
    prompt_tokens: _Count
    completion_tokens: _Count


class _Message(msgspec.Struct, frozen=True):
    content: str | None = None
    refusal: str | None = None


class _Choice(msgspec.Struct, frozen=True):
    message: _Message
    finish_reason: str


class _Completion(msgspec.Struct, frozen=True):
    choices: list[_Choice]
    usage: _Usage | None = None


class OpenAIModel:
    """A chat model. Address and key come from the arguments, else OPENAI_BASE_URL and OPENAI_API_KEY.

    `answers` is how the endpoint is asked for JSON: `json_schema` where it can, else `json_object` or `text`; what
    comes back is read alike. `limit` is its name for the limit of tokens. `options` are further fields, such as a seed.
    """

    name = "openai"

    def __init__(
        self,
        model: str,
        *,
        base_url: str | None = None,
        api_key: str | None = None,
        answers: Literal["json_schema", "json_object", "text"] = "json_schema",
        limit: Literal["max_tokens", "max_completion_tokens"] = "max_completion_tokens",
        options: Mapping[str, Any] | None = None,
    ) -> None:
        self.model = checked_text("model", model, "Name a model of the endpoint.", 200)
        url = base_url or os.environ.get("OPENAI_BASE_URL") or "https://api.openai.com/v1"
        self.base_url = checked_text("base_url", url, "Give the address up to /v1.")
        if not url.startswith(("https://", "http://")):
            raise BadSetting(f"base_url {url!r:.80}", "an address with http:// or https://")
        do = "Set OPENAI_API_KEY, or give any text to an endpoint that asks for none."
        self._key = checked_text("api_key", api_key or os.environ.get("OPENAI_API_KEY"), do)
        if answers not in (*_FORMATS, "text") or limit not in _LIMITS:
            raise BadSetting(f"answers {answers!r:.60}, limit {limit!r:.60}", "one of those documented")
        if clash := sorted(set(options or ()) & set(_OURS)):
            raise BadSetting(f"options with {', '.join(clash)}", "fields that the planner does not set itself")
        self._answers, self._limit, self._options = answers, limit, dict(options or {})
        _libraries()

    def ask(self, messages: Sequence[Message], *, max_tokens: int, seconds: float) -> Reply:
        """One chat completion."""
        request: dict[str, Any] = {"messages": [one._asdict() for one in messages], self._limit: max_tokens}
        if self._answers in _FORMATS:
            request["response_format"] = _FORMATS[self._answers]
        return _reply(within(seconds, lambda: self._exchange(request, seconds)))

    def _exchange(self, request: dict[str, Any], seconds: float) -> _Completion:
        openai, httpx = _libraries()
        began = monotonic()

        class Body(httpx.SyncByteStream):  # type: ignore[misc, name-defined]
            def __init__(self, stream: Any) -> None:
                self.stream = stream

            def __iter__(self) -> Iterator[bytes]:
                return bounded(self.stream, seconds, began)

            def close(self) -> None:
                self.stream.close()

        def limit(response: Any) -> None:
            refuse_encoded(response.headers)
            response.stream = Body(response.stream)

        headers = {"Accept-Encoding": "identity"}
        with httpx.Client(event_hooks={"response": [limit]}, timeout=seconds, follow_redirects=False) as http:
            client = openai.OpenAI(
                api_key=self._key, base_url=self.base_url, max_retries=0, timeout=seconds, http_client=http
            )
            create = client.chat.completions.with_raw_response.create
            try:
                response = create(
                    model=self.model, extra_headers=headers, extra_body=self._options, **request
                ).http_response
            except openai.APIStatusError as error:
                response = error.response
            except openai.APITimeoutError:
                raise timed_out(seconds) from None
            except openai.OpenAIError as error:
                cause = error.__cause__ or error
                raise Unreachable(f"{self.base_url}: {cause!r:.200}", "an endpoint that answers") from None
            return received(response.status_code, response.headers, response.content, _Completion, self._key)


def _reply(completion: _Completion) -> Reply:
    if len(completion.choices) != 1:
        raise BadReply(f"{len(completion.choices)} choices", "one")
    choice, counted = completion.choices[0], completion.usage
    usage = Usage(counted.prompt_tokens, counted.completion_tokens) if counted else None
    if choice.message.refusal:
        return Reply(choice.message.refusal, "declined", usage)
    if choice.finish_reason not in _ENDS:
        raise BadReply(f"finish_reason {choice.finish_reason!r:.60}", f"one of {', '.join(_ENDS)}")
    return Reply(choice.message.content or "", _ENDS[choice.finish_reason], usage)


def _libraries() -> tuple[Any, Any]:
    """The SDK and its HTTP client."""
    try:
        import httpx2
        import openai
    except ImportError as error:
        raise MissingExtra(f"no {error.name}", "openai and httpx2", "pip install 'worldgate[llm]'") from error
    return openai, httpx2
