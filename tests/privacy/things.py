"""What is planted beside names: numbers, addresses, schools and the like of several countries, and sentences around them."""

import random
from collections.abc import Callable

Rng = random.Random


def words(text: str) -> list[str]:
    return text.split()


NAME_CARRIERS = (
    "{} has 4 apples and gives me 2.",
    "I sat with {} at lunch.",
    "Yesterday {} cried at recess.",
    "um, {} is absent today",
    "me and {} built a tower out of blocks",
    "can {} come to the board please?",
    "It was {} who broke the pencil.",
    "My friend {} says it's 12.",
    "my cousin {} is in third grade",
    "I think {} is faster than me!",
    "My name is {} and I am seven.",
    "{}",
    "Today we helped {} with the reading.",
    "ask {} because i don't know",
    "The answer from {} was wrong, I think.",
    "Is {} in your class?",
    "I want to sit next to {}.",
    "Then {} said a volcano is hot.",
    "Good job, {}! That is right.",
    "we went to the birthday party of {} on saturday",
    "Hello, my student {} needs help with sums.",
    "his name is {}, he has a dog",
    "I wrote a letter to {}!",
    "Maybe {} knows.",
)
DIGITS = words("zero one two three four five six seven eight nine")
STREETS = (
    (
        "Wisteria Birchwood Kingfisher Larkspur Hawthorne Chestnut Magnolia Old-Mill Quarry Sycamore Ridgeview Cloverdale Ashford "
        "Heron Juniper-Hill Rosewood Pemberton Stonebridge Thornbury Willowbrook"
    )
    .replace("-", "_")
    .split()
)
TYPES_US = words("Street Avenue Road Lane Drive Court Boulevard Way Place St Ave Rd Dr Ln")
TYPES_UK = words("Road Street Lane Close Crescent Gardens Terrace Grove Avenue Mews")
TOWNS = words("Provo,UT Boise,ID Tulsa,OK Fresno,CA Dayton,OH Laredo,TX")
SCHOOLS = words(
    "Thistledown Maple_Ridge Lakeview Bonneville Saint_Brendan's Foxhollow Roosevelt Sandy_Creek Whitmore "
    "Kestrel_Park Juniper_Bluff Brackenridge St._Aldhelm's Riverbend Copperfield Westbrook"
)
SCHOOL_TYPES = [
    "Elementary",
    "Elementary School",
    "Primary School",
    "Middle School",
    "Academy",
    "Montessori School",
    "Charter School",
    "Junior School",
    "Catholic School",
    "International School",
    "High School",
    "Infant School",
]
WORDS = words("sunny dragon puffin rocket pickle ninja panda waffle comet otter turbo mango pixel taco")
MONTHS = words("January February March April May June July August September October November December")
ORDINALS = words(
    "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth twentieth"
)


def digits(rng: Rng, count: int) -> str:
    return "".join(rng.choice("123456789") if not at else rng.choice("0123456789") for at in range(count))


def phone(rng: Rng) -> str:
    area, office, line = digits(rng, 3), str(rng.randrange(220, 990)), digits(rng, 4)
    spoken = area + office + line
    makers: tuple[Callable[[], str], ...] = (
        lambda: f"({area}) {office}-{line}",
        lambda: f"{area}-{office}-{line}",
        lambda: f"{area}.{office}.{line}",
        lambda: f"+1 {area} {office} {line}",
        lambda: f"1-{area}-{office}-{line}",
        lambda: f"07{digits(rng, 3)} {digits(rng, 6)}",
        lambda: f"020 7{digits(rng, 3)} {digits(rng, 4)}",
        lambda: f"0161 {digits(rng, 3)} {digits(rng, 4)}",
        lambda: f"+44 7{digits(rng, 3)} {digits(rng, 6)}",
        lambda: f"+91 98{digits(rng, 3)} {digits(rng, 5)}",
        lambda: f"+234 803 {digits(rng, 3)} {digits(rng, 4)}",
        lambda: f"+49 151 {digits(rng, 8)}",
        lambda: f"06 {' '.join(digits(rng, 2) for _ in range(4))}",
        lambda: f"+52 55 {digits(rng, 4)} {digits(rng, 4)}",
        lambda: f"0{digits(rng, 3)} {digits(rng, 3)} {digits(rng, 3)}",
        lambda: " ".join(DIGITS[int(digit)] for digit in spoken),
        lambda: "-".join(DIGITS[int(digit)] for digit in spoken),
        lambda: " ".join(DIGITS[int(digit)].replace("zero", "oh") for digit in spoken),
        lambda: f"{area} {office} " + " ".join(DIGITS[int(digit)] for digit in line),
    )
    return rng.choice(makers)()


