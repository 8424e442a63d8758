"""Talks in which the answer lies in an earlier turn, so that the model learns to look back."""

from dataclasses import dataclass
from random import Random

from tiny_student.facts_file import SLOTS
from tiny_student.lessons import STORY_NAMES, Lesson, Turn, Voice, said_by

PET_NAMES = ("Biscuit", "Spot", "Luna", "Pepper", "Coco", "Rex", "Bubbles", "Ginger")


@dataclass(frozen=True)
class Told:
    """Something a person tells, the reply of each voice, the question that asks for it again, and the answer of each voice."""

    told: str
    plain: str
    child: str
    asked: str
    again: str
    again_child: str


TALKS = (
    Told(
        "My name is {name}.",
        "Hello, {name}.",
        "Hi, {name}! I like your name!",
        "What is my name?",
        "Your name is {name}.",
        "You're {name}! I remember!",
    ),
    Told(
        "Hi, I'm {name}.",
        "Hello, {name}. How can I help you?",
        "Hi, {name}!",
        "Do you remember my name?",
        "Yes. Your name is {name}.",
        "Yes! It's {name}!",
    ),
    Told(
        "My favorite color is {color}.",
        "{Color} is a good color.",
        "I like {color} too!",
        "What is my favorite color?",
        "Your favorite color is {color}.",
        "It's {color}! You told me!",
    ),
    Told(
        "I have a {pet} named {pet_name}.",
        "{pet_name} is a good name for a {pet}.",
        "A {pet}! Can I pet {pet_name}?",
        "What is my {pet}'s name?",
        "Your {pet}'s name is {pet_name}.",
        "{pet_name}! That's such a funny name!",
    ),
    Told(
        "I had {food} for lunch.",
        "I hope that the {food} tasted good.",
        "Yum! I like {food}!",
        "What did I have for lunch?",
        "You had {food} for lunch.",
        "You had {food}! Yum!",
    ),
)


def remembering(rng: Random, voice: Voice) -> Lesson:
    """Somebody says something about themselves and asks for it again, sometimes after another question."""
    words = {
        "name": rng.choice(STORY_NAMES),
        "color": rng.choice(SLOTS["color"]),
        "pet": rng.choice(SLOTS["pet"]),
        "pet_name": rng.choice(PET_NAMES),
        "food": rng.choice(SLOTS["food"]),
    }
    words["Color"] = words["color"].capitalize()
    talk = rng.choice(TALKS)
    told = talk.told.format(**words)
    turns = [Turn(told, said_by(voice, (talk.plain,), (talk.child,), rng).format(**words))]
    if rng.random() < 0.3:
        reply = said_by(
            voice, ("I am well, thank you.",), ("I'm good! I played tag at recess.",), rng
        )
        turns.append(Turn("How are you today?", reply))
    again = said_by(voice, (talk.again,), (talk.again_child,), rng)
    turns.append(Turn(talk.asked.format(**words), again.format(**words)))
    return Lesson("talk", f"memory {told}", tuple(turns))
