"""The access walk: every URL as every role. What is another team's is never found, never shown, never changed."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.apps import apps
from django.http import HttpResponseBase
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from teams import live
from teams.access import Access
from teams.models import Course, Team, User
from tests.access_table import TABLE
from tests.world import World, make_world

ROLES = (
    "anonymous",
    "outsider",
    "operator",
    "observer",
    "other_member",
    "member",
    "professor",
    "assistant",
    "trusted_assistant",
    "instructor",
)
STRANGERS = ("outsider", "operator")
SIGN_IN: object = "sign in"
ADMITTED: object = "admitted"
MISSING: object = 404
FORBIDDEN: object = 403


def of_course(*admitted: str) -> dict[str, object]:
    """A page of a course: strangers do not find it, who has another role there is told so."""
    inside = dict.fromkeys(ROLES, FORBIDDEN) | dict.fromkeys(admitted, ADMITTED)
    return inside | dict.fromkeys(STRANGERS, MISSING) | {"anonymous": SIGN_IN}


def of_team(*admitted: str) -> dict[str, object]:
    """A page of a team: nobody else finds it."""
    return dict.fromkeys(ROLES, MISSING) | dict.fromkeys(admitted, ADMITTED) | {"anonymous": SIGN_IN}


EXPECTED: dict[Access, dict[str, object]] = {
    Access.PUBLIC: dict.fromkeys(ROLES, ADMITTED),
    Access.SIGNED_IN: dict.fromkeys(ROLES, ADMITTED) | {"anonymous": SIGN_IN},
    Access.COURSE_MAKER: dict.fromkeys(ROLES, FORBIDDEN) | {"anonymous": SIGN_IN},
    Access.STAFF: dict.fromkeys(ROLES, FORBIDDEN) | {"anonymous": SIGN_IN, "operator": ADMITTED},
    Access.READER: of_course(*ROLES),
    Access.STUDENT: of_course(*ROLES) | {"observer": FORBIDDEN},
    Access.PROFESSOR: of_course("professor", "instructor"),
    Access.OBSERVER: of_course("observer", "assistant", "trusted_assistant", "instructor"),
    Access.ASSISTANT: of_course("assistant", "trusted_assistant", "instructor"),
    Access.PRICES: of_course("trusted_assistant", "instructor"),
    Access.RELEASES: of_course("trusted_assistant", "instructor"),
    Access.DELETES: of_course("trusted_assistant", "instructor"),
    Access.INSTRUCTOR: of_course("instructor"),
    Access.MEMBER: of_team("member", "assistant", "trusted_assistant", "instructor"),
    Access.MEMBER_DELETES: of_team("member", "trusted_assistant", "instructor") | {"assistant": FORBIDDEN},
}
TAUGHT = (Access.INSTRUCTOR, Access.ASSISTANT, Access.PRICES, Access.RELEASES, Access.DELETES, Access.OBSERVER)
# A grading belongs to its grader alone, and so does the code of a review: the instructor reads results on the grades pages.
QUERY = {"conversation_new": "?run={run}"}
OWN_LISTS = ("grading_queue", "grading_across", "grading_compare")
"""Of whoever asks: an instructor's are her own, and empty."""
ELSEWHERE = ("demo_remove",)
BY_TOKEN = ("metrics",)  # for an address or a token, whoever is signed in
"""In the demo course alone."""
OFFERED = ("course_hand_over",)
"""Found by instructors, and by whom it is offered to."""
GRADERS_OWN = ("hearing_", "grading_", "interview_", "second_look", "review_detail", "review_comment", "review_approve")


def routes() -> Iterator[URLPattern]:
    def walk(patterns: list[Any]) -> Iterator[URLPattern]:
        for pattern in patterns:
            if isinstance(pattern, URLResolver):
                yield from walk(pattern.url_patterns)
            else:
                yield pattern

    yield from walk(get_resolver().url_patterns)


def access_of(route: URLPattern) -> Access:
    """What the view declared. Raises AttributeError for a view that declares nothing."""
    view: Any = route.callback
    access: Access = view.access_rule.access
    return access


NAMED = {str(route.name): route for route in routes()}


def parameters(name: str) -> list[str]:
    return list(NAMED[name].pattern.converters)


def address(name: str, world: World, **other: Any) -> str:
    values = world.values(name) | other
    return reverse(name, kwargs={part: values[part] for part in parameters(name)})


def outcome(response: HttpResponseBase) -> object:
    if response.status_code == 302 and response["Location"].startswith("/sign-in/"):
        return SIGN_IN
    return response.status_code if response.status_code in (403, 404) else ADMITTED


def text_of(response: Any) -> str:
    """Everything that was sent; of an endless event stream the first event."""
    if not response.streaming:
        return str(response.content, errors="replace")
    if response.is_async:

        async def first() -> bytes:
            parts = response.streaming_content
            try:
                return await asyncio.wait_for(anext(parts, b""), 60)
            finally:
                await parts.aclose()

        return str(async_to_sync(first)(), errors="replace")
    return str(b"".join(response.streaming_content), errors="replace")


def fingerprint() -> dict[str, list[Any]]:
    """Every row of every table, but for sessions and sign-in attempts."""
    own = ("teams", "datasets", "training", "evaluation")
    return {
        model._meta.label: sorted(map(str, model._default_manager.order_by("pk").values_list()))
        for model in apps.get_models()
        if model._meta.app_label in own and model._meta.label not in ("teams.Notice", "teams.SignedInBrowser")
    }


