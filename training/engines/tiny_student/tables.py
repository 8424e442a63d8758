"""Lessons made from small tables of facts: opposites, rhymes, spelling, colors, animals and the kinds of things."""

from random import Random

from tiny_student.lessons import Lesson, Turn, Voice, said_by

OPPOSITES_TEXT = """
big-small hot-cold up-down day-night happy-sad fast-slow wet-dry open-closed loud-quiet tall-short new-old in-out hard-soft
light-dark full-empty on-off early-late near-far first-last clean-dirty strong-weak left-right push-pull easy-difficult
thick-thin good-bad over-under begin-end awake-asleep heavy-light young-old rough-smooth sweet-sour front-back win-lose
laugh-cry give-take love-hate rich-poor deep-shallow sharp-dull brave-scared kind-mean noisy-quiet start-stop
"""
RHYMES_TEXT = """
cat-hat-bat-mat dog-frog-log-fog sun-fun-run-bun bee-tree-see-me star-car-far-jar cake-lake-snake-rake
moon-spoon-soon-noon ball-wall-tall-fall bed-red-sled-head pig-wig-big-dig hen-ten-pen-men fish-dish-wish-swish
king-ring-sing-wing boat-goat-coat-float rain-train-brain-chain book-look-cook-hook night-light-bright-kite
bear-chair-hair-pear mouse-house-blouse duck-truck-luck-stuck bug-rug-hug-mug box-fox-socks-rocks snow-grow-blow-crow
sock-rock-clock-lock ship-trip-lip-chip play-day-hay-say shoe-blue-glue-zoo nose-rose-toes-hose
"""
SPELLING_TEXT = """
cat dog sun map hat red big run jump fish frog tree ball book star moon milk cake snow rain bird duck blue green house
school friend because apple happy water mother said they when where went night light play train chair shoe under after
little funny yellow purple animal teacher people garden winter summer music pencil paper banana orange rabbit tiger
"""
OPPOSITES = tuple(pair.split("-") for pair in OPPOSITES_TEXT.split())
RHYMES = tuple(family.split("-") for family in RHYMES_TEXT.split())
SPELLING = SPELLING_TEXT.split()
COLORS = {
    "the grass": "green",
    "the sun": "yellow",
    "snow": "white",
    "a banana": "yellow",
    "an apple": "red",
    "a frog": "green",
    "a carrot": "orange",
    "a pumpkin": "orange",
    "a grape": "purple",
    "a cloud": "white",
    "a tomato": "red",
    "a leaf": "green",
    "a pig": "pink",
    "chocolate": "brown",
    "a fire truck": "red",
    "a lemon": "yellow",
    "an elephant": "gray",
    "a strawberry": "red",
    "the ocean": "blue",
    "a crow": "black",
    "a flamingo": "pink",
    "milk": "white",
    "a school bus": "yellow",
    "dirt": "brown",
}
ANIMALS = {
    "dog": ("woof", 4, "meat", "puppy"),
    "cat": ("meow", 4, "fish", "kitten"),
    "cow": ("moo", 4, "grass", "calf"),
    "duck": ("quack", 2, "plants and bugs", "duckling"),
    "pig": ("oink", 4, "corn", "piglet"),
    "sheep": ("baa", 4, "grass", "lamb"),
    "lion": ("roar", 4, "meat", "cub"),
    "chicken": ("cluck", 2, "seeds", "chick"),
    "owl": ("hoot", 2, "mice", "owlet"),
    "frog": ("ribbit", 4, "flies", "tadpole"),
    "horse": ("neigh", 4, "hay", "foal"),
    "goat": ("baa", 4, "grass", "kid"),
    "bear": ("growl", 4, "fish and berries", "cub"),
    "mouse": ("squeak", 4, "seeds", "pup"),
    "goose": ("honk", 2, "grass", "gosling"),
}
LEGS = {
    "a spider": 8,
    "an ant": 6,
    "a bee": 6,
    "a ladybug": 6,
    "a snake": 0,
    "a fish": 0,
    "a bird": 2,
    "an octopus": 8,
    "a table": 4,
    "a person": 2,
    "a butterfly": 6,
    "a crab": 10,
}
KINDS = {
    "an animal": ("dog", "horse", "shark", "tiger", "rabbit", "whale", "ant"),
    "a fruit": ("apple", "banana", "grape", "pear", "orange", "peach"),
    "a vegetable": ("carrot", "potato", "pea", "onion", "cabbage"),
    "a shape": ("circle", "square", "triangle", "rectangle", "star"),
    "a color": ("red", "blue", "green", "yellow", "pink"),
    "a season": ("spring", "summer", "winter", "fall"),
    "a toy": ("ball", "doll", "kite", "yo-yo", "puzzle"),
    "clothing": ("shirt", "sock", "hat", "coat", "mitten"),
    "furniture": ("chair", "table", "bed", "desk", "sofa"),
    "a vehicle": ("car", "bus", "train", "truck", "plane"),
    "weather": ("rain", "snow", "wind", "fog"),
    "a number": ("seven", "ten", "three", "twelve"),
    "a drink": ("milk", "juice", "water", "tea"),
}


