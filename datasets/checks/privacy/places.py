"""Where a child lives and which school it goes to."""

import re
from collections.abc import Iterator

from datasets.checks.privacy import vocabulary
from datasets.checks.privacy.kinds import Found, word_set

_NUMBER_WORDS = (
    r"(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|thirteen|fourteen|fifteen|sixteen|seventeen"
    r"|eighteen"
    r"|nineteen|twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety|hundred|oh|zero)"
)
_HOUSE = rf"(?:\d{{1,5}}[A-Za-z]?(?:[-/]\d{{1,4}}[A-Za-z]?)?|{_NUMBER_WORDS}(?:[ -]{_NUMBER_WORDS}){{0,4}})"
_STREET_TYPES = word_set(
    "street st avenue ave road rd drive dr lane ln court ct boulevard blvd way place pl circle cir "
    "terrace ter crescent cres close gardens grove mews parkway pkwy highway hwy square sq hill row walk "
    "loop trail alley quay parade green rise view park heights plaza bypass turnpike causeway esplanade "
    "nagar marg salai colony chowk bazaar bazar enclave vihar layout gali mohalla jie lu dong estate "
    "villas mansions"
)
_SURE_TYPES = word_set(
    "street avenue ave road rd lane ln boulevard blvd terrace crescent parkway drive court highway close "
    "mews grove nagar marg salai colony chowk gali circle gardens"
)
_STREET = re.compile(
    rf"\b({_HOUSE}),? ((?:[NSEW]\.? |(?:north|south|east|west|n|s|e|w)\.? )?(?:[\w'.-]{{1,30}} ){{1,3}}?)"
    rf"({'|'.join(sorted(_STREET_TYPES, key=len, reverse=True))})\b\.?"
    r"(?:,? (?:apt|apartment|unit|flat|suite|#)\.? ?#?\w{1,6}\b)?"
    r"(?:,? [A-Z][a-z]{1,30}(?: [A-Z][a-z]{1,30})?,? [A-Z]{2}\b(?: \d{5}(?:-\d{4})?)?)?",
    re.IGNORECASE,
)
_UNIT_FIRST = re.compile(
    r"\b(?:flat|apt|apartment|unit|house(?: no\.?| number)?|plot|door no\.?|block|h\.? ?no\.?"
    r"|building) ?#?\d{1,5}[A-Za-z]?(?:[/-]\d{1,4})?,?"
    r" (?:[\w'.,-]{1,30} ){1,5}?"
    r"(?:street|st|road|rd|avenue|ave|lane|nagar|marg|colony|estate|court|house|close|gardens|tower|towers"
    r"|apartments|sector"
    r"|phase|layout|enclave|drive|place)\b",
    re.IGNORECASE,
)
_ABROAD_BEFORE = re.compile(
    r"\b(?:calle|avenida|avda|av|rue|via|viale|piazza|plaza|rua|ul|ulica|aleja|al|jalan|jl|carrera|cra|camino|paseo"
    r"|chemin"
    r"|boulevard|bulevar|allée|allee|impasse|largo|travessa|praça|vicolo|corso|strada|str|ulitsa|vulytsia|vul|prospekt"
    r"|cadde|sokak|đường|phố|duong|pho)\b\.? (?:[^\W\d]{1,30}\.? ){0,4}?[^\W\d]{1,30},? (?:n[º°o]?\.? ?|#|nr\.? ?"
    r"|no\.? ?)?\d{1,5}\b",
    re.IGNORECASE,
)
_ABROAD_AFTER = re.compile(
    r"\b\d{1,4},? (?:bis,? |ter,? )?(?:rue|avenue|boulevard|chemin|allée|allee|impasse|place|quai|route|calle|via"
    r"|rua|đường)"
    r" (?:d'|de |du |des |la |le |les |del |della |dei |da |do |l'){0,3}[^\W\d]{2,30}(?: [^\W\d]{2,30})?",
    re.IGNORECASE,
)
_COMPOUND = re.compile(
    r"\b(?:[^\W\d_]{2,30}[ -])?[^\W\d_]{2,30}(?:(?i:straße|strasse)|straat|gracht|vägen|gatan|gaten|veien|vegen"
    r"|gasse|katu|stígur)"
    r" ?\d{1,4} ?[a-z]?\b|\b[A-ZÀ-Þ][^\W\d_]{2,30}(?:str\.|weg|platz|allee|damm|ufer|laan|plein|gata|vej|gade|tie"
    r"|vegur)"
    r" ?\d{1,4} ?[a-z]?\b",
)
_TURKISH = re.compile(
    r"\b(?:[^\W\d]{2,30} ){1,3}(?:caddesi|sokağı|sokak|sokagi|mahallesi|cad\.|sok\.|street|utca|út|ulica|ulitsa)"
    r",? (?:no:? ?)?\d{1,4}\b",
    re.IGNORECASE,
)
_ASIAN = re.compile(
    r"\b\d{1,3}-\d{1,3}(?:-\d{1,4})? [A-Z][\w-]{1,30}(?:-(?:ku|cho|chome|dong|gu|ro|gil|si|shi))\b"
    r"|\b\d{1,4},? [A-Z][\w-]{1,30}-(?:ro|gil|daero|dong|gu|ku|cho)\b"
    r"|\bNo\. ?\d{1,4},? (?:[A-Z][\w]{1,20} ){1,3}(?:Road|Lu|Jie|Street)\b"
)
_BOX = re.compile(
    r"\bp\.? ?o\.? ?box (?:\d{1,6}|[a-z]{3,5}(?:[ -][a-z]{3,5}){0,4})\b|\bpost office box \d{1,6}\b",
    re.IGNORECASE,
)
_STATES = (
    "AL|AK|AZ|AR|CA|CO|CT|DE|FL|GA|HI|ID|IL|IN|IA|KS|KY|LA|ME|MD|MA|MI|MN|MS|MO|MT|NE|NV|NH|NJ|NM|NY|NC|ND|OH|OK|OR"
    "|PA|RI"
    "|SC|SD|TN|TX|UT|VT|VA|WA|WV|WI|WY|DC"
)
_POSTCODES = re.compile(
    rf"\b(?:{_STATES}),? \d{{5}}(?:-\d{{4}})?\b"
    r"|\b[A-PR-UWYZ][A-HK-Y]?\d[A-Z\d]? ?\d[ABD-HJLNP-UW-Z]{2}\b"
    r"|\b(?!\w\d? ?\d(?:st|nd|rd|th|am|pm|lb|ft|mm|km|oz|in)\b)[a-pr-uwyz][a-hk-y]?\d[a-z\d]? \d[abd-hjlnp-uw-z]{2}\b"
    r"|\b[ABCEGHJ-NPRSTVXY]\d[A-Z] ?\d[A-Z]\d\b"
)
_POSTCODE_CUED = re.compile(
    r"\b(?:zip(?: ?code)?|post ?code|postal code|pin ?code)(?: is|:| was|'s| =)? ?"
    r"(\d{4,6}(?:-\d{4})?|[a-z]{1,2}\d[a-z\d]? ?\d[a-z]{2}|[a-z]\d[a-z] ?\d[a-z]\d)\b",
    re.IGNORECASE,
)
_LIVES = re.compile(
    r"\b(?:live|lives|living|lived|moved|move|staying|stays?|house is|home is|address is|apartment is) (?:at|on|in"
    r"|over on|to|near) "
    r"((?:[\w'.-]{1,30} ){1,3}(?:street|avenue|ave|road|rd|lane|drive|boulevard|blvd|court|crescent|terrace|close"
    r"|way|circle))\b",
    re.IGNORECASE,
)
_NOT_A_STREET = word_set(
    "way that this the a an of in on to for and or is are was each every more long wide big little small "
    "red green lane lanes way ways car cars mile miles block blocks bus busy dead side other same one two "
    "three four five left right main minutes minute hours times dollars apples feet inches meters people "
    "kids cross down up across along dirt bumpy straight windy different equal square hundred thousand my "
    "your his her our their i you he she it we they turn turns plus minus trucks bikes houses half past "
    "o'clock"
)
_SCHOOL_AFTER = (
    r"(?:(?:elementary|montessori|primary|middle|grade|charter|magnet|high|junior high|junior|infant|infants"
    r"|grammar|prep|"
    r"preparatory|day|boarding|catholic|international|public|community|secondary|nursery|lower|upper|language|waldorf)"
    r"(?: (?:school|academy|schule))|elementary|montessori|primary|middle school|academy|prep|preschool"
    r"|kindergarten|school district"
    r"|unified school district|isd|jr high|international school|school|college|schule|grundschule|gymnasium"
    r"|vidyalaya|vidya mandir"
    r"|public school|lycée|lyceum|k-?8|ymca)"
)
_SCHOOL = re.compile(rf"\b((?:[\w'.-]{{1,30}} ){{1,4}}?){_SCHOOL_AFTER}\b", re.IGNORECASE)
_SCHOOL_ABROAD = re.compile(
    r"\b(?:escuela(?: primaria)?|colegio|école|ecole|collège|lycée|grundschule|escola|scuola|szkoła|skola|liceo"
    r"|instituto)"
    r"(?: (?:de|del|la|el|les|des|du|di|da|n[º°r]?\.?|st\.?"
    r"|saint))* [A-ZÀ-Þ\d][\w'-]{1,30}(?: [A-ZÀ-Þ][\w'-]{1,30}){0,2}"
)
_NUMBERED = re.compile(
    r"\bP\.? ?S\.? ?\d{1,3}\b|\bp\. ?s\. ?#?\d{1,3}\b|\bPublic School (?:No\. ?)?\d{1,3}\b|\bIS \d{2,3}\b"
)
_SCHOOL_CUE = re.compile(
    r"\b(?:go|goes|went|attends?|attended|student|pupil|teacher|from|at|to|principal of|enrolled in) $",
    re.IGNORECASE,
)
_NOT_A_SCHOOL = word_set(
    "my our the this that your her his their in at an a is for to from and old new big little small good "
    "bad best another any some no every each local nearby different first second third next last same "
    "whole elementary primary middle high junior grade after before during since of on or sunday summer "
    "night art music dance driving flight law medical nursing business pre public private home boarding "
    "day fun cool favorite favourite of's love like hate all back not when go goes going went at start "
    "starts into finish finished i you he she we they it about with until till near by than if because "
    "cuz so but as like was were be been school schools grad graduate graduated between military police "
    "clown beauty circus magic ninja trade training trade tech only today yesterday tomorrow still real "
    "online virtual regular normal traditional charter language sunday's upper lower"
)


