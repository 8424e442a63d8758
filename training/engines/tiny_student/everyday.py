"""Second-grade measuring: time, the calendar, money, length and shapes, all made from small tables."""

from random import Random

from tiny_student.lessons import Lesson, Turn, Voice, said_by

DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
COINS = {"penny": 1, "nickel": 5, "dime": 10, "quarter": 25}
PLURALS = {"penny": "pennies", "nickel": "nickels", "dime": "dimes", "quarter": "quarters"}
SHAPES = {"triangle": 3, "square": 4, "rectangle": 4, "pentagon": 5, "hexagon": 6, "octagon": 8}
LONG_AND_SHORT = (
    ("a bus", "a bike"),
    ("a tree", "a flower"),
    ("an elephant", "a mouse"),
    ("a river", "a puddle"),
    ("a bed", "a shoe"),
    ("a whale", "a fish"),
    ("a house", "a tent"),
    ("a rope", "a pencil"),
    ("a horse", "a cat"),
    ("a door", "a book"),
)
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def calendar(rng: Random, voice: Voice) -> Lesson:
    """Days and months: what comes next, before, how many."""
    names, kind = rng.choice(((DAYS, "day"), (MONTHS, "month")))
    i = rng.randrange(len(names))
    name, after, before = names[i], names[(i + 1) % len(names)], names[i - 1]
    asked = rng.choice(
        (
            (
                f"What {kind} comes after {name}?",
                f"{after} comes after {name}.",
                f"{name}, {after}! It's {after}!",
            ),
            (
                f"What {kind} comes before {name}?",
                f"{before} comes before {name}.",
                f"Um, {before}! I sang the song in my head.",
            ),
            (
                f"If today is {DAYS[i % 7]}, what is tomorrow?",
                f"Tomorrow is {DAYS[(i + 1) % 7]}.",
                f"Tomorrow is {DAYS[(i + 1) % 7]}! I can't wait!",
            ),
            (
                "How many days are in a week?",
                "There are 7 days in a week.",
                "Seven! I know the days song!",
            ),
            (
                "How many months are in a year?",
                "There are 12 months in a year.",
                "Twelve months! My birthday is in one of them!",
            ),
            (
                "What are the days of the week?",
                f"{', '.join(DAYS)}.",
                f"{', '.join(DAYS)}! I sang it!",
            ),
        )
    )
    return Lesson(
        "math",
        f"calendar {asked[0]}",
        (Turn(asked[0], asked[1] if voice is Voice.PLAIN else asked[2]),),
    )


def clock(rng: Random, voice: Voice) -> Lesson:
    """Reading a clock to the hour and half hour, and short spans of time."""
    h, more = rng.randint(1, 9), rng.randint(1, 3)
    asked = rng.choice(
        (
            (
                f"The short hand is on {h} and the long hand is on 12. What time is it?",
                f"It is {h} o'clock.",
                f"It's {h} o'clock! The short hand is the hour!",
            ),
            (
                f"The long hand is on 6 and the short hand is just past {h}. What time is it?",
                f"It is {h}:30.",
                f"Half past {h}! The long hand is at the bottom!",
            ),
            (
                f"It is {h} o'clock. What time is it in {more} hours?",
                f"It will be {h + more} o'clock.",
                f"I count the hours. It will be {h + more} o'clock!",
            ),
            (
                "How many minutes are in an hour?",
                "There are 60 minutes in an hour.",
                "Sixty! That's a lot of minutes!",
            ),
            (
                "How many hours are in a day?",
                "There are 24 hours in a day.",
                "24 hours! And I sleep for ten of them.",
            ),
            (
                "Which hand on the clock is the hour hand?",
                "The short hand shows the hour.",
                "The short one! I mix them up sometimes.",
            ),
        )
    )
    return Lesson(
        "math",
        f"clock {asked[0]}",
        (Turn(asked[0], asked[1] if voice is Voice.PLAIN else asked[2]),),
    )


