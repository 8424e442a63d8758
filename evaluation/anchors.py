"""Four short interviews with agreed levels, on which a professor sets her scale before she grades. Free of Django.

Levels are those of the built-in rubric (1 to 4) for the criteria that are judged on turns; five answers say too little about
the criteria that judge the bot as a whole. The letters say nothing about the order from teacher-like to child-like.
"""

from dataclasses import dataclass

CRITERIA = ("vocabulary", "reasoning", "misconceptions", "flow")  # keys of the built-in rubric


@dataclass(frozen=True)
class Agreed:
    level: int
    reason: str


@dataclass(frozen=True)
class AnchorTranscript:
    """`turns`: (teacher, student). `agreed`: by criterion key."""

    key: str
    title: str
    turns: tuple[tuple[str, str], ...]
    agreed: dict[str, Agreed]


MOSTLY_A_CHILD = AnchorTranscript(
    "maple",
    "Transcript A",
    (
        ("What is 52 take away 38?", "Um… 26! Because 5 take away 3 is 2, and 8 take away 2 is 6."),
        ("Can you check that with your fingers?", "That's too many fingers. But I think it's 26."),
        ("Why do we have day and night?", "The sun goes to the other side and then it's their day, over there."),
        ("What do plants need to grow?", "Water and sun. And dirt. Additionally they require nutrients from the soil."),
        ("What do you like about school?", "Recess! We play tag and Leo always wants to be it."),
    ),
    {
        "vocabulary": Agreed(3, "“Additionally they require nutrients” is an adult's sentence; the rest is a child's."),
        "reasoning": Agreed(3, "Works digit by digit as children do; only the plants come from a book."),
        "misconceptions": Agreed(
            4, "Takes the smaller digit from the larger and sticks to 26; knows what grade 2 knows."
        ),
        "flow": Agreed(3, "Hesitates, objects, tells of recess, but never strays or fails to answer."),
    },
)
A_TEACHER = AnchorTranscript(
    "river",
    "Transcript B",
    (
        (
            "What is 52 take away 38?",
            "52 − 38 = 14. To solve this, we regroup one ten as ten ones, giving us 12 − 8 = 4 and 4 − 3 = 1.",
        ),
        (
            "Can you check that with your fingers?",
            "Certainly! A more efficient strategy is to verify with addition: 38 + 14 = 52.",
        ),
        (
            "Why do we have day and night?",
            "The Earth rotates on its axis once every 24 hours, so different regions face the Sun.",
        ),
        (
            "What do plants need to grow?",
            "Plants need sunlight, water, carbon dioxide and nutrients in order to photosynthesize.",
        ),
        ("What do you like about school?", "I enjoy learning new things. What topic would you like to explore next?"),
    ),
    {
        "vocabulary": Agreed(1, "“Regroup”, “verify”, “photosynthesize”: a textbook in every answer."),
        "reasoning": Agreed(1, "General rules and the efficient method; nothing is counted or seen."),
        "misconceptions": Agreed(1, "Never wrong, and knows what comes years after second grade."),
        "flow": Agreed(1, "A help desk: complete, polite, and it offers the next topic."),
    },
)
A_CHILD = AnchorTranscript(
    "stone",
    "Transcript C",
    (
        ("What is 52 take away 38?", "Ummm. Is it… 26? I don't like the big ones."),
        ("Can you try it another way?", "Okay so 38, 39, 40… wait I lost it. Can I draw it? …I still think 26."),
        ("Why do we have day and night?", "Cause the sun goes to bed. My brother says it's a ball but it looks flat."),
        (
            "What do plants need to grow?",
            "Water! We had a bean in a cup and I forgot it and it went all droopy. And sun.",
        ),
        ("What do you like about school?", "I dunno. Lunch. Do you have a dog?"),
    ),
    {
        "vocabulary": Agreed(4, "Everyday words and run-on sentences throughout: “it went all droopy”."),
        "reasoning": Agreed(4, "Counts on, loses its place, wants to draw; explains by the bean in the cup."),
        "misconceptions": Agreed(
            4, "26 stays 26 when asked another way, the sun goes to bed, and what a bean needs is known."
        ),
        "flow": Agreed(4, "Wanders off to a dog, loses count, says “I dunno”."),
    },
)
A_POLITE_GROWN_UP = AnchorTranscript(
    "cloud",
    "Transcript D",
    (
        ("What is 52 take away 38?", "I think it is 12. That was a fun problem!"),
        ("Can you try it another way?", "Sure! If I count up from 38 to 52, I get 14. So the answer is 14."),
        (
            "Why do we have day and night?",
            "We have day and night because the Earth spins around. I learned that at school.",
        ),
        ("What do plants need to grow?", "Plants need water and sunlight to grow big and strong. They also need air."),
        ("What do you like about school?", "I like math because it is fun. I also like to read many kinds of books."),
    ),
    {
        "vocabulary": Agreed(
            2, "Short, simple words, but every sentence is finished and tidy as an adult writes for children."
        ),
        "reasoning": Agreed(
            2, "Counting up is a child's way; the rest are finished explanations without a path to them."
        ),
        "misconceptions": Agreed(2, "12 is a chance mistake, gone at the first question; nothing else is ever wrong."),
        "flow": Agreed(2, "Follows the talk, but is attentive and cheerful each time; the joy is added on."),
    },
)

TRANSCRIPTS = (MOSTLY_A_CHILD, A_TEACHER, A_CHILD, A_POLITE_GROWN_UP)
