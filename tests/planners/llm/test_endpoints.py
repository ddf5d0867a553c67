"""Endpoints that answer badly: each way has its number, costs one request, and gives no plan."""

from __future__ import annotations

import json
import socket
import sys
from collections.abc import Callable, Iterator
from time import monotonic
from typing import Any

import pytest

from worldgate.planners.llm import BedrockModel, OpenAIModel
from worldgate.planners.llm.errors import BadSetting, MissingExtra
from worldgate.planners.llm.parse import SCHEMA
from worldgate.planners.llm.transport import MAX_BYTES

from .desk import GOOD, propose
from .endpoint import Endpoint, Said, call, completion, conversation, plan, serving
from .test_planner import number

Models = Callable[[Endpoint], Any]
MODELS: dict[str, Models] = {"openai": Endpoint.openai, "bedrock": Endpoint.bedrock}


@pytest.fixture(params=MODELS)
def model(request: pytest.FixtureRequest) -> Models:
    return MODELS[request.param]


def bad(body: bytes, **fields: Any) -> Said:
    return Said(body, **fields)


def good(text: str = plan(GOOD)) -> bytes:
    return completion(text).body


EITHER = {  # what any endpoint may say, whatever it speaks
    "redirect": (bad(b"", status=307, headers={"location": "http://127.0.0.1:1/"}), "WG355"),
    "bad request": (bad(b'{"error": {"message": "no json_schema here"}}', status=400), "WG355"),
    "no key": (bad(b"{}", status=401), "WG355"),
    "no such model": (bad(b"<html>nothing here</html>", status=404, type="text/html"), "WG355"),
    "too many": (bad(b"{}", status=429, headers={"retry-after": "1"}), "WG356"),
    "broken": (bad(b"\xff\xfe", status=500), "WG357"),
    "bad gateway": (bad(b"", status=502), "WG357"),
    "overloaded": (bad(b"[" * 100_000, status=503), "WG357"),
    "a page": (bad(b"<html>log in</html>", type="text/html"), "WG359"),
    "an event stream": (bad(b"data: {}\n\n", type="text/event-stream"), "WG359"),
    "no type": (bad(b"{}", type=""), "WG359"),
    "compressed": (bad(b"\x1f\x8b" + b"0" * 50, headers={"content-encoding": "gzip"}), "WG359"),
    "nothing": (bad(b""), "WG359"),
    "not JSON": (bad(b"I am a language model"), "WG359"),
    "half of it": (bad(good()[:-20]), "WG359"),
    "not UTF-8": (bad(b'{"choices": "\xff"}'), "WG359"),
    "another encoding": (bad(good().decode().encode("utf-16")), "WG359"),
    "a list": (bad(b"[]"), "WG359"),
    "null": (bad(b"null"), "WG359"),
    "an error in disguise": (bad(b'{"error": {"message": "quota"}}'), "WG359"),
    "nested without end": (bad(b'{"a":' * 100_000), "WG359"),
    "lists without end": (bad(b"[" * 1_000_000), "WG359"),
    "NaN": (bad(b'{"created": NaN}'), "WG359"),
    "infinite": (bad(b'{"created": 1e999}'), "WG359"),
    "a huge number": (bad(b'{"created": ' + b"9" * 100_000 + b"}"), "WG359"),
    "a key twice": (bad(b'{"a": 1, "a": 2}'), "WG359"),
    "cut short": (bad(good(), length=10**6), "WG353|WG359"),
    "too large": (bad(b" " * (MAX_BYTES + 1)), "WG358"),
}


@pytest.fixture(scope="module", params=MODELS)
def client(request: pytest.FixtureRequest) -> Iterator[tuple[Endpoint, Any]]:
    """An endpoint and a client of it, for all that can be said: botocore takes long to make one."""
    with serving() as endpoint:
        yield endpoint, MODELS[request.param](endpoint)


@pytest.mark.parametrize("case", EITHER)
def test_whatever_an_endpoint_says_instead_has_its_number(client: tuple[Endpoint, Any], case: str) -> None:
    endpoint, model = client
    said, expected = EITHER[case]
    endpoint.said, endpoint.asked = [said], []
    proposed = propose(model)
    assert number(proposed) in expected.split("|")
    assert len(endpoint.asked) == proposed.usage["model_calls"] == 1


