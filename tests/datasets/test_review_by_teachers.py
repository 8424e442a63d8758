"""Teachers look at rows blind; what they say reaches the team and stays with the row."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from datasets.models import DatasetVersion, Review, RowApproval, RowComment
from datasets.services import reviews, versions
from datasets.services.reading import row_at
from teams.models import Course, Team, User
from tests import factories

ClientFor = Callable[[User | None], Client]


@pytest.fixture
def review(version: DatasetVersion, member: User) -> Review:
    return reviews.ask(version=version, person=member)


@pytest.fixture
def review_url(review: Review, course: Course, professor: User) -> str:
    return address(review, course, professor)


def address(review: Review, course: Course, reader: User) -> str:
    return f"/courses/{course.pk}/review/{review.code_for(reader)}/"


def first_row_id(version: DatasetVersion) -> str:
    row = row_at(version, 0)
    assert row is not None
    return row.id


def test_a_team_asks_and_the_professor_finds_the_rows(
    browser: Client, client_for: ClientFor, professor: User, course: Course, version_url: str
) -> None:
    browser.post(f"{version_url}review/ask/")
    review = Review.objects.get()
    listed = client_for(professor).get(f"/courses/{course.pk}/review/").content.decode()
    assert address(review, course, professor) in listed
    rows = client_for(professor).get(address(review, course, professor)).content.decode()
    assert "What is 1 + 2?" in rows


def test_a_professor_reads_no_name_of_team_person_dataset_or_file(
    client_for: ClientFor,
    professor: User,
    course: Course,
    team: Team,
    member: User,
    version: DatasetVersion,
    review_url: str,
) -> None:
    row = row_at(version, 0)
    assert row is not None
    reviews.comment(version=version, row=row, person=member, text="Is this fine?", by_reviewer=False)
    browser = client_for(professor)
    for address in (f"/courses/{course.pk}/review/", review_url):
        page = browser.get(address).content.decode()
        for name in (team.name, member.name, version.dataset.name, version.source_name, f"/teams/{team.pk}/"):
            assert name not in page, name
    assert "The team" in browser.get(review_url).content.decode()


def test_a_remark_and_an_approval_reach_the_team(
    client_for: ClientFor, professor: User, browser: Client, version: DatasetVersion, version_url: str, review_url: str
) -> None:
    row_id = first_row_id(version)
    teacher = client_for(professor)
    teacher.post(f"{review_url}{row_id}/comment/", {"position": 0, "text": "Too perfect for seven years."})
    teacher.post(f"{review_url}{row_id}/approve/", {"position": 0, "approved": "yes"})
    page = browser.get(f"{version_url}review/").content.decode()
    assert "Too perfect for seven years." in page
    assert "found right" in page
    assert professor.name not in page


def test_an_approval_ends_when_the_row_changes_and_the_remark_stays(
    professor: User, version: DatasetVersion, review: Review
) -> None:
    row = row_at(version, 0)
    assert row is not None
    reviews.approve(version=version, row=row, person=professor, approved=True)
    reviews.comment(version=version, row=row, person=professor, text="Hm.", by_reviewer=True)
    rows: list[dict[str, Any]] = list(versions.rows(version))
    rows[0]["messages"][1]["content"] = "I do not want to say."
    newer = versions.create_version(
        dataset=version.dataset, rows=rows, shape="messages", person=None, note="", source_name=""
    )
    before, after = reviews.reviewed(version, professor, 0, 1)[0], reviews.reviewed(newer, professor, 0, 1)[0]
    assert (before.approvals, after.approvals) == (1, 0)
    assert [comment.text for comment in after.comments] == ["Hm."]


def test_an_approval_is_taken_back(
    client_for: ClientFor, professor: User, version: DatasetVersion, review_url: str
) -> None:
    teacher, row_id = client_for(professor), first_row_id(version)
    for approved in ("yes", "yes", "no"):
        teacher.post(f"{review_url}{row_id}/approve/", {"position": 0, "approved": approved})
    assert not RowApproval.objects.exists()


def test_a_professor_sees_only_reviews_of_assigned_teams(
    client_for: ClientFor, professor: User, course: Course, team: Team, review: Review, review_url: str
) -> None:
    other = factories.make_person("Quinn Professor")
    factories.enrol(course, other, "professor")  # type: ignore[arg-type]
    factories.assign(team, other)
    assert client_for(professor).get(review_url).status_code == 404
    assert client_for(other).get(review_url).status_code == 404, "a code is one reader's"
    assert client_for(other).get(address(review, course, other)).status_code == 200


@pytest.mark.parametrize(
    ("who", "status"), [("member", 403), ("outsider", 404), ("instructor", 200), ("professor", 200)]
)
def test_who_may_open_the_reviewers_page(
    request: pytest.FixtureRequest, client_for: ClientFor, course: Course, review: Review, who: str, status: int
) -> None:
    reader = request.getfixturevalue(who)
    assert client_for(reader).get(address(review, course, reader)).status_code == status


def test_a_closed_review_is_gone_for_reviewers(
    browser: Client, client_for: ClientFor, professor: User, version_url: str, review_url: str
) -> None:
    browser.post(f"{version_url}review/close/")
    assert client_for(professor).get(review_url).status_code == 404


def test_remarks_on_rows_that_are_not_there_are_not_kept(
    client_for: ClientFor, professor: User, version: DatasetVersion, review_url: str
) -> None:
    teacher = client_for(professor)
    assert teacher.post(f"{review_url}nonsense/comment/", {"position": 0, "text": "x"}).status_code == 404
    assert (
        teacher.post(f"{review_url}{first_row_id(version)}/comment/", {"position": 99, "text": "x"}).status_code == 404
    )
    assert not RowComment.objects.exists()


def test_in_place_the_answer_is_the_row_alone(
    client_for: ClientFor, professor: User, version: DatasetVersion, review_url: str
) -> None:
    answer = client_for(professor).post(
        f"{review_url}{first_row_id(version)}/comment/",
        {"position": 0, "text": "<b>bold</b>"},
        headers={"HX-Request": "true"},
    )
    content = answer.content.decode()
    assert content.strip().startswith("<article")
    assert "&lt;b&gt;bold" in content
