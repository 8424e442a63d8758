"""A professor is blind: nothing that a professor can reach, read, be sent or be refused with tells whose bot it is.

Every URL of the access table is asked as the professor, and every link found on the way, at each stage of a grading.
"""

import html
import re
from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import Any

import pytest
from django.core import mail
from django.test import Client
from django.urls import reverse

from evaluation.metrics import measure
from evaluation.models import GradeStatus, Grading, InterviewAnswer, UnappliedSave
from evaluation.services import grades, results
from evaluation.services.gradings import ensure_gradings
from teams.access import Access
from teams.models import Course, Role, User
from tests import factories
from tests.access_table import TABLE
from tests.evaluation.model_server import Script
from tests.test_access import QUERY, address, no_listener, text_of  # noqa: F401  (a fixture)
from tests.world import World, make_world
from training.models import TrainingRun

OPEN = (Access.PUBLIC, Access.SIGNED_IN, Access.STUDENT, Access.PROFESSOR)
LINK = re.compile(r'(?:href|src|action|hx-get|hx-post|sse-connect)="(/[^"#]*)')
HTMX = {"HX-Request": "true"}
DATA = {
    "label": "own words",
    "answer": "Um, ice?",
    "question": "What is ice?",
    "level": "2",
    "comment": "words",
    "version": "0",
    "use": "kept",
    "text": "A remark.",
    "reason": "We talked.",
}


@pytest.fixture
def telling(redis_server: str, course: Course, professor: User, model_server: Script, answers_at_once: None) -> World:
    """A team whose names, files, models and ids are all unmistakable; what its bot says ("quokka") may be read."""
    person = factories.make_person("Zebedee Zanzibar", "zebedee.zanzibar@example.edu")
    team = factories.make_team(course, "Zanzibarites", person)
    world = make_world(team, professor, "quokka")
    TrainingRun.objects.filter(pk=world.run.pk).update(name="Zanzibar final")
    for model, fields in (
        (world.dataset, {"name": "Zanzibar rows"}),
        (world.conversation, {"title": "Zanzibar talk"}),
        (world.standard, {"status": "done", "metrics": asdict(measure([])), "judge_model": "a-judge"}),
    ):
        type(model).objects.filter(pk=model.pk).update(**fields)
    for question in world.standard.script.questions.all()[:3]:
        InterviewAnswer.objects.create(interview=world.standard, question=question, wording="question", answer="Ice!")
    return world


def telltales(world: World) -> list[str]:
    """What gives the team away: names, addresses, and every id or hash by which team, run, data or submission are known."""
    run = TrainingRun.objects.get(pk=world.run.pk)
    bundle = world.submission.bundle
    named = ["zanzibar", "zebedee"]
    ids = [run.key, run.result_model, world.submission.blind_code, world.version.content_hash, world.import_.key]
    talks = [world.conversation.key, world.turn.key, world.comparison.key, world.standard.key]
    files = ["rows.jsonl", "result.json", *(file["sha256"] for file in bundle["artifacts"])]
    places = [f"/teams/{world.team.pk}/", f"run {run.number}", f"runs/{run.number}"]
    return [str(one).lower() for one in (*named, *ids, *talks, *files, *places)]


def leaks(response: Any, words: list[str]) -> list[str]:
    text = html.unescape(text_of(response) + str(response.headers)).lower()
    return [word for word in words if word in text]


def walk(client: Client, world: World, words: list[str]) -> dict[str, list[str]]:
    """Every URL, whether it lets the professor in or not, as a page and as a fragment; the ones that leak."""
    found = {}
    for name, access in TABLE.items():
        if name == "sign_out":
            continue
        path = address(name, world) + QUERY.get(name, "").format(run=world.run.number)
        for headers in ({}, HTMX):
            response = client.get(path, headers=headers)
            own = [path.lower(), "/sign-in/"]
            # A refusal may say the address that was typed; it may not add to it.
            said = [word for word in leaks(response, words) if access in OPEN or not any(word in one for one in own)]
            if said:
                found[f"{name} {headers}"] = said
    return found


