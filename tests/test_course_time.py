"""Times are told in the course's zone, which is named; days end by it."""

import re
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone

from evaluation.services.deadlines import deadline_of
from teams import days
from teams.models import Course, Milestone, SignedInBrowser

ROOT = Path(__file__).resolve().parents[1]
OF_A_TIME = re.compile(r"[gGhHisPaAfTOcrUe]")
NOON = datetime(2026, 12, 4, 12, 0, tzinfo=UTC)


def test_no_page_shows_a_time_of_day_but_by_the_helper() -> None:
    """Write `{{ moment|at:"M j, H:i" }}` or `{% now_at "H:i" %}`: both name the zone."""
    found, helped = [], 0
    for page in (ROOT / "templates").rglob("*.html"):
        text = page.read_text()
        helped += len(re.findall(r"\|at:\"|\{% now_at ", text))
        for shape in re.findall(r"\|(?:date|time):\"([^\"]*)\"|\{% now \"([^\"]*)\"", text):
            if OF_A_TIME.search("".join(shape)):
                found.append(f"{page.relative_to(ROOT)}: {shape}")
        found += [f"{page.relative_to(ROOT)}: {bare}" for bare in re.findall(r"\|(?:date|time)(?:\s|\}|\|)", text)]
    assert found == []
    assert helped > 50


def test_no_module_words_a_time_of_day_itself() -> None:
    """Say `days.at(moment, shape, course.zone)`."""
    wording = re.compile(r"(?:date_format\([^)]*[\"'][^\"']*[HGhg]:?i|strftime\([^)]*%[HIMS])")
    apps = ("teams", "datasets", "training", "evaluation", "courseplatform")
    modules = [path for app in apps for path in (ROOT / app).rglob("*.py") if "engines" not in path.parts]
    assert len(modules) > 400
    found = [path for path in modules if wording.search(path.read_text()) and path.name not in ("days.py",)]
    assert [str(path.relative_to(ROOT)) for path in found] == []


@pytest.mark.parametrize(
    ("zone", "said"),
    [
        ("America/Chicago", "Dec 4, 06:00 CST"),
        ("Asia/Tokyo", "Dec 4, 21:00 JST"),
        ("America/Sao_Paulo", "Dec 4, 09:00 UTC-03:00"),
        ("Asia/Kathmandu", "Dec 4, 17:45 UTC+05:45"),
    ],
)
def test_a_moment_names_its_zone(zone: str, said: str) -> None:
    assert days.at(NOON, "M j, H:i", ZoneInfo(zone)) == said


def test_a_page_of_a_course_is_in_its_zone_and_the_next_page_is_not(
    course, other_course, instructor, client_for
) -> None:
    Course.objects.filter(pk=course.pk).update(time_zone="Asia/Tokyo")
    Milestone.objects.create(course=course, position=1, title="Hand in", goal="submission", due_on=date(2026, 12, 4))
    client = client_for(instructor)
    assert "Friday, Dec 4, 2026, 23:59 JST" in client.get(f"/courses/{course.pk}/grades/").content.decode()
    SignedInBrowser.objects.update(seen_at=NOON)
    assert "Dec 4, 2026, 12:00 UTC" in client.get("/account/sign-in/").content.decode().replace("2026 12", "2026, 12")


def test_days_end_by_the_courses_zone(course) -> None:
    course.time_zone = "Pacific/Auckland"
    Milestone.objects.create(course=course, position=1, title="Hand in", goal="submission", due_on=date(2026, 12, 4))
    deadline = deadline_of(course)
    assert deadline is not None and deadline.astimezone(UTC).replace(microsecond=0) == datetime(
        2026, 12, 4, 10, 59, 59, tzinfo=UTC
    )
    assert days.start_of_today(course).utcoffset() in (timedelta(hours=12), timedelta(hours=13))


def test_a_course_is_over_when_its_day_is_over_there(course, monkeypatch) -> None:
    monkeypatch.setattr(timezone, "now", lambda: datetime(2026, 12, 5, 3, 0, tzinfo=UTC))
    course.ends_on = date(2026, 12, 4)
    course.time_zone = "America/Chicago"
    assert not course.is_over()
    course.time_zone = "Asia/Tokyo"
    assert course.is_over()


def test_the_instructor_chooses_the_zone_and_an_invented_one_is_refused(course, instructor, client_for) -> None:
    client, path = client_for(instructor), f"/courses/{course.pk}/settings/"
    form = client.get(path).context["form"]
    sent = {name: form[name].value() for name in form.fields if form[name].value() is not None}
    sent |= {f"initial-{name}": value for name, value in sent.items()}
    assert client.post(path, sent | {"time_zone": "Mars/Olympus"}).status_code == 422
    assert client.post(path, sent | {"time_zone": "America/Chicago"}).status_code == 302
    course.refresh_from_db()
    assert course.zone.key == "America/Chicago"


def test_a_zone_that_this_machine_does_not_know_is_the_platforms(settings) -> None:
    course = Course(name="x", time_zone="Nowhere/Else")
    assert course.zone.key == settings.TIME_ZONE


def test_files_tell_the_offset(course, instructor, client_for) -> None:
    Course.objects.filter(pk=course.pk).update(time_zone="Asia/Tokyo")
    client = client_for(instructor)
    client.post(f"/courses/{course.pk}/notices/new/", {"text": "Hello"})
    from teams.services import audit

    audit.record(course=course, person=instructor, action="tried", what="x")
    assert "+09:00" in client.get(f"/courses/{course.pk}/audit.csv").content.decode()
