"""An empty platform is set up in the browser, by whoever can read the server's log, and by nobody else."""

import logging

import pytest
from django.core.management import call_command

from teams.models import AuditEntry, User
from teams.services import first_account
from tests import factories

FORM = {"name": "Iris Instructor", "email": "iris@example.edu", "password": "a passphrase of my own"}


def set_up(client, code, **changed):
    return client.post("/set-up/", FORM | {"code": code} | changed, follow=True)


def test_an_empty_platform_offers_to_be_set_up_and_a_used_one_does_not(client, db):
    assert "/set-up/" in client.get("/sign-in/").content.decode()
    factories.make_person()
    assert "/set-up/" not in client.get("/sign-in/").content.decode()


def test_the_first_account_may_create_courses_and_looks_after_the_platform(client, db):
    page = set_up(client, first_account.code()).content.decode()
    assert "Create your first course" in page
    person = User.objects.get()
    assert person.is_staff
    assert person.has_perm("teams.add_course")
    assert not person.is_superuser
    assert client.get("/courses/new/").status_code == 200
    assert AuditEntry.objects.get().action == "platform set up"


def test_the_code_is_read_as_people_type_it(client, db):
    set_up(client, f" {first_account.code().lower().replace('-', ' ')} ")
    assert User.objects.count() == 1


@pytest.mark.parametrize("code", ["", "AAAA-AAAA-AAAA-AAAA", "ÄÖÜ"])
def test_without_the_code_a_stranger_gets_nothing(client, db, code):
    assert set_up(client, code).status_code == 422
    assert not User.objects.exists()


def test_the_page_says_nothing_of_the_code_and_the_log_does(client, db, caplog):
    with caplog.at_level(logging.WARNING):
        page = client.get("/set-up/").content.decode()
    assert first_account.code() in caplog.text
    assert first_account.code() not in page


def test_once_there_is_an_account_the_code_is_worth_nothing(client, client_for, db, caplog):
    factories.make_person()
    for browser in (client, client_for(User.objects.get())):
        assert browser.get("/set-up/").status_code == 410
        assert browser.post("/set-up/", FORM | {"code": first_account.code()}).status_code == 410
    with pytest.raises(first_account.SetUpRefused, match="already"):
        first_account.make(
            given_code=first_account.code(), name="Eve", email="eve@example.edu", password=factories.PASSWORD
        )
    assert User.objects.count() == 1
    assert first_account.code() not in caplog.text


def test_a_weak_password_is_refused(client, db):
    assert "too short" in set_up(client, first_account.code(), password="short").content.decode()
    assert not User.objects.exists()


def test_another_platform_has_another_code(settings):
    here = first_account.code()
    settings.SECRET_KEY = "the secret of another platform"
    assert first_account.code() != here


def test_the_command_prints_the_code_until_there_is_an_account(db, capsys):
    call_command("setup_code")
    assert capsys.readouterr().out.strip() == first_account.code()
    factories.make_person()
    call_command("setup_code")
    assert capsys.readouterr().out == ""