CHAT = {
    "no choices": (bad(b'{"choices": []}'), "WG359"),
    "two choices": (bad(json.dumps({"choices": json.loads(good())["choices"] * 2}).encode()), "WG359"),
    "content that is no text": (completion(["x"]), "WG359"),  # type: ignore[arg-type]
    "a tool instead": (completion(None, "tool_calls"), "WG359"),
    "no end": (completion(plan(GOOD), None), "WG359"),  # type: ignore[arg-type]
    "tokens as text": (completion(plan(GOOD), usage={"prompt_tokens": "1", "completion_tokens": 1}), "WG359"),
    "fewer than no tokens": (completion(plan(GOOD), usage={"prompt_tokens": -9, "completion_tokens": 1}), "WG359"),
    "true tokens": (completion(plan(GOOD), usage={"prompt_tokens": True, "completion_tokens": 1}), "WG359"),
    "filtered": (completion(plan(GOOD), "content_filter"), "WG361"),
    "a refusal": (completion(None, refusal="I can't help with that."), "WG361"),
}


@pytest.mark.parametrize("case", CHAT)
def test_a_chat_that_is_none(case: str) -> None:
    said, expected = CHAT[case]
    with serving(said) as endpoint:
        assert number(propose(endpoint.openai())) == expected
    assert len(endpoint.asked) == 1


CONVERSE = {
    "two tools": (conversation(call(json.loads(plan(GOOD))), call(json.loads(plan(GOOD)))), "WG359"),
    "another tool": (conversation(call({}, "commit")), "WG359"),
    "an end of its own": (conversation({"text": plan(GOOD)}, stop="malformed_tool_use"), "WG359"),
    "fewer than no tokens": (conversation({"text": plan(GOOD)}, stop="end_turn", usage=(-1, 1)), "WG359"),
    "guardrail": (conversation({"text": "Sorry"}, stop="guardrail_intervened"), "WG361"),
    "filtered": (conversation({"text": "Sorry"}, stop="content_filtered"), "WG361"),
}


@pytest.mark.parametrize("case", CONVERSE)
def test_a_conversation_that_is_none(case: str) -> None:
    said, expected = CONVERSE[case]
    with serving(said) as endpoint:
        assert number(propose(endpoint.bedrock())) == expected
    assert len(endpoint.asked) == 1


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, "WG364"),
        ([], "WG364"),
        ({"steps": []}, "WG365"),
        ({"steps": [{"do": "\ud800"}]}, "WG364"),
        ({"steps": [{"do": GOOD}], "approve": True}, "WG364"),
    ],
)
def test_a_tool_s_input_is_read_like_any_answer(given: Any, expected: str) -> None:
    with serving(conversation({"text": "Here it is:"}, call(given))) as endpoint:
        assert number(propose(endpoint.bedrock(), repairs=1)) == expected
    assert len(endpoint.asked) == 2


# --- nobody there, nobody in time, too much -------------------------------------------------------


def test_a_dead_endpoint(model: Models) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: refused
        endpoint = Endpoint()
        endpoint.url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        proposed = propose(model(endpoint))
    assert number(proposed) == "WG353"
    assert float(proposed.usage["seconds"]) < 5


def drip() -> Iterator[bytes]:
    while True:
        yield b" "


@pytest.mark.parametrize(
    "said", [Said(hang=True), Said(parts=drip(), pause=0.02, length=10**6)], ids=["silent", "dripping"]
)
def test_an_endpoint_that_takes_too_long(model: Models, said: Said) -> None:
    with serving(said) as endpoint:
        asked = model(endpoint)
        began = monotonic()
        proposed = propose(asked, seconds=0.5)
        assert monotonic() - began < 5
    assert number(proposed) == "WG354"
    assert proposed.usage["seconds"] == "0.500"
    assert len(endpoint.asked) <= 1, "it is not asked again"


@pytest.mark.parametrize("status", [200, 500])
def test_a_body_of_fifty_megabytes_is_not_read(model: Models, status: int) -> None:
    parts = (b"x" * 100_000 for _ in range(500))
    with serving(Said(parts=parts, length=50_000_000, status=status)) as endpoint:
        proposed = propose(model(endpoint))
    assert number(proposed) == "WG358"
    assert endpoint.written < 20_000_000


# --- what is sent ---------------------------------------------------------------------------------


