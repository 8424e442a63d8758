"""Adding, taking away and number stories up to 100. Some sums are never shown in training, so that they can be asked later."""

from random import Random

from tiny_student.lessons import STORY_NAMES, Lesson, Turn, Voice, said_by

THINGS = (
    "apples",
    "balls",
    "cookies",
    "cars",
    "books",
    "flowers",
    "stars",
    "blocks",
    "pencils",
    "shells",
    "stickers",
    "marbles",
    "crayons",
    "grapes",
    "buttons",
    "cards",
    "eggs",
    "rocks",
    "toys",
    "birds",
)
ADD_QUESTIONS = (
    "What is {a} + {b}?",
    "What is {a} plus {b}?",
    "How much is {a} + {b}?",
    "Can you add {a} and {b}?",
    "{a} + {b}",
    "{a} + {b} = ?",
    "What's {a} + {b}?",
    "What do you get when you add {a} and {b}?",
    "Add {a} and {b}.",
    "Can you solve this math problem: {a} + {b} = ?",
    "What happens when you add {a} + {b}?",
    "{a}+{b}",
    "How many is {a} and {b} together?",
    "What does {a} plus {b} make?",
    "Solve {a} + {b}.",
    "What is {a}+{b}?",
    "What is the sum of {a} and {b}?",
    "Try this one: {a} + {b}.",
    "If you have {a} and get {b} more, how many is that?",
    "How would you solve {a} + {b}?",
)
SUBTRACT_QUESTIONS = (
    "What is {a} - {b}?",
    "What is {a} minus {b}?",
    "How much is {a} take away {b}?",
    "{a} - {b} = ?",
    "{a} - {b}",
    "What's {a} - {b}?",
    "Can you solve {a} - {b}?",
    "What is left when you take {b} from {a}?",
    "Subtract {b} from {a}.",
    "What is {a} take away {b}?",
    "Can you solve this math problem: {a} - {b} = ?",
    "Solve {a} - {b}.",
)
STORIES = (
    ("{n} has {a} {t} and gets {b} more. How many {t} now?", "+"),
    ("{n} has {a} {t}. A friend gives {n} {b} more. How many {t} does {n} have?", "+"),
    ("There are {a} {t} on the table and {b} {t} on the floor. How many {t} in all?", "+"),
    ("{n} found {a} {t} in the morning and {b} in the afternoon. How many {t} altogether?", "+"),
    ("{n} has {a} {t} and loses {b}. How many {t} are left?", "-"),
    ("There were {a} {t}. {n} took {b} away. How many {t} are left?", "-"),
    ("{n} had {a} {t} and gave {b} to a friend. How many {t} does {n} have now?", "-"),
    ("{n} has {a} {t}. You have {b}. How many more does {n} have?", "-"),
)


def is_held_out(a: int, b: int) -> bool:
    """Say whether training text never asks for the sum of `a` and `b` (in either order): about one pair in eleven."""
    low, high = sorted((a, b))
    # 11 and not 10: a rule modulo ten would hold back whole pairs of digits, which then could not be learned at all.
    return (
        (low * 5 + high * 3) % 11 == 1
        and (low, high) not in {(7, 8), (8, 15)}
        and 0 < low < high
    )


def pick_pair(rng: Random, held_out: bool = False) -> tuple[int, int]:
    """Return two numbers whose sum is at most 100; only held-out pairs, or only the others."""
    while True:
        size = rng.random()
        if size < 0.42:
            a, b = rng.randint(1, 12), rng.randint(1, 10)
        elif size < 0.76:
            a, b = rng.randint(10, 90), rng.randint(1, 9)
        else:
            a = rng.randint(10, 80)
            b = rng.randint(10, 90)
        if rng.random() < 0.15:
            a, b = b, a
        if a + b <= 100 and is_held_out(a, b) == held_out:
            return a, b


def counted(start: int, steps: int) -> str:
    """Return the numbers said while counting on (steps > 0) or back (steps < 0), e.g. "16, 17, 18"."""
    sign = 1 if steps > 0 else -1
    return ", ".join(str(start + sign * i) for i in range(1, abs(steps) + 1))


