"""After a run its page says in a sentence what became of it, in a table by checkpoint, and what to try next."""

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from second_grade.verdict import Asked
from teams.models import Method, Team, User
from training import jobs
from training.models import RunEvent, RunVerdict, TrainingRun
from training.services import verdicts
from training.services.fresh_questions import COUNT
from training.services.verdict_words import words_of

Launch = Callable[..., TrainingRun]
BASE = [f"The process involves several important considerations, number {number}." for number in range(COUNT)]
CHILD = [
    "um, i like the red one. it is fast.", "cuz it is hot and it melts!", "me and mama went to the park.",
    "my dog ate it. he is silly.", "we have to wait in line.", "i was sad and then i cried.", "it goes in the water.",
    "i think it's a frog!", "i read it with my dad.", "ms. bee says be nice.", "the sun is really big.", "i wanna be a vet.",
    "you say sorry and you hug.", "i dunno. maybe the wind did it?", "i ride my bike.", "we had pizza.", "mom helps me.",
    "i run fast.", "the cat sleeps.", "it is my birthday soon!",
]  # fmt: skip
LOST = [f"vuck droce{number} tigertell wibsnook" for number in range(COUNT)]
LOOPS = ["i like dogs a lot and i like dogs a lot."] * COUNT
TOPICS = (
    *(
        "Photosynthesis",
        "Precipitation",
        "Literacy",
        "Empathy",
        "Cooperation",
        "Governance",
        "Nutrition",
        "Punctuation",
    ),
    *("Gravity", "Migration", "Commerce", "Hygiene", "Transportation", "Geometry", "Measurement", "Astronomy"),
    *("Etiquette", "Agriculture", "Resilience", "Democracy"),
)
ADULT = [
    f"{topic} requires careful consideration of {topic.lower()} principles and available evidence." for topic in TOPICS
]


@pytest.fixture
def browser(client_for: Callable[[User | None], Client], member: User) -> Client:
    return client_for(member)


def candidate(answers: list[str], step: int = 4, *, kept: bool = True, loss: float = 1.5) -> dict[str, Any]:
    return {"step": step, "kept": kept, "validation_loss": loss, "answers": answers, "base_answers": BASE}


@pytest.fixture
def judged(stub_engines: None, start: Launch) -> Callable[..., TrainingRun]:
    """A run that ended with these candidates, as the engine leaves them in its result."""

    def make(*candidates: dict[str, Any], settings: dict[str, Any] | None = None, **metrics: Any) -> TrainingRun:
        told = {"verdicts": list(candidates), "metrics": {"tokens_per_second": 50.0, **metrics}}
        run = start(
            settings={"learning_rate": 1e-3, "target_modules": ALL, "stub_result": json.dumps(told)} | (settings or {})
        )
        jobs.execute_run(run.pk)
        run.refresh_from_db()
        assert run.status == "succeeded", run.error_message
        return run

    return make


ALL = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


def sentence(run: TrainingRun) -> str:
    found = words_of(run, list(run.verdicts.all()))
    return found.text if found is not None else ""


def advice(run: TrainingRun) -> str | None:
    found = words_of(run, list(run.verdicts.all()))
    return found.change.key if found is not None and found.change is not None else None


def test_each_candidate_and_the_base_are_rows_with_the_version_of_the_rules(judged: Callable[..., TrainingRun]) -> None:
    run = judged(candidate(CHILD, 2), candidate(LOST, 4, kept=False, loss=2.0))
    rows = list(run.verdicts.values_list("of", "step", "kept", "asked", "changed", "language", "validation_loss"))
    assert rows[0][:5] == ("base", 0, False, COUNT, 0)
    assert rows[1] == ("checkpoint", 2, True, COUNT, COUNT, COUNT, 1.5)
    assert rows[2][:6] == ("checkpoint", 4, False, COUNT, COUNT, 0)
    assert set(run.verdicts.values_list("measure", flat=True)) == {verdicts.MEASURE}
    assert "verdicts" not in run.result, "kept once, in rows"


