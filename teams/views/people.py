"""Who is in the course: the list, one person, a class list, sections, teams for everyone."""

import random
from collections.abc import Callable

from django.conf import settings
from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Q
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from teams.access import Access, SignedInRequest, course_view
from teams.body_limits import takes_file
from teams.models import Course, Membership, Role, User
from teams.people_forms import (
    MOST_ROSTER_BYTES,
    FormTeamsForm,
    InviteForm,
    MembershipForm,
    RosterForm,
    SectionForm,
)
from teams.services import (
    courses,
    enrolment,
    erasing,
    imported_people,
    invitations,
    mail,
    roster,
    second_factor,
    university,
)

PAGE_PEOPLE = 50
MOST_MAILS = 20
TAKES_EFFECT = "{} enters by the link that is mailed to {}: nobody has shown yet that this address is theirs."


@course_view(Access.ASSISTANT)
def course_people(request: SignedInRequest, course: Course) -> HttpResponse:
    people = course.memberships.select_related("person", "team", "section")
    people = people.order_by("-active", "role", "team__name", "person__name")
    if wanted := request.GET.get("q", "").strip():
        found = Q(person__name__icontains=wanted) | Q(person__email__icontains=wanted)
        people = people.filter(
            found | Q(team__name__icontains=wanted) | Q(section__name__iexact=wanted)
        )
    waiting = course.memberships.filter(role=Role.STUDENT, active=True, team=None).count()
    context = {
        "page": Paginator(people, PAGE_PEOPLE).get_page(request.GET.get("page")),
        "q": wanted,
        "waiting": waiting,
        "sections": course.sections.all(),
        "section_form": SectionForm(),
        "imported": imported_people.waiting(course).count(),
        "undelivered": mail.undelivered(course)[:MOST_MAILS],
        "mail_leaves": mail.leaves_this_machine(),
        "section": "people",
    }
    return render(request, "teams/course_people.html", context)


@course_view(Access.INSTRUCTOR)
@require_POST
def course_people_invite(request: SignedInRequest, course: Course) -> HttpResponse:
    """All whose names came with an imported course."""
    invited, refused = imported_people.invite_all(course=course, person=request.user)
    if invited:
        messages.success(
            request, f"{invited} {'person is' if invited == 1 else 'people are'} invited."
        )
    for why in refused[:MOST_MAILS]:
        messages.warning(request, why)
    return redirect("course_people", course_id=course.pk)


@course_view(Access.ASSISTANT)
@require_POST
def course_mail_retry(request: SignedInRequest, course: Course) -> HttpResponse:
    """What could not be delivered, once more."""
    number = mail.try_again(course)
    if number:
        messages.success(
            request, f"{number} mail{'' if number == 1 else 's'} will be tried again now."
        )
    return redirect("course_people", course_id=course.pk)


@course_view(Access.INSTRUCTOR)
@require_http_methods(["GET", "POST"])
def course_invite(request: SignedInRequest, course: Course) -> HttpResponse:
    """One person by e-mail, into a role, a team and a section."""
    form = InviteForm(request.POST or None, course=course, initial={"role": Role.STUDENT})
    if request.method == "POST" and form.is_valid():
        given = {name: form.cleaned_data[name] for name in ("email", "name", "team")}
        try:
            made = enrolment.invite(
                course=course, role=Role(form.cleaned_data["role"]), person=request.user, **given
            )
            if section := form.cleaned_data["section"]:
                enrolment.put_in_section(membership=made, section=section, person=request.user)
            if number := form.cleaned_data["student_id"]:
                enrolment.set_student_id(membership=made, student_id=number)
        except courses.CourseRefused as error:
            form.add_error(None, str(error))
        else:
            messages.success(
                request,
                f"{made.person} is enrolled, and a mail is on its way to {made.person.email}.",
            )
            return redirect("course_people", course_id=course.pk)
    context = {"form": form, "section": "people"}
    return render(
        request, "teams/course_invite.html", context, status=422 if form.errors else 200
    )


def _membership(course: Course, membership_id: int) -> Membership:
    rows = course.memberships.select_related("person", "course", "team", "section")
    return get_object_or_404(rows, pk=membership_id)