def split_sum(a: int, b: int) -> str:
    """Return how tens and ones add up, e.g. "20 + 30 = 50 and 4 + 7 = 11, so 24 + 37 = 61"."""
    tens, ones = a // 10 * 10 + b // 10 * 10, a % 10 + b % 10
    if tens == 0 or a % 10 == 0 or b % 10 == 0:
        return f"{a} + {b} = {a + b}"
    if min(a, b) < 10:
        return (
            f"{a % 10} + {b % 10} = {ones} and {tens} + {ones} = {a + b}, so {a} + {b} = {a + b}"
        )
    return f"{a // 10 * 10} + {b // 10 * 10} = {tens} and {a % 10} + {b % 10} = {ones}, so {a} + {b} = {a + b}"


def begun(start: int, steps: int) -> str:
    """Return the first numbers of counting on or back; a long count trails off, as children's counting does."""
    sign = 1 if steps > 0 else -1
    return f"{counted(start, steps)}!" if abs(steps) <= 4 else f"{counted(start, sign * 3)}..."


def child_sum(rng: Random, a: int, b: int) -> str:
    """Return a second-grader's way to add: counting on, making ten, splitting, sometimes a slip that is put right."""
    high, low, total = max(a, b), min(a, b), a + b
    worked = f"{a} + {b} is {total}!"
    ways = [
        f"It's {total}! I counted on my fingers.",
        f"I used my fingers! {worked}",
        f"Hmm... {worked}",
        f"Is it {total - 1}? No wait, {worked}",
    ]
    if low > 9:
        ways += [
            f"That's a big one! I did the tens first and then the ones. {worked}",
            f"Um, I think {worked}",
        ]
    else:
        ways += [
            f"Let me count... {high}, {begun(high, low)} {worked}",
            f"Let me count... {begun(high, low)} It's {total}!",
            f"I start at {high} and count {low} more: {begun(high, low)} {worked}",
            f"Let me count... First I get to {high}, then I count {low} more: {begun(high, low)} It's {total}!",
        ]
    if high < 10 < total:
        ways.append(f"I know {high} + {10 - high} is 10, and then {total - 10} more. {worked}")
    return rng.choice(ways)


def child_difference(rng: Random, a: int, b: int) -> str:
    """Return a second-grader's way to take `b` from `a`."""
    left = a - b
    worked = f"{a} - {b} is {left}!"
    ways = [
        f"Um, I think {worked}",
        f"It's {left}! Taking away is hard for me.",
        f"{worked} I drew circles and crossed out {b}.",
        f"Hmm... {worked}",
    ]
    if 0 < b <= 9:
        ways += [
            f"I count back from {a}: {begun(a, -b)} {worked}",
            f"Let me go back... {begun(a, -b)} It's {left}!",
        ]
    return rng.choice(ways)


def plain_result(rng: Random, a: int, sign: str, b: int, result: int) -> str:
    """Return a neutral answer to a sum or a difference."""
    worked = f"{a} {sign} {b} = {result}."
    word = "plus" if sign == "+" else "minus"
    return rng.choice(
        (
            f"{worked} The answer is {result}.",
            f"{worked} The answer is {result}.",
            f"{worked} The answer is {result}.",
            worked,
            f"The answer is {result}.",
            f"{a} {word} {b} is {result}.",
        )
    )


HOW = (
    "How did you get that?",
    "How do you know?",
    "How did you figure that out?",
    "Show me how.",
)
OTHER_WAY = (
    "Can you think of another way to solve it?",
    "Good counting! Is there another way?",
    "Is there another way?",
)
CHECK = ("Are you sure?", "Is that right?", "Can you check it?")
ONE_MORE = ("Now add {more} more.", "What if you add {more} more?", "And {more} more?")
"""What a teacher asks after a sum."""


def sum_follow_ups(rng: Random, voice: Voice, a: int, b: int) -> list[Turn]:
    """Return what a teacher asks after a sum, with answers: how, another way, sure?, some more."""
    total, high, low = a + b, max(a, b), min(a, b)
    split = f"{split_sum(a, b)}."
    on, child_on = split, "I did the tens first and then the ones!"
    if low <= 9:
        on = f"Count on from {high}: {counted(high, low)}."
        child_on = f"I counted on! {high}, then {counted(high, low)}."
    more = rng.choice([n for n in range(1, 6) if not is_held_out(total, n)])
    new_total = total + more
    asked = (
        (HOW, (split, on), (child_on, f"I counted in my head. It's {total}!")),
        (
            OTHER_WAY,
            (f"You can turn it around. {b} + {a} is also {total}.", split),
            (f"Oh! I can flip it! {b} + {a} is {total} too!", child_on),
        ),
        (
            CHECK,
            (f"Yes. {a} + {b} = {total}.",),
            (f"Um, yes! I counted again and it's {total}!",),
        ),
        (
            ONE_MORE,
            (f"{total} + {more} = {new_total}.",),
            (f"{counted(total, more)}! It's {new_total}!",),
        ),
    )
    return [
        Turn(rng.choice(asks).format(more=more), said_by(voice, plain, child, rng))
        for asks, plain, child in asked
    ]


