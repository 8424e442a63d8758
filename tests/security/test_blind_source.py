"""Blind in the source of every page: a professor learns nothing of a team, a team nothing of its graders.

Every table counts from a number of its own that stands nowhere else, all that teams did happened in one minute of a day
and all that graders did in another, so that whatever leaks is recognised by its value: in HTML, addresses, forms,
headers, downloads, event streams, messages and mails.
"""

import html
import re
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from difflib import unified_diff
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urljoin
from uuid import UUID

import pytest
from django.apps import apps
from django.core import mail
from django.db import connection, models
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from evaluation.models import (
    CriterionScore,
    Grade,
    GradeStatus,
    Grading,
    Interview,
    InterviewAnswer,
    TurnStatus,
    UnappliedSave,
)
from evaluation.services import chat, grades, gradings, interviews, releases, results, tags
from evaluation.services.grades import Marks
from evaluation.services.gradings import ensure_gradings
from second_grade.interview import measure
from teams.access import Access
from teams.models import Confidence, Course, LedgerEntry, Method, Provider, Role, Team, User
from teams.services import costs, money
from tests import factories
from tests.access_table import TABLE
from tests.evaluation.conftest import answers_at_once, model_server  # noqa: F401  (fixtures)
from tests.evaluation.model_server import Script
from tests.test_access import QUERY, address, no_listener, text_of  # noqa: F401  (a fixture)
from tests.world import World, make_world
from training.models import TrainingRun

OWN_APPS = ("teams", "datasets", "training", "evaluation")
FIRST_NUMBER, ROOM = 73_000_000, 10_000
# Not the first part of a random code, which may be digits by chance.
NUMBER = re.compile(r"(?<![0-9A-Za-z])73[0-9]{6}(?![0-9A-Za-z]|-[0-9a-f]{4}-)")
SECRETS = re.compile(r"csrfmiddlewaretoken\" value=\"\w+|X-CSRFToken\": \"\w+|nonce=\"[^\"]+|'nonce-[^']+")
TEAM_MINUTE, GRADER_MINUTE = (13, 47), (16, 53)
HTMX = {"HX-Request": "true"}
PROFESSORS_PAGES = (Access.PUBLIC, Access.SIGNED_IN, Access.STUDENT, Access.PROFESSOR)
# What a professor never meets: methods, money, and how a bot is made. The guide is written for students.
NEVER_SAID = ("lora", "dspy", "openai", "rehearsal", "adapter", "checkpoint", "provider", "tiny-student")
# The notices and the map of what is stored where say that rows go to a provider, and that hosts hold adapters: the
# same words for everybody, whatever teams did. No other word of the list may stand there, and no leak.
TOLD_TO_ALL = re.compile(r"/privacy/(data/)?|/courses/[0-9]+/privacy/")
MOST_OF_A_PAGE = 100  # ways in which one page is asked for
NOT_HAPPENED = ("lease_until", "expires_at", "heartbeat_at", "starts_at")
# Where blindness is lifted: teams are named there, and nothing else of them or of their bots.
NOT_BLIND = "/presentations/"
AGO = re.compile(r"\bago\b")
MONEY = re.compile(r"\$ ?[0-9]")
# By whose numbers a team could tell what a grader did between two acts of its own.
GRADERS_TABLES = (
    *("Grading", "Grade", "CriterionScore", "UnappliedSave", "GradeRevision", "TurnTag", "TurnCorrection", "Turn"),
    *("Conversation", "Interview", "InterviewAnswer", "LedgerEntry", "Hold", "Notice", "AuditEntry", "Calibration"),
    *("ProfessorAssignment", "RowComment", "RowApproval", "Adjudication", "RegradeRequest", "JudgeOpinion"),
    *("SecondLook", "ResultRelease", "Hearing", "PresentationSession"),
)


def own_models() -> list[type[models.Model]]:
    return [model for model in apps.get_models() if model._meta.app_label in OWN_APPS]


def range_of(model: type[models.Model]) -> range:
    """The primary keys that rows made from now on have."""
    start = FIRST_NUMBER + ROOM * own_models().index(model)
    return range(start, start + ROOM)