_SURE_SCHOOLS = (
    "elementary",
    "primary",
    "montessori",
    "middle",
    "junior",
    "infant",
    "grammar",
    "high",
    "academy",
    "charter",
    "catholic",
    "international",
    "magnet",
    "community",
    "secondary",
    "prep",
    "waldorf",
)


def find_places(text: str) -> Iterator[Found]:
    """Addresses and schools in a text of one spelling."""
    yield from _streets(text)
    for pattern in (_UNIT_FIRST, _ABROAD_BEFORE, _ABROAD_AFTER, _COMPOUND, _TURKISH, _ASIAN):
        for match in pattern.finditer(text):
            yield (
                "address",
                match.start(),
                match.end(),
                "high",
                "This looks like a street address.",
            )
    for match in _BOX.finditer(text):
        yield "address", match.start(), match.end(), "high", "This looks like a post box."
    for match in _POSTCODES.finditer(text):
        yield "address", match.start(), match.end(), "medium", "This looks like a postcode."
    for match in _POSTCODE_CUED.finditer(text):
        yield "address", match.start(1), match.end(1), "medium", "This looks like a postcode."
    for match in _LIVES.finditer(text):
        if _names_a_street(match.group(1).rpartition(" ")[0]):
            yield (
                "address",
                match.start(1),
                match.end(1),
                "medium",
                "Somebody says in which street they live.",
            )
    yield from _schools(text)


