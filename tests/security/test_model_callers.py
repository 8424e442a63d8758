"""Who opens a connection, or learns where a model answers: all of them are known here, with the test that follows them.

A new one fails this test until it stands in the table, and stands there truly until its requests are compared with holds.
"""

import ast
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from tests.security import test_dspy_within_limits, test_provider_within_hold, test_requests_match_holds

ROOT = Path(__file__).resolve().parents[2]
LOOKED_THROUGH = ("teams", "datasets", "training", "evaluation", "courseplatform")
SELF_MADE = (
    "training/engines/lora",
    "training/engines/tiny_student",
)  # answer, ask nobody
CLIENTS = {
    "OpenAI", "AsyncOpenAI", "AzureOpenAI", "AsyncAzureOpenAI", "AsyncClient", "Client", "ClientSession", "urlopen",
    "LM15Engine", "AsyncLM15Engine", "LM", "FineTuning", "HTTPConnection", "HTTPSConnection", "Session",
}  # fmt: skip
ADDRESSES = {"endpoint_for", "endpoint_for_base", "provider_address", "program_address", "provider_model"}
DOORS = {"client.ask", "client.connected", "stream.begin"}  # of training/services/calls
LIBRARIES = {"httpx", "requests", "aiohttp", "litellm"}  # whose functions ask by themselves: httpx.get, say
VERBS = {"get", "post", "put", "patch", "request", "stream", "completion", "acompletion"}

WALK, DSPY, PROVIDER = test_requests_match_holds, test_dspy_within_limits, test_provider_within_hold
Followed = tuple[ModuleType, str] | str  # the test that follows it, or why none has to
PAGES = (WALK, "test_every_page_sends_what_was_priced")
NO_MODEL = "asks no model"
CALLERS: dict[str, Followed] = {
    "evaluation/services/answering.py": PAGES,
    "evaluation/services/asking.py": PAGES,
    "evaluation/services/bots.py": PAGES,
    "evaluation/services/interviews.py": PAGES,
    "evaluation/services/judging.py": (WALK, "test_the_judge_is_asked_what_was_held_for"),
    "training/services/drafting.py": (WALK, "test_drafted_rows_are_asked_for_as_they_were_held_for"),
    "training/services/writers.py": (WALK, "test_drafted_rows_are_asked_for_as_they_were_held_for"),
    "training/services/asked_models.py": (WALK, "test_drafted_rows_are_asked_for_as_they_were_held_for"),
    "evaluation/services/submissions.py": "writes down what was handed in",
    "evaluation/services/bundle_check.py": "compares names",
    "training/services/endpoints.py": "says where a bot answers; its users are in this table",
    "training/services/endpoint_api.py": PAGES,
    "training/views/endpoint_api.py": PAGES,
    "training/services/cloud.py": (PROVIDER, "test_a_job_costs_no_more_than_its_hold"),
    "training/services/cloud_samples.py": (PROVIDER, "test_sample_questions_are_asked_out_of_the_hold"),
    "training/providers/openai_api.py": (PROVIDER, "test_a_job_costs_no_more_than_its_hold"),
    "training/services/spec.py": (DSPY, "test_an_optimisation_sends_what_was_priced"),
    "training/engines/dspy_program/engine.py": (DSPY, "test_an_optimisation_sends_what_was_priced"),
    "training/engines/dspy_program/program.py": (DSPY, "test_an_optimisation_sends_what_was_priced"),
    "training/engines/dspy_program/upstreams.py": PAGES,
    "training/services/model_server.py": NO_MODEL,
    "teams/services/billing.py": NO_MODEL,
    "teams/services/outgoing.py": "makes connections for those that are in this table",
    "training/services/provider_trial.py": NO_MODEL,
    "training/services/provider_deploys.py": NO_MODEL,
    "training/providers/deploying.py": NO_MODEL,
    "courseplatform/management/commands/start.py": NO_MODEL,
    "training/services/calls/client.py": PAGES,
    "training/services/calls/stream.py": PAGES,
    "training/services/calls/wire.py": PAGES,
}


def found_in(text: str) -> set[str]:
    """Names in a module's calls by which somebody is asked, or learns whom to ask."""
    return set(_names(ast.parse(text)))


def _names(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        function = node.func
        if isinstance(function, ast.Name) and function.id in CLIENTS | ADDRESSES:
            yield function.id
        if not isinstance(function, ast.Attribute):
            continue
        chain = ast.unparse(function)
        owner = chain.split(".")[0]
        opens = function.attr in CLIENTS | ADDRESSES and owner not in ("self", "cls")
        asks_at_once = owner in LIBRARIES and function.attr in VERBS
        asks = function.attr == "create" and any(name in chain for name in ("completions", "jobs", "responses"))
        if opens or asks_at_once or asks or chain in DOORS:
            yield chain


def _modules() -> Iterator[tuple[str, str]]:
    for app in LOOKED_THROUGH:
        for path in sorted((ROOT / app).rglob("*.py")):
            name = path.relative_to(ROOT).as_posix()
            if not name.startswith(SELF_MADE) and "/migrations/" not in name:
                yield name, path.read_text(encoding="utf-8")


def test_every_module_that_asks_a_model_is_followed_to_the_provider() -> None:
    found = {name for name, text in _modules() if found_in(text)}
    assert len(found) > 15, "the search finds what is there"
    new, gone = found - set(CALLERS), set(CALLERS) - found
    assert not new, f"compare what these send with what was held, then add them: {sorted(new)}"
    assert not gone, f"these ask nobody any more: {sorted(gone)}"


def test_the_tests_that_follow_them_exist() -> None:
    for caller, test in CALLERS.items():
        if isinstance(test, tuple):
            module, name = test
            assert callable(getattr(module, name, None)), f"{caller}: {name} is gone"


@pytest.mark.parametrize(
    "planted",
    [
        "import openai\nopenai.OpenAI(api_key='x')",
        "from openai import AsyncOpenAI\nAsyncOpenAI()",
        "import httpx\nhttpx.post('http://x/v1/chat/completions')",
        "import httpx as h\nh.AsyncClient()",
        "client.chat.completions.create(model='m')",
        "client.fine_tuning.jobs.create(model='m')",
        "import dspy\ndspy.LM('openai/m')",
        "from training.services.endpoints import endpoint_for\nendpoint_for(run)",
        "from urllib.request import urlopen\nurlopen('http://x')",
        "import litellm\nlitellm.completion(model='m')",
        "from training.services.calls import client\nclient.ask(web, call, purse=purse)",
        "from training.services.calls import stream\nstream.begin(call)",
    ],
)
def test_a_planted_caller_is_found(planted: str) -> None:
    assert found_in(planted)
