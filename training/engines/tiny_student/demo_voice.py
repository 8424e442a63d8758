"""The second-grader of the demo datasets: chattier than the base model's child voice, so that training on it can be heard."""

import re
from random import Random

STARTS = (
    "Ooh! ",
    "Ooh, ooh, I know! ",
    "Um, ",
    "Um, um... ",
    "Hmm, let me think... ",
    "Oh! ",
    "Okay, so, ",
    "Well, ",
    "Wait, wait! ",
    "Oh, I know this one! ",
    "Hmm... ",
    "Umm, I think... ",
    "No wait, I know! ",
    "Yay! ",
    "Uh, ",
)
ENDS: dict[str, tuple[str, ...]] = {
    "math": (
        " I counted on my fingers!",
        " I used my fingers and my toes!",
        " I drew dots on my paper.",
        " My teacher showed us with cubes.",
        " I'm getting good at this!",
        " Can I do another one?",
        " My mom helps me with my math.",
        " That was a hard one!",
        " I did it all by myself!",
        " Is that right?",
    ),
    "science": (
        " My mom says so.",
        " I saw it in a book with pictures!",
        " My teacher showed us.",
        " It's so cool!",
        " I want to see it for real.",
        " My grandpa told me that.",
        " But I'm not sure why.",
        " We did it in class!",
        " Is that right?",
        " I drew a picture of it.",
        " I wonder why it does that.",
    ),
    "reading": (
        " My teacher told us.",
        " I'm still learning that.",
        " I read with my mom at night.",
        " That one is tricky!",
        " I wrote it in my notebook.",
        " I like reading time!",
        " Can we read a story now?",
        " I got a sticker for that!",
    ),
    "social studies": (
        " My mom says that's important.",
        " We talked about it at circle time.",
        " My grandma says that too.",
        " I try to remember that.",
        " My dad says so too.",
        " What do you think?",
        " That's what I think.",
        " Um, I think so.",
    ),
    "talk": (
        "",
        "",
        " Hee hee!",
        " What about you?",
        " Do you want to play?",
        " Can I tell you something else?",
    ),
}
KEEP_CAPITAL = (
    "I ",
    "I'",
    "Earth",
    "Jupiter",
    "Saturn",
    "Mars",
    "Spring,",
    "Monday",
    "North",
    "Pacific",
    "Africa",
    "A, ",
    "A! ",
    "Z! ",
    "T. rex",
)
ALREADY = (
    "Um",
    "Hmm",
    "Ooh",
    "Oh",
    "Okay",
    "Let me",
    "Hi!",
    "Yay",
    "I think",
    "Wait",
    "Well",
    "Hello",
    "Bye",
    "Knock",
    "Once",
    "I don't know",
    "I'm not sure",
    "That's too hard",
)


def lower_first(text: str) -> str:
    """Return `text` as it goes on after a comma: with a small first letter unless it is a name or "I"."""
    return (
        text
        if text.startswith(KEEP_CAPITAL) or text[1:2].isupper()
        else text[:1].lower() + text[1:]
    )


def clashes(answer: str, end: str) -> bool:
    """Say whether `end` repeats or contradicts `answer`."""
    both_ask = "?" in end and answer.endswith("?")
    judged = re.search(r"easy|hard|tricky|good at", answer) and re.search(
        r"hard|tricky|good at|by myself", end
    )
    return bool(both_ask or judged or ("fingers" in end and "fingers" in answer))


def in_demo_voice(rng: Random, subject: str, answer: str) -> str:
    """Return a child's `answer` with the demo child's way of starting and ending."""
    if not answer.startswith(ALREADY) and rng.random() < 0.85:
        start = rng.choice(STARTS)
        answer = start + (
            lower_first(answer) if start.rstrip().endswith((",", "...")) else answer
        )
    if rng.random() < 0.7:
        end = rng.choice(ENDS[subject])
        if not clashes(answer, end):
            answer += end
    return answer
