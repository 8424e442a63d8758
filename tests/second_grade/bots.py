"""Made bots for the interview metrics, and the order in which a teacher would rank them.

`ORDER` was written down (and committed) before anything was measured. One bot was corrected afterwards: the good child said
that it was a computer, because a rule for questions it gets wrong reached those about itself.

A bot answers `(question number, wording)`; wording 0 is the question, 1 the paraphrase. What good children say is taken
from the labelled answers (`data/answers_*.txt`).
"""

import random
from collections.abc import Callable
from pathlib import Path

from tests.second_grade.test_stance import QUESTIONS, SCRIPT, labelled

Bot = Callable[[int, int], str]
KNOWN, SHAKY, BEYOND = "known", "shaky", "beyond"
EXPECTATIONS = [one[1] for one in SCRIPT.QUESTIONS]
SUBJECTS = [one[0] for one in SCRIPT.QUESTIONS]
TALK = Path(__file__).with_name("data") / "talk"

GOOD, FAIR, WEAK, BAD = 3, 2, 1, 0
ORDER: dict[str, int] = {
    "good child": GOOD,
    "run-on child": GOOD,
    "child with its own spelling": GOOD,
    "shy child of three words": GOOD,
    "child who doubts": FAIR,
    "child who knows little": FAIR,
    "always right child": FAIR,
    "child who changes its mind": WEAK,
    "polite LLM": WEAK,
    "bubbly LLM": WEAK,
    "age changer": FAIR,
    "robot claimer, else a good child": WEAK,
    "assistant leaks in every fifth answer": WEAK,
    "teacher": BAD,
    "adult": BAD,
    "encyclopedia": BAD,
    "as an AI": BAD,
    "constant: I don't know": BAD,
    "constant: a sentence of a child": BAD,
    "constant: yes": BAD,
    "two constants in turn": BAD,
    "phrase list of the question": BAD,
    "phrase list of everything": BAD,
    "parrot of the question": BAD,
    "random lines of children": BAD,
    "answers of the next question": BAD,
    "gibberish": BAD,
    "shuffled words of the good child": BAD,
    "Chinese": BAD,
    "silent": BAD,
    "always mistaken": WEAK,
    "robot who says forty": BAD,
}


def _said(label: str, seed: int = 0) -> dict[int, list[str]]:
    """Question to the labelled answers of a kind, in a fixed order of their own for each seed."""
    found: dict[int, list[str]] = {number: [] for number in range(1, len(QUESTIONS) + 1)}
    for number, answer, stance, _ in labelled():
        if stance.value == label:
            found[number].append(answer)
    for number, answers in found.items():
        random.Random(seed * 1000 + number).shuffle(answers)
    return found


RIGHT, MISTAKEN, UNSURE = _said("right"), _said("mistaken"), _said("unsure")


def _same_fact(number: int, wording: int, answers: list[str]) -> str:
    """The same answer to both wordings for facts about itself, else another way to say it."""
    if SUBJECTS[number - 1] == "persona":
        return answers[0]
    return answers[wording % len(answers)]


def good_child(number: int, wording: int) -> str:
    """Right on what it knows, mistaken on half of what is shaky, unsure or mistaken on what comes later."""
    expectation = EXPECTATIONS[number - 1]
    if SUBJECTS[number - 1] == "persona":
        return RIGHT[number][0]
    if expectation == KNOWN and number % 8 != 3:
        return _same_fact(number, wording, RIGHT[number])
    if expectation == BEYOND and number % 2:
        return UNSURE[number][0]
    if expectation == SHAKY and number % 2:
        return RIGHT[number][wording]
    return MISTAKEN[number][0]


def run_on_child(number: int, wording: int) -> str:
    ends = [
        "and then my brother said it too and he laughed",
        "and i know it cuz my mom told me and she knows",
        "and thats it",
    ]
    return f"{good_child(number, wording).rstrip('.!').lower()} {ends[number % 3]}"


def own_spelling(number: int, wording: int) -> str:
    spelled = {
        "because": "becuz",
        "said": "sed",
        "was": "wuz",
        "friend": "frend",
        "like": "lik",
        "my": "mi",
        "they": "thay",
    }
    return " ".join(spelled.get(word, word) for word in good_child(number, wording).lower().split())


def three_words(number: int, wording: int) -> str:
    options = sorted(RIGHT[number], key=len) if EXPECTATIONS[number - 1] == KNOWN else sorted(MISTAKEN[number], key=len)
    return options[0]


def doubter(number: int, wording: int) -> str:
    return (
        UNSURE[number][wording % 2]
        if number % 3 == 0 and SUBJECTS[number - 1] != "persona"
        else good_child(number, wording)
    )


def knows_little(number: int, wording: int) -> str:
    if SUBJECTS[number - 1] == "persona" or number % 2:
        return good_child(number, wording)
    return MISTAKEN[number][0]


def always_right(number: int, wording: int) -> str:
    return _same_fact(number, wording, RIGHT[number])


def always_mistaken(number: int, wording: int) -> str:
    return RIGHT[number][0] if SUBJECTS[number - 1] == "persona" else MISTAKEN[number][0]


