"""What happens to a mail when the server that is to take it is silent, or breaks off: a forgotten password, asked for on the page.

`jobs`: letters that the server took; exactly one. Nothing is charged or held for a mail.
"""

import contextlib
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

import httpx

from teams.models import MailState, OutgoingMail
from tests import factories
from tests.chaos import visitor
from tests.chaos.mail_server import MailServer
from tests.chaos.processes import Stuck, wait_for
from tests.chaos.scene import Row, Scene

OUTAGE_SECONDS = 9.0


Strike = Callable[[MailServer], AbstractContextManager[None]]


@contextlib.contextmanager
def silent(server: MailServer) -> Iterator[None]:
    """It takes connections and says nothing, for longer than anybody waits."""
    server.start(silent=True)
    yield
    server.wait_until_met()
    time.sleep(OUTAGE_SECONDS)


@contextlib.contextmanager
def killed(server: MailServer) -> Iterator[None]:
    """It has heard the whole letter, and dies before it says that it takes it."""
    server.start(breaks_off=True)
    yield
    server.wait_until_met()
    server.stop()
    time.sleep(OUTAGE_SECONDS)


def play(scene: Scene, server: MailServer, strike: Strike, name: str) -> list[Row]:
    """Ask for a link to a new password while the server is broken. Raises Stuck."""
    scene.platform.wait_until_whole()
    person = factories.make_person("Max Mailed")
    before = server.letters()
    with strike(server), visitor.sign_in(scene.platform, None) as web:
        answer = web.post("/password/forgotten/", data={"email": person.email})
        if answer.status_code != httpx.codes.FOUND:
            raise Stuck(f"the page did not answer as it should: {answer.status_code}")
    server.start()
    mail = wait_for(lambda: OutgoingMail.objects.filter(address=person.email).first(), "no mail was kept")
    wait_for(
        lambda: not OutgoingMail.objects.filter(pk=mail.pk, state=MailState.WAITING).exists(), "the mail does not leave"
    )
    mail.refresh_from_db()
    letters = server.letters() - before
    orphans = len(scene.platform.strays())
    broken = [
        *([f"the mail is {mail.state}: {mail.error}"] if mail.state != MailState.SENT else []),
        *([f"{letters} letters"] if letters != 1 else []),
        *([f"{orphans} orphans"] if orphans else []),
    ]
    outcome = f"the page answered, {mail.state} with try {mail.tries}"
    return [Row("mail", name, outcome, letters, 0, orphans, 0, "; ".join(broken))]
