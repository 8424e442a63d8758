"""Names of people by rule: runs of words that are no words of the language, however they are cased and spelled.

Not a list of names but what a name looks like: words that nobody writes with a small letter, side by side, less places,
holidays and figures of stories. Lists of names and the letters of a word decide where capitals say nothing.
A bare first name in a child's story is no finding; one that is introduced as a real pupil's is.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

from datasets.checks.names import famous_names
from datasets.checks.privacy import vocabulary
from datasets.checks.privacy.kinds import Found, Severity, word_set
from second_grade.familiar import is_spoken

_TOKEN = re.compile(r"[^\W\d_]{1,40}(?:['-][^\W\d_]{1,40}){0,3}")
_GAPS = frozenset((" ", "  ", ". ", ".", ' "', '" ', " (", ") ", " '", "' ", "\n"))
_CONNECTORS = word_set("de del della la las los le da das do dos di du van von der den ter bin ibn bint al el abu e y")
_PLACE_NOUNS = word_set(
    "street st avenue ave road rd drive lane ln court boulevard way place circle terrace parkway highway "
    "day island islands state states city town county lake river park sea ocean bay beach mountain "
    "mountains mount hill hills canyon valley forest desert bridge museum zoo garden gardens tower castle "
    "palace square mall store center centre library hospital church school elementary primary academy "
    "college university library station airport stadium field farm ranch league cup bowl bell war treaty "
    "award prize theorem numbers number method formula series museum company corporation inc movie book "
    "books show game games club team kingdom empire"
)
_TITLES = word_set("mr mrs ms miss mx dr coach principal sir madam prof professor sister brother auntie uncle aunt")
_GRAVE_TITLES = word_set("mr mrs ms miss mx dr coach principal prof professor señora senora señor senor")
_SHORT_TITLES = word_set(
    "king lord lady pope baby lake saint aunt team mini mega iron star dark dear good big old new tsar miss"
)
_STORY_NAMES = word_set("johnson smith green brown martin teacher claus seuss bean frizzle potato")
_CUE = re.compile(
    r"\b(?:(?:my|her|his|their|our|the|whose|first|last|full|real|middle|whole) (?:name|nickname)(?:'s| is| was)"
    r"|named?|called"
    r"|(?:call|calls|called) (?:me|him|her)|nickname(?:d| is)?|go(?:es)? by|known as"
    r"|(?:my|our|her|his|a|the|best|new|old|good) (?:friend|bff|buddy|classmate|neighbou?r|partner|cousin|brother"
    r"|sister|"
    r"mom|mum|dad|aunt|uncle|grandma|grandpa|student|pupil|babysitter|nanny|teammate|desk ?mate|seat ?mate|teacher"
    r"|tutor)"
    r"|(?:sit|sits|sitting|sat|plays?|played|worked|works?|walk|walked|ride|rode) (?:next to|by|with|beside|behind)"
    r"|student|pupil|i am|i'm|im|it's me|this is|signed|sincerely|from|yours|love)"
    r"(?:[,:] ?| is| was| named| called){0,2} ?$",
    re.IGNORECASE,
)
_NAME_CUE = re.compile(
    r"\b(?:my (?:full|real|whole|last|family) name(?:'s| is| was)|my nickname(?:'s| is| was)|(?:everyone|everybody"
    r"|they|you can|people|"
    r"mom|please|friends) calls? me|nicknamed|i go by)(?:[,:])? ?$",
    re.IGNORECASE,
)
_PUPIL_CUE = re.compile(
    r"\b(?:my (?:student|pupil|son|daughter|child)|(?:our|a|the|this) (?:student|pupil)"
    r"|(?:student|pupil)(?:'s)? name(?: is)?|in my class)(?:,| is| was| named| called|:){0,4} ?$",
    re.IGNORECASE,
)
_CUE_LENGTH = 45
_NAME_LIKE = 0.2
_PAIR_LIKE = -0.6
_SLIP_LIKE = -0.25
"""`likeness` from which a word that no list has counts as a name's; the sum from which two words side by side do; and that sum
where one of them can be a misspelling."""
_OTHER_SCRIPT = re.compile(r"[^\W\d_a-zA-ZÀ-ɏḀ-ỿ]{2,40}(?: [^\W\d_a-zA-ZÀ-ɏḀ-ỿ]{1,40}){0,3}")
_SPELLED_OUT = re.compile(r"\bname\b[^.?!\n]{0,30}?\b((?:[A-Za-z][-. ]){2,20}[A-Za-z])\b", re.IGNORECASE)
_INITIAL_FIRST = re.compile(r"\b(?:[A-Z]\.){1,3} ?([A-Z][a-z]{2,30})\b")
_INITIAL_LAST = re.compile(r"\b([A-Z][a-zà-ÿ]{2,30}) [B-HJ-Z]\.(?=\W|$)")


@dataclass
class Token:
    """A word with its place, and how much it looks like part of a name."""

    start: int
    end: int
    text: str
    shouted: bool
    """The whole text is in capitals, so that they say nothing."""

    @cached_property
    def word(self) -> str:
        """Without a possessive ending."""
        lower = self.text.lower()
        return self.text[:-2] if lower.endswith("'s") and len(lower) > 3 else self.text

    @cached_property
    def lower(self) -> str:
        return self.word.lower()

    @cached_property
    def possessive(self) -> bool:
        return self.word is not self.text

    @cached_property
    def capital(self) -> bool:
        return self.text[0].isupper() and not self.shouted

    @cached_property
    def function(self) -> bool:
        return vocabulary.is_function_word(self.lower)

    @cached_property
    def plain(self) -> bool:
        return vocabulary.is_plain(self.lower)

    @cached_property
    def given(self) -> bool:
        return any(map(vocabulary.is_given, self.lower.replace("'", "").split("-")))

    @cached_property
    def family(self) -> bool:
        return any(map(vocabulary.is_family, self.lower.replace("'", "").split("-")))

    @cached_property
    def listed(self) -> bool:
        return self.given or self.family

    @cached_property
    def name_like(self) -> bool:
        return not self.plain and (self.listed or vocabulary.likeness(self.word.replace("-", "")) > _NAME_LIKE)

    @cached_property
    def strength(self) -> int:
        """2: no word of the language; 1: a word that is a name as well; 0: a word."""
        if not self.plain:
            return 2
        return 1 if self.listed else 0


def find_people(text: str) -> Iterator[Found]:
    """The names in a text of one spelling (`plain_text`)."""
    found = _tokens(text)
    titled = _is_titled(found)
    for run in _capital_runs(text, found):
        yield from _of_run(text, run, titled)
    yield from _small_letters(text, found)
    yield from _family_first(text, found)
    yield from _introduced(text, found)
    yield from _titled(text, found)
    yield from _initials(text)
    yield from _other_scripts(text)
    for match in _SPELLED_OUT.finditer(text):
        yield "name", match.start(1), match.end(1), "high", "A name is spelled out."


def _tokens(text: str) -> list[Token]:
    places = [(found.start(), found.end(), found.group()) for found in _TOKEN.finditer(text)]
    long = [word for _, _, word in places if len(word) > 1]
    shouted = len(long) > 2 and sum(map(str.isupper, long)) > 0.7 * len(long)
    return [Token(start, end, word, shouted) for start, end, word in places]


def _capital_runs(text: str, tokens: Sequence[Token]) -> Iterator[list[Token]]:
    """Words with capitals that stand side by side, small words such as `de la` between them included."""
    run: list[Token] = []
    waiting: list[Token] = []
    for token in tokens:
        last = (waiting or run)[-1:]
        joined = bool(last) and text[last[0].end : token.start] in _GAPS and not last[0].possessive
        if joined and text[last[0].end : token.start][:1] == "." and len(last[0].text) > 2:
            joined = False  # the end of a sentence
        if run and not joined:
            yield run
            run, waiting = [], []
        if token.capital and not token.function:
            run += [*waiting, token]
            waiting = []
        elif run and token.text in _CONNECTORS and len(waiting) < 3:
            waiting.append(token)
        else:
            if run:
                yield run
            run, waiting = [], []
    if run:
        yield run


def _of_run(text: str, run: list[Token], titled: bool) -> Iterator[Found]:
    singles, phrases = vocabulary.not_people()
    if len(run) > 1 and run[-1].lower in _PLACE_NOUNS:
        return
    while run and (
        (run[0].strength == 0 and not _may_begin(text, run, titled))
        or run[0].lower in _PLACE_NOUNS
        or run[0].lower in singles
    ):
        run = run[1:]
    while run and (run[-1].strength == 0 or run[-1].lower in singles):
        if run[-1].lower not in singles and _may_end(run, titled):
            break
        run = run[:-1]
    if len(run) > 1 and run[0].strength == 1 and not run[0].given and run[1].given:
        run = run[1:]  # `Farmer John`
    if len(run) > 2 and run[0].strength == 1 and _begins_sentence(text, run[0].start) and run[1].given:
        run = run[1:]
    words = [token for token in run if len(token.word) > 1 and token.text not in _CONNECTORS]
    if len(words) < 2 or _is_known(words, phrases) or _place_follows(text, run[-1].end):
        return
    strongest = max(token.strength for token in words)
    if strongest == 2 or (words[0].given and words[-1].family):
        reason = "This looks like a full name." if strongest == 2 else "These words can be a full name."
        yield "name", run[0].start, run[-1].start + len(run[-1].word), "high", reason


def _may_begin(text: str, run: Sequence[Token], titled: bool) -> bool:
    """Whether the first word, which is a word of the language, can be a short family name: `Yip Shuang` within a sentence."""
    if titled or len(run) != 2 or not 2 < len(run[0].word) < 5 or run[0].lower in _SHORT_TITLES:
        return False
    return run[1].strength == 2 and not _begins_sentence(text, run[0].start)


def _may_end(run: Sequence[Token], titled: bool) -> bool:
    """Whether the last word, which is a word of the language, can be a family name: `Xinyi Situ` within a sentence."""
    *before, last = run
    plain_talk = not titled and last.lower not in _PLACE_NOUNS and len(last.word) > 2
    names = [token for token in before if len(token.word) > 1]
    return plain_talk and len(names) in (1, 2) and all(token.strength for token in names) and names[0].strength == 2


def _is_titled(tokens: Sequence[Token]) -> bool:
    """Whether most words have a capital letter, as in a heading, so that they say little."""
    words = [token for token in tokens if len(token.text) > 3]
    return len(words) > 3 and sum(token.capital for token in words) > 0.6 * len(words)


def _begins_sentence(text: str, at: int) -> bool:
    before = text[:at].rstrip(" \"'(") if at < 40 else text[at - 40 : at].rstrip(" \"'(")
    return not before or before[-1] in ".?!\n:"


def _is_known(words: Sequence[Token], phrases: frozenset[str]) -> bool:
    """Whether two words of the run, one after the other, are somebody of history or a place."""
    lower = [token.lower for token in words]
    for first, second in pairwise(lower):
        pair = f"{first} {second}"
        if pair in famous_names() or pair in phrases:
            return True
    return False


def _place_follows(text: str, end: int) -> bool:
    following = re.match(r" ([A-Z][a-z]{1,20})\b", text[end : end + 24])
    return bool(following and following.group(1).lower() in _PLACE_NOUNS)


def _small_letters(text: str, tokens: Sequence[Token]) -> Iterator[Found]:
    """Pairs and triples of words without capitals that are no words, or are names by the lists."""
    singles, phrases = vocabulary.not_people()
    tokens = [token for token in tokens if len(token.text) > 1 or token.lower in ("i", "a")]  # no initials
    at = 0
    while at + 1 < len(tokens):
        first, second = tokens[at], tokens[at + 1]
        together = _side_by_side(text, first, second) and not first.possessive
        if not together or (first.capital and second.capital) or first.function or second.function:
            at += 1
            continue
        if first.lower in singles or second.lower in singles or _is_known((first, second), phrases):
            at += 2
            continue
        if not _pair_is_name(text, first, second):
            at += 1
            continue
        last, step = second, 2
        if at + 2 < len(tokens) and not second.possessive:
            third = tokens[at + 2]
            if text[second.end : third.start] == " " and third.name_like and not third.function:
                last, step = third, 3
        if last.lower not in _PLACE_NOUNS:
            yield "name", first.start, last.start + len(last.word), "high", "This looks like a full name."
        at += step


def _side_by_side(text: str, first: Token, second: Token) -> bool:
    gap = text[first.end : second.start]
    return gap in (" ", "  ") or bool(len(gap) < 6 and re.fullmatch(r" \w\.? ?", gap) and gap[1] not in "ia")


def _unknown(token: Token) -> bool:
    """No word and on no list; what is drawn out (`ohhhh`) is an exclamation."""
    drawn_out = re.search(r"(.)\1\1", token.lower) or is_spoken(token.lower)
    return token.strength == 2 and len(token.word) > 1 and not drawn_out


def _likeness(token: Token) -> float:
    return 0.5 if token.listed else vocabulary.likeness(token.word.replace("-", ""))


def _slip(token: Token) -> bool:
    """A word that a child spelled its own way."""
    return not token.listed and vocabulary.is_misspelled(token.lower)


def _pair_is_name(text: str, first: Token, second: Token) -> bool:
    if first.lower == second.lower:
        return False
    sure = [token.name_like for token in (first, second)]
    if all(sure):
        return True
    if first.capital or second.capital:
        return False  # `Gary goodnight`
    slips = _slip(first) + _slip(second)
    if _unknown(first) and _unknown(second) and slips < 2:
        return _likeness(first) + _likeness(second) > (_SLIP_LIKE if slips else _PAIR_LIKE)
    if first.given and second.family and any(sure):
        return True
    unknown = _unknown(first) and _unknown(second)
    if not (any(sure) or unknown) and not (first.given and second.family and first.strength and second.strength):
        return False
    cued = bool(_CUE.search(text[max(0, first.start - _CUE_LENGTH) : first.start]))
    return cued and first.strength > 0 and second.strength > 0


def _family_first(text: str, tokens: Sequence[Token]) -> Iterator[Found]:
    """`Okonkwo, Adaeze`: two names with a comma, which are no list of children."""
    singles, _ = vocabulary.not_people()
    for at in range(len(tokens) - 1):
        first, second = tokens[at], tokens[at + 1]
        if text[first.end : second.start] not in (", ", ","):
            continue
        if first.function or second.function or len(first.word) < 2 or len(second.word) < 2:
            continue
        if (
            {first.lower, second.lower} & singles
            or not _can_be_turned(text, first, second)
            or (first.given and not first.family)
        ):
            continue
        before = at > 0 and tokens[at - 1].strength == 2 and text[tokens[at - 1].end : first.start] == ", "
        if before or _list_goes_on(text, tokens[at + 1 : at + 4]):
            continue
        yield (
            "name",
            first.start,
            second.start + len(second.word),
            "high",
            "This looks like a family name and a first name.",
        )


def _can_be_turned(text: str, first: Token, second: Token) -> bool:
    """Whether two words with a comma between them can be a family name and a given one."""
    if first.capital and second.capital:
        begins = _begins_sentence(text, first.start)
        return first.strength + second.strength > 2 or (second.strength == 2 and not first.function and not begins)
    return _unknown(first) and _unknown(second) and _likeness(first) + _likeness(second) > -0.3 and not _slip(second)


def _list_goes_on(text: str, following: Sequence[Token]) -> bool:
    """Whether another name follows after one more comma or `and`, so that it is a list of children."""
    if len(following) < 2:
        return False
    second, third = following[:2]
    gap = text[second.end : third.start]
    if gap == " " and third.lower in ("and", "or") and len(following) > 2:
        return following[2].strength == 2 and not following[2].function
    return gap in (", ", " & ") and third.strength == 2


def _introduced(text: str, tokens: Sequence[Token]) -> Iterator[Found]:
    """Single names that somebody is introduced by."""
    for token in tokens:
        if token.function or len(token.word) < 2 or not token.strength:
            continue
        before = text[max(0, token.start - _CUE_LENGTH) : token.start]
        if _PUPIL_CUE.search(before) and (token.capital or token.strength == 2) and token.listed:
            yield "name", token.start, token.start + len(token.word), "high", "A real pupil seems to be named."
        elif _NAME_CUE.search(before) and (token.capital or token.strength == 2):
            yield "name", token.start, token.start + len(token.word), "low", "Somebody says what they are called."


def _titled(text: str, tokens: Sequence[Token]) -> Iterator[Found]:
    for title, name in pairwise(tokens):
        if title.lower not in _GRAVE_TITLES or text[title.end : name.start] not in (" ", ". ", "."):
            continue
        if name.function or name.lower in _STORY_NAMES or len(name.word) < 2:
            continue
        if name.strength == 2 or (name.capital and name.family):
            reason = "A grown-up is named; check that it is no real teacher."
            yield "name", title.start, name.start + len(name.word), "low", reason


def _initials(text: str) -> Iterator[Found]:
    for match in _INITIAL_FIRST.finditer(text):
        if not vocabulary.is_plain(match.group(1)):
            yield "name", match.start(), match.end(), "medium", "Initials and a family name."
    for match in _INITIAL_LAST.finditer(text):
        if not vocabulary.is_plain(match.group(1)) and vocabulary.is_given(match.group(1)):
            yield "name", match.start(), match.end(), "medium", "A first name and the initial of a family name."


def _other_scripts(text: str) -> Iterator[Found]:
    """Words of another alphabet in an English text: nobody here can read them, and a name is what is left in its own."""
    if text.isascii() or sum(map(str.isascii, text)) < len(text) / 2:
        return
    for match in _OTHER_SCRIPT.finditer(text):
        severity: Severity = "low"
        yield "name", match.start(), match.end(), severity, "Words in another script; look whether they name somebody."
