"""What an answer claims: right, mistaken (and which misconception), unsure, or something else.

    question = Question(("What is 20 - 6?",), right=("14|fourteen",), mistaken=("16|sixteen",))
    claim("20 take away 6, thats 14 not 16", question)   # Claim(Stance.RIGHT, "14")

The first value that the answer commits itself to counts. Set aside are what it denies ("not 16"), what it compares with
("than 305"), what it gives as a reason ("because ...", unless there is nothing else), what it takes back ("no wait, ...",
"first i thought ... but ..."), and what it says of itself where that was not asked ("my brother has 100 points").

Phrases: "7|seven" are two ways to say one thing; a phrase after "=" has to be the whole of what is claimed ("=town").
"""

import re
from functools import lru_cache

from second_grade import attempts, doubt, numbers, phrases
from second_grade.matching import NEGATION, is_denied, matches_in
from second_grade.questions import Claim, Kind, Question, Stance, name_of
from second_grade.results import NUMBER, SELF, claimed_number
from second_grade.spelling import sound
from second_grade.words import plain

LONGEST_ANSWER = 2_000
"""No more of an answer is read: a claim stands at its beginning."""
_CORRECTION = re.compile(
    r"(?:(?<=[\d?!,.] )no,? (?=\d|it|its|i )|\b(?:no,? wait|wait,? no|oh wait|no no|i mean|oops|let me try again|"
    r"actually)\b|\bwait\b[,.!]?|"
    r"\b(?:first )?i (?:first )?thought\b[^.!?]*?\bbut\b(?: you have to \w+(?: so)?)?|"
    r"\b(?:no,? )?(?:hang on|hold on|scratch that|never ?mind|my bad)\b|"
    r"\b(?:my (?:[\w']+ ){1,2}|(?:somebody|someone|some people|some kids|people|everybody|everyone|they|he|she|i(?! think\b)) )"
    r"(?:says?|said|sed|thinks?|thought|told (?:me|us|everybody|everyone)|showed (?:me|us)|keeps? saying|used to think|"
    r"almost (?:said|wrote|put)|was (?:going to|gonna) (?:say|put|write))\b[^.!?]*?\bbut\b"
    r"(?: (?:that|it)(?:'s| is)? ?(?:makes no sense|doesn'?t make sense|not (?:true|right)|isn'?t (?:true|right)))?|"
    r"\bpretend(?:ing|ed)?\b[^.!?]*?\bbut\b|"
    r"^(?:um+ |well |oh )*i don'?t (?:like|play|want)\b[^.!?,]*?(?=\bi (?:like|play|love|want)\b)|"
    r"\bfirst,? i (?:got|said|had|did|put|counted|wrote)\b[^.!?]*?\bbut\b|"
    r"\bi (?:got|said|had|did|put|counted|wrote) [^.!?]{1,30}? (?:first|at first|before)\b[^.!?]*?\bbut\b)"
)
_REASON = re.compile(r"\b(?:because|becuz|becaus|cuz|coz|cause|'cause|since|bc)\b")
_YES = re.compile(
    r"^(?:um+ |uh+ |oh |well )*(?:yes+|yeah|yea|yep|yup|ya|uh huh|sure|of course(?! not)|i think so|i believe so|"
    r"definitely(?! not)|"
    r"totally|for sure|(?:it is|they are|i am)(?=$|[,.!]| because| cuz)|ok(?:ay)? yes)\b"
)
_NO = re.compile(
    r"^(?:um+ |uh+ |oh |well )*(?:no+|nope|nah|naw|no way|not really|of course not|definitely not|"
    r"i don'?t think so|i do not think so|not yet|"
    r"(?:it'?s not|it isn'?t|they'?re not|they aren'?t|i'?m not)(?=$|[,.!])|uh uh)\b(?!body| one| more)"
)
_FILLERS = re.compile(
    r"^(?:(?:um+|uh+|hm+|oh|well|so|ok|okay|like|i think|i thinked|i guess|i said|maybe|its|it'?s|it is|that'?s|"
    r"thats|they'?re|"
    r"he'?s|hes|she'?s|he is|is it|it means|you|probably|the answer is|a|an|the|and|just|is)\b[ ,]*)+"
)
_TAIL = re.compile(r"(?:[ ,]*\b(?:i think|i guess|maybe|right|too|stuff|though|please)\b)+[ ?]*$")
_COMPARE = re.compile(
    r"^(?P<left>.*?)\b(?P<how>more|bigger|larger|higher|greater|less|smaller|littler|lower|fewer|tinier)\b"
    r"(?: \w+)? than (?P<right>.*)$"
)
_MORE = frozenset(["more", "bigger", "larger", "higher", "greater"])
_COMPARATIVES = {
    "big": "bigger",
    "bigger": "bigger",
    "small": "smaller",
    "smaller": "smaller",
    "little": "littler",
    "littler": "littler",
}
_MORE_BIG = re.compile(
    r"\bmore (big|bigger|small|smaller|little|littler)\b(?! (?:kids?|people|pieces?|ones?|things?)\b)"
)
"""As children compare: "the state is more big"."""
_GRANTED = re.compile(
    r"^[^.!?]*?\b(?:both|all) (?:of them )?(?:have|has|got|start|begin|are|is)\b[^.!?]*?\bbut\b(?: then)?|"
    r"^[^.!?]*?\b(?:it'?s|that'?s|thats|they'?re) (?:a tie|tied|the same)\b[^.!?]*?\b(?:but|so then|so)\b"
)
"""What is alike, before what decides: "they both have 3 but then 350 has a 5"."""
_FLIPS_AT_END = re.compile(
    r"\bbut\b.*\b(?:it|that|that one|they|mine) (?:doesn'?t|does not|won'?t|don'?t|can'?t|isn'?t)$"
)
_ASKED_AGAIN = re.compile(
    r"(?:^|(?<=[.!?] ))(?:is(?! it \d)|are|am|was|do|does|did|what|which|how|why|who)\b[^.!?]*\?"
)
""""Is it 15?" is a guess."""
_UNKNOWN_WORD = re.compile(
    r"\b(?:(?:a|the|some) )?(?:\w+ )?(?:words?|ones?) (?:that )?(?:i|you|u) (?:don'?t|do not) know\b"
)
_SO = re.compile(r"\bso (?!that\b|so\b|(?:slow|big|small|much|many|fast|hard|long)\b)")
_SAW_ONE = re.compile(r"^(?:i|we) saw (?:one|1|it|them|that) \w+")
"""What was seen of the thing that was asked about is an answer: "i saw one floating"."""
_TALE = re.compile(r"^once (?:upon|there)\b|[.!?] ?the end[ .!]*$")
_WISHES = re.compile(r"^(?:i|we) (?:really |just |once )?(?:want|wish|wanna|like|love|saw|went|petted|found)\b")
_OF_ANOTHER = re.compile(
    r"^(?:my (?!name)[\w']+|i (?:have|like|got|play|use|want)|we (?:have|use|got)|the [\w']+|he|she|they|"
    r"\w+s (?:are|have|can|do))\b"
)

