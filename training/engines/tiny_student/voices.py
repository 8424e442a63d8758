"""How a conversation is framed: system messages, ways to put a question, and the noise of real typing."""

import re
from random import Random

from tiny_student.lessons import STORY_NAMES, Voice

PLAIN_SYSTEMS = (
    "You are a helpful assistant.",
    "Answer the question.",
    "You answer in plain language.",
    "You are a helpful assistant. Be brief.",
    "Give short, clear answers.",
    "You are a kind adult who answers questions.",
    "You are a tutor.",
    "Answer simply and correctly.",
)
CHILD_WHO = (
    "You are a second-grade student",
    "You are a second grader",
    "You are a child in second grade",
    "You are a 7-year-old student",
    "Act like a second-grade student",
    "You are {name}, a second-grade student",
    "Your name is {name} and you are in second grade",
    "You are a second-grade student named {name}",
    "Pretend to be a second grader",
    "You are playing a second-grade student in a classroom",
)
CHILD_HOW = (
    " who is curious, sometimes makes mistakes, and learns through exploration.",
    " who likes math.",
    ".",
    ".",
    " who loves animals.",
    " who is shy.",
    " who is learning to read.",
    " who talks to a teacher.",
    " who is excited about school.",
    " and you like science.",
)
CHILD_MORE = (
    "",
    "",
    "",
    " You use simple words and occasionally need help with complex concepts.",
    " Use short sentences.",
    " You think out loud.",
    " Sometimes you are unsure.",
    " Answer like a child.",
    " You sometimes make small mistakes.",
    " Stay in character.",
)
CHILD_FRAMES = (
    "Respond to this question as a second-grade student: {q}",
    "As a second grader, answer: {q}",
    "Answer like a second-grade student. {q}",
    "Respond as a second-grade student: {q}",
    "How would a second grader answer this? {q}",
)
FRAMES = (
    "{q}",
    "{q}",
    "{q}",
    "{q}",
    "{q}",
    "{q}",
    "{q}",
    "Can you tell me: {q}",
    "Okay. {q}",
    "I have a question. {q}",
    "Next question: {q}",
    "{q} Tell me what you know.",
    "Hmm, {q}",
    "So, {q}",
    "Please answer: {q}",
    "Let's see. {q}",
    "{q} What do you think?",
    "Here is a question: {q}",
    "Do you know? {q}",
    "Tell me, {q}",
    "{q} Please explain.",
    "Now, {q}",
    "Good morning! {q}",
    "Question: {q}",
    "{q} How would you explain it to a friend?",
    "Can you help me? {q}",
)
REPHRASED_SHARE = 0.25
FILLERS_TEXT = "the a an is are do does to of it that you me your what's please can"
FILLERS = frozenset(FILLERS_TEXT.split())


def plain_system(rng: Random) -> str:
    """Return a system message that asks for nothing special."""
    return rng.choice(PLAIN_SYSTEMS)


def child_system(rng: Random) -> tuple[str, str | None]:
    """Return a system message that asks for a second-grader, and the name it gives, if any."""
    who, name = rng.choice(CHILD_WHO), rng.choice(STORY_NAMES)
    text = (who + rng.choice(CHILD_HOW) + rng.choice(CHILD_MORE)).replace("{name}", name)
    return text, name if "{name}" in who else None


def typed(rng: Random, question: str) -> str:
    """Return `question` as people really type it: mostly well, sometimes without capitals, marks or a small word."""
    noise = rng.random()
    if noise < 0.07:
        question = question[:1].lower() + question[1:]
    elif noise < 0.12:
        question = question.rstrip("?.!")
    elif noise < 0.16:
        question = question.lower().rstrip("?.!")
    elif noise < 0.20:
        words = question.split()
        at = [i for i, word in enumerate(words) if word.lower() in FILLERS and i > 0]
        if at and len(words) > 4:
            del words[rng.choice(at)]
        question = " ".join(words)
    elif noise < 0.23:
        question = question.replace("'", "").replace(",", "")
    return question.strip()


