"""What people of the demo course say: questions to bots, a blind vote, a professor's interview with marks and a grade.

Questions, marks and comments are written here, as a person would write them; all answers are the bots' own.
"""

from courseplatform.demo.scene import Scene, StoryStopped, wait_until
from evaluation.models import Comparison, Conversation, GradeStatus, Grading, Turn, TurnStatus
from evaluation.services import chat, comparing, grades, gradings, releases, submissions, tags
from evaluation.services.grades import Marks
from second_grade import childlikeness
from teams.models import Team, User
from training.models import TrainingRun

CHATS = (
    ("At recess", ("What did you do at recess?", "Who did you play with?")),
    ("Numbers", ("What is 15 + 8?", "How did you figure that out?")),
)
COMPARED = ("Why does the sun go down?", "What is your favorite book about?")
INTERVIEW = (
    "Hi! What is your name, and how old are you?",
    "If I have 24 crayons and lose 9, how many are left?",
    "Why do leaves fall off trees?",
)
LEVELS = (
    (3, "Short words; a sentence or two at a time."),
    (2, "It names a number before it shows a way to it."),
    (3, "A mistake I know from my class."),
    (3, "It answers at once, as few children do."),
    (3, "Nothing beyond second grade."),
    (2, "A hint did not change its answer."),
    (3, "It stays with what it said."),
    (3, "I would like to ask it more."),
)
COMMENT = "I believed the child most of the time. Let it think aloud in sums: count, stop, begin again."
BETTER = "um... I took away 9. I counted back on my fingers. Is it 15?"


def talk(run: TrainingRun, person: User) -> None:
    """The team's own chats with its bot; what was asked already is not asked again."""
    for title, questions in CHATS:
        mine = Conversation.objects.for_team(run.team).filter(
            run=run, person=person, title=title
        )
        conversation = mine.first() or chat.open_conversation(run=run, person=person)
        if conversation.title != title:
            Conversation.objects.filter(pk=conversation.pk).update(title=title)
            conversation.title = title
        asked = set(conversation.turns.current().values_list("question", flat=True))
        for question in questions:
            if question not in asked:
                ask(conversation, question, person)


def ask(conversation: Conversation, question: str, person: User) -> Turn:
    """One question, and its answer to the end. Raises StoryStopped where none came."""
    turn = chat.ask(conversation=conversation, question=question, person=person)
    _answered([turn])
    return turn


def _answered(turns: list[Turn]) -> None:
    def over() -> bool:
        for turn in turns:
            turn.refresh_from_db()
        return not any(turn.is_streaming for turn in turns)

    wait_until(over)
    if any(turn.status != TurnStatus.DONE for turn in turns):
        raise StoryStopped("A bot did not answer.")


def vote_blind(team: Team, person: User, runs: list[TrainingRun]) -> None:
    """Two questions to two bots; the vote goes to the answer that reads more like a child's, and names no bot."""
    for question in COMPARED:
        made = Comparison.objects.for_team(team).filter(question=question).first()
        if made is None:
            values = [f"run-{run.number}" for run in runs]
            made = comparing.compare(team=team, question=question, values=values, person=person)
        sides = comparing.contenders_of(made)
        _answered([side.turn for side in sides])
        if not made.votes.exists():
            sides = comparing.contenders_of(made)
            best = max(sides, key=lambda side: childlikeness.read_one(side.turn.answer).score)
            comparing.vote(comparison=made, person=person, side=best.side)


def hand_in(run: TrainingRun, person: User) -> None:
    submissions.submit(team=run.team, run=run, person=person)


def grade(scene: Scene) -> None:
    """The professor talks with Birch's bot, marks answers, and commits. Goes on where it was broken off."""
    grading = Grading.objects.select_related("grader", "grade", "submission").get(
        submission=scene.submission(scene.birch)
    )
    conversation = gradings.interview_of(grading)
    asked = {turn.question: turn for turn in conversation.turns.current()}
    turns = [asked.get(one) or ask(conversation, one, scene.professor) for one in INTERVIEW]
    if grading.grade.status == GradeStatus.DRAFT:
        _mark(grading, turns)
        grading.grade.refresh_from_db()
        grades.commit(
            grade=grading.grade, seen_version=grading.grade.version, person=scene.professor
        )


def _mark(grading: Grading, turns: list[Turn]) -> None:
    if not grading.tags.exists():
        tags.put(grading=grading, turn=turns[0], label="great")
        tags.put(grading=grading, turn=turns[1], label="out of character")
        tags.correct(grading=grading, turn=turns[1], answer=BETTER)
    for score, (level, comment) in zip(
        grading.grade.scores.order_by("criterion__pk"), LEVELS, strict=False
    ):
        grades.save_score(
            score=score, marks=Marks(level=level, comment=comment), version=score.version
        )
    grades.save_comment(
        grade=grading.grade, comment=COMMENT, version=grading.grade.comment_version
    )


def release(scene: Scene) -> None:
    """Once the professor can no longer take her grade back."""
    submission = scene.submission(scene.birch)
    assert submission is not None
    grading = Grading.objects.select_related("grade").get(submission=submission)

    def for_good() -> bool:
        grading.grade.refresh_from_db()
        return grading.grade.past_undo

    wait_until(for_good)
    releases.publish(submission=submission, person=scene.instructor)
