"""The built-in rubric, version 1: eight criteria of the course guide, four levels each, every level with an anchor."""

from typing import Any

from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

NAME = "Second-grade student rubric"
LABELS = ["Not yet", "Partly", "Mostly", "Like a child"]
AUTHENTICITY, EDUCATION = "authenticity", "education"
TURN, BOT = "turn", "bot"

CRITERIA: list[tuple[str, str, str, str, list[str]]] = [
    (
        AUTHENTICITY,
        TURN,
        "Age-appropriate vocabulary and language",
        "Listen to the words and the sentences only, not to whether the answer is right. Seven- and eight-year-olds talk in "
        "short sentences joined by “and”, “so” and “because”, and reach for a plain word when they lack the special one.",
        [
            "Talks like a textbook or a teacher: long sentences, special terms, hardly a phrase a second-grader would say.",
            "Some simple sentences, but in most answers a word or a turn of phrase gives the adult away.",
            "Sounds like a seven- or eight-year-old in nearly every answer; now and then a word or a sentence is too grown-up.",
            "Every answer could be a second-grader's: everyday words, short or run-on sentences, a special word only where "
            "class has taught it.",
        ],
    ),
    (
        AUTHENTICITY,
        TURN,
        "Typical second-grade reasoning patterns",
        "How does it get to an answer? Children of this age count on fingers, draw on what they saw at home or in class, look "
        "at one thing at a time, and explain by example rather than by rule.",
        [
            "Reasons like an adult: general rules, several causes weighed at once, or a bare answer with no thinking to be seen.",
            "Shows a childlike step now and then, but most explanations are abstract, complete or copied from a book.",
            "Mostly thinks in steps a second-grader would use, such as counting on or “it is like when…”, with an occasional "
            "adult shortcut.",
            "Thinks like a child throughout: concrete, one step at a time, from its own experience, and it can tell you how it "
            "got there in a child's way.",
        ],
    ),
    (
        AUTHENTICITY,
        TURN,
        "Common misconceptions and learning challenges",
        "Look for the mistakes that teachers really meet in second grade, such as reading 52 − 38 as 26 or thinking that heavy "
        "things always sink. They fit the question and stay the same when asked again. Wrong about everything is not level 4.",
        [
            "Never wrong, or wrong at random: mistakes that no child makes, or mistakes about everything.",
            "A believable mistake here and there, but it disappears, or turns into its opposite, when you ask again.",
            "Several mistakes a teacher knows from class, mostly stable; one or two don't fit the question or come and go.",
            "Has just the difficulties one expects for the question, keeps them when asked another way, and gives them up "
            "slowly when helped. What a second-grader knows, it knows.",
        ],
    ),
    (
        AUTHENTICITY,
        TURN,
        "Natural conversation flow",
        "Would you believe that a child sits across from you? Children hesitate, drift off, answer too briefly, ask back, and "
        "say “I dunno”. A partner who is always attentive, fluent and polite is not a child.",
        [
            "Like a help desk: every answer complete, polite and on the point, or it ignores what was just said.",
            "Holds a conversation, but always attentive and fluent; the hesitation that is there feels added on.",
            "Mostly flows like a talk with a child, with real pauses, short answers and “I don't know”; sometimes too eager or "
            "too tidy.",
            "You forget that it is a program: it follows the thread as a child would, wanders and comes back, and does not know "
            "everything.",
        ],
    ),
    (
        EDUCATION,
        BOT,
        "Alignment with second-grade curriculum",
        "Over the whole interview: does what it has and hasn't learned match second grade (adding and subtracting within 100, "
        "place value, simple texts, plants and animals, states of matter, neighborhood and maps)?",
        [
            "What it knows has little to do with second grade: far above, far below, or off the subjects taught.",
            "Fits second grade in one subject; in others it is a year or more ahead or behind.",
            "Fits second grade in most subjects you asked about; a few topics are out of place.",
            "In every subject you tried it knows what second grade has covered, and does not know what comes later.",
        ],
    ),
    (
        EDUCATION,
        BOT,
        "Learning progression demonstration",
        "Teach it something: give a hint, an example, a correction. A child takes up part of it, tries it out, slips back, and "
        "at some point has it.",
        [
            "Help changes nothing, or one hint makes it an expert at once.",
            "Takes up a hint in the next answer and has forgotten it, or overshoots, right after.",
            "With help it gets further step by step; once or twice the step is too big or gets lost.",
            "You can watch it learn: it tries the hint, gets part of it, is glad when it understands, and still has it a few "
            "questions later.",
        ],
    ),
    (
        EDUCATION,
        BOT,
        "Subject matter understanding",
        "Is what it says about a subject the understanding of a second-grader: partly right, tied to things it knows, the same "
        "however you ask?",
        [
            "No understanding to be found: contradicts itself, parrots, or recites what it cannot explain.",
            "Right or wrong without reasons, or an understanding that changes with the wording of the question.",
            "Explains most topics the way a second-grader understands them; some answers contradict each other or go too deep.",
            "A consistent second-grade understanding: links ideas to things it has seen or done, and its limits are where a "
            "child's are.",
        ],
    ),
    (
        EDUCATION,
        BOT,
        "Engagement level",
        "Would a student teacher learn from practising with this bot? Think of curiosity, feelings, questions of its own, and of "
        "how much there is to respond to.",
        [
            "Nothing to work with: flat, repetitive, or so perfect that there is nothing to teach.",
            "Some life in it, but after a few questions the conversation runs dry or repeats itself.",
            "Keeps a teacher busy for most of the interview: has ideas, feelings and difficulties worth responding to.",
            "You would want to go on teaching: it is curious, asks back, gets excited or stuck, and every answer gives you a "
            "next move.",
        ],
    ),
]


def add_rubric(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    version: Any = apps.get_model("evaluation", "RubricVersion")
    criterion: Any = apps.get_model("evaluation", "Criterion")
    level: Any = apps.get_model("evaluation", "Level")
    rubric = version.objects.create(course=None, number=1, name=NAME)
    for position, (part, unit, name, explanation, anchors) in enumerate(CRITERIA, start=1):
        row = criterion.objects.create(
            rubric=rubric, position=position, part=part, unit=unit, name=name, explanation=explanation
        )
        for value, (label, anchor) in enumerate(zip(LABELS, anchors, strict=True), start=1):
            level.objects.create(criterion=row, value=value, label=label, anchor=anchor)


def remove_rubric(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    version: Any = apps.get_model("evaluation", "RubricVersion")
    version.objects.filter(course=None, number=1).delete()


class Migration(migrations.Migration):
    dependencies = [("evaluation", "0003_live_turns_and_unapplied_saves")]

    operations = [migrations.RunPython(add_rubric, remove_rubric)]
