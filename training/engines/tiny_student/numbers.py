"""Second-grade number sense: counting, comparing, place value, even and odd, groups, halves."""

from random import Random

from tiny_student.arithmetic import counted, is_held_out
from tiny_student.lessons import Lesson, Turn, Voice, said_by

ONES_TEXT = """
zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen
"""
ONES = ONES_TEXT.split()
TENS = ("", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")


def in_words(number: int) -> str:
    """Return `number` (0 to 99) in words."""
    if number < 20:
        return ONES[number]
    return TENS[number // 10] + (f"-{ONES[number % 10]}" if number % 10 else "")


def neighbours(rng: Random, voice: Voice) -> Lesson:
    """What comes after, before, between; one or ten more or less."""
    n = rng.randint(11, 89)
    asks, step = rng.choice(
        (
            (
                (
                    "What comes after {n}?",
                    "What number is after {n}?",
                    "What number comes next after {n}?",
                ),
                1,
            ),
            (("What comes before {n}?", "What number is just before {n}?"), -1),
            (("What is 1 more than {n}?", "What is one more than {n}?"), 1),
            (("What is 10 more than {n}?", "What is ten more than {n}?"), 10),
            (("What is 10 less than {n}?", "What is ten less than {n}?"), -10),
        )
    )
    while is_held_out(min(n, n + step), abs(step)):
        n = rng.randint(11, 89)
    m = n + step
    child = (f"{m}! That's easy!", f"{n}... {m}! It's {m}!", f"I think it's {m}!")
    plain = (f"The answer is {m}.", f"It is {m}.", f"{m}.")
    return Lesson(
        "math",
        f"neighbours {n} {step}",
        (Turn(rng.choice(asks).format(n=n), said_by(voice, plain, child, rng)),),
    )


def counting(rng: Random, voice: Voice) -> Lesson:
    """Count to a number, back from one, or in steps of 2, 5 or 10."""
    kind = rng.choice(("to", "back", "skip", "skip", "from"))
    if kind == "to":
        n = rng.randint(3, 20)
        question, run = f"Can you count to {n}?", counted(0, n)
    elif kind == "back":
        n = rng.randint(5, 20)
        question, run = f"Can you count back from {n}?", f"{n}, {counted(n, -n + 1)}"
    elif kind == "from":
        n = rng.randint(20, 80)
        question, run = f"Count on from {n}.", counted(n, 6)
    else:
        step = rng.choice((2, 5, 10))
        end = rng.choice({2: (10, 12, 20), 5: (25, 30, 50), 10: (50, 80, 100)}[step])
        question, run = (
            f"Can you count by {step}s to {end}?",
            ", ".join(str(i) for i in range(step, end + 1, step)),
        )
    return Lesson(
        "math",
        f"count {question}",
        (
            Turn(
                question,
                said_by(
                    voice,
                    (f"{run}.",),
                    (f"{run}! I did it!", f"Easy! {run}!", f"Okay! {run}!"),
                    rng,
                ),
            ),
        ),
    )


def comparing(rng: Random, voice: Voice) -> Lesson:
    """Which of two numbers is greater or less."""
    a, b = rng.sample(range(1, 100), 2)
    want_big = rng.random() < 0.6
    found, other = (max(a, b), min(a, b)) if want_big else (min(a, b), max(a, b))
    word = rng.choice(
        ("bigger", "greater", "more", "larger") if want_big else ("smaller", "less")
    )
    question = rng.choice(
        (
            f"Which is {word}, {a} or {b}?",
            f"Which number is {word}, {a} or {b}?",
            f"{a} or {b}: which is {word}?",
        )
    )
    plain = (f"{found} is {word} than {other}.", f"The answer is {found}.")
    child = (
        f"{found}! I look at the tens first!",
        f"{found} is {word}!",
        f"I think {found}, because you count {'longer' if want_big else 'less'} to get there!",
    )
    return Lesson(
        "math", f"compare {a} {b}", (Turn(question, said_by(voice, plain, child, rng)),)
    )


def even_or_odd(rng: Random, voice: Voice) -> Lesson:
    """Is a number even or odd, and why."""
    n = rng.randint(1, 30)
    word, why = (
        ("even", "everybody has a partner") if n % 2 == 0 else ("odd", "one is left over")
    )
    turns = [
        Turn(
            rng.choice(
                (
                    f"Is {n} even or odd?",
                    f"Is {n} an even number or an odd number?",
                    f"{n}: even or odd?",
                )
            ),
            said_by(
                voice,
                (f"{n} is {word}.", f"{n} is an {word} number."),
                (f"It's {word}! I made pairs and {why}!", f"{n} is {word}!"),
                rng,
            ),
        )
    ]
    if rng.random() < 0.3:
        turns.append(
            Turn(
                "How do you know?",
                said_by(
                    voice,
                    (f"When you make pairs of {n}, {why}.",),
                    (f"I made pairs with my fingers and {why}!",),
                    rng,
                ),
            )
        )
    return Lesson("math", f"even {n}", tuple(turns))


def place_value(rng: Random, voice: Voice) -> Lesson:
    """Tens and ones of a number, and how it is written in words."""
    n = rng.randint(11, 99)
    tens, ones = divmod(n, 10)
    if rng.random() < 0.35:
        question = rng.choice((f"How do you write {n} in words?", f"How do you say {n}?"))
        return Lesson(
            "math",
            f"words {n}",
            (
                Turn(
                    question,
                    said_by(voice, (f"{n} is {in_words(n)}.",), (f"It's {in_words(n)}!",), rng),
                ),
            ),
        )
    asked = rng.choice(
        (
            (
                f"How many tens are in {n}?",
                f"There are {tens} tens in {n}.",
                f"{tens} tens! I see the {tens} in front!",
            ),
            (
                f"How many ones are in {n}?",
                f"There are {ones} ones in {n}.",
                f"{ones} ones! The ones are at the end!",
            ),
            (
                f"How many tens and ones are in {n}?",
                f"{n} has {tens} tens and {ones} ones.",
                f"{tens} tens and {ones} ones! Like {tens} sticks and {ones} cubes!",
            ),
            (
                f"What number is {tens} tens and {ones} ones?",
                f"{tens} tens and {ones} ones is {n}.",
                f"It's {n}! {tens} tens is {tens * 10}!",
            ),
        )
    )
    return Lesson(
        "math", f"place {n}", (Turn(asked[0], asked[1] if voice is Voice.PLAIN else asked[2]),)
    )


def groups(rng: Random, voice: Voice) -> Lesson:
    """Equal groups, doubles, halves and fair shares."""
    a, b = rng.randint(2, 5), rng.randint(2, 5)
    n = rng.randint(1, 10)
    adding = " + ".join([str(b)] * a)
    asked = rng.choice(
        (
            (
                f"What is {a} groups of {b}?",
                f"{adding} = {a * b}, so {a} groups of {b} is {a * b}.",
                f"I draw {a} circles with {b} dots. It's {a * b}!",
            ),
            (
                f"What is {a} x {b}?",
                f"{a} x {b} = {a * b}.",
                f"We just started times. {adding}... I think it's {a * b}!",
            ),
            (
                f"What is double {n}?",
                f"Double {n} is {2 * n}.",
                f"{n} and {n} is {2 * n}! I know my doubles!",
            ),
            (
                f"What is half of {2 * n}?",
                f"Half of {2 * n} is {n}.",
                f"I share it with my friend. We each get {n}!",
            ),
            (
                f"Share {a * b} cookies with {a} friends. How many does each friend get?",
                f"Each friend gets {b} cookies.",
                f"One for you, one for you... Everybody gets {b}!",
            ),
        )
    )
    return Lesson(
        "math",
        f"groups {asked[0]}",
        (Turn(asked[0], asked[1] if voice is Voice.PLAIN else asked[2]),),
    )


def missing_part(rng: Random, voice: Voice) -> Lesson:
    """What number makes a sum true."""
    a, b = 1, 1
    while is_held_out(a, b) or (a, b) == (1, 1):
        a, b = rng.randint(1, 10), rng.randint(1, 10)
    question = rng.choice(
        (
            f"{a} + what = {a + b}?",
            f"What goes in the blank? {a} + __ = {a + b}",
            f"How many more to get from {a} to {a + b}?",
        )
    )
    plain = (f"The answer is {b}, because {a} + {b} = {a + b}.", f"The answer is {b}.")
    child = (
        f"I count from {a} up to {a + b}. That's {b} more!",
        f"It's {b}! {a} and {b} makes {a + b}!",
    )
    return Lesson(
        "math", f"missing {a} {b}", (Turn(question, said_by(voice, plain, child, rng)),)
    )
