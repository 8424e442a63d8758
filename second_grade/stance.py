"""What an answer claims: right, mistaken (and which misconception), unsure, or something else.

    question = Question(("What is 20 - 6?",), right=("14|fourteen",), mistaken=("16|sixteen",))
    claim("20 take away 6, thats 14 not 16", question)   # Claim(Stance.RIGHT, "14")

The first value that the answer commits itself to counts. Set aside are what it denies ("not 16"), what it compares with
("than 305"), what it gives as a reason ("because ...", unless there is nothing else), what it takes back ("no wait, ...",
"first i thought ... but ..."), and what it says of itself where that was not asked ("my brother has 100 points").

Phrases: "7|seven" are two ways to say one thing; a phrase after "=" has to be the whole of what is claimed ("=town").
"""

import re
from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise

from second_grade import numbers, phrases
from second_grade.matching import NEGATION, is_denied, matches_in
from second_grade.questions import Claim, Kind, Question, Stance, name_of
from second_grade.words import plain

LONGEST_ANSWER = 2_000
"""No more of an answer is read: a claim stands at its beginning."""
_UNSURE = re.compile(
    r"\b(?:i (?:really )?(?:don'?t|do not|doe?s?n?t|dunno|doe t) (?:really |even )?"
    r"(?:know|no|get it|get that|get this|understand|remember)\b|"
    r"idk|dunno|(?:i'?m )?(?:still )?not (?:really |so )?(?:sure|certain)|i (?:forgot|forget)\b|"
    r"don'?t remember|no idea|no clue|"
    r"i (?:can'?t|cannot|cant) (?:tell|do (?:it|that)|spell (?:it|that)|read|clap it|say)|"
    r"(?:too|so|really) hard|hard (?:question|one)|"
    r"too big for me|(?:we|i|they) (?:don'?t|didn'?t|haven'?t|never|did not|have not) "
    r"(?:do|did|done|learn\w*|learnt|had that|hear\w*|talk\w*|yet)(?! (?:not|anything|that to))|"
    r"never (?:heard|learned|learnt|looked|tried|did)|not good at|mix(?:ed)? (?:up|them up)|"
    r"always mix|i wonder|how should i know|who knows|"
    r"nobody (?:told|said)|teacher (?:didn'?t|did not) (?:say|tell)|^what(?:'?s| is| are| does| do you)\b.*\w\??$|"
    r"can you help|maybe it (?:does|is) maybe it (?:doesn'?t|doesnt|isn'?t|isnt))"
)
_UNSURE_ONLY = re.compile(r"^what(?:'?s| is| are| does| do you)\b")
_CORRECTION = re.compile(
    r"(?:(?<=[\d?!,] )no,? (?=\d|it|its|i )|\b(?:no,? wait|wait,? no|oh wait|no no|i mean|oops|let me try again|"
    r"actually)\b|\bwait\b[,.!]?|"
    r"\b(?:first )?i (?:first )?thought\b[^.!?]*?\bbut\b(?: you have to \w+(?: so)?)?)"
)
_REASON = re.compile(r"\b(?:because|becuz|becaus|cuz|coz|cause|'cause|since|bc)\b")
_CLAUSE_END = re.compile(r"[.!?;:…\n]+|,|\bbut\b|\bso\b|\band (?:then )?(?=it|i|the|you|we|they|he|she)\b")
_YES = re.compile(r"^(?:um+ |uh+ |oh |well )*(?:yes+|yeah|yea|yep|yup|ya|uh huh|sure|of course|ok(?:ay)? yes)\b")
_NO = re.compile(r"^(?:um+ |uh+ |oh |well )*(?:no+|nope|nah|no way|not really|uh uh)\b(?!body| one| more)")
_SELF = re.compile(
    r"^(?:um+ |oh |well |and )?(?:i (?:like|love|hate|have|had|saw|want|went|know|wish|live|can|was|write)\b|"
    r"my (?!(?:big |little )?(?:brother|sister|mom|dad|teacher|friend|grandma|grandpa)(?: \w+)? (?:told|said|says|tot)|answer)"
    r"(?:\w+ ){1,3}(?:has|is|have|likes?|says|puts|can|doesn'?t)\b|there(?:'?s| is| are)? (?:a|an|is|are|no)\b)"
)
_FILLERS = re.compile(
    r"^(?:(?:um+|uh+|hm+|oh|well|so|ok|okay|like|i think|i thinked|i guess|i said|maybe|its|it'?s|it is|that'?s|thats|they'?re|"
    r"he'?s|hes|she'?s|he is|is it|it means|you|probably|the answer is|a|an|the|and|just|is)\b[ ,]*)+"
)
_TAIL = re.compile(r"(?:[ ,]*\b(?:i think|i guess|maybe|right|too|stuff|though|please)\b)+[ ?]*$")
_COMPARE = re.compile(
    r"^(?P<left>.*?)\b(?P<how>more|bigger|larger|higher|greater|less|smaller|littler|lower|fewer|tinier)\b"
    r"(?: \w+)? than (?P<right>.*)$"
)
_MORE = frozenset(["more", "bigger", "larger", "higher", "greater"])
_NUMBER = re.compile(r"(?<![\w/])\d+(?:/\d+)?(?![\w/])")


