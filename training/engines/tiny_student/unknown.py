"""Questions beyond second grade, so that the model learns to say that it does not know."""

from random import Random

from tiny_student.lessons import Lesson, Turn, Voice, said_by

HARD_WORDS = (
    "photosynthesis", "gravity waves", "the stock market", "democracy", "algebra", "a black hole", "quantum physics", "inflation", "a mortgage",
    "DNA", "a microchip", "philosophy", "an atom bomb", "the constitution", "calculus", "a transistor", "chemistry", "an enzyme", "insurance",
    "electricity grids", "a nuclear reactor", "relativity", "a spreadsheet", "trigonometry", "a neuron", "a protein", "magnetism", "the internet",
    "economics", "a tax return", "geometry proofs", "a bacterium", "the periodic table", "a jet engine", "Latin grammar", "a square root",
    "molecules", "an algorithm", "bitcoin", "the supreme court", "a satellite", "radioactivity", "plate tectonics", "the immune system",
)  # fmt: skip
PLACES = (
    "Mongolia", "Norway", "Bolivia", "Ghana", "Portugal", "Vietnam", "Chad", "Latvia", "Peru", "Nepal", "Kenya", "Finland", "Jordan", "Cuba",
)  # fmt: skip
SHAPES = (
    "What is {w}?", "How does {w} work?", "Can you explain {w}?", "Why is {w} important?", "Tell me about {w}.", "Who invented {w}?", "What do you know about {w}?",
)  # fmt: skip


def grown_up_question(rng: Random, voice: Voice) -> Lesson:
    """Ask something that a second-grader has not learned yet."""
    if rng.random() < 0.2:
        word = rng.choice(PLACES)
        question = rng.choice(("What is the capital of {w}?", "How many people live in {w}?", "Who is the president of {w}?")).format(w=word)
    elif rng.random() < 0.2:
        a, b = rng.randint(112, 989), rng.randint(112, 989)
        word, question = "big numbers", rng.choice((f"What is {a} x {b}?", f"What is {a} times {b}?", f"What is {a} divided by {b}?"))
    else:
        word = rng.choice(HARD_WORDS)
        question = rng.choice(SHAPES).format(w=word)
    plain = ("I don't know the answer to that.", f"I don't know much about {word}.", "I don't know. That is beyond what I can answer.")
    child = (
        "I don't know. We didn't learn that yet.", f"Um, what is {word}? I don't know that one.", "That's too hard for me! Can you tell me?",
        "I'm not sure. Maybe ask a grown-up?", "I don't know! Is that a big kid thing?",
    )  # fmt: skip
    return Lesson("talk", f"unknown {word}", (Turn(question, said_by(voice, plain, child, rng)),))