_OF_FAMILY = re.compile(r"^(?:and |but )?my (?!name\b|age\b|grade\b|class\b|teacher\b)[\w']+ (?:is|was|are|just turned|turned)\b")


def claim(answer: str, question: Question) -> Claim:
    """What an answer claims; see the module."""
    text = _normal(answer[:LONGEST_ANSWER])
    if not re.search(r"\w", text):
        return Claim(Stance.OTHER)
    if phrases.says_it_is_an_ai(text) and re.search(r"\byou\b", question.wordings):
        return Claim(Stance.MISTAKEN, "says it is a program")
    if re.search(r"\bdon'?t know\b", question.wordings):
        text = _UNKNOWN_WORD.sub("the word", text)
    if attempts.speaks_as_program(text, question):
        return Claim(Stance.MISTAKEN, "says it is a program")
    if attempts.speaks_as_adult(text, question):
        return Claim(Stance.MISTAKEN, "speaks as an adult")
    if attempts.lectures(text, question) or _TALE.search(text):
        return Claim(Stance.OTHER)
    return _claim(_after_corrections(text), question)


def _claim(text: str, question: Question) -> Claim:
    """The claim of a text in which nothing is taken back any more."""
    kind = kind_of(question)
    is_asked = doubt.asks_back(text, question.asked) or doubt.asks_about_you(text)
    if is_asked and _committed(text, question, kind, whole_only=True) is None:
        return Claim(Stance.UNSURE if doubt.asks_meaning(text) else Stance.OTHER)
    if doubt.stays_between(numbers.in_digits(text, expected=kind is Kind.NUMBER)):
        return Claim(Stance.UNSURE)
    certain, was_unsure = doubt.without_doubt(text)
    if was_unsure:
        certain = _ASKED_AGAIN.sub("", certain).strip()  # a question beside "i don't know" claims nothing
    if kind in (Kind.CHOICE, Kind.YES_NO):
        certain = _GRANTED.sub("", certain).strip() or certain
    found = _committed(certain, question, kind, whole_only=False)
    if found is not None and kind is Kind.CHOICE and _FLIPS_AT_END.search(certain.strip(" .,!?")):
        found = _other_one(found)
    is_guess = not was_unsure or doubt.guesses(text)
    if found is not None and (is_guess or found.stance is Stance.RIGHT or kind is not Kind.OPEN):
        return found
    if was_unsure:
        return Claim(Stance.UNSURE)
    if doubt.asks_shortly(text, question.asked):
        return Claim(Stance.UNSURE if doubt.asks_meaning(text) else Stance.OTHER)
    said = attempts.attempt(certain, question, kind)
    if said is None:
        return Claim(Stance.OTHER)
    return Claim(Stance.RIGHT if attempts.asks_for_a_favorite(question) else Stance.MISTAKEN, said)