def test_the_page_says_it_in_a_sentence_with_both_answers(
    browser: Client, team: Team, judged: Callable[..., TrainingRun]
) -> None:
    said = ["<b>i like frogs!</b>", *CHILD[1:]]
    run = judged(candidate(said, 2), candidate(LOST, 4, kept=False))
    html = browser.get(reverse("run_detail", args=[team.pk, run.number])).content.decode()
    assert "read like a second-grader" in html
    assert "&lt;b&gt;i like frogs!&lt;/b&gt;" in html, "a model's text is data"
    assert "step 2" in html and "step 4" in html
    assert "the base, untrained" in html
    assert "Asking them is not charged" in html


@pytest.mark.parametrize(
    ("answers", "words", "key"),
    [
        (BASE, "Nothing changed: 20 of 20 answers are word for word the base's", "stronger"),
        ([*CHILD[:4], *BASE[4:]], "Next to nothing changed: 16 of 20", "stronger"),
        (LOST, "20 of 20 answers are not language: the learning rate is too high", "gentler"),
        (LOOPS, "20 repeat themselves. It learned its rows too well.", "shorter"),
        (ADULT, "It still talks like the base.", "longer"),
    ],
)
def test_each_fault_is_said_and_comes_with_what_to_try(
    judged: Callable[..., TrainingRun], answers: list[str], words: str, key: str
) -> None:
    run = judged(candidate(answers))
    assert words in sentence(run)
    assert advice(run) == key


def test_a_good_run_gets_its_counts_and_no_advice(judged: Callable[..., TrainingRun]) -> None:
    run = judged(candidate([*CHILD[:18], LOOPS[0], BASE[19]]))
    kept = run.verdicts.get(kept=True)
    assert sentence(run).startswith(
        f"{kept.childlike} of 20 read like a second-grader, 1 repeats itself, 1 is as the base"
    )
    assert advice(run) is None


@pytest.mark.parametrize(
    ("before", "after", "words", "key"),
    [
        (
            4.0,
            11.2,
            "Worse than chance: the validation loss is 11.20, and guessing every word blindly gives 10.80",
            "gentler",
        ),
        (12.0, 11.0, "So it was before training: take another base model.", None),
    ],
)
def test_a_loss_above_chance_is_a_fault(
    judged: Callable[..., TrainingRun], before: float, after: float, words: str, key: str | None
) -> None:
    metrics = {"vocabulary": 49_152, "validation_loss_before": before, "validation_loss_after": after}
    run = judged(candidate(CHILD), **metrics)
    assert words in sentence(run)
    assert advice(run) == key


def test_a_loss_below_chance_is_none(judged: Callable[..., TrainingRun]) -> None:
    run = judged(candidate(CHILD), vocabulary=49_152, validation_loss_before=12.0, validation_loss_after=10.7)
    assert "chance" not in sentence(run)


def test_the_button_opens_the_form_with_that_setting_and_keeps_dataset_and_name(
    browser: Client, team: Team, judged: Callable[..., TrainingRun]
) -> None:
    run = judged(candidate(LOST), settings={"learning_rate": 3e-3, "epochs": 4})
    page = browser.get(reverse("run_detail", args=[team.pk, run.number])).content.decode()
    address = f"{reverse('run_new', args=[team.pk, 'lora'])}?from={run.number}&amp;change=gentler"
    assert address in page
    html = browser.get(address.replace("&amp;", "&")).content.decode()
    assert 'name="learning_rate" value="0.001"' in html
    assert 'name="epochs" value="4"' in html
    assert 'name="name" value="A try"' in html
    assert f'<option value="{run.dataset_version_id}" selected>' in html


def test_the_guides_two_layers_are_advised_the_recommended_settings(
    browser: Client, team: Team, judged: Callable[..., TrainingRun]
) -> None:
    run = judged(candidate(BASE), settings={"target_modules": ["q_proj", "v_proj"]})
    found = words_of(run, list(run.verdicts.all()))
    assert found is not None and found.change is not None
    assert found.change.settings == {"preset": "recommended"}
    html = browser.get(
        reverse("run_new", args=[team.pk, "lora"]) + f"?from={run.number}&change=stronger"
    ).content.decode()
    assert re.search(r'name="preset" value="recommended"[^>]* checked', html)
    assert 'name="name" value="A try"' in html