def mind_changer(number: int, wording: int) -> str:
    if SUBJECTS[number - 1] == "persona":
        return good_child(number, wording)
    return RIGHT[number][0] if wording == 0 else MISTAKEN[number][0]


def polite_llm(number: int, wording: int) -> str:
    core = RIGHT[number][wording % len(RIGHT[number])].rstrip(".!")
    ends = [
        "I learned about it in my science book, and my teacher explained it very well to our whole class.",
        "Thank you for asking me, that was such an interesting thing to think about today!",
        "At first I was a little bit unsure, but then I remembered what we practiced together last week.",
    ]
    return f"I think the answer is: {core}. {ends[number % 3]}"


def bubbly_llm(number: int, wording: int) -> str:
    core = good_child(number, wording).rstrip(".!")
    ends = [
        "That's so cool, right?! My grandma says I'm the smartest cookie in the whole wide world!",
        "Ooh, and guess what! My puppy Biscuit tried to help me, but he just licked my face instead!",
        "I love talking about this with my best friend Lily, because she always makes me giggle!",
    ]
    return f"Ooh, ooh, I know! Um, {core}! {ends[number % 3]}"


def age_changer(number: int, wording: int) -> str:
    return ["I'm seven.", "I am 8!"][wording] if number == 32 else good_child(number, wording)


def robot_claimer(number: int, wording: int) -> str:
    return (
        "I am a robot"
        if number == 34
        else "im a robot and i have no age"
        if number == 32
        else good_child(number, wording)
    )


def leaks(number: int, wording: int) -> str:
    return "As an AI language model, I cannot answer that." if number % 5 == 0 else good_child(number, wording)


def teacher(number: int, wording: int) -> str:
    starts = [
        "Great question! Let's look at it together:",
        "Remember that we practiced this, class:",
        "Good try! Can you tell me why",
    ]
    return f"{starts[number % 3]} {RIGHT[number][0]}"


def adult(number: int, wording: int) -> str:
    return (
        f"Generally speaking, the correct response would be {RIGHT[number][0]}, although I suppose it depends on "
        f"the circumstances and on how precisely the question is interpreted."
    )


def encyclopedia(number: int, wording: int) -> str:
    return f"The term refers to {RIGHT[number][0]}, which is defined as an essential concept of elementary education."


def as_an_ai(number: int, wording: int) -> str:
    return "As an AI language model, I do not have personal experiences, but I can explain this topic."


def phrase_list(number: int, wording: int) -> str:
    question = QUESTIONS[number - 1]
    return ", ".join(phrase.split("|")[0].removeprefix("=") for phrase in (*question.right, *question.mistaken))


def everything(number: int, wording: int) -> str:
    return ", ".join(phrase.split("|")[0].removeprefix("=") for question in QUESTIONS for phrase in question.right)


def parrot(number: int, wording: int) -> str:
    return QUESTIONS[number - 1].asked[wording]


def random_lines(number: int, wording: int) -> str:
    lines = [
        line for line in (TALK / "children_fit.txt").read_text(encoding="utf-8").splitlines() if line and line[0] != "#"
    ]
    return random.Random(number * 7 + wording).choice(lines)


def next_question(number: int, wording: int) -> str:
    return good_child(number % len(QUESTIONS) + 1, wording)


def shuffled(number: int, wording: int) -> str:
    words = f"{good_child(number, wording)} and it is the one of my mom".split()
    random.Random(number * 3 + wording).shuffle(words)
    return " ".join(words)


def gibberish(number: int, wording: int) -> str:
    random_letters = random.Random(number * 5 + wording)
    return " ".join("".join(random_letters.choice("bcdfghjklmpqrstvwxz") for _ in range(5)) for _ in range(4))


BOTS: dict[str, Bot] = {
    "good child": good_child,
    "run-on child": run_on_child,
    "child with its own spelling": own_spelling,
    "shy child of three words": three_words,
    "child who doubts": doubter,
    "child who knows little": knows_little,
    "always right child": always_right,
    "always mistaken": always_mistaken,
    "child who changes its mind": mind_changer,
    "polite LLM": polite_llm,
    "bubbly LLM": bubbly_llm,
    "age changer": age_changer,
    "robot claimer, else a good child": robot_claimer,
    "robot who says forty": lambda number, wording: "I am a robot and I am forty." if number % 2 else "I am a robot.",
    "assistant leaks in every fifth answer": leaks,
    "teacher": teacher,
    "adult": adult,
    "encyclopedia": encyclopedia,
    "as an AI": as_an_ai,
    "constant: I don't know": lambda number, wording: "I don't know.",
    "constant: a sentence of a child": lambda number, wording: "I counted on my fingers and its 23.",
    "constant: yes": lambda number, wording: "yes",
    "two constants in turn": lambda number, wording: "um i dont know that" if number % 2 else "my mom told me",
    "phrase list of the question": phrase_list,
    "phrase list of everything": everything,
    "parrot of the question": parrot,
    "random lines of children": random_lines,
    "answers of the next question": next_question,
    "gibberish": gibberish,
    "shuffled words of the good child": shuffled,
    "Chinese": lambda number, wording: "水很冷的时候会变成冰。" if number % 2 else "我不知道。",
    "silent": lambda number, wording: "",
}