def count_apart() -> None:
    """From here on each table counts in a range of its own."""
    with connection.cursor() as cursor:
        for model in own_models():
            table, last = model._meta.db_table, range_of(model).start
            if connection.vendor == "sqlite":
                cursor.execute("DELETE FROM sqlite_sequence WHERE name = %s", [table])
                cursor.execute("INSERT INTO sqlite_sequence (name, seq) VALUES (%s, %s)", [table, last])
            else:
                cursor.execute("SELECT setval(pg_get_serial_sequence(%s, 'id'), %s)", [table, last])


@dataclass
class Cast:
    """Two teams that handed in one after the other, graded by both professors."""

    first: World
    second: World
    one: User
    other: User
    teams: list[str] = field(default_factory=lambda: ["zanzibar", "zebedee", "quetzal", "quirin"])
    graders: list[str] = field(default_factory=lambda: ["philippa", "grauberg", "ottokar", "weissmann"])

    @property
    def course(self) -> Course:
        return self.first.team.course


@pytest.fixture
def cast(redis_server: str, db: None, model_server: Script, answers_at_once: None) -> Cast:  # noqa: F811
    count_apart()
    course = factories.make_course()
    one = factories.make_person("Philippa Grauberg", "philippa.grauberg@example.edu")
    other = factories.make_person("Ottokar Weissmann", "ottokar.weissmann@example.edu")
    for person in (one, other):
        factories.enrol(course, person, Role.PROFESSOR)
    first = _team(course, one, other, "Zanzibarites", "Zebedee Zanzibar", "quokka")
    second = _team(course, one, other, "Quetzalians", "Quirin Quetzal", "numbat")
    made = Cast(first, second, one, other)
    ensure_gradings(course=course)
    for world in (first, second):
        _hold_a_standard_interview(world)
        _grade(world, made)
    set_the_clocks()
    return made


def _team(course: Course, one: User, other: User, name: str, person: str, mark: str) -> World:
    member = factories.make_person(person, f"{person.replace(' ', '.').lower()}@example.edu")
    team = factories.make_team(course, name, member)
    world = make_world(team, one, mark)
    factories.assign(team, other)
    return world


def _hold_a_standard_interview(world: World) -> None:
    held = Interview.objects.filter(pk=world.standard.pk)
    found = asdict(measure([]))
    held.update(status="done", metrics=found, judge_model="a-judge-of-models", finished_at=timezone.now())
    question = world.standard.script.questions.all()[0]
    InterviewAnswer.objects.create(interview=world.standard, question=question, wording="question", answer="Ice!")


def _grade(world: World, made: Cast) -> None:
    """Each grader asks something that costs money; the first one also marks, tags, corrects and has a conflict."""
    for grading in Grading.objects.filter(submission=world.submission).select_related("grade", "grader__person"):
        person = grading.grader.person
        turn = chat.ask(conversation=gradings.interview_of(grading), question="What is ice?", person=person)
        charge(world.team, f"{turn.hold_key}-dear", person, str(turn.key))
        if person != made.one:
            continue
        tags.put(grading=grading, turn=turn, label="great")
        tags.correct(grading=grading, turn=turn, answer="It is cold.")
        score = grading.grade.scores.order_by("pk")[0]
        grades.save_score(score=score, marks=Marks(level=2, comment="Hm."), version=0)
        UnappliedSave.objects.create(grade=grading.grade, criterion=score.criterion, level=3)


def charge(team: Team, key: str, person: User, subject: str) -> None:
    """What an answer of a dear bot costs, held for and settled as a grader's is."""
    money.hold(team=team, key=key, amount=1_234_567, person=person, subject_kind=money.GRADING)
    used = money.Charge(
        subject_kind="turn",
        subject_id=subject,
        method=Method.OPENAI,
        provider="openai",
        model="ft:dear",
        cost=1_234_567,
        price_note="a price",
        confidence=Confidence.EXACT,
        person=person,
    )
    money.settle(key=key, charge=used)