def email(rng: Rng) -> str:
    who, what = rng.choice(WORDS), rng.choice(WORDS)
    makers: tuple[Callable[[], str], ...] = (
        lambda: f"{who}.{what}@example.org",
        lambda: f"{who}{rng.randrange(10, 99)}@mail.example.com",
        lambda: f"{who}_{what}@example.co.uk",
        lambda: f"{who} dot {what} at gmail dot com",
        lambda: f"{who}{what} at yahoo dot com",
        lambda: f"{who} @ example . org",
        lambda: f"{who}.{what} (at) example.net",
    )
    return rng.choice(makers)()


def handle(rng: Rng) -> str:
    who, what, number = rng.choice(WORDS), rng.choice(WORDS), rng.randrange(10, 2020)
    return rng.choice(
        (
            f"@{who}{what}",
            f"@{who}_{what}{number}",
            f"{who}{what}{number}",
            f"xX_{who}_Xx",
            f"{who}_{what}_{number}",
            f"{who.title()}{what.title()}#{rng.randrange(1000, 9999)}",
            f"{who}{what}",
            f"youtube.com/@{who}{what}",
            f"instagram.com/{who}.{what}",
        )
    )


def address(rng: Rng) -> str:
    street = rng.choice(STREETS).replace("_", " ")
    number = rng.randrange(2, 2400)
    tens = rng.choice(("twenty", "thirty", "forty", "sixty")) + " " + rng.choice(DIGITS[1:])
    town, state = rng.choice(TOWNS).split(",")
    makers: tuple[Callable[[], str], ...] = (
        lambda: f"{number} {street} {rng.choice(TYPES_US)}",
        lambda: f"{number} {rng.choice(('North', 'W.', 'South'))} {street} {rng.choice(TYPES_US)}",
        lambda: f"{number} {street} {rng.choice(TYPES_US)}, {town}, {state} {digits(rng, 5)}",
        lambda: f"{number} {street} Street Apt {rng.randrange(1, 40)}",
        lambda: f"{tens} {street} {rng.choice(TYPES_US[:8])}",
        lambda: f"{rng.randrange(1, 200)} {street} {rng.choice(TYPES_UK)}",
        lambda: f"Flat {rng.randrange(1, 30)}, {rng.randrange(1, 90)} {street} {rng.choice(TYPES_UK)}",
        lambda: f"{rng.choice(('SW1A 1AA', 'M14 5RQ', 'LS6 3HN', 'EH8 9YL', 'B15 2TT'))}",
        lambda: f"P.O. Box {number}",
        lambda: f"Calle {rng.choice(('Serrano', 'de Alcalá', 'Reforma', 'Las Palmas'))} {number % 300}",
        lambda: f"{number % 90 + 1} rue {rng.choice(('de la République', 'des Lilas', 'Victor Hugo', 'du Moulin'))}",
        lambda: (
            f"{rng.choice(('Lindenstraße', 'Goethestraße', 'Bahnhofstrasse', 'Schillerstraße'))} {number % 120 + 1}"
        ),
        lambda: f"House No. {number % 90}, {rng.choice(('Gandhi Nagar', 'Shivaji Marg', 'Patel Colony'))}",
        lambda: f"Via {rng.choice(('Garibaldi', 'Roma', 'Mazzini'))} {number % 80 + 1}",
    )
    return rng.choice(makers)()


def school(rng: Rng) -> str:
    name = rng.choice(SCHOOLS).replace("_", " ")
    return rng.choice(
        (
            f"{name} {rng.choice(SCHOOL_TYPES)}",
            f"{name} {rng.choice(SCHOOL_TYPES)}",
            f"{name} {rng.choice(SCHOOL_TYPES)}",
            f"P.S. {rng.randrange(2, 320)}",
        )
    )


