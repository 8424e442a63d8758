"""A team names, annotates, stars and archives its runs; what they cost stays what it was."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from teams.models import AuditEntry, LedgerEntry, Team, User
from teams.services import team_ledger
from training import jobs
from training.models import TrainingRun

Launch = Callable[..., TrainingRun]
HTMX = {"HX-Request": "true"}
INITIALLY_EMPTY: dict[str, Any] = {"initial-name": ""}
FROM_LIST: dict[str, Any] = {"from": "list"}


@pytest.fixture
def browser(client_for: Callable[[User | None], Client], member: User) -> Client:
    return client_for(member)


@pytest.fixture
def done(stub_engines: None, start: Launch) -> TrainingRun:
    run = start()
    jobs.execute_run(run.pk)
    run.refresh_from_db()
    return run


def send(browser: Client, view: str, run: TrainingRun, /, *, htmx: bool = False, **data: Any) -> Any:
    address = reverse(view, args=[run.team_id, run.number])
    return browser.post(address, data, headers=HTMX if htmx else {})


def in_list(browser: Client, team: Team, query: str = "") -> list[str]:
    answer = browser.get(reverse("run_list", args=[team.pk]) + query)
    return [str(run.number) for run in answer.context["page"]]


def test_a_run_gets_a_name_and_a_note_which_its_page_and_the_list_show(
    browser: Client, team: Team, start: Launch
) -> None:
    run = start(name="")
    send(browser, "run_label", run, name="Gentler <b>", note="Rows 3 & 4\nlook wrong", **INITIALLY_EMPTY)
    for address in (reverse("run_detail", args=[team.pk, 1]), reverse("run_list", args=[team.pk])):
        html = browser.get(address).content.decode()
        assert "Gentler &lt;b&gt;" in html, "what a person writes is text"
        assert "Rows 3 &amp; 4" in html
    run.refresh_from_db()
    assert run.note == "Rows 3 & 4\nlook wrong"
    entries = AuditEntry.objects.filter(action="run renamed").values_list("before", "after")
    assert list(entries) == [({"name": ""}, {"name": "Gentler <b>"})]


def test_an_old_tab_takes_nothing_back(browser: Client, start: Launch) -> None:
    """Both windows showed the name "A try" and no note; one renames, the other writes a note."""
    run = start()
    shown: dict[str, Any] = {"initial-name": "A try", "initial-note": ""}
    send(browser, "run_label", run, **shown, name="Slower", note="")
    send(browser, "run_label", run, **shown, name="A try", note="A good one.")
    run.refresh_from_db()
    assert (run.name, run.note) == ("Slower", "A good one.")


@pytest.mark.parametrize("htmx", [True, False])
def test_too_long_a_note_is_refused_in_words_and_nothing_is_saved(browser: Client, start: Launch, htmx: bool) -> None:
    run = start()
    answer = send(browser, "run_label", run, htmx=htmx, name="Other", note="x" * 2001)
    if htmx:
        assert answer.status_code == 422
        assert "x" * 2001 in answer.content.decode(), "what was written is not lost"
        said = answer.content.decode()
    else:
        said = browser.get(answer.headers["Location"]).content.decode()
    assert "at most 2000 characters" in said
    run.refresh_from_db()
    assert (run.name, run.note) == ("A try", "")


def test_a_star_puts_a_run_first_in_the_list_and_twice_is_once(browser: Client, team: Team, start: Launch) -> None:
    first, _ = start(), start()
    assert in_list(browser, team) == ["2", "1"]
    for _ in range(2):
        answer = send(browser, "run_star", first, htmx=True, on="1", **FROM_LIST)
    assert "<html" not in answer.content.decode()
    assert in_list(browser, team) == ["1", "2"]
    send(browser, "run_star", first, on="0")
    assert in_list(browser, team) == ["2", "1"]


def test_the_stars_answer_brings_the_name_of_the_page_along(browser: Client, start: Launch) -> None:
    html = send(browser, "run_star", start(), htmx=True, on="1").content.decode()
    assert 'id="run-status" hx-swap-oob="innerHTML"' in html
    assert 'aria-label="Starred"' in html


def test_an_archived_run_leaves_lists_and_choices_and_can_be_opened_and_brought_back(
    browser: Client, team: Team, done: TrainingRun
) -> None:
    choices = [reverse(name, args=[team.pk]) for name in ("conversation_list", "standard_list", "submission_detail")]
    here = reverse("run_detail", args=[team.pk, done.number])
    home = reverse("team_home", args=[team.pk])
    assert here in browser.get(home).content.decode()
    assert all("Run 1" in browser.get(page).content.decode() for page in choices)

    send(browser, "run_archive", done, on="1")
    assert in_list(browser, team) == []
    assert in_list(browser, team, "?archived=1") == ["1"]
    assert here not in browser.get(home).content.decode()
    assert not any("Run 1" in browser.get(page).content.decode() for page in choices)
    assert "Archived on" in browser.get(here).content.decode()

    send(browser, "run_archive", done, on="0")
    assert in_list(browser, team) == ["1"]


def test_an_archived_run_counts_in_what_the_team_spent(browser: Client, team: Team, done: TrainingRun) -> None:
    before = team_ledger.figures(team)
    assert str(done.key) in LedgerEntry.objects.values_list("subject_id", flat=True)
    entries = LedgerEntry.objects.count()
    send(browser, "run_archive", done, on="1")
    assert team_ledger.figures(team) == before
    assert LedgerEntry.objects.count() == entries
    assert in_list(browser, team) == [], "hidden, and counted all the same"


def test_a_run_that_is_under_way_is_not_archived(browser: Client, team: Team, start: Launch) -> None:
    run = start()
    answer = send(browser, "run_archive", run, on="1")
    assert "still under way" in browser.get(answer.headers["Location"]).content.decode()
    assert in_list(browser, team) == ["1"]


def test_archiving_twice_keeps_the_first_day_and_is_on_record_once(browser: Client, done: TrainingRun) -> None:
    send(browser, "run_archive", done, on="1")
    done.refresh_from_db()
    since = done.archived_at
    send(browser, "run_archive", done, on="1")
    done.refresh_from_db()
    assert done.archived_at == since
    assert AuditEntry.objects.filter(action="run archived").count() == 1


def test_without_a_script_the_list_comes_back_as_it_was_and_nowhere_else(browser: Client, done: TrainingRun) -> None:
    sent: dict[str, Any] = {"from": "list", "archived": "1", "page": "//evil.example"}
    answer = send(browser, "run_star", done, on="1", **sent)
    assert answer.headers["Location"] == reverse("run_list", args=[done.team_id]) + "?archived=1"


@pytest.mark.parametrize("view", ["run_label", "run_star", "run_archive"])
def test_a_run_that_a_teammate_deletes_meanwhile_is_said_to_be_gone(
    browser: Client, done: TrainingRun, monkeypatch: pytest.MonkeyPatch, view: str
) -> None:
    def found_and_then_deleted(team: Team, number: int) -> TrainingRun:
        run = TrainingRun.objects.with_related().get(number=number)
        TrainingRun.objects.filter(pk=run.pk).delete()
        return run

    monkeypatch.setattr("training.views.labels.run_of", found_and_then_deleted)
    answer = send(browser, view, done, on="1", name="Other")
    assert "deleted a moment ago" in browser.get(answer.headers["Location"]).content.decode()
    assert not AuditEntry.objects.filter(action__in=["run renamed", "run archived"]).exists()
