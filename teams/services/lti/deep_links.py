"""Deep linking: an instructor chooses in the LMS which page of the course a link opens. Nobody is signed in for that."""

from dataclasses import dataclass
from urllib.parse import urlsplit

from django.utils import timezone
from pylti1p3.deep_link import DeepLink
from pylti1p3.deep_link_resource import DeepLinkResource

from teams.models import LmsLaunch
from teams.services.lti import connections, door
from teams.services.lti.connections import LtiRefused
from teams.services.lti.launching import AGAIN, hashed
from teams.services.outgoing import NotAllowed

CHOICES = {
    "home": ("The course", "The team's page; for professors the bots they grade."),
    "plan": ("The plan", "The weeks of the course with their dates."),
    "dataset": ("Datasets", "The team's training data."),
    "submission": ("Submission", "Where a team hands in its bot and reads its result."),
    "grading": (
        "Grading",
        "For professors the bots they grade, blind; for instructors all grades.",
    ),
}


ITEMS = "https://purl.imsglobal.org/spec/lti-dl/claim/content_items"


@dataclass(frozen=True)
class Answer:
    """The signed choice, and where the browser posts it: an address of the LMS, of `origin`."""

    address: str
    origin: str
    token: str


def asked_by(ticket: str) -> LmsLaunch:
    """The request that this page was made for. Raises LtiRefused where it was answered or swept."""
    rows = LmsLaunch.objects.select_related("connection__registration")
    found = rows.filter(ticket_hash=hashed(ticket), entered_at=None).first() if ticket else None
    if found is None or not found.asks or not found.connection.is_on:
        raise LtiRefused(f"This choice is over. {AGAIN}")
    return found


def answer(*, ticket: str, chosen: list[str]) -> Answer:
    """Links to the chosen pages, once. Raises LtiRefused."""
    launch = asked_by(ticket)
    wanted = [name for name in CHOICES if name in chosen]
    if not wanted:
        raise LtiRefused("Choose at least one page.", "page")
    if len(wanted) > 1 and "several" not in launch.asks:
        raise LtiRefused("The LMS takes one link at a time here. Choose one page.", "page")
    back = launch.asks["deep_link_return_url"]
    try:
        door.check_address(back)
    except NotAllowed as error:
        raise LtiRefused(f"The LMS's address for the answer cannot be used: {error}") from error
    if not LmsLaunch.objects.filter(pk=launch.pk, entered_at=None).update(
        entered_at=timezone.now(), name="", email=""
    ):
        raise LtiRefused(f"This choice is over. {AGAIN}")
    registration = connections.as_registration(launch.connection)
    settings = {"deep_link_return_url": back}
    if "data" in launch.asks:
        settings["data"] = launch.asks["data"]
    link = DeepLink(registration, launch.asks["deployment_id"], settings)
    message = link.get_message_jwt([_resource(launch, name) for name in wanted])
    for item in message[ITEMS]:
        item["window"] = {"targetName": "_blank"}  # which PyLTI1p3 leaves out
    if "data" not in launch.asks:
        message.pop("https://purl.imsglobal.org/spec/lti-dl/claim/data", None)
    parts = urlsplit(back)
    return Answer(back, f"{parts.scheme}://{parts.netloc}", str(link.encode_jwt(message)))


def _resource(launch: LmsLaunch, name: str) -> DeepLinkResource:
    made = DeepLinkResource()
    made.set_title(CHOICES[name][0]).set_url(connections.addresses(launch.connection).launch)
    made.set_custom_params({"target": name})
    return made