def claim(answer: str, question: Question) -> Claim:
    """What an answer claims; see the module."""
    text = _normal(answer[:LONGEST_ANSWER])
    if not re.search(r"\w", text):
        return Claim(Stance.OTHER)
    if phrases.says_it_is_an_ai(text) and re.search(r"\byou\b", " ".join(question.asked).lower()):
        return Claim(Stance.MISTAKEN, "says it is a program")
    kind = kind_of(question)
    rest = _after_corrections(text)
    if _UNSURE_ONLY.search(rest) and len(rest.split()) <= 7 and not _committed(rest, question, kind, whole_only=True):
        return Claim(Stance.UNSURE)
    certain, was_unsure = _without_unsure(rest)
    found = _committed(certain, question, kind, whole_only=False)
    if found is not None:
        return found
    return Claim(Stance.UNSURE) if was_unsure else Claim(Stance.OTHER)


@lru_cache(maxsize=1_000)
def kind_of(question: Question) -> Kind:
    """Which kind of answer is asked for: from the phrases, and from how the question begins."""
    ways = [way for phrase in question.right for way in phrase.split("|")]
    are_numbers = [_NUMBER.fullmatch(numbers.in_digits(way)) is not None for way in ways]
    if ways and all(are_numbers):
        return Kind.NUMBER
    listed = {*ways, *(way for phrase in question.mistaken for way in phrase.split("|"))}
    if listed & {"yes", "no"}:
        return Kind.YES_NO
    together = " ".join(question.asked).lower()
    return Kind.CHOICE if re.search(r"\bor\b", together) else Kind.OPEN


def _normal(text: str) -> str:
    spelled = re.sub(r"(?<![a-z])([a-z])(?:[\s.,-]+(?=[a-z](?![a-z])))", r"\1-", plain(text))
    spaced = re.sub(r"\s+", " ", spelled).strip()
    return re.sub(r"(?<=\w)-(?=\w{2,})", " ", spaced)


def _after_corrections(text: str) -> str:
    """What is left when what was taken back is gone; all of it where nothing comes after."""
    for found in reversed(list(_CORRECTION.finditer(text))):
        rest = text[found.end() :].strip(" ,.!?")
        if rest:
            return rest
    return text


def _without_unsure(text: str) -> tuple[str, bool]:
    """(the text without its clauses of doubt, whether there were any)."""
    pieces = re.split(r"([.!?;…]+|,|\bbut\b|\bmaybe\b|\bso\b)", text)
    kept, was_unsure = [], False
    whole_is_unsure = _UNSURE.search(text) is not None and re.search(r"[,.!?;…]|\bbut\b|\bmaybe\b|\bso\b", text) is None
    if whole_is_unsure:
        reason = _REASON.split(text)
        return "", bool(reason)
    for piece in pieces:
        if _UNSURE.search(piece.strip()):
            was_unsure = True
        else:
            kept.append(piece)
    if _UNSURE.search(text):
        was_unsure = True
    return "".join(kept).strip(), was_unsure