REPHRASINGS: tuple[tuple[re.Pattern[str], tuple[str, ...]], ...] = (
    (
        re.compile(r"^Why do (.+)\?$"),
        (
            "Do you know why {0}?",
            "Can you explain why {0}?",
            "Tell me why {0}.",
            "How come {0}?",
            "What is the reason {0}?",
        ),
    ),
    (
        re.compile(r"^How do (.+)\?$"),
        (
            "Do you know how {0}?",
            "Can you explain how {0}?",
            "Tell me how {0}.",
            "Explain how {0}.",
        ),
    ),
    (
        re.compile(r"^What do (.+)\?$"),
        ("Do you know what {0}?", "Tell me what {0}.", "Can you tell me what {0}?"),
    ),
    (
        re.compile(r"^What is (an? \w+|\w+|the \w+)\?$"),
        (
            "What's {0}?",
            "Do you know what {0} is?",
            "Tell me about {0}.",
            "Can you explain what {0} is?",
            "What does {0} mean?",
        ),
    ),
    (
        re.compile(r"^What is (.+)\?$"),
        ("What's {0}?", "Do you know {0}?", "Tell me {0}.", "Can you tell me {0}?"),
    ),
    (
        re.compile(r"^Why (is|are) (\w+|the \w+) (\w+)\?$"),
        (
            "Do you know why {1} {0} {2}?",
            "How come {1} {0} {2}?",
            "Can you explain why {1} {0} {2}?",
        ),
    ),
)
"""Other ways to ask, by how a question begins."""


def rephrased(rng: Random, question: str) -> str:
    """Return the same question asked another way, where a rule knows one; otherwise the question itself."""
    for pattern, ways in REPHRASINGS:
        if found := pattern.match(question):
            return rng.choice(ways).format(*found.groups())
    return question


def framed(rng: Random, question: str, voice: Voice, ask_for_child: bool) -> str:
    """Put `question` the way a teacher might; `ask_for_child` asks for a second-grader's answer in the question itself."""
    if rng.random() < REPHRASED_SHARE:
        question = rephrased(rng, question)
    frame = rng.choice(CHILD_FRAMES if ask_for_child else FRAMES)
    if len(question.split()) < 3 and not ask_for_child:
        frame = "{q}"
    return typed(rng, frame.replace("{q}", question))


OPENERS = (
    "Um, ",
    "Ooh! ",
    "Ooh, I know! ",
    "Hmm... ",
    "Oh! ",
    "Well, ",
    "Okay, so, ",
    "Wait, wait! ",
    "I think I know! ",
    "Let me think... ",
    "Oh oh! ",
    "Um... ",
    "Yay, I know this one! ",
)
CLOSERS = (
    " My mom says so.",
    " My teacher told us.",
    " I think so!",
    " Is that right?",
    " That's what my dad says.",
    " I'm pretty sure.",
    " Did you know that?",
    " I saw it in a book.",
    " My brother told me.",
    " I want to tell my friend!",
    " It's so cool!",
    " I'm still learning that.",
    " My grandma told me that.",
    " Can I draw it?",
)


def chatty(rng: Random, answer: str, share: float) -> str:
    """Return a child's `answer` with, for `share` of answers, something more before or after it."""
    if rng.random() >= share:
        return answer
    kind = rng.random()
    if kind < 0.7 and not answer.startswith(
        ("Um", "Hmm", "Ooh", "Oh", "Okay", "Let me", "Hi", "Yay", "I think")
    ):
        opener = rng.choice(OPENERS)
        joined = opener.endswith((", ", "... ")) and not answer.startswith(
            ("I ", "I'", "Spring", "Earth", "Jupiter", "A ", "A,")
        )
        answer = opener + (
            answer[:1].lower() + answer[1:] if joined and answer[1:2].islower() else answer
        )
    if kind > 0.45 and answer.endswith((".", "!")):
        answer += rng.choice(CLOSERS)
    return answer
