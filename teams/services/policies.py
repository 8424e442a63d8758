"""The notices about people's data: built in, in plain words; replaced by the operator or, for a course, its instructor."""

from dataclasses import dataclass

from django.db import IntegrityError, transaction
from django.db.models import Max

from teams.models import Course, PolicyKind, PolicyText, User
from teams.services import audit
from teams.services.refused import CourseRefused

BUILT_IN: dict[PolicyKind, str] = {
    PolicyKind.FERPA: (
        "What you do in this course is part of your education record: your teams, chats, submissions, grades and costs.\n\n"
        "Your instructor and the course's assistants see it. Your team sees what the team does together. Professors grade "
        "your team's bot without knowing whose it is. Observers see figures without names. Nobody else is shown it, and it "
        "is not sold or used for advertising.\n\n"
        "You may look at it at any time, have it given to you as a file on your account's page, and ask your instructor to "
        "correct what is wrong. Where your university says how long records are kept, that rule holds."
    ),
    PolicyKind.COPPA: (
        "Children do not use this platform and have no account here. Bots play second-graders; most of what they learn from "
        "is written by students of this course.\n\n"
        "Words that a real child said or wrote are used only with a record of where and when they were collected, and of the "
        "consent of the parents or the IRB protocol that allows it. Names and other personal data of children are looked "
        "for in every row, and rows with open findings do not leave this machine. Never enter a child's name, school, "
        "address or picture.\n\n"
        "A parent may have a child's words erased at any time. Tell the instructor: the row is erased from every version, "
        "file and provider that can be reached, with a proof of what was removed. A model keeps what it learned until its "
        "run is deleted."
    ),
    PolicyKind.GDPR: (
        "We keep what the course needs: your name and e-mail address, what you do in it, and a record of sign-ins and of "
        "changes that matter. The university that runs this platform is responsible for it; the course is the reason for "
        "keeping it.\n\n"
        "Rows, prompts and chats of bots that a provider trains or answers for are sent to that provider, which the page of "
        "each run names. Everything else stays on the university's own machine. The page “What is stored where” lists each "
        "kind of data, who sees it and how long it is kept.\n\n"
        "You have the right to see your data, to take it along as a file, to have it corrected, and to have it erased where "
        "no law says that it must be kept. Ask your instructor or whoever runs this platform; you may also complain to your "
        "data protection authority."
    ),
}
MOST_CHARACTERS = 20_000


@dataclass(frozen=True)
class Shown:
    """A notice as it holds now. `version` is None for the built-in text."""

    kind: PolicyKind
    text: str
    version: PolicyText | None


def shown(course: Course | None) -> list[Shown]:
    """Of each kind the course's own text, else the platform's, else the built-in one."""
    rows = list(PolicyText.objects.filter(course=None).order_by("number"))
    if course is not None:
        rows += PolicyText.objects.filter(course=course).order_by("number")
    newest = {PolicyKind(row.kind): row for row in rows}
    return [
        Shown(kind, newest[kind].text if kind in newest else BUILT_IN[kind], newest.get(kind))
        for kind in PolicyKind
    ]


def history(course: Course | None, kind: PolicyKind) -> list[PolicyText]:
    """Newest first."""
    rows = PolicyText.objects.filter(course=course, kind=kind)
    return list(rows.select_related("author"))


def save(
    *, course: Course | None, kind: PolicyKind, text: str, after: int, person: User
) -> PolicyText:
    """The next version. `after`: the number of the version that was shown with the form, 0 for none.

    Raises CourseRefused where somebody else saved one meanwhile: theirs would go unseen.
    """
    refused = (
        "Somebody else saved this notice meanwhile. Read theirs below, then save yours again."
    )
    with transaction.atomic():
        rows = PolicyText.objects.filter(course=course, kind=kind)
        number = rows.aggregate(newest=Max("number"))["newest"] or 0
        if number != after:
            raise CourseRefused(refused)
        try:
            with transaction.atomic():
                made = PolicyText.objects.create(
                    course=course, kind=kind, number=number + 1, text=text, author=person
                )
        except IntegrityError as error:
            raise CourseRefused(refused) from error
        audit.record(
            course=course,
            person=person,
            action="notice changed",
            what=f"{kind.label}, version {made.number}",
        )
    return made