def _made_by_graders(model: type[models.Model]) -> models.Q:
    """Which rows of a table are a grader's doing."""
    professors = User.objects.filter(memberships__role=Role.PROFESSOR)
    rules = {
        "Turn": models.Q(conversation__person__in=professors),
        "Conversation": models.Q(person__in=professors),
        "LedgerEntry": models.Q(person__in=professors),
        "Hold": models.Q(person__in=professors),
        "Interview": models.Q(started_by__in=professors),
        "RowComment": models.Q(by_reviewer=True),
        "SignedInBrowser": models.Q(person__in=professors),  # her own, on her own page
        "Grade": models.Q(version__gt=0),  # one that nobody touched was made when the bot was handed in
    }
    always = ("GradeRevision", "UnappliedSave", "TurnTag", "TurnCorrection", "Calibration", "RowApproval")
    none_of_them = models.Q(pk=None)
    return models.Q() if model.__name__ in always else rules.get(model.__name__, none_of_them)


def set_the_clocks() -> None:
    """All that happened so far was yesterday: in one minute for teams, in another for graders."""
    day = timezone.localtime() - timedelta(days=1)
    by_team, by_grader = (_at(day, minute) for minute in (TEAM_MINUTE, GRADER_MINUTE))
    for model in own_models():
        if model is User:
            continue
        for one in model._meta.concrete_fields:
            if not isinstance(one, models.DateTimeField) or one.name in NOT_HAPPENED:
                continue
            happened = model._default_manager.exclude(**{one.name: None})
            happened.update(**{one.name: by_team})
            happened.filter(_made_by_graders(model)).update(**{one.name: by_grader})


def _at(day: datetime, minute: tuple[int, int]) -> datetime:
    return day.replace(hour=minute[0], minute=minute[1], second=11, microsecond=0)


def minutes(minute: tuple[int, int]) -> list[str]:
    hour, past = minute
    return [f"{hour}:{past}", f"{hour - 12}:{past} p.m", f"{hour}.{past}", f"{hour}{past}11"]


# What may not be said, and where it is looked for -------------------------------------------------------------------


@dataclass
class Watch:
    """`words` in lower case; `forbidden` says which primary keys may not be there; `blind`: a professor's pages; `named`:
    words that may stand on the pages of presentations."""

    words: list[str]
    forbidden: Callable[[int], bool]
    blind: bool
    named: list[str] = field(default_factory=list)

    def leaks(self, response: Any, path: str, *, refused: bool = False) -> list[str]:
        """What an answer gives away. A refusal may repeat the address that was typed; it may not add to it."""
        cookies = [str(one) for name, one in response.cookies.items() if name not in ("sessionid", "csrftoken")]
        text = SECRETS.sub("", html.unescape(text_of(response))).lower()
        around = f"{response.headers}\n{cookies}".lower()
        whole = f"{text}\n{SECRETS.sub('', around)}"
        said = self.found(whole.replace(path.lower(), "") if refused else whole)
        if NOT_BLIND in path:
            said = [word for word in said if word not in self.named]
        # The guide and the plan speak of methods and money: they are written for students and the same for everyone.
        if not self.blind or refused or path.startswith("/guide/") or path.endswith("/plan/"):
            return said
        told_to_all = ["provider", "adapter"] if TOLD_TO_ALL.fullmatch(path) else []
        said += [word for word in NEVER_SAID if word in text and word not in told_to_all]
        said += ["a time ago"] if AGO.search(text) else []
        return said + (["money"] if MONEY.search(text) else [])

    def found(self, said: str) -> list[str]:
        lower = said.lower()
        numbers = {number for number in map(int, NUMBER.findall(lower.replace(",", ""))) if self.forbidden(number)}
        named = [f"{_table(number)} {number}" for number in sorted(numbers)]
        return [word for word in self.words if word in lower] + named