@pytest.fixture
def world(redis_server: str, team: Team, professor: User) -> World:
    return make_world(team, professor, "ourmark")


@pytest.fixture
def strange(redis_server: str, other_team: Team, professor: User) -> World:
    """Another team of the same course."""
    return make_world(other_team, professor, "strangemark")


@pytest.fixture
def far(redis_server: str, other_course_team: Team, other_course: Course) -> World:
    """A team of another course, with a professor of its own."""
    from teams.models import Role
    from tests import factories

    grader = factories.make_person("Far Professor")
    factories.enrol(other_course, grader, Role.PROFESSOR)
    return make_world(other_course_team, grader, "farmark")


@pytest.fixture
def no_listener(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stream's first event is enough here; a listener would outlive the short event loop that reads it."""

    async def listen(hub: live.Hub) -> None:
        return None

    monkeypatch.setattr(live.Hub, "_listen", listen)


def test_the_table_is_the_urlconf_and_every_view_declares_its_access():
    assert len(NAMED) > 100, "the walk must not pass by finding nothing"
    assert set(TABLE) == set(NAMED)
    assert {name: access_of(route) for name, route in NAMED.items()} == TABLE


@pytest.mark.usefixtures("no_listener")
@pytest.mark.parametrize("role", ROLES)
def test_every_url_answers_each_role_as_tabled(
    role: str, world: World, request: pytest.FixtureRequest, client_for: Callable[[User | None], Client]
) -> None:
    person = None if role == "anonymous" else request.getfixturevalue(role)
    wrong = {}
    for name, access in TABLE.items():
        if name == "sign_out":
            continue
        client = client_for(person)
        client.raise_request_exception = False
        expected = EXPECTED[access][role]
        if ((name.startswith(GRADERS_OWN) and name not in OWN_LISTS) or name in ELSEWHERE) and role == "instructor":
            expected = MISSING
        if name in BY_TOKEN:
            expected = FORBIDDEN
        if name in OFFERED and expected == ADMITTED and role != "instructor":
            expected = MISSING
        response = client.get(address(name, world) + QUERY.get(name, "").format(run=world.run.number))
        if response.status_code == 405 and expected == MISSING and role == "instructor":
            continue  # the method is looked at first; the post walk below covers these
        if outcome(response) != expected or response.status_code == 500:
            wrong[name] = (response.status_code, expected)
    assert wrong == {}


def strangers_addresses(world: World, other: World) -> Iterator[tuple[str, str]]:
    """Each URL under one's own team or course with one id of the other's in it."""
    for name in TABLE:
        mine, theirs = world.values(name), other.values(name)
        parts = parameters(name)
        for part in parts:
            own_scope = part in ("team_id", "course_id")
            if not own_scope and mine[part] != theirs[part] and ("team_id" in parts or "course_id" in parts):
                yield name, address(name, world, **{part: theirs[part]})


@pytest.mark.parametrize("method", ["get", "post"])
def test_another_teams_ids_are_not_found_under_ones_own_team_and_nothing_changes(
    method: str, world: World, strange: World, client_for: Callable[[User | None], Client]
) -> None:
    client = client_for(world.member)
    before = fingerprint()
    tried, found = 0, {}
    for name, path in strangers_addresses(world, strange):
        if TABLE[name] not in (Access.MEMBER, Access.MEMBER_DELETES):
            continue
        status = getattr(client, method)(path).status_code
        tried += 1
        if status not in (404, 405):
            found[path] = status
    assert tried > 50
    assert found == {}
    assert fingerprint() == before


@pytest.mark.parametrize(("role", "access"), [("instructor", TAUGHT), ("professor", (Access.PROFESSOR,))])
@pytest.mark.parametrize("method", ["get", "post"])
def test_another_courses_ids_are_not_found_under_ones_own_course_and_nothing_changes(
    method: str,
    role: str,
    access: tuple[Access, ...],
    world: World,
    far: World,
    request: pytest.FixtureRequest,
    client_for: Any,
) -> None:
    client = client_for(request.getfixturevalue(role))
    before = fingerprint()
    tried, found = 0, {}
    for name, path in strangers_addresses(world, far):
        if TABLE[name] not in access:
            continue
        status = getattr(client, method)(path).status_code
        tried += 1
        if status not in (404, 405):
            found[path] = status
    assert tried >= 6
    assert found == {}
    assert fingerprint() == before


@pytest.mark.usefixtures("no_listener")
def test_no_page_of_a_team_shows_another_teams_text(
    world: World, strange: World, far: World, client_for: Callable[[User | None], Client]
) -> None:
    client = client_for(world.member)
    seen_own, leaks = 0, {}
    for name, access in TABLE.items():
        if access not in (Access.MEMBER, Access.MEMBER_DELETES, Access.READER, Access.STUDENT, Access.SIGNED_IN):
            continue
        text = text_of(client.get(address(name, world), follow=True))
        seen_own += "ourmark" in text
        if leaked := [mark for mark in ("strangemark", "farmark") if mark in text]:
            leaks[name] = leaked
    assert seen_own > 20, "the pages must show something that could leak"
    assert leaks == {}


@pytest.mark.usefixtures("no_listener")
def test_no_page_of_a_course_shows_another_courses_text(
    world: World, far: World, instructor: User, professor: User, client_for: Callable[[User | None], Client]
) -> None:
    for person, levels in ((instructor, TAUGHT), (professor, (Access.PROFESSOR,))):
        client = client_for(person)
        for name, access in TABLE.items():
            if access in levels:
                assert "farmark" not in text_of(client.get(address(name, world), follow=True)), name
