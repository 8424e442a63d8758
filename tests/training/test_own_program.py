"""A team's own signature, steps and score: declared on the form, kept with the run, shown, and never executed."""

import json
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from datasets.models import DatasetVersion
from teams.models import Method, Team, User
from tests.training.test_method_settings import filled, settings_of
from training import program_design
from training.forms import FORMS
from training.models import TrainingRun
from training.services import charges, estimate, program_size
from training.services.progress import settings_shown

OWN = {
    "reasoning": "direct", "chain": "answer_then_simplify", "instruction": "Answer like Mia, who loves {trains}.",
    "question_name": "query", "history_name": "talk", "answer_name": "response", "answer_description": "Mia's words",
    "context_name": "context", "context_text": "This week: fractions.", "persona_name": "who",
    "wanted_phrases": "ooh ooh!\nchoo choo\n\nooh ooh!", "banned_phrases": "as an AI",
}  # fmt: skip


@pytest.fixture(autouse=True)
def a_provider(settings: Any) -> None:
    settings.HAS_PROVIDER = True


def test_an_untouched_form_is_the_guides_program(team: Team, version: DatasetVersion) -> None:
    chosen = settings_of(filled(team, version, Method.DSPY))
    assert not {"design", "phrases", "instruction", "chain", "reasoning"} & set(chosen)


def test_the_page_asks_for_every_part_of_a_program(
    client: Client, team: Team, member: User, version: DatasetVersion
) -> None:
    client.force_login(member)
    page = client.get(reverse("run_new", args=[team.pk, "dspy"])).content.decode()
    for name in FORMS[Method.DSPY].program_fields:
        assert f'id="id_{name}"' in page, name
    assert "Your own program" not in client.get(reverse("run_new", args=[team.pk, "lora"])).content.decode()


def test_what_a_team_declares_reaches_the_engine_as_it_was_declared(team: Team, version: DatasetVersion) -> None:
    import msgspec
    from dspy_program.spec import Settings

    chosen = settings_of(filled(team, version, Method.DSPY, **OWN))
    engine = msgspec.convert({name: value for name, value in chosen.items() if name != "validation_fraction"}, Settings)
    design = engine.design
    assert [(field.name, field.source) for field in design.inputs] == [
        ("talk", "history"), ("who", "persona"), ("context", "text"), ("query", "question"),
    ]  # fmt: skip
    assert (design.answer, design.reasoning, design.chain) == ("response", False, "answer_then_simplify")
    assert design.instruction == OWN["instruction"] and design.trouble() is None
    assert engine.phrases is not None
    assert (engine.phrases.wanted, engine.phrases.banned) == (("ooh ooh!", "choo choo"), ("as an AI",))


def test_a_run_is_shown_with_its_program_and_can_be_run_again(
    client: Client, team: Team, member: User, version: DatasetVersion, start: Any
) -> None:
    run: TrainingRun = start(Method.DSPY, settings=settings_of(filled(team, version, Method.DSPY, **OWN)))
    again = FORMS[Method.DSPY].initial_from(run)
    for name in ("question_name", "history_name", "answer_name", "context_text", "persona_name", "reasoning", "chain"):
        assert again[name] == OWN[name]
    assert again["wanted_phrases"] == "ooh ooh!\nchoo choo"
    assert ("Own phrases", "2 wanted, 1 never") in settings_shown(run)
    client.force_login(member)
    page = client.get(reverse("run_detail", args=[team.pk, run.number])).content.decode()
    assert "who loves {trains}" in page and "This week: fractions." in page and "choo choo" in page


def test_a_program_of_two_steps_is_priced_and_limited_as_two(team: Team, version: DatasetVersion, start: Any) -> None:
    two = start(
        Method.DSPY, settings={"design": program_design.as_data(program_design.Design(chain="answer_then_simplify"))}
    )
    one = start(Method.DSPY)
    limits = [charges.program_limits(run, input_tokens=100, max_tokens=80) or {} for run in (one, two)]
    assert [found["calls"] for found in limits] == [2, 4]
    sizes = [
        program_size.program_size(
            base=run.base_model, version=version, settings=run.settings | {"max_calls": 999}, seed=17
        )
        for run in (one, two)
    ]
    assert sizes[1].calls > 1.7 * sizes[0].calls


def test_a_long_text_of_ones_own_is_in_the_price(team: Team, version: DatasetVersion, start: Any) -> None:
    run: TrainingRun = start(Method.DSPY)
    long = filled(team, version, Method.DSPY, context_name="context", context_text="fractions " * 190)

    def most(settings: dict[str, Any]) -> int:
        found = estimate.estimate(
            course=team.course,
            method=Method.DSPY,
            base_model=run.base_model,
            dataset_version=version,
            settings=settings,
        )
        return found.most

    assert most(settings_of(long)) > 1.3 * most(settings_of(filled(team, version, Method.DSPY)))


HOSTILE_NAMES = [
    "__class__", "__init__", "_hidden", "a__b", "model_config", "signature", "config", "demos", "lm", "reasoning", "import",
    "{0.__class__}", "Query", "a b", "a.b", "a-b", "a\nb", "9lives", "é", "ｑuery", "x" * 41, "instructions", "copy",
    "first_answer", "new_signature", "self", "%s", "${x}", "<b>",
]  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE_NAMES)
@pytest.mark.parametrize("field", ["question_name", "answer_name"])
def test_a_hostile_name_is_refused_in_one_sentence(team: Team, version: DatasetVersion, field: str, name: str) -> None:
    form = filled(team, version, Method.DSPY, **{field: name})
    assert not form.is_valid() and len(form.errors[field]) == 1
    assert form.data[field] == name  # nothing of what was typed is lost


@pytest.mark.parametrize(
    ("changes", "where", "said"),
    [
        ({"answer_name": "query", "question_name": "query"}, "__all__", "same name"),
        ({"context_name": "context"}, "context_name", "name and a text"),
        ({"context_text": "fractions"}, "context_name", "name and a text"),
        ({"instruction": "x" * 2_001}, "instruction", "2000"),
        ({"wanted_phrases": "\n".join(f"word {n}" for n in range(21))}, "wanted_phrases", "too many"),
        ({"banned_phrases": "x" * 61}, "banned_phrases", "too long"),
        ({"banned_phrases": "..."}, "banned_phrases", "no word"),
        ({"chain": "exec"}, "chain", "Select a valid choice"),
    ],
)
def test_what_is_wrong_is_said_at_its_field(
    team: Team, version: DatasetVersion, changes: dict[str, str], where: str, said: str
) -> None:
    form = filled(team, version, Method.DSPY, **changes)
    assert not form.is_valid() and said in str(form.errors[where])


@pytest.mark.parametrize(
    "junk", [3, "x", [], {"inputs": 3}, {"answer": "__class__"}, {"code": "import os"}, {"inputs": []}]
)
def test_settings_from_an_archive_that_declare_no_program_break_no_page(start: Any, junk: Any) -> None:
    run: TrainingRun = start(Method.DSPY)
    run.settings = run.settings | {"design": junk}
    assert run.program is None and run.calls_an_answer == 1
    assert FORMS[Method.DSPY].initial_from(run)["answer_name"] == program_design.ANSWER
    assert json.dumps(settings_shown(run))