def id_number(rng: Rng) -> str:
    return rng.choice(
        (
            f"student ID {digits(rng, 7)}",
            f"lunch number {digits(rng, 5)}",
            f"SSN {rng.randrange(101, 660)}-{rng.randrange(10, 99)}-{digits(rng, 4)}",
            f"{rng.randrange(101, 660)}-{rng.randrange(10, 99)}-{digits(rng, 4)}",
            f"passport number {rng.choice('ABCX')}{digits(rng, 8)}",
            f"NHS number 943 476 {digits(rng, 4)}",
            f"library card # {digits(rng, 9)}",
            f"pupil number is {rng.choice('ABH')}{digits(rng, 12)}",
            f"AB {digits(rng, 2)} {digits(rng, 2)} {digits(rng, 2)} C",
            f"medicaid number: {digits(rng, 9)}",
            f"Aadhaar {digits(rng, 4)} {digits(rng, 4)} {digits(rng, 4)}",
            "student number " + " ".join(DIGITS[int(digit)] for digit in f"{rng.randrange(10**5, 10**6)}"),
        )
    )


def birthdate(rng: Rng) -> str:
    month, day, year = rng.choice(MONTHS), rng.randrange(1, 29), rng.randrange(2014, 2020)
    return rng.choice(
        (
            f"{month} {day}, {year}",
            f"{month} {day}",
            f"{day} {month} {year}",
            f"{day}/{rng.randrange(1, 13)}/{year}",
            f"{year}-{rng.randrange(1, 13):02}-{day:02}",
            f"{month} {rng.choice(ORDINALS)}",
            f"the {rng.choice(ORDINALS)} of {month}",
            f"{month[:3]} {day}th {year}",
            f"{rng.randrange(1, 13)}-{day}-{str(year)[2:]}",
            f"{month} {rng.choice(ORDINALS)} twenty seventeen",
            f"{day}.{rng.randrange(1, 13)}.{year}",
        )
    )


def health(rng: Rng) -> str:
    return rng.choice(
        (
            "asthma",
            "type 1 diabetes",
            "ADHD",
            "autism",
            "a peanut allergy",
            "epilepsy",
            "an inhaler",
            "leukemia",
            "dyslexia",
            "celiac disease",
            "a heart murmur",
            "sickle cell",
            "hearing aids",
            "seizures",
            "cerebral palsy",
            "an IEP",
            "an EpiPen",
            "eczema",
            "a stutter",
            "scoliosis",
            "cystic fibrosis",
            "Tourette's",
        )
    )


def family(rng: Rng) -> str:
    return rng.choice(
        (
            "my dad is in jail",
            "my parents are getting divorced",
            "my mom lost her job",
            "we live in a shelter",
            "I am in foster care",
            "my uncle got deported",
            "my dad gets drunk",
            "we got evicted",
            "my stepdad hits my mom",
            "my sister was adopted",
            "my mom is in rehab",
            "my grandpa passed away",
            "we can't pay the rent",
            "my brother got arrested",
            "my mom and dad are separated",
            "a social worker came to see my mom",
            "my dad has a restraining order",
            "we use food stamps",
            "my mommy has no papers",
        )
    )


MADE: dict[str, Callable[[Rng], str]] = {
    "phone": phone,
    "email": email,
    "handle": handle,
    "address": address,
    "school": school,
    "id_number": id_number,
    "birthdate": birthdate,
    "health": health,
    "family": family,
}
CARRIERS: dict[str, tuple[str, ...]] = {
    "phone": (
        "My mom's number is {}.",
        "call me at {} ok",
        "You can text {} after school",
        "our phone number is {}",
        "if I get lost you ring {}",
        "grandma's cell is {}",
    ),
    "email": ("Write to {} please.", "my email is {}", "send it to {} ok?", "Mom uses {} for school stuff."),
    "handle": (
        "my roblox name is {}",
        "Add me on discord: {}",
        "My username is {} there",
        "On TikTok I am {}",
        "my gamertag is {} lol",
        "find me on snapchat, it's {}",
    ),
    "address": (
        "I live at {}.",
        "Our house is at {}",
        "we moved to {} last week",
        "The bus stops at {} every day.",
        "come to my party, {}",
        "my address is {}, um, I think",
    ),
    "school": (
        "I go to {}.",
        "my sister goes to {}",
        "We have a new gym at {}!",
        "i am in second grade at {}",
        "The kids from {} were here.",
    ),
    "id_number": ("My {}.", "Um, it says {} on my card.", "mom wrote down {} for me", "here is {} ok"),
    "birthdate": (
        "My birthday is {}.",
        "I was born on {}",
        "his date of birth is {}",
        "my bday is {}!",
        "{} is my birthday!",
    ),
    "health": (
        "I have {}.",
        "My sister has {}.",
        "my friend has {} so he sits out",
        "The nurse says he has {}.",
        "i got {} when i was five",
    ),
    "family": ("Um, {}.", "I was sad because {}", "{} and I can't sleep", "Guess what, {}!"),
}