@course_view(Access.INSTRUCTOR)
@require_http_methods(["GET", "POST"])
def membership_edit(
    request: SignedInRequest, course: Course, membership_id: int
) -> HttpResponse:
    """One person: role, team, section."""
    membership = _membership(course, membership_id)
    names = ("role", "team", "section", "student_id")
    initial = {name: getattr(membership, name) for name in names}
    initial["rights"] = enrolment.rights_of(membership)
    form = MembershipForm(request.POST or None, course=course, initial=initial)
    if request.method == "POST" and form.is_valid():
        try:
            _apply(form, membership, request)
        except courses.CourseRefused as error:
            form.add_error(None, str(error))
        else:
            messages.success(request, f"Saved: {membership}.")
            if membership.person.is_expected:
                messages.warning(
                    request, TAKES_EFFECT.format(membership.person, membership.person.email)
                )
            return redirect("course_people", course_id=course.pk)
    context = {"form": form, "shown": membership, "section": "people"}
    return render(
        request, "teams/membership_edit.html", context, status=422 if form.errors else 200
    )


def _apply(form: MembershipForm, membership: Membership, request: SignedInRequest) -> None:
    role, team, section = (form.cleaned_data[name] for name in ("role", "team", "section"))
    if role != membership.role:
        courses.set_role(membership=membership, role=Role(role), person=request.user)
    if role == Role.ASSISTANT and "rights" in form.cleaned_data:
        enrolment.set_rights(
            membership=membership, rights=form.cleaned_data["rights"], person=request.user
        )
    if role == Role.STUDENT and team != membership.team:
        courses.put_in_team(membership=membership, team=team, person=request.user)
    if "section" in form.data and section != membership.section:
        enrolment.put_in_section(membership=membership, section=section, person=request.user)
    if "student_id" in form.data and form.cleaned_data["student_id"] != membership.student_id:
        enrolment.set_student_id(
            membership=membership, student_id=form.cleaned_data["student_id"]
        )


@course_view(Access.INSTRUCTOR)
@require_POST
def membership_switch(
    request: SignedInRequest, course: Course, membership_id: int
) -> HttpResponse:
    """`do`: out, in, erase, withdraw an invitation, or mail a link to a password."""
    membership, wanted = _membership(course, membership_id), request.POST.get("do", "")
    try:
        if wanted in SWITCHES:
            switch, said = SWITCHES[wanted]
            name = str(membership.person)
            switch(membership=membership, person=request.user)
            messages.success(request, said.format(name=name))
        elif wanted == "mail":
            messages.success(request, _mail_link(membership))
    except courses.CourseRefused as error:
        messages.error(request, str(error))
    if not course.memberships.filter(pk=membership_id).exists():
        return redirect("course_people", course_id=course.pk)
    return redirect("membership_edit", course_id=course.pk, membership_id=membership_id)


def _let_in(*, membership: Membership, person: User) -> None:
    """Somebody who was taken out; or who came as a name with an imported course, and is invited now."""
    if membership.imported_email:
        imported_people.invite(membership=membership, person=person)
    else:
        enrolment.reactivate(membership=membership, person=person)


def _reset_factor(*, membership: Membership, person: User) -> None:
    second_factor.reset(account=membership.person, person=person, by_operator=False)


SWITCHES: dict[str, tuple[Callable[..., None], str]] = {
    "out": (enrolment.deactivate, "{name} can no longer enter. All their work stays."),
    "in": (_let_in, "{name} can enter again."),
    "reset": (
        _reset_factor,
        "The second factor of {name} is gone. They are signed out everywhere, and told by mail.",
    ),
    "erase": (erasing.erase, "Name and address are gone. What the team made is still there."),
    "take_back": (
        enrolment.take_back,
        "{name} enters by the link that is mailed to the address, and nobody else does.",
    ),
    "withdraw": (
        enrolment.withdraw,
        "The invitation of {name} is withdrawn; its link no longer works.",
    ),
}