def capital(text: str) -> str:
    """Return `text` with a capital first letter."""
    return text[:1].upper() + text[1:]


def one_turn(subject: str, topic: str, question: str, answer: str) -> Lesson:
    """Return a lesson of one question."""
    return Lesson(subject, topic, (Turn(question, answer),))


def opposites(rng: Random, voice: Voice) -> Lesson:
    """The opposite of a word."""
    x, y = rng.sample(rng.choice(OPPOSITES), 2)
    question = rng.choice(
        (
            f"What is the opposite of {x}?",
            f"What's the opposite of {x}?",
            f"Tell me the opposite of {x}.",
            f"Which word is the opposite of {x}?",
            f"Opposite of {x}?",
        )
    )
    plain = (f"The opposite of {x} is {y}.", f"It is {y}.")
    child = (f"{capital(y)}! That's easy!", f"Not {x} is... {y}!", f"I know! It's {y}!")
    return one_turn("reading", f"opposite {x}", question, said_by(voice, plain, child, rng))


def rhymes(rng: Random, voice: Voice) -> Lesson:
    """A word that rhymes, or whether two words rhyme."""
    family, other = rng.sample(RHYMES, 2)
    x, y, *_ = rng.sample(family, len(family))
    if rng.random() < 0.25:
        same = rng.random() < 0.5
        z = y if same else rng.choice(other)
        plain = (f"Yes, {x} and {z} rhyme." if same else f"No, {x} and {z} do not rhyme.",)
        child: tuple[str, ...] = (
            f"Yes! {capital(x)}, {z}! They sound the same!"
            if same
            else f"No! {capital(x)} and {z} sound different.",
        )
        return one_turn(
            "reading",
            f"rhyme {x} {z}",
            f"Do {x} and {z} rhyme?",
            said_by(voice, plain, child, rng),
        )
    question = rng.choice(
        (
            f"What rhymes with {x}?",
            f"Tell me a word that rhymes with {x}.",
            f"Can you find a rhyme for {x}?",
            f"What word rhymes with {x}?",
        )
    )
    child = (
        f"{capital(y)}! {capital(x)}, {y}!",
        f"{capital(x)}... {y}! That's funny!",
        f"{capital(y)}! They sound the same at the end!",
    )
    return one_turn(
        "reading",
        f"rhyme {x}",
        question,
        said_by(voice, (f"{capital(y)} rhymes with {x}.",), child, rng),
    )


def spelling(rng: Random, voice: Voice) -> Lesson:
    """How a word is spelled, or its first and last letter."""
    word = rng.choice(SPELLING)
    spelled = "-".join(word.upper())
    kind = rng.random()
    if kind < 0.2:
        place, letter = rng.choice((("first", word[0].upper()), ("last", word[-1].upper())))
        question, plain, child = (
            f"What is the {place} letter of {word}?",
            f"The {place} letter of {word} is {letter}.",
            f"It's {letter}! {capital(word)}!",
        )
    else:
        question = rng.choice(
            (
                f"How do you spell {word}?",
                f"Can you spell {word}?",
                f"Spell {word}.",
                f"Spell the word {word}.",
            )
        )
        plain = f"{capital(word)} is spelled {spelled}."
        child = rng.choice(
            (f"{spelled}! I did it!", f"Um... {spelled}!", f"{spelled}! {capital(word)}!")
        )
    return one_turn(
        "reading", f"spell {word}", question, plain if voice is Voice.PLAIN else child
    )