def _streets(text: str) -> Iterator[Found]:
    for match in _STREET.finditer(text):
        name, kind = match.group(2).strip(), match.group(3).lower()
        if not _names_a_street(name):
            continue
        capitals = name[:1].isupper() or name[:1].isdigit()
        if capitals or kind in _SURE_TYPES:
            yield (
                "address",
                match.start(),
                match.end(),
                "high",
                "This looks like a street address.",
            )


def _names_a_street(name: str) -> bool:
    words = name.lower().replace(".", "").split()
    return bool(words) and not any(
        word in _NOT_A_STREET or vocabulary.is_function_word(word) for word in words
    )


def _schools(text: str) -> Iterator[Found]:
    for match in _SCHOOL.finditer(text):
        start = _school_starts(text, match)
        if start is not None:
            yield "school", start, match.end(), "medium", "This looks like a school."
    for pattern in (_SCHOOL_ABROAD, _NUMBERED):
        for match in pattern.finditer(text):
            yield "school", match.start(), match.end(), "medium", "This looks like a school."


def _school_starts(text: str, match: "re.Match[str]") -> int | None:
    """Where the school's own name begins, or None where the words before `school` are no name."""
    at = match.end(1)
    start = None
    for word in reversed(match.group(1).split(" ")[:-1]):
        plain = word.lower().strip(".'").removesuffix("'s")
        saint = plain in ("st", "saint", "mt", "mount", "fort", "lake", "our", "lady")
        if (
            not word
            or (plain in _NOT_A_SCHOOL and not saint)
            or (vocabulary.is_function_word(plain) and not saint)
        ):
            break
        at -= len(word) + 1
        start = at
    if start is None or not match.group(1)[: match.end(1)].strip():
        return None
    name = text[start : match.end(1)]
    ending = text[match.end(1) : match.end()].lower()
    if any(word[:1].isupper() for word in name.split()):
        return start
    sure = ending.startswith(_SURE_SCHOOLS)
    cued = bool(_SCHOOL_CUE.search(text[max(0, start - 20) : start]))
    return start if sure and (cued or not all(map(vocabulary.is_plain, name.split()))) else None
