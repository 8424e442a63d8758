"""From an answer back to the data: make it a training row, and see which training rows are nearest to it."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods

from datasets.models import Dataset
from datasets.services.drafts import EditRefused
from evaluation.models import Turn
from evaluation.row_forms import TrainingRowForm
from evaluation.services import provenance, submissions, training_rows
from evaluation.views import chat, interview
from teams.access import Access, SignedInRequest, course_view, team_view
from teams.models import Course, Team


def _answered(turn: Turn) -> Turn:
    if turn.is_streaming or not turn.answer.strip():
        raise Http404("There is no answer yet.")
    return turn


def _form(
    request: SignedInRequest,
    datasets: list[Dataset],
    turn: Turn,
    *,
    earlier: int,
    answer: str = "",
) -> TrainingRowForm:
    sent = request.method == "POST" and request.POST.get("turn", str(turn.key)) == str(turn.key)
    return TrainingRowForm(
        request.POST if sent else None,
        datasets=datasets,
        earlier=earlier,
        initial={"answer": answer or turn.answer, "turn": turn.key},
        auto_id=f"row-%s-{turn.key}",
    )


def _add(request: SignedInRequest, turn: Turn, form: TrainingRowForm) -> bool:
    """Whether the row is in the draft; otherwise the form says why not."""
    if not form.is_valid():
        return False
    said = form.cleaned_data
    try:
        training_rows.add(
            turn=turn,
            dataset=said["dataset"],
            answer=said["answer"],
            with_earlier=said.get("with_earlier", False),
            person=request.user,
        )
    except EditRefused as error:
        form.add_error(None, str(error))
        return False
    return True


def _edits(team: Team, form: TrainingRowForm) -> str:
    return reverse(
        "draft_detail",
        kwargs={"team_id": team.pk, "dataset_id": form.cleaned_data["dataset"].pk},
    )


@team_view(Access.MEMBER)
@require_http_methods(["GET", "POST"])
def turn_row(request: SignedInRequest, team: Team, key: UUID, turn_key: UUID) -> HttpResponse:
    """An answer of the team's own talk, corrected, into the next version of a dataset."""
    talk = chat.find_talk(team, key)
    turn = _answered(chat.find_turn(talk, turn_key))
    datasets = training_rows.open_datasets(team)
    form = _form(request, datasets, turn, earlier=len(training_rows.earlier_turns(turn)))
    context: dict[str, Any] = {
        "turn": turn,
        "form": form,
        "page": f"{talk.page}#turn-{turn.key}",
        "section": "chat",
    }
    context["datasets"] = datasets
    context["here"] = reverse(
        "turn_row", kwargs={"team_id": team.pk, "key": key, "turn_key": turn_key}
    )
    if request.method == "POST" and _add(request, turn, form):
        context |= {"added": form.cleaned_data["dataset"], "edits": _edits(team, form)}
        if not request.htmx:
            messages.success(
                request, f"The row waits among the edits of {form.cleaned_data['dataset']}."
            )
            return redirect(context["edits"])
    part = "#row_form" if request.htmx else ""
    return render(
        request, f"evaluation/turn_row.html{part}", context, status=422 if form.errors else 200
    )


@team_view(Access.MEMBER)
@require_http_methods(["GET", "POST"])
def candidate_list(request: SignedInRequest, team: Team) -> HttpResponse:
    """After the release: what professors marked, offered to the team that owns the bot."""
    submission = submissions.current_submission(team)
    found = training_rows.candidates(submission) if submission else []
    datasets = training_rows.open_datasets(team)
    cards = [
        (one, _form(request, datasets, one.turn, earlier=one.earlier, answer=one.proposal))
        for one in found
    ]
    if request.method == "POST":
        asked = [
            (one, form)
            for one, form in cards
            if form.is_bound and str(one.turn.key) == request.POST.get("turn")
        ]
        if not asked:
            raise Http404("There is no such answer among the marked ones.")
        [(candidate, form)] = asked
        if _add(request, candidate.turn, form):
            messages.success(
                request, f"The row waits among the edits of {form.cleaned_data['dataset']}."
            )
            return redirect("candidate_list", team_id=team.pk)
    context = {
        "cards": cards,
        "submission": submission,
        "datasets": datasets,
        "waiting": [one.draft for one in datasets if hasattr(one, "draft")],
        "section": "submission",
    }
    refused = request.method == "POST"
    return render(
        request, "evaluation/candidate_list.html", context, status=422 if refused else 200
    )


@team_view(Access.MEMBER)
@require_GET
def turn_sources(
    request: SignedInRequest, team: Team, key: UUID, turn_key: UUID
) -> HttpResponse:
    """The training rows nearest to an answer of the team's own talk."""
    talk = chat.find_talk(team, key)
    turn = _answered(chat.find_turn(talk, turn_key))
    version = talk.conversation.run.dataset_version
    context = {"version": version, "back": f"{talk.page}#turn-{turn.key}", "section": "chat"}
    return _sources(request, turn, context)


@course_view(Access.PROFESSOR)
@require_GET
def interview_sources(
    request: SignedInRequest, course: Course, code: UUID, turn_key: UUID
) -> HttpResponse:
    """The same for a grader, once her grade is submitted: before that it would colour her judgement."""
    talk = interview.find_talk(request, course, code)
    turn = _answered(interview.find_turn(talk, turn_key))
    assert talk.grading is not None
    context = {
        "grading": talk.grading,
        "back": f"{talk.page}#turn-{turn.key}",
        "section": "grading",
    }
    if not talk.grading.grade.past_undo:
        part = "#sources" if request.htmx else ""
        return render(
            request,
            f"evaluation/turn_sources.html{part}",
            {**context, "too_early": True},
            status=409,
        )
    return _sources(request, turn, context)


def _sources(request: SignedInRequest, turn: Turn, context: dict[str, Any]) -> HttpResponse:
    part = "#sources" if request.htmx else ""
    found = provenance.nearest_rows(turn)
    return render(
        request,
        f"evaluation/turn_sources.html{part}",
        {**context, "turn": turn, "sources": found},
    )