def colors(rng: Random, voice: Voice) -> Lesson:
    """The color of a thing."""
    thing, color = rng.choice(list(COLORS.items()))
    question = rng.choice(
        (
            f"What color is {thing}?",
            f"Tell me the color of {thing}.",
            f"What is the color of {thing}?",
            f"Which color is {thing}?",
        )
    )
    child = (
        f"It's {color}! I have a {color} crayon!",
        f"{capital(color)}!",
        f"{capital(thing)} is {color}!",
    )
    return one_turn(
        "science",
        f"color {thing}",
        question,
        said_by(voice, (f"{capital(thing)} is {color}.",), child, rng),
    )


def animals(rng: Random, voice: Voice) -> Lesson:
    """Sound, food, young and legs of an animal."""
    name, (sound, legs, food, young) = rng.choice(list(ANIMALS.items()))
    an = "an" if name[0] in "aeiou" else "a"
    a_young = ("an " if young[0] in "aeiou" else "a ") + young
    asked = rng.choice(
        (
            (
                (f"What does {an} {name} say?", f"What sound does {an} {name} make?"),
                f"{capital(an)} {name} says {sound}.",
                (f"{capital(sound)}! {capital(sound)}!", f"It goes {sound}!"),
            ),
            (
                (f"What does {an} {name} eat?", f"What do you feed {an} {name}?"),
                f"{capital(an)} {name} eats {food}.",
                (f"It eats {food}!", f"{capital(food)}! I saw it on TV."),
            ),
            (
                (f"What is a baby {name} called?", f"What do you call a baby {name}?"),
                f"A baby {name} is called {a_young}.",
                (f"{capital(a_young)}! So cute!", f"It's {a_young}!"),
            ),
            (
                (f"How many legs does {an} {name} have?",),
                f"{capital(an)} {name} has {legs} legs.",
                (
                    f"{legs} legs!",
                    f"Let me count... {', '.join(map(str, range(1, legs + 1)))}. {legs} legs!",
                ),
            ),
        )
    )
    return one_turn(
        "science",
        f"animal {name} {asked[1]}",
        rng.choice(asked[0]),
        said_by(voice, (asked[1],), asked[2], rng),
    )


def legs(rng: Random, voice: Voice) -> Lesson:
    """How many legs things have."""
    thing, n = rng.choice(list(LEGS.items()))
    child = (
        (f"{n} legs! I counted!", f"It has {n}!")
        if n
        else ("None! No legs at all!", f"{capital(thing)} has no legs, silly!")
    )
    plain = f"{capital(thing)} has {n} legs." if n else f"{capital(thing)} has no legs."
    return one_turn(
        "science",
        f"legs {thing}",
        f"How many legs does {thing} have?",
        said_by(voice, (plain,), child, rng),
    )


def kinds(rng: Random, voice: Voice) -> Lesson:
    """Naming one of a kind, or saying whether something is of a kind."""
    kind, other = rng.sample(list(KINDS), 2)
    members = KINDS[kind]
    if rng.random() < 0.4:
        bare = kind.removeprefix("a ").removeprefix("an ")
        x, y, z = rng.sample(members, 3)
        question = rng.choice(
            (f"Can you name {kind}?", f"Give me an example of {kind}.", f"Name {kind}.")
        )
        child: tuple[str, ...] = (
            f"{capital(x)}! And {y}!",
            f"{capital(x)}, {y} and {z}!",
            f"Um... {x}!",
        )
        return one_turn(
            "reading",
            f"name {bare}",
            question,
            said_by(
                voice,
                (f"{capital(x)} is one example.", f"{capital(x)}, {y} and {z}."),
                child,
                rng,
            ),
        )
    is_so = rng.random() < 0.55
    thing = rng.choice(members if is_so else KINDS[other])
    plain = f"Yes, {thing} is {kind}." if is_so else f"No, {thing} is not {kind}. It is {other}."
    child = (
        (f"Yes! {capital(thing)} is {kind}!",)
        if is_so
        else (f"No! {capital(thing)} is {other}!", f"No, silly! It's {other}!")
    )
    return one_turn(
        "reading",
        f"kind {thing} {kind}",
        f"Is {thing} {kind}?",
        said_by(voice, (plain,), child, rng),
    )
