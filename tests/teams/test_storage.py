"""Disk quotas: what a team keeps is counted before it is kept, and two uploads at once do not both slip past the limit."""

import threading
from collections.abc import Callable

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.urls import reverse

from datasets.models import Dataset, DatasetVersion, Import, ImportStatus
from datasets.services import imports, versions
from teams.models import AuditEntry, Course, DiskAccount, DiskKind, DiskUse, Team, User
from teams.services import disk
from tests import factories
from tests.datasets.conftest import jsonl, question

UPLOAD = DiskKind.UPLOAD


def limit(team: Team, size: int) -> None:
    DiskAccount.objects.update_or_create(team=team, defaults={"limit": size})


def used(team: Team) -> tuple[int, int]:
    """(by the team, by its course)"""
    return DiskAccount.objects.get(team=team).used, DiskAccount.objects.get(course=team.course).used


@pytest.mark.parametrize(
    ("size", "said"), [(0, "0 KB"), (1, "1 KB"), (850_000, "850 KB"), (12_300_000, "12.3 MB"), (2 * 10**9, "2 GB")]
)
def test_bytes_are_told_in_a_persons_units(size: int, said: str) -> None:
    assert disk.told(size) == said


def test_what_fits_is_counted_for_team_and_course_until_it_is_deleted(team: Team) -> None:
    disk.reserve(team=team, key="import-1", kind=UPLOAD, size=400)
    disk.reserve(team=team, key="import-1", kind=UPLOAD, size=400)
    assert used(team) == (400, 400), "the same thing is counted once"
    disk.settle(team=team, key="import-1", kind=UPLOAD, size=300)
    disk.grow(team=team, key="rows", kind=DiskKind.ROWS, by=50)
    disk.grow(team=team, key="rows", kind=DiskKind.ROWS, by=50)
    assert used(team) == (400, 400)
    disk.release("import-1")
    disk.release("import-1")
    assert used(team) == (100, 100)


def test_what_does_not_fit_is_refused_with_figures_and_a_way_out(team: Team) -> None:
    limit(team, 1_000_000)
    disk.reserve(team=team, key="import-1", kind=UPLOAD, size=900_000)
    with pytest.raises(disk.DiskFull, match=r"uses 900 KB of the 1 MB .* needs 200 KB more.* Delete datasets"):
        disk.reserve(team=team, key="import-2", kind=UPLOAD, size=200_000)
    assert used(team) == (900_000, 900_000) and DiskUse.objects.count() == 1


def test_a_full_course_refuses_every_team(team: Team, other_team: Team) -> None:
    DiskAccount.objects.create(course=team.course, limit=1_000)
    disk.reserve(team=team, key="import-1", kind=UPLOAD, size=900)
    with pytest.raises(disk.DiskFull, match=r"All teams of this course together .* Ask your instructor"):
        disk.reserve(team=other_team, key="import-2", kind=UPLOAD, size=200)
    assert DiskAccount.objects.filter(team=other_team, used__gt=0).count() == 0


