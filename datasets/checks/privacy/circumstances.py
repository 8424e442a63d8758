"""Health and family: what a child tells of itself or of somebody near that nobody else should read."""

import re
from collections.abc import Iterator

from datasets.checks.privacy.kinds import Found

_PERSON = re.compile(
    r"\b(?:i|i'm|im|i've|me|my|he|she|he's|she's|his|her|him|we|our|us|they're|their|mom|mum|mommy|mummy|dad|daddy"
    r"|mother|father"
    r"|brother|sister|sis|bro|cousin|uncle|aunt|auntie|grandma|grandpa|granny|nana|friend|student|pupil|baby|parents?"
    r"|step ?(?:mom|dad|mother|father)|[a-z]{2,20}'s)\b",
    re.IGNORECASE,
)
_HEALTH = re.compile(
    r"\b(?:asthma|inhaler|diabet\w{1,4}|insulin|adhd|autis(?:m|tic)|asperger\w{0,3}|epilep\w{1,5}|seizures?"
    r"|leuk(?:a)?emia|cancer"
    r"|chemo\w{0,8}|tumou?r|dyslexi[ac]|dyscalculi[ac]|cystic fibrosis|cerebral palsy|down(?:'s)? syndrome"
    r"|tourette\w{0,2}"
    r"|anxiety|depress(?:ion|ed)|bipolar|ptsd|ocd|schizophreni\w{1,2}|eczema|sickle cell|hiv|hepatitis|tuberculosis"
    r"|lupus|arthritis"
    r"|allergic to|allerg(?:y|ies) to|(?:nut|peanut|egg|milk|bee|food|latex|gluten|dairy|shellfish) allerg(?:y|ies)"
    r"|anaphyla\w{2,4}"
    r"|epi-?pens?|heart (?:condition|defect|surgery|attack|problems?|murmur|disease)|kidney (?:disease|problems?"
    r"|transplant)|dialysis"
    r"|transplant|celiac|coeliac|crohn'?s|an(?:a)?emia|scoliosis|migraines?|hearing (?:aids?|loss)|cochlear"
    r"|wheelchair|prosthe\w{2,4}"
    r"|stutter(?:s|ing)?|stammer(?:s|ing)?|speech (?:therapy|therapist|delay)|occupational therap(?:y|ist)"
    r"|physical therapy"
    r"|i\.?e\.?p\.? (?:meeting|plan)|(?:has|have|had|got) an iep|an iep|504 plan|special ed(?:ucation)?"
    r"|learning (?:disability|disabilities"
    r"|difficulties)|disabled|disability|ritalin|adderall|concerta|prozac|antidepressants?|antibiotics?|medication"
    r"|medicated|meds"
    r"|diagnos(?:ed|is)|psychiatrist|psychologist|therapist|counsell?ing|in therapy|panic attacks?"
    r"|self-?harm\w{0,3}|suicid\w{1,3}"
    r"|eating disorder|anorexi[ac]|bulimi[ac]|wets? the bed|bed ?wett\w{1,3}|pull-?ups|lice|ringworm|scabies"
    r"|chicken ?pox|measles|covid"
    r"|pneumonia|surgery|operation on|blind in|is (?:deaf|blind|mute)|am (?:deaf|blind)|colou?r ?blind|feeding tube"
    r"|colostomy|catheter"
    r"|pregnant|miscarriage|brain (?:injury|damage|tumou?r)|concussion|coma|stroke|dementia|alzheimer'?s"
    r"|parkinson'?s)\b",
    re.IGNORECASE,
)
_FAMILY_PEOPLE = (
    r"(?:(?:my|his|her|their|our|the)(?: (?:real|birth|step|older|big|little|other))? )?(?:mom|mum|mommy|mummy|mama"
    r"|dad|daddy|papa"
    r"|mother|father|parents|folks|brother|sister|uncle|aunt|auntie|grandma|grandpa|grandmother|grandfather"
    r"|step ?(?:mom|dad|mother"
    r"|father)|family|cousin|guardian)"
)
_FAMILY = re.compile(
    r"\b(?:divorc\w{1,3}|(?:are|got|were|is) separat(?:ed|ing)|custody|foster (?:care|home|mom|dad|parents?|family"
    r"|child|kid)|(?:is|was"
    r"|am|were|got|i'm|been) adopted|adopted (?:me|him|her)|orphan(?:ed|age)?|in (?:jail|prison)|to (?:jail|prison)"
    r"|out of (?:jail|prison)"
    r"|locked up|arrested|on parole|probation|deport\w{1,4}|undocumented|immigration (?:papers|status|lawyer|court)"
    r"|(?:no|have|got|without|"
    r"get) papers|green card|(?:immigration|ice) (?:came|took)|asylum|refugees?|(?:homeless|women'?s"
    r"|family) shelter|in a shelter|to a shelter"
    r"|homeless|evict\w{1,3}|food stamps|food bank|on welfare|(?:lost|lose|losing) (?:his|her|their|my|the"
    r"|our) (?:job|house|home)"
    r"|got (?:fired|laid off)|laid off|(?:can't|cannot|couldn't|can not) (?:pay|afford) (?:the |our )?(?:rent|bills"
    r"|food|mortgage|house)"
    r"|behind on (?:the )?rent|(?:gets?|got|is|was|always|comes home) drunk|drinks too much|alcoholic|(?:in"
    r"|to) rehab|(?:does|uses|using"
    r"|on|selling|sells) drugs|overdos\w{1,3}|(?:hits?|beats?|hurts?|hit|beat|slaps?|kicks?) (?:me|us|my (?:mom|mum"
    r"|sister|brother)|her|him)"
    r"|abus(?:es?|ed|ive)|cps\b|child protective|social worker|restraining order|domestic violence|passed away"
    r"|died (?:last|when|of|in|from)"
    r"|(?:has|have) died|(?:just|recently) died|funeral|left us|walked out on|moved out|kicked (?:me|him|her"
    r"|us) out|(?:cheated on|cheating on)"
    r"|having an affair|(?:don't|doesn't|do not|never) (?:live|talk|speak) (?:together|with (?:us|my dad|my mom|him"
    r"|her)|to each other)"
    r"|(?:fight|fights|fighting|scream|yell) (?:a lot|all the time|every (?:night|day))|in debt|bankrupt"
    r"|single (?:mom|mum|dad|mother|father"
    r"|parent)|court (?:date|hearing)|(?:is|are|being) deployed|committed suicide|tried to kill|gambl(?:es|ing)"
    r"|sperm donor|surrogate)\b",
    re.IGNORECASE,
)
_FAMILY_PERSON = re.compile(
    rf"\b(?:{_FAMILY_PEOPLE}|i|i'm|im|we|me|us|my|our|he|she|his|her|they|student|pupil|[a-z]{{2,20}}'s)\b",
    re.IGNORECASE,
)
_CLOSE = 70
"""Characters to both sides within which the one who is meant is named."""
_STOPS = re.compile(r"[.?!\n]")


def find_circumstances(text: str) -> Iterator[Found]:
    """What is told of somebody's health and family in a text of one spelling."""
    for match in _HEALTH.finditer(text):
        if _PERSON.search(_around(text, match)):
            yield "health", match.start(), match.end(), "medium", "Somebody's health is told of."
    for match in _FAMILY.finditer(text):
        if _FAMILY_PERSON.search(_around(text, match)):
            yield (
                "family",
                match.start(),
                match.end(),
                "medium",
                "Something private of a family is told.",
            )


def _around(text: str, match: "re.Match[str]") -> str:
    """The sentence in which the words stand, cut where it is long; the words themselves are left out."""
    before = text[max(0, match.start() - _CLOSE) : match.start()]
    after = text[match.end() : match.end() + _CLOSE]
    before = _STOPS.split(before)[-1]
    after = _STOPS.split(after, maxsplit=1)[0]
    return f"{before} · {after}"