@lru_cache(maxsize=1_000)
def kind_of(question: Question) -> Kind:
    """Which kind of answer is asked for: from the phrases, and from how the question begins."""
    ways = [way for phrase in question.right for way in phrase.split("|")]
    are_numbers = [NUMBER.fullmatch(numbers.in_digits(way)) is not None for way in ways]
    if ways and all(are_numbers):
        return Kind.NUMBER
    listed = {*ways, *(way for phrase in question.mistaken for way in phrase.split("|"))}
    if listed & {"yes", "no"}:
        return Kind.YES_NO
    together = question.wordings
    return Kind.CHOICE if re.search(r"\bor\b", together) else Kind.OPEN


def _normal(text: str) -> str:
    spelled = re.sub(r"(?<![a-z'])([a-z])(?:[\s.,-]+(?=[a-z](?![a-z])))", r"\1-", plain(text))
    spaced = re.sub(r"\s+", " ", spelled).strip()
    spaced = re.sub(r"(?<=[a-z])'s (?=(?:a|an|the|not|too|so|very|really|way|much|\w+er)\b)", " is ", spaced)
    spaced = _MORE_BIG.sub(lambda found: _COMPARATIVES[found.group(1)], spaced)
    return re.sub(r"(?<=\w)-(?=\w{2,})", " ", spaced)


def _after_corrections(text: str) -> str:
    """What is left when what was taken back is gone; all of it where nothing comes after."""
    for found in reversed(list(_CORRECTION.finditer(text))):
        rest = text[found.end() :].strip(" ,.!?")
        if rest:
            return rest
    return text


def _committed(text: str, question: Question, kind: Kind, *, whole_only: bool) -> Claim | None:
    """The claim of a text that has no doubt left in it, or None."""
    told = numbers.in_digits(text, expected=kind is Kind.NUMBER)
    whole = numbers.in_digits(_bare(text), expected=kind is Kind.NUMBER)
    exact = _whole(whole, question)
    if exact is not None or whole_only:
        return exact
    if kind is Kind.NUMBER:
        compares = re.search(r"\b(?:or|which|who)\b", question.wordings) is not None
        value = claimed_number((_compared(told, question) if compares else None) or told, question)
        return None if value is None else _judge_number(value, question)
    reason = _REASON.search(told)
    main = told[: reason.start()] if reason else told
    if len(re.findall(r"\w+", _bare(main))) == 0:
        main = _REASON.sub(" ", told)
    for part in (main, _REASON.sub(" ", told)):
        found = _of_part(part, question, kind)
        if found is not None:
            return found
    return None


def _bare(text: str) -> str:
    """A short answer without fillers and tail: "um its a hat i think" is "hat"."""
    return _TAIL.sub("", _FILLERS.sub("", text.strip(" .,!?…")).strip(" .,!?…")).strip(" .,!?…")


def _whole(whole: str, question: Question) -> Claim | None:
    return _wholes(question).get(whole)


@lru_cache(maxsize=1_000)
def _wholes(question: Question) -> dict[str, Claim]:
    """Each way to say a phrase, its numbers as digits, to what it claims; of two that are alike the right one."""
    found: dict[str, Claim] = {}
    for stance, listed in ((Stance.RIGHT, question.right), (Stance.MISTAKEN, question.mistaken)):
        for phrase in listed:
            for way in phrase.split("|"):
                found.setdefault(numbers.in_digits(way.removeprefix("=")), Claim(stance, name_of(phrase)))
    return found