@pytest.mark.django_db(transaction=True)
def test_of_many_uploads_at_once_only_those_that_fit_are_kept(team: Team) -> None:
    limit(team, 1_000)
    kept: list[str] = []
    begin = threading.Barrier(8)

    def send(key: str) -> None:
        begin.wait(60)
        try:
            disk.reserve(team=team, key=key, kind=UPLOAD, size=300)
            kept.append(key)
        except disk.DiskFull:
            pass
        finally:
            connection.close()

    threads = [threading.Thread(target=send, args=(f"import-{number}",)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert len(kept) == 3 and used(team) == (900, 900)


def test_an_upload_that_does_not_fit_is_refused_in_its_form_and_leaves_nothing(
    team: Team, member: User, client_for: Callable[..., Client]
) -> None:
    limit(team, 100)
    answer = client_for(member).post(
        f"/teams/{team.pk}/datasets/new/", {"text": jsonl(question(1), question(2)).decode()}
    )
    assert answer.status_code == 422
    assert "Your team uses 0 KB of the 1 KB" in answer.content.decode()
    assert "What is 1 plus 1?" in answer.content.decode(), "what was pasted is not lost"
    assert not Import.objects.exists() and not DiskUse.objects.exists()


def test_a_dataset_counts_from_its_upload_to_its_deletion(
    team: Team, member: User, client_for: Callable[..., Client]
) -> None:
    browser = client_for(member)
    file = SimpleUploadedFile("rows.jsonl", jsonl(*[question(number) for number in range(50)]))
    browser.post(f"/teams/{team.pk}/datasets/new/", {"file": file})
    import_ = Import.objects.get()
    sizes = dict(DiskUse.objects.values_list("kind", "size"))
    assert sizes["upload"] == disk.size_of(import_.folder) > 0 and sizes["rows"] > 0
    assert used(team) == (sum(sizes.values()),) * 2
    versions.delete_dataset(dataset=Dataset.objects.get(), person=member)
    assert used(team) == (0, 0)


def test_rows_that_do_not_fit_leave_the_import_ready_and_say_why(
    team: Team, member: User, client_for: Callable[..., Client]
) -> None:
    browser = client_for(member)
    content = jsonl(*[question(number) for number in range(50)])
    limit(team, len(content) + 10)
    browser.post(f"/teams/{team.pk}/datasets/new/", {"file": SimpleUploadedFile("rows.jsonl", content)})
    import_ = Import.objects.get()
    assert import_.status == ImportStatus.READY and not DatasetVersion.objects.exists()
    page = reverse("import_detail", args=[team.pk, import_.key])
    answer = browser.post(f"{page}accept/", headers={"referer": f"http://testserver{page}"}, follow=True)
    assert "that it may keep on this machine" in answer.content.decode()
    assert answer.redirect_chain == [(page, 302)]
    limit(team, 10**6)
    browser.post(f"{page}accept/")
    assert DatasetVersion.objects.get().row_count == 50


def test_a_discarded_import_frees_its_space(team: Team, member: User) -> None:
    file = SimpleUploadedFile("rows.jsonl", jsonl(question(1), "not json"))
    made = imports.import_file(team=team, dataset=None, name="Rows", file=file, person=member)
    assert used(team)[0] > 0
    imports.discard(import_=made)
    assert used(team) == (0, 0) and not made.folder.exists()


def test_the_instructor_sees_who_uses_most_and_sets_limits(
    course: Course, team: Team, other_team: Team, instructor: User, client_for: Callable[..., Client]
) -> None:
    disk.reserve(team=other_team, key="import-1", kind=UPLOAD, size=1_900_000_000)
    browser = client_for(instructor)
    page = browser.get(f"/courses/{course.pk}/storage/").content.decode()
    assert page.index("Birch") < page.index("Maple") and "1.9 GB" in page and "Uploaded files 1.9 GB" in page
    browser.post(f"/courses/{course.pk}/storage/limit/", {"team": other_team.pk, "gigabytes": "3.5"})
    assert DiskAccount.objects.get(team=other_team).limit == 3_500_000_000
    browser.post(f"/courses/{course.pk}/storage/limit/", {"gigabytes": ""})
    assert DiskAccount.objects.get(course=course).limit is None
    assert AuditEntry.objects.filter(action="disk limit changed").count() == 2


@pytest.mark.parametrize("wrong", ["-1", "lots", "1e400", "NaN"])
def test_a_limit_that_is_none_is_refused_in_words(
    wrong: str, course: Course, team: Team, instructor: User, client_for: Callable[..., Client]
) -> None:
    answer = client_for(instructor).post(f"/courses/{course.pk}/storage/limit/", {"team": team.pk, "gigabytes": wrong})
    assert answer.status_code == 422 and "Nothing was changed." in answer.content.decode()
    assert not DiskAccount.objects.filter(limit__isnull=False).exists()


def test_another_courses_team_cannot_be_limited(
    course: Course, other_course_team: Team, instructor: User, client_for: Callable[..., Client]
) -> None:
    sent = {"team": other_course_team.pk, "gigabytes": "0"}
    assert client_for(instructor).post(f"/courses/{course.pk}/storage/limit/", sent).status_code == 404
    assert not DiskAccount.objects.filter(team=other_course_team).exists()


def test_a_version_shares_its_blocks_with_the_one_before_and_counts_once(team: Team, member: User) -> None:
    version = factories.make_dataset_version(team, person=member)
    before = used(team)
    versions.fork(version=version, shape="messages", name="Again", person=member)
    assert used(team) == before
