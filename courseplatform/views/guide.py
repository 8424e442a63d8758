"""The method guide, and the place to practise what it says."""

from dataclasses import dataclass

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST

from courseplatform import practice
from teams.access import Access, SignedInRequest, course_view, signed_in_view
from teams.glossary import PARTS
from teams.methods import known
from teams.models import Course
from teams.services import providers
from teams.services.prices import training_prices
from training.services import shutdowns


@dataclass(frozen=True)
class Topic:
    slug: str
    title: str
    about: str


TOPICS = [
    Topic(
        "goal",
        "What you are building",
        "A chatbot that a teacher takes for a second-grader, and who will judge it.",
    ),
    Topic(
        "choosing",
        "Which method fits",
        "Three questions that decide: your goal, your data, your time.",
    ),
    Topic(
        "dspy", "DSPy", "Better prompting, found by trying: ten examples are enough to begin."
    ),
    Topic(
        "openai",
        "OpenAI fine-tuning",
        "New answers and new knowledge, trained by a service that speaks OpenAI’s API.",
    ),
    Topic("lora", "LoRA", "A small local model learns to be a child, on this machine."),
    Topic(
        "datasets",
        "Making a dataset",
        "Where examples come from, and how to write ones that teach.",
    ),
    Topic(
        "pitfalls",
        "What goes wrong",
        "Four mistakes that every class makes, and how to see them early.",
    ),
    Topic(
        "testing",
        "Testing and improving",
        "The loop that makes bots good: talk, measure, add rows, train again.",
    ),
    Topic(
        "grading",
        "How your bot is graded",
        "Eight criteria, four levels, and a professor who does not know your team.",
    ),
    Topic("costs", "What it costs", "What each method spends, and how to spend less."),
    Topic(
        "syllabus",
        "Six weeks",
        "The course week by week: what to read, what to do here, and what to have at the end.",
    ),
    Topic(
        "professors",
        "Ten minutes for professors",
        "Interviewing and grading bots, for people who know children and need no programming.",
    ),
    Topic("glossary", "Glossary", "The words of this course, each in a sentence or two."),
]


@signed_in_view
def guide(request: SignedInRequest) -> HttpResponse:
    _enter_only_course(request)
    return render(request, "guide/guide_list.html", {"topics": TOPICS, "section": "guide"})


@signed_in_view
def guide_topic(request: SignedInRequest, topic: str) -> HttpResponse:
    _enter_only_course(request)
    place = next((number for number, one in enumerate(TOPICS) if one.slug == topic), None)
    if place is None:
        raise Http404("The guide has no such page.")
    course = getattr(request, "course", None)
    about_services = topic == "openai"
    context = {
        "topic": TOPICS[place],
        "before": TOPICS[place - 1] if place else None,
        "after": TOPICS[place + 1] if place + 1 < len(TOPICS) else None,
        "section": "guide",
        "wanted": {method.name: method.rows for method in known()},
        "own_service": not providers.has_any(course, for_training=True),
        "glossary": PARTS if topic == "glossary" else [],
        "endings": shutdowns.of_course(course) if about_services else [],
        "prices": training_prices(course) if about_services else [],
        "provider_names": providers.names() if about_services else {},
    }
    return render(request, f"guide/topic_{topic}.html", context)


def _enter_only_course(request: SignedInRequest) -> None:
    """The bar shows the reader's course, where there is one to choose; the guide itself is the same for all."""
    memberships = list(
        request.user.memberships.filter(active=True).select_related("course", "team")[:2]
    )
    if len(memberships) == 1:
        request.membership, request.course, request.team = (
            memberships[0],
            memberships[0].course,
            memberships[0].team,
        )


@course_view(Access.INSTRUCTOR)
@require_POST
def practice_switch(request: SignedInRequest, course: Course) -> HttpResponse:
    if request.POST.get("do") == "on":
        team = practice.switch_on(course=course, person=request.user)
        messages.success(
            request,
            f"Every student can enter the team “{team}” now and try things. It is never graded.",
        )
    else:
        practice.switch_off(course=course, person=request.user)
        messages.success(request, "The practice team is closed. What is in it is kept.")
    return redirect("course_home", course_id=course.pk)