def addition(rng: Random, voice: Voice) -> Lesson:
    """Make a lesson about one sum."""
    a, b = pick_pair(rng)
    answer = (
        plain_result(rng, a, "+", b, a + b) if voice is Voice.PLAIN else child_sum(rng, a, b)
    )
    turns = [Turn(rng.choice(ADD_QUESTIONS).format(a=a, b=b), answer)]
    if rng.random() < 0.3:
        turns += rng.sample(sum_follow_ups(rng, voice, a, b), rng.choice((1, 1, 2)))
    return Lesson("math", f"add {a} {b}", tuple(turns))


def subtraction(rng: Random, voice: Voice) -> Lesson:
    """Make a lesson about one difference."""
    b, rest = pick_pair(rng)
    a = b + rest
    answer = (
        plain_result(rng, a, "-", b, rest)
        if voice is Voice.PLAIN
        else child_difference(rng, a, b)
    )
    turns = [Turn(rng.choice(SUBTRACT_QUESTIONS).format(a=a, b=b), answer)]
    if rng.random() < 0.2:
        check = said_by(
            voice,
            (f"Check by adding: {rest} + {b} = {a}.",),
            (f"I checked! {rest} and {b} makes {a}!",),
            rng,
        )
        turns.append(
            Turn(
                rng.choice(("How do you know?", "Are you sure?", "How can you check it?")), check
            )
        )
    return Lesson("math", f"subtract {a} {b}", tuple(turns))


def number_story(rng: Random, voice: Voice) -> Lesson:
    """Make a lesson about a word problem."""
    name, things = rng.choice(STORY_NAMES), rng.choice(THINGS)
    text, sign = rng.choice(STORIES)
    a, b = pick_pair(rng)
    if a > 30 or b > 20:
        a, b = rng.randint(2, 12), rng.randint(1, 9)
        if is_held_out(a, b):
            a, b = b, b
    if sign == "-":
        a = a + b
    result = a + b if sign == "+" else a - b
    worked = child_sum(rng, a, b) if sign == "+" else child_difference(rng, a, b)
    equation = f"{a} {sign} {b} = {result}"
    plain = (
        f"{equation}. The answer is {result} {things}.",
        f"{equation}, so the answer is {result} {things}.",
        f"The answer is {result} {things}.",
    )
    child = (
        worked,
        f"{worked} {result} {things}!",
        f"I drew the {things} and counted. {equation}. {result} {things}!",
    )
    return Lesson(
        "math",
        f"story {things} {a} {sign} {b}",
        (Turn(text.format(n=name, a=a, b=b, t=things), said_by(voice, plain, child, rng)),),
    )


def three_numbers(rng: Random, voice: Voice) -> Lesson:
    """Make a lesson about adding three small numbers."""
    a, b, c = 1, 1, 1
    while (a, b, c) == (1, 1, 1) or is_held_out(a, b) or is_held_out(a + b, c):
        a, b, c = (rng.randint(1, 9) for _ in range(3))
    question = rng.choice(
        ("What is {a} + {b} + {c}?", "Can you add {a}, {b} and {c}?", "{a} + {b} + {c} = ?")
    ).format(a=a, b=b, c=c)
    total = a + b + c
    plain = (
        f"{a} + {b} = {a + b}, and {a + b} + {c} = {total}. The answer is {total}.",
        f"The answer is {total}.",
    )
    child = (
        f"{a} and {b} is {a + b}. {a + b} + {c} is {total}!",
        f"Three numbers! Um... {a} + {b} is {a + b}, and {c} more is {total}!",
    )
    return Lesson(
        "math", f"three {a} {b} {c}", (Turn(question, said_by(voice, plain, child, rng)),)
    )
