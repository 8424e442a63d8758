"""Where a run answers, how it must be asked, and what a turn costs."""

from collections.abc import Callable
from typing import Any

import pytest

from teams.models import Confidence, Method
from training.models import BaseModel, RunStatus, TrainingRun
from training.services import charges
from training.services.calls.prepare import prepare
from training.services.endpoints import NotReady, endpoint_for, endpoint_for_base

Launch = Callable[..., TrainingRun]


def finished(run: TrainingRun, model: str = "", **result: Any) -> TrainingRun:
    TrainingRun.objects.filter(pk=run.pk).update(
        status=RunStatus.SUCCEEDED, result_model=model or f"run-{run.key}", result=result
    )
    return TrainingRun.objects.with_related().get(pk=run.pk)


def test_an_unfinished_run_cannot_be_asked(start: Launch) -> None:
    with pytest.raises(NotReady, match="has not finished"):
        endpoint_for(start())


def test_a_lora_run_answers_here_with_the_system_prompt_that_it_learned_with(start: Launch, settings: Any) -> None:
    run = finished(start(), system_prompt="You are Sam.")
    found = endpoint_for(run)
    assert (found.base_url, found.api_key, found.model) == (
        settings.MODEL_SERVER_URL,
        settings.SERVICE_TOKEN,
        f"run-{run.key}",
    )
    assert (found.system_prompt, found.provider) == ("You are Sam.", "local")
    assert settings.SERVICE_TOKEN not in repr(found)


def test_rows_without_a_system_message_leave_none(start: Launch) -> None:
    assert endpoint_for(finished(start(), system_prompt=None)).system_prompt == ""


def test_a_dspy_run_answers_through_the_program_server_and_nothing_is_added(start: Launch, settings: Any) -> None:
    found = endpoint_for(finished(start(Method.DSPY), system_prompt="never this"))
    assert (found.base_url, found.system_prompt) == (settings.PROGRAM_SERVER_URL, "")


def test_an_openai_run_answers_at_the_provider(start: Launch, settings: Any) -> None:
    run = finished(start(Method.OPENAI), "ft:gpt-4o-mini-2024-07-18:org::x", system_prompt="Hi")
    settings.OPENAI_API_KEY = "sk-real"
    real = endpoint_for(run)
    assert (real.base_url, real.api_key, real.system_prompt) == (settings.OPENAI_BASE_URL, "sk-real", "Hi")
    assert "sk-real" not in repr(real)


def test_a_rehearsal_of_an_earlier_version_is_history(start: Launch) -> None:
    run = finished(start(Method.DSPY))
    run.rehearsal = True
    with pytest.raises(NotReady, match="was a rehearsal: a stand-in answered"):
        endpoint_for(run)


def test_base_models_answer_untrained(db: None, settings: Any) -> None:
    local = endpoint_for_base(BaseModel.objects.get(name="tiny-student"))
    assert (local.base_url, local.model) == (settings.MODEL_SERVER_URL, "tiny-student")
    cloud = endpoint_for_base(BaseModel.objects.filter(method=Method.OPENAI, rehearsal=False).earliest("id"))
    assert (cloud.base_url, cloud.model) == (settings.OPENAI_BASE_URL, "gpt-4o-mini-2024-07-18")


def test_a_chat_with_a_fine_tuned_model_costs_its_own_price(start: Launch) -> None:
    run = finished(start(Method.OPENAI), "ft:gpt-4o-mini-2024-07-18:org::x")
    cost = charges.chat_cost(run, input_tokens=1_000_000, cached_input_tokens=500_000, output_tokens=1_000_000)
    assert cost.cost == 150_000 + 75_000 + 1_200_000
    assert (cost.confidence, cost.provider) == (Confidence.EXACT, "openai")


def test_a_chat_with_lora_is_free(start: Launch) -> None:
    run = finished(start())
    assert charges.chat_most(run, input_tokens=10**9, max_tokens=10**9) == 0


def test_the_most_a_program_can_cost_counts_its_own_prompt_and_a_second_try(start: Launch) -> None:
    run = finished(start(Method.DSPY), prompt_tokens=1_000)
    asked = 2 * (1_500 * 11 // 10 + 8)  # a tenth and a little more than we count
    assert charges.chat_most(run, input_tokens=500, max_tokens=100) == -(-asked * 150_000 // 10**6) + 120 + 1


def test_an_untrained_model_is_priced_by_its_own_name(start: Launch) -> None:
    run = finished(start(Method.OPENAI), "ft:gpt-4o-mini-2024-07-18:org::x")
    base = endpoint_for_base(run.base_model)
    call = prepare(run, base, [{"role": "user", "content": "What is ice?"}], untrained=True)
    prices = charges.token_prices(course=run.team.course, model="gpt-4o-mini-2024-07-18", provider="openai")
    asked = charges.with_margin(call.input_tokens)
    assert call.prices == prices
    assert call.most == prices.most(input_tokens=asked, output_tokens=call.max_tokens) > 0