def _table(number: int) -> str:
    return own_models()[(number - FIRST_NUMBER) // ROOM].__name__


def watch_for_professor(cast: Cast, person: User) -> Watch:
    """No number of any row but the course's; nothing of teams; nothing of the other grader."""
    hidden: list[Any] = []
    for world in (cast.first, cast.second):
        run, bundle = world.run, world.submission.bundle
        hidden += [world.version.content_hash, *(one["sha256"] for one in bundle["artifacts"])]
        hidden += [run.key, world.submission.blind_code, world.import_.key, world.conversation.key, world.turn.key]
        hidden += [world.comparison.key, world.standard.key, world.review.code, run.result_model]
        hidden += [f"/teams/{world.team.pk}/", f"run {run.number}", f"runs/{run.number}"]
    another = cast.other if person == cast.one else cast.one
    theirs = Grading.objects.filter(grader__person=another)
    hidden += [*theirs.values_list("code", flat=True), another.email, *another.name.split()]
    hidden += [*cast.teams, "rows.jsonl", "result.json", "a-judge-of-models", *minutes(TEAM_MINUTE)]
    course = cast.course.pk
    words = [str(one).lower() for one in hidden]
    return Watch(words, lambda number: number != course, blind=True, named=cast.teams)


def watch_for_team(cast: Cast) -> Watch:
    """Nothing of graders: name, address, code, minute, nor a number that stands in a row with theirs."""
    codes = [str(one) for one in Grading.objects.values_list("code", flat=True)]
    graders = {pk for person in (cast.one, cast.other) for pk in (person.pk, person.memberships.get().pk)}
    tables = [range_of(model) for model in own_models() if model.__name__ in GRADERS_TABLES]
    words = [word.lower() for word in (*cast.graders, *codes, *minutes(GRADER_MINUTE))]
    return Watch(words, lambda one: one in graders or any(one in table for table in tables), blind=False)


class Ways(HTMLParser):
    """What a page leads to: `links` to open, `forms` as (address, data)."""

    LINKS = ("href", "src", "action", "hx-get", "sse-connect")

    def __init__(self, page: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.forms: list[tuple[str, dict[str, str]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.links += [given[name] for name in self.LINKS if given.get(name, "#")[0] != "#"]
        if tag == "form" and given.get("method", "").lower() == "post":
            self.forms.append((given.get("action", ""), {}))
        name = given.get("name", "csrfmiddlewaretoken")
        if self.forms and name != "csrfmiddlewaretoken" and tag in ("input", "button", "textarea", "select"):
            self.forms[-1][1].setdefault(name, given.get("value") or "2")


def crawl(client: Client, start: str, watch: Watch, *, forms: bool) -> tuple[set[str], dict[str, list[str]]]:
    """Every page that links lead to and, with `forms`, what comes of sending each form as it stands; those that leak."""
    seen: set[str] = set()
    sent: set[str] = set()
    waiting = [start]
    found: dict[str, list[str]] = {}
    while waiting:
        path = waiting.pop()
        if path in seen or "/static/" in path or path.startswith((reverse("sign_out"), "http", "mailto:", "data:")):
            continue
        seen.add(path)
        page = path.split("?")[0]
        assert sum(one.split("?")[0] == page for one in seen) < MOST_OF_A_PAGE, f"{path} leads on for ever"
        response = client.get(path)
        if said := watch.leaks(response, path):
            found[path] = said
        if response.streaming or "html" not in response.headers.get("Content-Type", ""):
            continue
        ways = Ways(response.content.decode())
        waiting += [urljoin(path, link).split("#")[0] for link in ways.links]
        for action, data in ways.forms if forms else []:
            found |= _send(client, urljoin(path, action), data, watch, sent)
    return seen | sent, found


def _send(client: Client, to: str, data: dict[str, str], watch: Watch, sent: set[str]) -> dict[str, list[str]]:
    """Send a form once, as a fragment and as a page; what must not happen before the walk is over apart."""
    if to in sent or to.endswith(("/commit/", "/sign-out/")):
        return {}
    sent.add(to)
    answers = {f"POST {to} {headers or ''}": client.post(to, data, headers=headers) for headers in (HTMX, {})}
    found = {name: watch.leaks(response, to) for name, response in answers.items()}
    return {name: said for name, said in found.items() if said}


def walk(
    client: Client, world: World, watch: Watch, admitted: tuple[Access, ...], table: dict[str, Access] = TABLE
) -> dict[str, list[str]]:
    """Every URL of the table, as a page and as a fragment, let in or refused; those that leak."""
    found = {}
    for name, access in table.items():
        if name == "sign_out":
            continue
        path = address(name, world) + QUERY.get(name, "").format(run=world.run.number)
        for headers in ({}, HTMX):
            response = client.get(path, headers=headers)
            if said := watch.leaks(response, path, refused=access not in admitted):
                found[f"{name} {headers or ''}".strip()] = said
    return found


def posts(client: Client, world: World, watch: Watch) -> dict[str, list[str]]:
    """Every act of a professor, done well and badly."""
    found = {}
    good = {"label": "own", "answer": "Um?", "question": "What is ice?", "level": "2", "version": "0", "use": "kept"}
    bad = {**good, "level": "9", "version": "x", "question": "x" * 9000, "answer": "x" * 9000}
    for name, access in TABLE.items():
        if access is not Access.PROFESSOR or name in ("grading_commit", "hearing_commit"):
            continue
        path = address(name, world)
        for data in (good, {}, bad):
            for headers in ({}, HTMX):
                if said := watch.leaks(client.post(path, data, headers=headers), path):
                    found[f"POST {name} {headers or ''}"] = said
    return found


# The walks ----------------------------------------------------------------------------------------------------------


def stages(cast: Cast, server: Script) -> Iterator[str]:
    """From the first draft to after the release, with what goes wrong on the way."""
    yield "a draft"
    server.status = 401
    yield "the bot fails"
    server.status = 200
    Course.objects.filter(pk=cast.course.pk).update(spending_frozen=True)
    yield "spending is frozen"
    UnappliedSave.objects.all().delete()
    for grading in Grading.objects.filter(submission=cast.first.submission).select_related("grade", "grader__person"):
        grades.commit(grade=grading.grade, seen_version=grading.grade.version, person=grading.grader.person)
    set_the_clocks()
    yield "committed"
    releases.publish(submission=cast.first.submission, person=cast.one, reason="Graded by all.")
    set_the_clocks()
    yield "released"


@pytest.mark.usefixtures("no_listener")
def test_no_page_or_stream_of_a_professor_tells_whose_bot_it_is_or_when_it_came(
    cast: Cast,
    model_server: Script,  # noqa: F811
    settings: Any,
    client_for: Callable[[User | None], Client],
) -> None:
    settings.HAS_PROVIDER = False
    client, watch = client_for(cast.one), watch_for_professor(cast, cast.one)
    client.raise_request_exception = False
    queue = reverse("grading_queue", args=[cast.course.pk])
    found: dict[str, list[str]] = {}
    for stage in stages(cast, model_server):
        here = walk(client, cast.first, watch, PROFESSORS_PAGES) if stage in ("a draft", "released") else {}
        here |= posts(client, cast.first, watch) if stage != "released" else {}
        seen, leaking = crawl(client, queue, watch, forms=stage in ("a draft", "committed"))
        assert len(seen) > 20, f"the crawl must not pass by finding nothing: {sorted(seen)}"
        found |= {f"{stage}: {where}": said for where, said in (here | leaking).items()}
    assert Grade.objects.get(grading=cast.first.grading.pk).status == GradeStatus.COMMITTED
    assert found == {}


@pytest.mark.usefixtures("no_listener")
def test_no_page_stream_or_download_of_a_team_tells_who_graded_or_when(
    cast: Cast,
    model_server: Script,  # noqa: F811
    client_for: Callable[[User | None], Client],
) -> None:
    client, watch = client_for(cast.first.member), watch_for_team(cast)
    home = reverse("team_home", args=[cast.first.team.pk])
    found: dict[str, list[str]] = {}
    for stage in stages(cast, model_server):
        if stage not in ("a draft", "released"):
            continue
        here = walk(client, cast.first, watch, tuple(Access))
        seen, leaking = crawl(client, home, watch, forms=False)
        assert len(seen) > 50, f"the crawl must not pass by finding nothing: {sorted(seen)}"
        found |= {f"{stage}: {where}": said for where, said in (here | leaking).items()}
    assert found == {}


@pytest.mark.usefixtures("no_listener")
def test_the_walks_would_see_a_leak(cast: Cast, client_for: Callable[[User | None], Client]) -> None:
    """The same walks as an instructor, who may know everything, find numbers, names and minutes on many pages."""
    instructor = factories.make_person("Iris Instructor")
    factories.enrol(cast.course, instructor, Role.INSTRUCTOR)
    client = client_for(instructor)
    some = {name: access for name, access in TABLE.items() if name.startswith(("course_", "submission_", "team_"))}
    of_teams = walk(client, cast.first, watch_for_professor(cast, cast.one), tuple(Access), some)
    seen = {said for page in of_teams.values() for said in page}
    assert len(of_teams) > 20 and {"zanzibar", "13:47", "money", "lora"} <= seen
    assert any(one.startswith("Submission 73") for one in seen)
    of_graders = walk(client, cast.first, watch_for_team(cast), tuple(Access), some)
    seen = {said for page in of_graders.values() for said in page}
    assert {"grauberg", "16:53"} <= seen and any(one.startswith("LedgerEntry 73") for one in seen)


def test_no_mail_or_notice_tells_either_side_of_the_other(cast: Cast) -> None:
    graders, team = watch_for_professor(cast, cast.one), watch_for_team(cast)
    for one in mail.outbox:
        watch = graders if cast.one.email in one.to else team
        assert watch.found(f"{one.subject}\n{one.body}\n{one.extra_headers}") == [], one.body
    for person, watch in ((cast.one, graders), (cast.first.member, team)):
        told = [f"{notice.text} {notice.path}" for notice in person.notices.all()]
        assert [one for one in told if watch.found(one)] == []


# What two graders, or two lists, could be put together by -------------------------------------------------------------

TOKEN = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|[0-9]{6,}|\b[0-9A-Za-z_-]{16,}\b")


def tokens(client: Client, path: str) -> set[str]:
    return set(TOKEN.findall(SECRETS.sub("", client.get(path).content.decode())))


def test_two_graders_find_nothing_on_their_pages_by_which_one_bot_is_the_other_ones(
    cast: Cast, client_for: Callable[[User | None], Client]
) -> None:
    reviews = reverse("review_list", args=[cast.course.pk])

    def pages_of(person: User, world: World) -> set[str]:
        grading = Grading.objects.get(grader__person=person, submission=world.submission)
        where = {"course_id": cast.course.pk, "code": grading.code}
        paths = [reverse("grading_detail", kwargs=where), reverse("grading_standard", kwargs=where), reviews]
        return set().union(*(tokens(client_for(person), path) for path in paths))

    mine, theirs = pages_of(cast.one, cast.first), pages_of(cast.other, cast.first)
    of_every_bot = pages_of(cast.one, cast.second)
    assert len(mine) > 5, "there must be something to compare"
    assert mine & theirs - of_every_bot == set()
    listed = [{one for one in tokens(client_for(who), reviews) if len(one) == 36} for who in (cast.one, cast.other)]
    assert [len(codes) for codes in listed] == [2, 2]
    assert not listed[0] & listed[1]


def test_codes_are_random_and_graders_are_numbered_in_no_order_of_the_roster(cast: Cast) -> None:
    codes = [*Grading.objects.values_list("code", flat=True), *UnappliedSave.objects.values_list("code", flat=True)]
    assert len(codes) == len(set(codes)) > 5
    assert {one.version for one in codes if isinstance(one, UUID)} == {4}, "no code made of the time"
    graders = Grading.objects.filter(submission=cast.first.submission).order_by("code")
    assert len({one.order for one in graders}) == 2, "each grader's list is drawn anew"
    assert results.results_of([cast.first.submission])[0].gradings == list(graders)


# What a team could see change while it watches ------------------------------------------------------------------------

WATCHED = ("team_home", "team_costs", "standard_list", "submission_detail", "conversation_list")


def watched(client: Client, team: Team) -> dict[str, str]:
    """What a team reads of money, interviews and its grading, every minute if it wants; without what is drawn anew."""
    addresses = {name: reverse(name, args=[team.pk]) for name in WATCHED}
    addresses["notice_list"] = reverse("notice_list")
    pages = {name: SECRETS.sub("", client.get(path).content.decode()) for name, path in addresses.items()}
    pages["submission_detail"] = re.sub(r"printed [^<]*", "", pages["submission_detail"])
    form = client.get(reverse("run_new", args=[team.pk, "lora"])).content.decode()  # the rest of it is of this machine
    return pages | {"run_new": form[form.index("Your team has left") :].split("</dd>")[0]}


def changed(before: dict[str, str], after: dict[str, str]) -> dict[str, list[str]]:
    """By page, the lines that came or went."""
    lines = {name: (page.splitlines(), after[name].splitlines()) for name, page in before.items()}
    found = {
        name: [one for one in unified_diff(*pair, n=0) if one[:3] not in ("---", "+++")] for name, pair in lines.items()
    }
    return {name: said for name, said in found.items() if said}


def test_a_team_that_watches_its_pages_sees_no_change_while_it_is_graded(
    cast: Cast, client_for: Callable[[User | None], Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Spent, held, left, alerts, interviews and who has graded: all of it is told from the next day on."""
    monkeypatch.setattr(interviews, "send_for_worker", lambda interview: None)
    team, client = cast.first.team, client_for(cast.first.member)
    Interview.objects.filter(run=cast.first.run).update(status="failed")
    watched(client, team)  # the notices are read now
    before = watched(client, team)
    told = cast.first.member.notices.count()
    money.hold(team=team, key="open", amount=3_000_000, person=cast.one, subject_kind=money.GRADING)
    for number in range(15):
        charge(team, f"dear-{number}", cast.one, f"subject-{number}")
    assert changed(before, watched(client, team)) == {}
    interviews.start_for_grader(submission=cast.first.submission, person=cast.one)
    assert changed(before, watched(client, team)) == {}
    grading = Grading.objects.get(grader__person=cast.other, submission=cast.first.submission)
    grades.commit(grade=grading.grade, seen_version=grading.grade.version, person=cast.other)
    after = watched(client, team)
    # That a bot can no longer be replaced is the rule itself, and has to be said.
    assert list(changed(before, after)) == ["submission_detail"]
    assert "0 of 2 professors graded" in after["submission_detail"]
    assert cast.first.member.notices.count() == told
    assert team.account.limit == 25_000_000 and costs.of_team(team).spent < 5_000_000, "more was booked today"


def test_the_day_after_a_team_reads_what_its_grading_cost_and_the_day(
    cast: Cast, client_for: Callable[[User | None], Client]
) -> None:
    page = client_for(cast.first.member).get(reverse("team_costs", args=[cast.first.team.pk])).content.decode()
    assert "Professors’ interviews" in page and "$2.47" in page
    yesterday = timezone.localdate() - timedelta(days=1)
    assert f"{yesterday:%b} {yesterday.day}" in page


def test_a_team_has_its_own_interview_held_while_a_grader_has_one(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    """A refusal would tell that she is at work."""
    monkeypatch.setattr(interviews, "send_for_worker", lambda interview: None)
    Interview.objects.update(status="failed")
    theirs = interviews.start_for_grader(submission=cast.first.submission, person=cast.one)
    own = interviews.start(run=cast.first.run, person=cast.first.member)
    assert own.pk != theirs.pk
    with pytest.raises(interviews.InterviewRefused):
        interviews.start(run=cast.first.run, person=cast.first.member)


def test_a_graders_standard_interview_stands_at_the_end_of_its_day_without_a_minute(
    cast: Cast, client_for: Callable[[User | None], Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(interviews, "send_for_worker", lambda interview: None)
    Interview.objects.update(status="failed")
    theirs = interviews.start_for_grader(submission=cast.first.submission, person=cast.one)
    theirs.move_to("done", metrics=asdict(measure([])), finished_at=timezone.now())  # type: ignore[arg-type]
    client, team = client_for(cast.first.member), cast.first.team
    listed, page = (reverse("standard_list", args=[team.pk]), reverse("standard_detail", args=[team.pk, theirs.key]))
    assert "for your professor" not in client.get(listed).content.decode()
    assert client.get(page).status_code == 404
    set_the_clocks()
    own = Interview.objects.get(pk=cast.first.standard.pk)
    Interview.objects.filter(pk=own.pk).update(created_at=own.created_at - timedelta(hours=9))  # hours before hers
    shown = client.get(listed).content.decode()
    assert shown.index(str(own.key)) < shown.index(str(theirs.key)) < shown.index("for your professor")
    assert "16:53" not in shown
    assert client.get(page).status_code == 200


# Single leaks ---------------------------------------------------------------------------------------------------------


def test_what_is_told_to_all_of_privacy_is_the_same_whatever_teams_did(
    cast: Cast, client_for: Callable[[User | None], Client]
) -> None:
    """So that the word for a provider says nothing of a bot there."""
    client = client_for(cast.one)
    paths = ("/privacy/", "/privacy/data/", f"/courses/{cast.course.pk}/privacy/")
    client.get(paths[0])  # the notices are read now

    def told() -> list[str]:
        return [SECRETS.sub("", client.get(path).content.decode()) for path in paths]

    before = told()
    assert all("provider" in page for page in before)
    other = Provider.objects.create(course=cast.course, code="acme", name="Acme")
    TrainingRun.objects.update(method=Method.OPENAI, provider=other.code)
    assert told() == before
    factories.make_team(cast.course, "Wombats", factories.make_person("Wanda Wombat"))
    assert told() == before


def test_an_untouched_grade_does_not_say_when_the_bot_was_handed_in(
    cast: Cast, client_for: Callable[[User | None], Client]
) -> None:
    """Its row was made in that minute."""
    grading = Grading.objects.get(grader__person=cast.other, submission=cast.first.submission)
    path = reverse("grading_detail", kwargs={"course_id": cast.course.pk, "code": grading.code})
    page = client_for(cast.other).get(path).content.decode()
    assert "13:47" not in page
    assert "Nothing saved yet" in page


def test_old_addresses_with_numbers_lead_nowhere(cast: Cast, client_for: Callable[[User | None], Client]) -> None:
    score = CriterionScore.objects.filter(grade__grading__grader__person=cast.one)[0]
    code = Grading.objects.get(grade=score.grade_id).code
    base = reverse("grading_detail", kwargs={"course_id": cast.course.pk, "code": code})
    client = client_for(cast.one)
    for path in (f"{base}scores/{score.pk}/", f"{base}criteria/{score.pk}/", f"{base}kept/73000001/"):
        assert client.post(path, {"level": "2", "version": "0"}).status_code == 404, path
    assert client.get(reverse("calibration_list", args=[cast.course.pk]) + "maple/").status_code == 404
    entry = LedgerEntry.objects.filter(account__team=cast.first.team).order_by("pk")[0]
    team = client_for(cast.first.member)
    assert team.get(reverse("team_costs", args=[cast.first.team.pk]) + f"entries/{entry.pk}/").status_code == 404


@pytest.mark.parametrize("status", [400, 401, 403, 404, 429, 500])
def test_however_a_bot_fails_a_professor_reads_no_more_than_whether_to_ask_again(
    status: int,
    cast: Cast,
    model_server: Script,  # noqa: F811
    client_for: Callable[[User | None], Client],
) -> None:
    model_server.status = status
    grading = Grading.objects.get(grader__person=cast.one, submission=cast.first.submission)
    where = {"course_id": cast.course.pk, "code": grading.code}
    client = client_for(cast.one)
    client.post(reverse("interview_ask", kwargs=where), {"question": "Why is the sky blue?"})
    last = gradings.interview_of(grading).turns.order_by("pk").last()
    assert last is not None and last.status == TurnStatus.FAILED
    page = client.get(reverse("grading_detail", kwargs=where)).content.decode().lower()
    talk = re.sub(r"<[^>]*>", "", page[page.index("data-interview") : page.index('class="sheet rubric"')])
    assert ("cannot answer" if status in (401, 403, 404) else "did not answer this time") in talk
    assert [word for word in ("server", "charged", "key", "model") if word in talk] == []


def test_the_addresses_and_sums_of_a_teams_own_costs_show_no_gap_where_a_grader_was_charged(
    cast: Cast, client_for: Callable[[User | None], Client]
) -> None:
    client, team = client_for(cast.first.member), cast.first.team
    page = client.get(reverse("team_costs", args=[team.pk])).content.decode()
    links = re.findall(r'href="(/teams/\d+/costs/entries/[^"]+)"', page)
    assert links and watch_for_team(cast).found(" ".join(links)) == []
    pages = [client.get(link).content.decode() for link in links]
    assert not any("Spent before and after" in one for one in pages)


def test_a_correction_of_a_graders_charge_is_as_silent_as_the_charge(
    cast: Cast, client_for: Callable[[User | None], Client]
) -> None:
    """Also where its professor is no longer known: an account that was deleted leaves its charges nameless."""
    team = cast.first.team
    entry = LedgerEntry.objects.filter(account__team=team, person=cast.one)[0]
    LedgerEntry.objects.filter(pk=entry.pk).update(person=None)
    entry.refresh_from_db()
    money.correct(entry=entry, delta=-234_567, why="the bill says so")
    set_the_clocks()
    LedgerEntry.objects.filter(subject_kind="correction").update(at=entry.at)
    page = client_for(cast.first.member).get(reverse("team_costs", args=[team.pk])).content.decode()
    assert "the bill says so" not in page and "16:53" not in page
    assert "$2.23" in page, "two answers and the correction of one"