def money(rng: Random, voice: Voice) -> Lesson:
    """Coins: what one is worth, a few of one kind, change from a small sum."""
    coin, worth = rng.choice(list(COINS.items()))
    n = rng.randint(2, 6 if worth < 25 else 4)
    price = rng.randint(2, 9)
    cents, coins = f"{worth} cent{'s' * (worth > 1)}", f"{n} {PLURALS[coin]}"
    run = ", ".join(str(worth * i) for i in range(1, n + 1))
    change = f"{10 - price} dollar{'s' * (price < 9)}"
    pay = f"A toy costs {price} dollars. You pay with 10 dollars. How much do you get back?"
    back = f"I count up from {price} to 10. I get {change} back!"
    question, plain, child = rng.choice(
        (
            (
                f"How much is a {coin} worth?",
                f"A {coin} is worth {cents}.",
                f"A {coin} is {cents}! I have some in my piggy bank!",
            ),
            (
                f"How much is {coins}?",
                f"{coins} are worth {n * worth} cents.",
                f"I count {run}. It's {n * worth} cents!",
            ),
            (pay, f"You get {change} back.", back),
            (
                "How many cents are in a dollar?",
                "There are 100 cents in a dollar.",
                "A hundred! That's a lot of pennies!",
            ),
            (
                "Which is worth more, a dime or a nickel?",
                "A dime is worth more than a nickel.",
                "The dime! But it's so tiny, that's silly!",
            ),
        )
    )
    return Lesson(
        "math", f"money {question}", (Turn(question, plain if voice is Voice.PLAIN else child),)
    )


def shapes(rng: Random, voice: Voice) -> Lesson:
    """Sides and corners of flat shapes, and how shapes differ."""
    shape, sides = rng.choice(list(SHAPES.items()))
    a_shape = f"{'an' if shape == 'octagon' else 'a'} {shape}"
    the_shape = a_shape[:1].upper() + a_shape[1:]
    part = rng.choice(("sides", "corners"))
    run = ", ".join(str(i) for i in range(1, sides + 1))
    asked = rng.choice(
        (
            (
                f"How many {part} does {a_shape} have?",
                f"{the_shape} has {sides} {part}.",
                f"Let me count... {run}. {the_shape} has {sides} {part}!",
            ),
            (
                f"How many {part} are on {a_shape}?",
                f"{the_shape} has {sides} {part}.",
                f"{run}! It has {sides}!",
            ),
            (
                f"What shape has {sides} sides?",
                f"{the_shape} has {sides} sides.",
                f"Ooh, {a_shape}! I drew one!",
            ),
            (
                "How many corners does a circle have?",
                "A circle has no corners.",
                "None! A circle is all round!",
            ),
            (
                "How is a square different from a rectangle?",
                "All four sides of a square are the same length.",
                "A square has all the same sides. A rectangle is like a long square!",
            ),
            (
                "What is a triangle?",
                "A triangle is a shape with three sides and three corners.",
                "It has three sides and it's pointy, like a slice of pizza!",
            ),
            (
                "What is a circle?",
                "A circle is a round shape with no corners.",
                "It's round like a cookie!",
            ),
            (
                "What is a square?",
                "A square is a shape with four equal sides.",
                "It has four sides and they're all the same!",
            ),
        )
    )
    return Lesson(
        "math",
        f"shape {asked[0]}",
        (Turn(asked[0], asked[1] if voice is Voice.PLAIN else asked[2]),),
    )


def length(rng: Random, voice: Voice) -> Lesson:
    """Longer and shorter things."""
    long, short = rng.choice(LONG_AND_SHORT)
    first, second = rng.sample((long, short), 2)
    word, found = rng.choice(
        (("longer", long), ("bigger", long), ("smaller", short), ("shorter", short))
    )
    found_plain = f"{found} is {word}."
    plain = (found_plain[:1].upper() + found_plain[1:],)
    child = (f"{found[:1].upper() + found[1:]}! That's easy!", f"I think {found} is {word}!")
    return Lesson(
        "math",
        f"length {long} {word}",
        (Turn(f"Which is {word}, {first} or {second}?", said_by(voice, plain, child, rng)),),
    )


def alphabet(rng: Random, voice: Voice) -> Lesson:
    """Which letter comes after or before another; vowels."""
    i = rng.randrange(1, 25)
    letter, after, before = LETTERS[i], LETTERS[i + 1], LETTERS[i - 1]
    vowel = letter in "AEIOU"
    asked = rng.choice(
        (
            (
                f"What letter comes after {letter}?",
                f"{after} comes after {letter}.",
                f"{letter}, {after}! I sang my ABCs!",
            ),
            (
                f"What letter comes before {letter}?",
                f"{before} comes before {letter}.",
                f"Um... {before}! I had to start at A.",
            ),
            (
                f"Is {letter} a vowel?",
                f"{'Yes' if vowel else 'No'}, {letter} is {'a vowel' if vowel else 'a consonant'}.",
                f"{'Yes' if vowel else 'No'}! The vowels are A, E, I, O and U!",
            ),
        )
    )
    return Lesson(
        "reading",
        f"alphabet {asked[0]}",
        (Turn(asked[0], asked[1] if voice is Voice.PLAIN else asked[2]),),
    )
