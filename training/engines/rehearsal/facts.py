"""What the rehearsal's base model knows without being taught: a few second-grade topics, told as an adult would and in
plain words."""

from __future__ import annotations

from dataclasses import dataclass

from rehearsal.words import terms


@dataclass(frozen=True, slots=True)
class Fact:
    """A topic: the stems that call it up, and the two ways to tell it."""

    keys: frozenset[str]
    adult: tuple[str, ...]
    plain: tuple[str, ...]


def fact(keys: str, adult: str, plain: str) -> Fact:
    """A fact from texts whose sentences are divided by " | "."""
    return Fact(frozenset(terms(keys)), tuple(adult.split(" | ")), tuple(plain.split(" | ")))


FACTS = (
    fact(
        "ice freeze freezer water cold solid",
        "When the temperature of water falls below zero degrees Celsius, its molecules lose energy and arrange "
        "themselves into a crystalline structure. | This transition from the liquid to the solid state is referred "
        "to as freezing.",
        "Water turns into ice when it gets very cold. | Ice is hard.",
    ),
    fact(
        "melt ice cream sun warm chocolate",
        "Melting is the process by which a solid absorbs thermal energy and consequently becomes a liquid. | The "
        "temperature at which it occurs depends on the particular substance.",
        "It gets warm and turns runny. | Then it is all wet.",
    ),
    fact(
        "plant seed grow flower tree leaf soil garden sunlight",
        "Plants require sunlight, water, carbon dioxide and mineral nutrients in order to develop. | By means of "
        "photosynthesis they convert luminous energy into chemical energy that sustains their growth.",
        "Plants need sun and water to grow. | They need dirt too.",
    ),
    fact(
        "sky blue color",
        "The sky appears blue because air molecules scatter the shorter wavelengths of sunlight considerably more "
        "than the longer ones. | This phenomenon is known as Rayleigh scattering.",
        "The sky is blue from the sun. | The light bounces in the air.",
    ),
    fact(
        "rain cloud storm weather puddle wet",
        "Precipitation occurs when water vapour condenses into droplets that become too heavy to remain suspended "
        "in clouds. | It forms an essential part of the hydrological cycle.",
        "Clouds fill up with water. | Then it rains.",
    ),
    fact(
        "season summer winter spring fall autumn",
        "The seasons are a consequence of the inclination of the Earth's axis relative to its orbit around the sun. "
        "| Each hemisphere therefore receives varying amounts of solar radiation throughout the year.",
        "There are four seasons. | In summer it is hot and in winter it is cold.",
    ),
    fact(
        "moon night star dark planet space",
        "The moon orbits the Earth and reflects sunlight, whereas stars generate their own light by nuclear fusion. "
        "| Its apparent shape changes because of the varying angle of illumination.",
        "The moon comes out at night. | It goes around the Earth.",
    ),
    fact(
        "sun day light hot shine",
        "The sun is a star whose radiation provides nearly all of the energy available on Earth. | The rotation of "
        "the Earth produces the alternation of day and night.",
        "The sun is a big hot star. | It gives us light.",
    ),
    fact(
        "animal habitat live bear hibernate sleep bird nest",
        "Animals occupy habitats that provide them with nourishment, water and shelter. | Numerous species display "
        "adaptations, such as hibernation and migration, that enable them to survive unfavourable conditions.",
        "Animals live where they can eat and hide. | Some sleep all winter.",
    ),
    fact(
        "butterfly caterpillar egg cocoon frog tadpole",
        "A butterfly undergoes complete metamorphosis, progressing through the stages of egg, larva, pupa and "
        "adult. | The larva is commonly referred to as a caterpillar.",
        "A caterpillar makes a little bed. | Then it is a butterfly.",
    ),
    fact(
        "magnet metal stick iron pull",
        "Magnets attract ferromagnetic materials such as iron, nickel and cobalt. | Opposite poles attract one "
        "another, whereas identical poles repel.",
        "A magnet sticks to metal. | It can pull a paper clip.",
    ),
    fact(
        "fraction half quarter piece pizza share equal",
        "A fraction represents a portion of a whole that has been divided into equal parts. | The denominator "
        "indicates the number of parts, and the numerator indicates how many of them are considered.",
        "Half is one of two same parts. | You cut the pizza in two.",
    ),
    fact(
        "shape triangle square circle side corner rectangle",
        "Polygons are classified according to the number of their sides and the measure of their angles. | A "
        "triangle has three sides, whereas a quadrilateral has four.",
        "A triangle has three sides. | A square has four.",
    ),
    fact(
        "clock time hour minute o'clock",
        "On an analogue clock, the shorter hand indicates the hour and the longer hand indicates the minutes. | "
        "Sixty minutes constitute one hour.",
        "The little hand tells the hour. | The big hand tells the minutes.",
    ),
    fact(
        "money coin penny nickel dime quarter dollar cent",
        "A penny is worth one cent, a nickel five cents, a dime ten cents and a quarter twenty-five cents. | One "
        "hundred cents are equivalent to one dollar.",
        "A dime is ten cents. | A penny is one cent.",
    ),
    fact(
        "book story read character page favorite reading",
        "When analysing a narrative, one considers its characters, its setting and the sequence of its events. | "
        "The principal message of the text is frequently described as its theme.",
        "I like books with pictures. | A story has a start and an end.",
    ),
    fact(
        "noun verb adjective grammar",
        "Nouns denote persons, places, objects or concepts. | Verbs, by contrast, denote actions or states of being.",
        "A noun is a person or a thing. | A verb is what you do.",
    ),
    fact(
        "sentence period capital letter spell rhyme vowel",
        "A sentence expresses a complete thought, begins with a capital letter and concludes with appropriate "
        "punctuation. | Its constituents are arranged according to the rules of syntax.",
        "You start with a big letter. | You put a dot at the end.",
    ),
    fact(
        "friend share sad feel lonely mean angry upset fight",
        "Interpersonal conflicts are best resolved by communicating openly and by considering the perspective of "
        "the other person. | Acknowledging one's emotions is an important initial step.",
        "I would say sorry. | Then we can play.",
    ),
    fact(
        "community police firefighter mayor helper rule law vote map",
        "Communities depend upon individuals who provide essential services, and upon rules that protect everyone's "
        "interests. | Citizens participate, for instance, by voting.",
        "Helpers keep us safe. | Rules are so we can be fair.",
    ),
    fact(
        "float sink boat heavy water",
        "An object floats when its average density is lower than that of the fluid in which it is immersed. | This "
        "relationship was described by Archimedes.",
        "Heavy things sink. | A boat can float.",
    ),
    fact(
        "place value ten hundred digit number even odd",
        "In the decimal system, the value of a digit depends upon its position. | Each position represents ten "
        "times the value of the position to its right.",
        "The first one is the tens. | The last one is the ones.",
    ),
    fact(
        "name old age grade school yourself",
        "I do not possess a personal name or an age. | I am nevertheless able to provide information on a "
        "considerable variety of subjects.",
        "I am seven. | I am in second grade.",
    ),
    fact(
        "lunch eat food vegetable apple healthy favorite",
        "A balanced diet comprises fruit, vegetables, cereals and sources of protein. | Adequate nutrition is "
        "indispensable to healthy development.",
        "I like apples. | You have to eat your greens to get big.",
    ),
    fact(
        "shadow light block",
        "A shadow is formed when an opaque object obstructs the path of light. | Its length varies according to the "
        "position of the light source.",
        "You block the light. | Then there is a dark spot.",
    ),
)


def look_up(question: str) -> Fact | None:
    """The fact a question touches most, None where it touches none; the earlier one where two tie."""
    about = set(terms(question))
    best = max(FACTS, key=lambda known: len(known.keys & about))
    return best if best.keys & about else None


def keys_in(question: str) -> int:
    """How many of a question's topic words the best fact has."""
    best = look_up(question)
    return len(best.keys & set(terms(question))) if best else 0