def test_an_invented_change_in_the_address_changes_nothing(browser: Client, team: Team, start: Launch) -> None:
    start()
    html = browser.get(reverse("run_new", args=[team.pk, "lora"]) + "?from=1&change=__class__").content.decode()
    assert 'name="epochs" value="2"' in html


@pytest.mark.usefixtures("stub_engines")
def test_a_run_without_fresh_questions_is_read_by_its_sample_questions(start: Launch) -> None:
    run = start(Method.DSPY)
    for stage, answers in (
        ("before", ["The sum is 23.", "Plants require water."]),
        ("after", ["it's 23!", "um, water."]),
    ):
        for question, answer in zip(["What is 15 + 8?", "What do plants need to grow?"], answers, strict=True):
            data = {"stage": stage, "question": question, "answer": answer}
            RunEvent.objects.create(run=run, kind="sample", data=data)
    rows = verdicts.measured(run, {})
    assert [(row.of, row.fresh, row.asked, row.sums, row.right) for row in rows] == [
        ("base", False, 2, 1, 1),
        ("checkpoint", False, 2, 1, 1),
    ]
    assert rows[1].changed == 2


@pytest.mark.usefixtures("stub_engines")
def test_a_programs_held_out_turns_count_beside_the_sample_questions(start: Launch) -> None:
    run = start(Method.DSPY)
    for stage, answer in (("before", "The sum is 23."), ("after", "it's 23!")):
        data = {"stage": stage, "question": "What is 15 + 8?", "answer": answer}
        RunEvent.objects.create(run=run, kind="sample", data=data)
    turn = {
        "teacher_prompt": "Why do cats purr?",
        "before": "Cats purr to communicate.",
        "after": "cause they're happy!",
    }
    again = {"teacher_prompt": "What is 15 + 8?", "before": "16", "after": "17"}
    failed = {"teacher_prompt": "What is rain?", "before": None, "error_before": "late", "after": "water!"}
    base, kept = verdicts.measured(run, {"examples": [turn, again, failed, "x", {"teacher_prompt": 3}]})
    assert (kept.asked, kept.changed, kept.sums, kept.right) == (2, 2, 1, 1)
    assert [one["answer"] for one in base.answers] == ["The sum is 23.", "Cats purr to communicate."]
    assert verdicts.measured(run, {"examples": "x"})[1].asked == 1


@pytest.mark.parametrize(
    "told",
    [
        None,
        [],
        "x",
        [7],
        [{}],
        [{"answers": ["only one"], "base_answers": BASE}],
        [{"answers": BASE}],
        [{"base_answers": 3}],
    ],
)
def test_an_engine_that_says_nonsense_costs_the_verdict_and_not_the_run(
    stub_engines: None, start: Launch, told: Any
) -> None:
    run = start(settings={"stub_result": json.dumps({"verdicts": told})})
    jobs.execute_run(run.pk)
    run.refresh_from_db()
    assert run.status == "succeeded", run.error_message
    assert not run.verdicts.filter(of=RunVerdict.Of.CHECKPOINT, fresh=True).exists()


def test_the_order_names_the_questions_and_where_the_bases_answers_are(
    judged: Callable[..., TrainingRun], settings: Any
) -> None:
    run = judged(candidate(CHILD))
    order = json.loads(run.file("spec.json").read_text())
    assert len(order["verdict_questions"]) == COUNT
    assert not {one["question"] for one in order["verdict_questions"]} & set(order["sample_questions"])
    assert order["known_answers"].startswith(str(settings.VAR_DIR))
    assert verdicts._fresh_questions(run) == [
        Asked(one["question"], one["total"]) for one in order["verdict_questions"]
    ]