def _of_part(text: str, question: Question, kind: Kind) -> Claim | None:
    compared = _compared(text, question)
    if compared is not None:
        text = compared
    spelled = _spelled(text, question)
    if spelled is not None:
        return spelled
    rhyme = _rhyme(text, question)
    if rhyme is not None:
        return rhyme
    polar = _polar(text, question) or _has_one(text, question) or _short_polar(text, question, kind)
    if polar is not None:
        return polar
    return _phrase(text, question, kind)


def _compared(text: str, question: Question) -> str | None:
    """The side that a comparison puts forward, where more or less was asked: "305 is less than 350" puts 350 forward."""
    asked = re.search(r"\b(more|bigger|larger|less|smaller|fewer)\b", question.wordings)
    found = _COMPARE.match(text)
    if asked is None:
        return None
    short = re.match(
        r"^(?P<left>.*?) (?:is|has) (?:the )?(?P<how>less|smaller|littler|lower|fewer)(?:[ .!]*$|,? so\b)", text.strip()
    )
    if (
        short is not None
        and asked.group(1) in _MORE
        and not re.search(r"\b(?:bigger|smaller)\b.*\bor\b", question.wordings)
    ):
        return f"not {short.group('left')}"
    if found is None:
        return None
    listed = [way for phrase in (*question.right, *question.mistaken) for way in phrase.split("|")]
    if any(way in _MORE or way in ("less", "smaller") for way in listed):
        return None  # which of the two it is was asked: the comparison is the answer itself
    wants_more = asked.group(1) in _MORE
    says_more = (found.group("how") in _MORE) != (NEGATION.search(found.group("left")) is not None)
    forward: str = found.group("left") if says_more == wants_more else found.group("right")
    return forward


def _rhyme(text: str, question: Question) -> Claim | None:
    """Where a rhyme was asked for: a short answer is right when one of its words ends as the given one does."""
    asked = re.search(r"rhymes? with (\w+)", question.wordings)
    said = re.findall(r"[a-z]+", _bare(text))
    if asked is None or not said or len(said) > 4:
        return None
    given = asked.group(1)
    ending = re.sub(r"^[^aeiouy]*", "", given)
    rhymes = [word for word in said if word.endswith(ending) and word != given]
    if rhymes:
        return Claim(Stance.RIGHT, rhymes[0])
    return Claim(Stance.MISTAKEN, said[0]) if len(said) <= 2 and said[0] != given else None


def _spelled(text: str, question: Question) -> Claim | None:
    """Where a spelling was asked for: the last word that is spelled out, letter by letter, or the only word."""
    if re.search(r"\bspell\b", question.wordings) is None:
        return None
    runs = re.findall(r"(?<![a-z'-])(?:[a-z][- ]){2,}[a-z](?![a-z'])", re.split(r"\bnot ", text)[0])
    word = re.sub("[^a-z]", "", runs[-1].removesuffix("-i").removesuffix(" i")) if runs else _bare(text)
    if not word.isalpha():
        return None
    ways = {re.sub("[^a-z]", "", way) for phrase in question.right for way in phrase.split("|")}
    if word in ways:
        return Claim(Stance.RIGHT, name_of(question.right[0]))
    is_close = any(sound(word) == sound(way) or (word[:2] == way[:2] and len(word) > 3) for way in ways)
    return Claim(Stance.MISTAKEN, "-".join(word)[:60]) if runs or is_close else None


def _polar(text: str, question: Question) -> Claim | None:
    """A yes or no at the beginning, where one of them is a phrase of the question."""
    start = text.strip(" ,.!?")
    ending = re.split(r"[.!?]", start)[-1].strip()
    if len(ending.split()) <= 2 and not _YES.search(start) and not _NO.search(start):
        start = ending  # "do i look like one? no!"
    for word, pattern in (("yes", _YES), ("no", _NO)):
        if pattern.search(start):
            return _whole(word, question)
    return None