def _mail_link(membership: Membership) -> str:
    """An invitation for somebody who never came, a link to a new password for everybody else."""
    person = membership.person
    if university.lets_in(person.email, person):
        invitations.send_password_link(email=person.email)
        return f"{person} signs in with {settings.OIDC_NAME}: the mail to {person.email} says so. It has no password link."
    if not person.is_expected:
        invitations.send_password_link(email=person.email)
        return f"A link to set a password is on its way to {person.email}."
    if invitations.invite_again(person=person, course=membership.course):
        return f"The invitation is on its way to {person.email} once more."
    return f"A mail to {person.email} left less than two minutes ago. Wait for it first."


@course_view(Access.INSTRUCTOR)
@require_http_methods(["GET", "POST"])
@takes_file(at_most=MOST_ROSTER_BYTES)
def course_roster(request: SignedInRequest, course: Course) -> HttpResponse:
    """A class list: first what it would do, line by line; then, if the instructor says so, that."""
    form = RosterForm(
        request.POST or None, request.FILES or None, initial={"role": Role.STUDENT}
    )
    shown, text = None, ""
    if request.method == "POST" and form.is_valid():
        role, upload = Role(form.cleaned_data["role"]), form.cleaned_data["file"]
        try:
            text = roster.decode(upload.read()) if upload else form.cleaned_data["text"]
            if request.POST.get("do") == "enrol":
                done = roster.enrol(course=course, text=text, role=role, person=request.user)
                messages.success(request, _said(done))
                return redirect("course_people", course_id=course.pk)
            shown = roster.preview(course=course, text=text, role=role)
        except roster.RosterUnreadable as error:
            form.add_error(None, str(error))
    context = {"form": form, "shown": shown, "text": text, "section": "people"}
    return render(
        request, "teams/course_roster.html", context, status=422 if form.errors else 200
    )


def _said(done: roster.Enrolled) -> str:
    new = f"{done.added} {'person is' if done.added == 1 else 'people are'} new in the course"
    return f"Done: {new}, {done.invited} of them invited by e-mail; {done.changed} moved to another team or section."


@course_view(Access.INSTRUCTOR)
@require_POST
def section_new(request: SignedInRequest, course: Course) -> HttpResponse:
    form = SectionForm(request.POST)
    if not form.is_valid():
        messages.error(request, "A section needs a name of up to 60 characters.")
        return redirect("course_people", course_id=course.pk)
    try:
        section = enrolment.create_section(
            course=course, name=form.cleaned_data["name"], person=request.user
        )
        messages.success(
            request, f"Section {section} exists. Put people in it here or with a class list."
        )
    except courses.CourseRefused as error:
        messages.error(request, str(error))
    return redirect("course_people", course_id=course.pk)


@course_view(Access.DELETES)
@require_POST
def section_remove(request: SignedInRequest, course: Course, section_id: int) -> HttpResponse:
    section = get_object_or_404(course.sections.select_related("course"), pk=section_id)
    enrolment.remove_section(section=section, person=request.user)
    messages.success(request, f"Section {section} is gone; its people are still in the course.")
    return redirect("course_people", course_id=course.pk)


@course_view(Access.INSTRUCTOR)
@require_http_methods(["GET", "POST"])
def teams_form(request: SignedInRequest, course: Course) -> HttpResponse:
    """Teams for everyone who has none: drawn, shown, and made when the instructor agrees."""
    seed = random.randrange(1_000_000)  # noqa: S311  (a draw that anyone may repeat)
    form = FormTeamsForm(request.POST or None, initial={"size": course.team_size, "seed": seed})
    groups = None
    if request.method == "POST" and form.is_valid():
        if request.POST.get("do") == "make":
            drawn = {"shown": request.POST.get("shown", ""), **form.cleaned_data}
            try:
                made = enrolment.form_teams(course=course, person=request.user, **drawn)
            except enrolment.DrawChanged as error:
                messages.warning(request, str(error))
            else:
                messages.success(
                    request, f"{len(made)} teams are made. Next: assign their professors."
                )
                return redirect("course_home", course_id=course.pk)
        groups = enrolment.propose_teams(course=course, **form.cleaned_data)
    context = {
        "form": form,
        "groups": groups,
        "mark": enrolment.mark_of(groups or []),
        "section": "people",
    }
    return render(request, "teams/teams_form.html", context, status=422 if form.errors else 200)