def test_a_chat_request() -> None:
    with serving(completion(plan(GOOD))) as endpoint:
        propose(endpoint.openai(options={"seed": 7}), max_tokens=77)
    asked = endpoint.asked[0]
    assert asked.path == "/v1/chat/completions"
    assert asked.headers["authorization"] == "Bearer sk-secret"
    assert asked.headers["accept-encoding"] == "identity"
    assert set(asked.data) == {"model", "messages", "max_completion_tokens", "response_format", "seed"}
    assert (asked.data["model"], asked.data["max_completion_tokens"], asked.data["seed"]) == ("some-model", 77, 7)
    assert asked.data["response_format"]["json_schema"]["schema"] == SCHEMA
    assert [one["role"] for one in asked.data["messages"]] == ["system", "user"]


@pytest.mark.parametrize(("answers", "sent"), [("json_object", {"type": "json_object"}), ("text", None)])
def test_endpoints_without_schemas(answers: Any, sent: Any) -> None:
    with serving(completion(plan(GOOD))) as endpoint:
        assert propose(endpoint.openai(answers=answers, limit="max_tokens")).plan
    assert endpoint.asked[0].data.get("response_format") == sent
    assert "max_tokens" in endpoint.asked[0].data


def test_a_converse_request() -> None:
    with serving(conversation(call(json.loads(plan(GOOD))))) as endpoint:
        propose(endpoint.bedrock(), max_tokens=77)
    asked = endpoint.asked[0]
    assert asked.path == "/model/some.model-v1%3A0/converse"
    assert asked.headers["authorization"].startswith("AWS4-HMAC-SHA256 Credential=AKID/")
    assert asked.data["inferenceConfig"] == {"maxTokens": 77}
    (tool,) = asked.data["toolConfig"]["tools"]
    assert tool["toolSpec"]["inputSchema"]["json"] == SCHEMA
    assert asked.data["toolConfig"]["toolChoice"] == {"tool": {"name": "propose_plan"}}
    assert len(asked.data["system"]) == len(asked.data["messages"]) == 1


def test_an_endpoint_s_words_are_quoted_without_the_key() -> None:
    said = Said(b'{"error": "Incorrect API key provided: sk-secret"}', status=401)
    with serving(said) as endpoint:
        proposed = propose(endpoint.openai())
    assert "Incorrect API key provided: ***" in str(proposed.rejection)
    assert "sk-secret" not in json.dumps(proposed.rejection.to_json() if proposed.rejection else "")


# --- settings -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        {"model": ""},
        {"model": "m" * 201},
        {"model": "m\n"},
        {"api_key": "clé"},
        {"api_key": "a\r\nX-Evil: 1"},
        {"base_url": "ftp://host/v1"},
        {"base_url": "localhost:8000"},
        {"answers": "xml"},
        {"limit": "model"},
        {"options": {"stream": True}},
        {"options": {"max_tokens": 10**9}},
    ],
)
def test_settings_of_a_chat_model_are_checked(options: dict[str, Any]) -> None:
    with pytest.raises(BadSetting):
        OpenAIModel(**{"model": "m", "api_key": "k", **options})


def test_address_and_key_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(BadSetting):
        OpenAIModel("m")
    with serving(completion(plan(GOOD))) as endpoint:
        monkeypatch.setenv("OPENAI_API_KEY", "from-env")
        monkeypatch.setenv("OPENAI_BASE_URL", f"{endpoint.url}/base")
        assert propose(OpenAIModel("m")).plan
    assert endpoint.asked[0].path == "/base/chat/completions"
    assert endpoint.asked[0].headers["authorization"] == "Bearer from-env"


def test_settings_of_bedrock_are_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(BadSetting):
        BedrockModel("")
    with pytest.raises(BadSetting):
        BedrockModel("m", options={"profile_name": "nobody"})
    with pytest.raises(BadSetting):
        BedrockModel("m", options={"unheard_of": 1})
    for options in ({}, {"region_name": "eu-central-1"}):  # without a region, without credentials
        assert number(propose(BedrockModel("m", options=options))) == "WG352"
    endpoint = Endpoint()
    endpoint.url = "no address"
    assert number(propose(endpoint.bedrock())) == "WG352"


@pytest.mark.parametrize(
    ("library", "extra", "make"),
    [
        ("openai", "worldgate[llm]", lambda: OpenAIModel("m", api_key="k")),
        ("httpx2", "worldgate[llm]", lambda: OpenAIModel("m", api_key="k")),
        ("boto3", "worldgate[aws]", lambda: BedrockModel("m")),
    ],
)
def test_a_missing_library_names_its_extra(
    monkeypatch: pytest.MonkeyPatch, library: str, extra: str, make: Callable[[], Any]
) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(MissingExtra, match=r"WG351") as caught:
        make()
    assert extra in str(caught.value)