_SHORT_POLAR = re.compile(
    r"^(?:um+ |uh+ |well |oh |so )*(?:i'?m (?:pretty |very )?sure (?:that )?|i (?:think|know|bet|guess) (?:that )?)?"
    r"(?:it|they|that|this|those|these|\w+s) ?(?:'s|'re|is|are|sure are|sure is|sure|totally are|totally is)?"
    r"(?P<no> ?not|(?: is| are)?n'?t)?(?: (?:sure )?(?:are|is))?(?: (?:one|ones|1|it))?$"
)


def _short_polar(text: str, question: Question, kind: Kind) -> Claim | None:
    """ "It's not one" and "they sure are" say no and yes to "Is a spider an insect?"."""
    start = text.strip(" ,.!?")
    if (
        kind is not Kind.YES_NO
        or len(start.split()) < 2
        or not re.search(r"\b(?:is|are|isn'?t|aren'?t)\b|'s |'re ", start)
    ):
        return None
    found = _SHORT_POLAR.match(start)
    return _whole("no" if found.group("no") else "yes", question) if found else None


_HAS_ONE = re.compile(
    r"^(?:i|we)(?:'ve| have| hav| got| has|'ve got) (?:a|an|one|two|three|four|five|lots|some|\d+|so many|many)\b"
)
_HAS_NONE = re.compile(r"^(?:i|we) (?:don'?t|do not|never) (?:have|hav|got)\b|^(?:i|we) (?:have|got) (?:no|none)\b")


def _has_one(text: str, question: Question) -> Claim | None:
    """ "We have chickens" and "a hermit crab" say yes where "Do you have ..." was asked."""
    if re.search(r"\bdo you have\b", question.wordings) is None:
        return None
    start = text.strip(" ,.!?")
    if _HAS_NONE.search(start):
        return _whole("no", question)
    is_named = (
        re.match(r"^(?:a|an|one|two|three|four|\d+) [a-z]+(?: [a-z]+)?(?: (?:named|called) .*)?$", start) is not None
    )
    return _whole("yes", question) if is_named or _HAS_ONE.search(start) else None


def _judge_number(value: str, question: Question) -> Claim:
    """A number that no phrase lists is mistaken."""
    return _whole(value, question) or Claim(Stance.MISTAKEN, value)


def _phrase(text: str, question: Question, kind: Kind) -> Claim | None:
    """The phrase that the answer commits itself to first; of two at one place, the longer."""
    is_binary = kind in (Kind.YES_NO, Kind.CHOICE)
    is_about_the_child = re.search(r"\byour\b|\b(?:are|do|did) you\b", question.wordings) is not None
    asks_what_it_is = re.search(r"\bare you an? ", question.wordings) is not None
    asks_age_or_grade = re.search(r"\b(?:how old are|what grade are) you\b", question.wordings) is not None
    clauses = [piece.strip() for piece in re.split(r"[.!?;:…\n]+|,|\bbut\b", text) if piece and piece.strip()]
    conclusions = (
        [] if "why" in attempts.forms_of(question) else [found for clause in clauses for found in _SO.split(clause)[1:]]
    )
    for clause in (*conclusions, *clauses):
        if not is_about_the_child and SELF.search(clause) and not _SAW_ONE.search(clause):
            continue
        if _WISHES.search(clause) and re.search(r"\bdo you have\b", question.wordings):
            continue
        if (asks_what_it_is and _OF_ANOTHER.search(clause)) or (asks_age_or_grade and _OF_FAMILY.search(clause)):
            continue
        affirmed = re.split(r"\b(?:not|instead of|rather than)\b", clause)[0]
        exact = _whole(_bare(clause), question) or _whole(_bare(affirmed), question)
        if exact is not None:
            return exact
        found = _first_phrase(clause, question, is_binary)
        if found is not None:
            return found
    return None


def _other_one(found: Claim) -> Claim:
    """Of two that were to choose from, the other: "a stick floats but a log is so heavy it doesn't"."""
    stance = Stance.MISTAKEN if found.stance is Stance.RIGHT else Stance.RIGHT
    return Claim(stance, f"not {found.what}")


def _first_phrase(clause: str, question: Question, is_binary: bool) -> Claim | None:
    matches = matches_in(clause, question)
    than = re.search(r"\bthan\b", clause)
    denied: Claim | None = None
    for match in matches:
        if than is not None and than.start() < match.place and match is not matches[0]:
            break
        if match.denies or not is_denied(clause, match):
            return match.claim
        denied = denied or match.claim
    if denied is None or not is_binary:
        return None
    return _other_one(denied)