def _committed(text: str, question: Question, kind: Kind, *, whole_only: bool) -> Claim | None:
    """The claim of a text that has no doubt left in it, or None."""
    told = numbers.in_digits(text, expected=kind is Kind.NUMBER)
    whole = numbers.in_digits(_bare(text), expected=kind is Kind.NUMBER)
    exact = _whole(whole, question)
    if exact is not None or whole_only:
        return exact
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
    for stance, listed in ((Stance.RIGHT, question.right), (Stance.MISTAKEN, question.mistaken)):
        for phrase in listed:
            for way in phrase.split("|"):
                target = numbers.in_digits(way.removeprefix("="))
                if whole == target:
                    return Claim(stance, name_of(phrase))
    return None


def _of_part(text: str, question: Question, kind: Kind) -> Claim | None:
    compared = _compared(text, question)
    if compared is not None:
        text = compared
    if kind is Kind.NUMBER:
        return _number(text, question)
    rhyme = _rhyme(text, question)
    if rhyme is not None:
        return rhyme
    polar = _polar(text, question)
    if polar is not None:
        return polar
    return _phrase(text, question, kind)


def _compared(text: str, question: Question) -> str | None:
    """The side that a comparison puts forward, where more or less was asked: "305 is less than 350" puts 350 forward."""
    asked = re.search(r"\b(more|bigger|larger|less|smaller|fewer)\b", " ".join(question.asked).lower())
    found = _COMPARE.match(text)
    if asked is None:
        return None
    short = re.match(
        r"^(?P<left>.*?) (?:is|has) (?:the )?(?P<how>less|smaller|littler|lower|fewer)[ .!]*$", text.strip()
    )
    if (
        short is not None
        and asked.group(1) in _MORE
        and not re.search(r"\b(?:bigger|smaller)\b.*\bor\b", " ".join(question.asked).lower())
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
    asked = re.search(r"rhymes? with (\w+)", " ".join(question.asked).lower())
    said = re.findall(r"[a-z]+", _bare(text))
    if asked is None or not said or len(said) > 4:
        return None
    given = asked.group(1)
    ending = re.sub(r"^[^aeiouy]*", "", given)
    rhymes = [word for word in said if word.endswith(ending) and word != given]
    if rhymes:
        return Claim(Stance.RIGHT, rhymes[0])
    return Claim(Stance.MISTAKEN, said[0]) if len(said) <= 2 and said[0] != given else None


def _polar(text: str, question: Question) -> Claim | None:
    """A yes or no at the beginning, where one of them is a phrase of the question."""
    start = text.strip(" ,.!?")
    for word, pattern in (("yes", _YES), ("no", _NO)):
        if pattern.search(start):
            return _whole(word, question)
    return None


def _number(text: str, question: Question) -> Claim | None:
    """The number that is claimed: the one with the asked unit, else the last that is named as a result, else the only one."""
    clauses = [clause for clause in _CLAUSE_END.split(text) if clause and clause.strip()]
    operands = set(_NUMBER.findall(numbers.in_digits(" ".join(question.asked).lower())))
    listed = _listed_numbers(question)
    kept = [clause for clause in clauses if not _is_about_itself(clause, listed)]
    positive = [NEGATION.split(clause)[0] for clause in kept]
    stated = " . ".join(re.split(r"\bthan\b", clause)[0] for clause in positive)
    concluded = re.findall(r"\bso (?:it'?s |that'?s |i (?:get|got) )?(\d+)\b", text)
    if concluded:
        return _judge_number(concluded[-1], question)
    if re.search(r"\d+ or (?:maybe )?\d+", stated):
        return None  # two at once commit to neither
    if _counts_up(_NUMBER.findall(stated)):
        return _judge_number(_NUMBER.findall(stated)[-1], question)
    begins = _BEGINS.match(_bare(stated))
    if begins and begins.group(1) not in operands - listed:
        return _judge_number(begins.group(1), question)
    value = _with_unit(stated, question) or _result(stated) or _only(stated, operands, listed)
    return None if value is None else _judge_number(value, question)


def _listed_numbers(question: Question) -> set[str]:
    ways = [way for phrase in (*question.right, *question.mistaken) for way in phrase.split("|")]
    return {way for way in map(numbers.in_digits, ways) if way.isdigit()}


def _is_about_itself(clause: str, listed: set[str]) -> bool:
    return _SELF.search(clause.strip()) is not None and not set(_NUMBER.findall(clause)) & listed


def _with_unit(text: str, question: Question) -> str | None:
    units = re.findall(r"how (?:many|much) (\w+)", " ".join(question.asked).lower())
    for unit in units:
        stem = unit.removesuffix("s")
        if stem in ("do", "money", "did", "are", "i"):
            continue
        found = re.search(rf"(\d+) (?:of them )?{stem}s?\b|(\d+) is the {stem}s?\b", text)
        if found:
            counted: str = found.group(1) or found.group(2)
            return counted
    return None


_BEGINS = re.compile(
    r"(\d+)\b(?: (?:stickers|birds|pennies|cents|crayons|tens|years old|claps|syllables)\b[^.]*)?\s*(?:$|[.,!?](?!\s*\d))"
)


_RESULT = re.compile(
    r"(?:\b(?:is|it'?s|its|makes|make|equals|get|got|that'?s|thats|there'?s|theres|are|leaves|left with|answer is|worth|"
    r"and i get|says)|=)"
    r" (?:about |like |just |only |maybe |now |the )?(\d+)\b"
)


def _result(text: str) -> str | None:
    results: list[str] = _RESULT.findall(text)
    return results[-1] if results else None


def _only(text: str, operands: set[str], listed: set[str]) -> str | None:
    found: list[str] = _NUMBER.findall(text)
    if not found:
        return None
    if _counts_up(found):
        return found[-1]
    fresh = [value for value in found if value not in operands]
    if fresh:
        return fresh[0] if len(fresh) == 1 or text.strip().startswith(fresh[0]) else fresh[-1]
    is_alone = len(found) == 1 and len(re.findall(r"\w+", _bare(text))) <= 3
    return found[0] if is_alone and found[0] in listed else None


def _counts_up(found: Sequence[str]) -> bool:
    """Whether the last four numbers are counted: by ones, backwards, or by tens."""
    said = [int(value) for value in found if value.isdigit()]
    once = [value for place, value in enumerate(said) if place == 0 or value != said[place - 1]]
    last = once[-4:]
    steps = {after - before for before, after in pairwise(last)}
    return len(last) == 4 and steps in ({1}, {-1}, {10})


def _judge_number(value: str, question: Question) -> Claim:
    for stance, listed in ((Stance.RIGHT, question.right), (Stance.MISTAKEN, question.mistaken)):
        for phrase in listed:
            if value in (numbers.in_digits(way) for way in phrase.split("|")):
                return Claim(stance, name_of(phrase))
    return Claim(Stance.MISTAKEN, value)


def _phrase(text: str, question: Question, kind: Kind) -> Claim | None:
    """The phrase that the answer commits itself to first; of two at one place, the longer."""
    is_binary = kind in (Kind.YES_NO, Kind.CHOICE)
    is_about_the_child = re.search(r"\byour?\b", " ".join(question.asked).lower()) is not None
    clauses = [piece.strip() for piece in re.split(r"[.!?;:…\n]+|,|\bbut\b", text) if piece and piece.strip()]
    conclusions = [clause.split(" so ", 1)[1] for clause in clauses if " so " in clause]
    for clause in (*conclusions, *clauses):
        if not is_about_the_child and _SELF.search(clause):
            continue
        affirmed = re.split(r"\b(?:not|instead of|rather than)\b", clause)[0]
        exact = _whole(_bare(clause), question) or _whole(_bare(affirmed), question)
        if exact is not None:
            return exact
        found = _first_phrase(clause, question, is_binary)
        if found is not None:
            return found
    return None


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
    flipped = Stance.MISTAKEN if denied.stance is Stance.RIGHT else Stance.RIGHT
    return Claim(flipped, f"not {denied.what}")