def crawl(client: Client, start: str, words: list[str]) -> tuple[set[str], dict[str, list[str]]]:
    """Every page that links lead to from `start`, and those that leak."""
    seen: set[str] = set()
    waiting, found = [start], {}
    while waiting:
        path = waiting.pop()
        if path in seen or "/static/" in path or path.startswith(reverse("sign_out")):
            continue
        seen.add(path)
        response = client.get(path)
        if said := leaks(response, words):
            found[path] = said
        if not response.streaming and "html" in response.headers.get("Content-Type", ""):
            waiting += [html.unescape(link) for link in LINK.findall(response.content.decode())]
    return seen, found


def posts(client: Client, world: World, words: list[str]) -> dict[str, list[str]]:
    """Every act of a professor, done well, badly, and from a fragment."""
    found = {}
    for name, access in TABLE.items():
        if access is not Access.PROFESSOR or name in ("grading_commit", "calibration_detail"):
            continue
        for data in (DATA, {}, {**DATA, "level": "9", "version": "x", "question": "x" * 9000, "answer": "x" * 9000}):
            for headers in ({}, HTMX):
                response = client.post(address(name, world), data, headers=headers)
                if said := leaks(response, words):
                    found[f"{name} {data.get('version')} {headers}"] = said
    return found


def stages(world: World, professor: User, model_server: Script, course: Course) -> Iterator[str]:
    """A grading from its first draft to after the release, with everything that goes wrong on the way."""
    yield "a draft"
    model_server.status = 404
    yield "the bot fails"
    model_server.status = 200
    course.spending_frozen = True
    course.save()
    yield "spending is frozen"
    UnappliedSave.objects.all().delete()
    grade = Grading.objects.get(pk=world.grading.pk).grade
    grades.commit(grade=grade, seen_version=grade.version, person=professor)
    yield "committed"
    results.release(submission=world.submission, person=professor)
    yield "released"


@pytest.mark.usefixtures("no_listener")
def test_nothing_a_professor_can_reach_tells_whose_bot_it_is(
    telling: World, professor: User, model_server: Script, course: Course, client_for: Callable[[User | None], Client]
) -> None:
    client, words = client_for(professor), telltales(telling)
    found: dict[str, list[str]] = {}
    client.raise_request_exception = False
    queue = reverse("grading_queue", args=[course.pk])
    for stage in stages(telling, professor, model_server, course):
        found |= {f"{stage}: {where}": said for where, said in walk(client, telling, words).items()}
        found |= {f"{stage}: posting {where}": said for where, said in posts(client, telling, words).items()}
        seen, leaking = crawl(client, queue, words)
        assert len(seen) > 12, f"the crawl must not pass by finding nothing: {sorted(seen)}"
        assert not [path for path in seen if path.startswith("/teams/")]
        found |= {f"{stage}: {path}": said for path, said in leaking.items()}
    assert Grading.objects.get(pk=telling.grading.pk).grade.status == GradeStatus.COMMITTED
    assert found == {}


@pytest.mark.usefixtures("no_listener")
def test_the_walk_would_see_a_leak(
    telling: World, professor: User, instructor: User, client_for: Callable[[User | None], Client]
) -> None:
    """The same walk as the instructor, who may know, finds the names on many pages."""
    assert len(walk(client_for(instructor), telling, telltales(telling))) > 20


def test_mail_to_a_professor_names_nobody(telling: World, professor: User) -> None:
    words = telltales(telling)
    to_her = [one for one in mail.outbox if professor.email in one.to]
    assert not [one.subject for one in to_her if any(word in (one.subject + str(one.body)).lower() for word in words)]


def test_two_professors_cannot_put_their_lists_side_by_side(telling: World, course: Course) -> None:
    """Code and order are drawn anew for each."""
    other = factories.make_person("Quinn Professor", "quinn@example.edu")
    factories.enrol(course, other, Role.PROFESSOR)
    factories.assign(telling.team, other)
    ensure_gradings(course=course)
    drawn = Grading.objects.filter(submission=telling.submission)
    assert len(set(drawn.values_list("code", flat=True))) == len(set(drawn.values_list("order", flat=True))) == 2
