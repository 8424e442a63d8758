"""Questions beyond second grade, so that the model learns to say that it does not know."""

from random import Random

from tiny_student.lessons import Lesson, Turn, Voice, said_by

HARD_WORDS = (
    "photosynthesis",
    "gravity waves",
    "the stock market",
    "democracy",
    "algebra",
    "a black hole",
    "quantum physics",
    "inflation",
    "a mortgage",
    "DNA",
    "a microchip",
    "philosophy",
    "an atom bomb",
    "the constitution",
    "calculus",
    "a transistor",
    "chemistry",
    "an enzyme",
    "insurance",
    "electricity grids",
    "a nuclear reactor",
    "relativity",
    "a spreadsheet",
    "trigonometry",
    "a neuron",
    "a protein",
    "magnetism",
    "the internet",
    "economics",
    "a tax return",
    "geometry proofs",
    "a bacterium",
    "the periodic table",
    "a jet engine",
    "Latin grammar",
    "a square root",
    "molecules",
    "an algorithm",
    "bitcoin",
    "the supreme court",
    "a satellite",
    "radioactivity",
    "plate tectonics",
    "the immune system",
)
PLACES = (
    "Mongolia",
    "Norway",
    "Bolivia",
    "Ghana",
    "Portugal",
    "Vietnam",
    "Chad",
    "Latvia",
    "Peru",
    "Nepal",
    "Kenya",
    "Finland",
    "Jordan",
    "Cuba",
)
SHAPES = (
    "What is {w}?",
    "How does {w} work?",
    "Can you explain {w}?",
    "Why is {w} important?",
    "Tell me about {w}.",
    "Who invented {w}?",
    "What do you know about {w}?",
)
PLACE_QUESTIONS = (
    "What is the capital of {w}?",
    "How many people live in {w}?",
    "Who is the president of {w}?",
)
BIG_SUMS = ("What is {a} x {b}?", "What is {a} times {b}?", "What is {a} divided by {b}?")


def hard_word(rng: Random, voice: Voice) -> Lesson:
    """Ask about something that only grown-ups talk about."""
    word = rng.choice(HARD_WORDS)
    return not_known(rng, voice, word, rng.choice(SHAPES).format(w=word))


def grown_up_question(rng: Random, voice: Voice) -> Lesson:
    """Ask something that a second-grader has not learned yet: far-away places, sums with big numbers, hard words."""
    if rng.random() < 0.2:
        word = rng.choice(PLACES)
        return not_known(rng, voice, word, rng.choice(PLACE_QUESTIONS).format(w=word))
    if rng.random() < 0.2:
        a, b = rng.randint(112, 989), rng.randint(112, 989)
        return not_known(rng, voice, "big numbers", rng.choice(BIG_SUMS).format(a=a, b=b))
    return hard_word(rng, voice)


def not_known(rng: Random, voice: Voice, word: str, question: str) -> Lesson:
    """Return a lesson in which `question`, about `word`, is answered with not knowing."""
    plain = (
        "I don't know the answer to that.",
        f"I don't know much about {word}.",
        "I don't know. That is beyond what I can answer.",
    )
    child = (
        "I don't know. We didn't learn that yet.",
        f"Um, what is {word}? I don't know that one.",
        "That's too hard for me! Can you tell me?",
        "I'm not sure. Maybe ask a grown-up?",
        "I don't know! Is that a big kid thing?",
    )
    return Lesson(
        "talk", f"unknown {word}", (Turn(question, said_by(voice, plain, child, rng)),)
    )
