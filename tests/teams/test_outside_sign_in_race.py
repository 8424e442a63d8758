"""One new person who comes in through the university twice in the same moment, as two tabs that were restored do."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from django.db import connection

from teams.models import OutsideIdentity, User
from teams.services import outside_sign_in
from teams.services.outside_sign_in import Claims
from tests import factories

TABS = 6


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("invited", [False, True])
def test_every_one_of_many_first_sign_ins_at_once_enters_the_same_account(settings: Any, invited: bool) -> None:
    settings.OIDC_EMAIL_DOMAINS = []
    factories.make_person("Somebody")  # else the platform is not set up
    if invited:
        factories.make_person("Ana", "ana@uni.example")
    claims, ready = Claims("https://id.uni.example", "7c1", "ana@uni.example", True, "Ana"), Barrier(TABS)

    def come_in(_: int) -> User:
        try:
            ready.wait(30)
            return outside_sign_in.enter(claims)
        finally:
            connection.close()

    with ThreadPoolExecutor(TABS) as pool:
        entered = set(pool.map(come_in, range(TABS)))
    assert entered == {User.objects.get(email="ana@uni.example")}
    assert OutsideIdentity.objects.count() == 1
