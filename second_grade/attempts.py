"""Whether an answer that holds none of a question's phrases tries to answer it at all, told by its form.

    attempt("because it has a blanket", Question(("Why is it dark at night?",), ...), Kind.OPEN)   # what it says, cut short
    attempt("i saw a bat one night", Question(("Why is it dark at night?",), ...), Kind.OPEN)      # None

What fits the question's form is an attempt: a reason to "why", a description to "what is", a doing to "what do you do", a person to
"who". A story, a remark about how one likes it, and the question said again are none.
"""

import re
from collections.abc import Callable, Mapping
from functools import lru_cache

from second_grade import numbers, phrases
from second_grade.questions import Kind, Question
from second_grade.results import SELF
from second_grade.words import plain, words

_LONGEST_SHOWN = 60
_FILLERS = re.compile(
    r"^(?:(?:um+|uh+|hm+|er+|oh|ooh|ok|okay|well|so|like|and|then|i think|i thinked|i guess|i bet|"
    r"i sa(?:y|id)(?! (?:a|an|any|it|the|some)\b)|maybe|probably|my guess is|"
    r"my (?:mom|dad|brother|sister|grandma|grandpa|teacher|friend|cousin) (?:said|says|told me|tot me)|"
    r"no|yes|yeah|the answer is|just)\b[ ,.!]*)+"
)
_REASON = re.compile(
    r"\b(?:because|becuz|becaus|becus|becose|becuase|cuz|coz|cus|cos|cause|'cause|since|bc|so that|"
    r"so (?:we|you|u|i|they|it|people|kids|nobody|no one|everyone|everybody|the|all)|"
    r"that'?s why|thats why|that'?s how come|that'?s what|it'?s for|makes? (?:it|us|them|the)|mak it)\b|"
    r"^(?:to|for|in order) \w+|it'?s so\b|its so (?:that|we|you)\b|^(?:it|its|it'?s|they|they'?re|that'?s) (?:to|for|so)\b"
)
_ACTS = re.compile(
    r"^(?!(?:i|im|i'm|my|we)\b)(?:the |a |our |all |all the |at night |in summer |in winter |in the \w+ )*(?:[\w']+ ){0,4}?"
    r"(?:gets|goes|go|turns|turn|moves|move|comes|come|makes|make|pushes|push|pulls|hides|hide|blows|eats|stops|starts|"
    r"keeps|keep|sleeps|wakes|wants|needs|takes|lets|gives|covers|sends|brings|runs|changes|switches|burns|shines|closes|"
    r"opens|uses|holds|has to|have to|don'?t|doesn'?t|can'?t|won'?t|wants? to|trade|swap|fly|flies|swims?|"
    r"is (?:\w+ )?(?:[a-z]{2,}er|more [a-z]+|too [a-z]+)|"
    r"chases?|follows?|fights?|races?|plays?|lifts?|are (?:\w+ )?[a-z]{2,}er)\b"
)
_STATE = re.compile(r"^(?:it'?s|its|it is|they'?re|they are) (?:[a-z]+ )?[a-z]+$")
_REMARK = re.compile(
    r"^(?:(?:it|that|this|they|he|she|[\w']+)(?:'s| is| are| was| were) |thats |its )?"
    r"(?:so |very |really |too |a |an |my |the |super |kinda )*"
    r"(?:fun|funny|cool|nice|boring|easy|scary|yummy|awesome|gross|weird|favorite|best|good|bad|hard|great|long|silly|"
    r"pretty|cute|loud|yuck\w*|dumb|stupid|neat)(?: (?:word|question|one|thing|number|book|story|words|numbers))?[ !.]*$"
)
_STORY = re.compile(
    r"\b(?:once upon|once there|one day|one time|yesterday|last (?:week|night|year|summer)|the end)\b|"
    r"^(?:my|our) \w+(?:'s)? \w+|\b(?:is|are) my\b|^(?:read|tell|sing) (?:me|us)\b|\bmy lucky\b|\bhow old my\b|"
    r"\b(?:at|in) my (?:house|room|yard|school|class)\b|\bpounds\b|"
    r"^(?:i|we)(?:'m|'re| am| are)? (?:in|live|like|love|hate|went|saw|was|were|know|have|had|got|raised|want|wish)\b|"
    r"^(?:i|we) \w+ed\b|^(?:guess what|can (?:you|i|we)|look|hi|hello|bye|are you|do you|did you)\b"
)
_LIKES = re.compile(r"^i(?:'m|m)? (?:don'?t )?(?:like|love|hate|want|have|saw|had)\b")
_DEFINES = re.compile(
    r"^(?:it|that there|that it|(?:it|that|this)(?:'s| is)|its|thats|isn'?t it|is it|it(?:'?s)? (?:means|meens)|means|it meens|"
    r"they(?:'re| are)?|theyre|when|like when|like if|where|how|what|who|whoever|someone|somebody|something|some kind|"
    r"a kind|a type|kind of|a|an|the|you|u|if|another|one of|one is|any|all|to|why|saying|\d+|"
    r"[a-z]+ (?:that|you|who|which|when))\b(?! (?:just )?(?:like|love|want|in the|on|at)\b)"
)
_DOES = re.compile(
    r"^(?:(?:i|you|u|we|id|i'?d|i'?ll|ill|you'?d|they|he|she|it|people|him|them)(?:'d|'ll)? (?:just |always |would |will |"
    r"wud |usually |sometimes |can |gonna |could |should |have to |has to |gotta |wanna |only |get to |mostly )*"
    r"(?!like\b|love\b|have\b|hate\b|was\b|were\b|am\b|had\b|saw\b|want\b|know\b|live\b|went\b|don'?t like|wish\b|read a|"
    r"think\b)[a-z]\w+)"
)
_VERBS = (
    "make get go use tell put take call find think turn run walk buy sing wait close write copy hide look read ask "
    "say guess skip try give play leave ignore stop start jump throw eat sit stand stay help hug pat let bring show "
    "keep hit push kick poke tickle dance laugh yell scream cry sleep draw paint hold pull change switch pretend "
    "google search type click cover point shake press touch spell whisper shout mumble count clap nothing mind be "
    "do dont don't never just always making getting going telling putting taking calling finding leaving playing "
    "running walking giving asking guessing skipping laughing"
)
_BARE_VERBS = frozenset(_VERBS.split())
_LITTLE_WORDS = (
    "a an the it its it's is are was be this that they he she i you we and or so in on of to for with at my your do does did not "
    "just really very too all some there their his her what why how who when if like one get gets goes go have has"
)
_SMALL = frozenset(_LITTLE_WORDS.split())
_HAPPENS = re.compile(
    r"^(?:it|they|he|she|hes|shes|the \w+|you|u|\w+)(?:'s|'ll|'re)? (?:just |only |all |will |gonna |wud |would |might )*"
    r"(?:is|gets?|turns?|goes|go|becomes?|grows?|needs?|feels?|starts?|makes?|stays?|breaks?|explodes?|blows?|does|tells?|"
    r"helps?|lives?|wants?|has to|runs?|sits?|gives?|have to|put|turn|eat|eats|drinks?|dries|dry|[a-z]+s)\b|"
    r"^(?:an?|the|some|lots of|only|nothing|with|into|in|like) \w+|"
    r"^[a-z]{3,}s (?:a|an|the|to|on|in|for|his|her|all|people|everybody|around|at|up|with) \w+"
)
_TWO_AT_ONCE = re.compile(
    r"^(?:its |it'?s |they'?re |theyre |it is |they are |they both are )?(?:both|equal|tied|even steven|neither|half and half|"
    r"in the middle|in between|a little of both|none of them|(?:about )?the same|same)\b"
)
_AMOUNT = re.compile(
    r"^(?:there (?:are|is|were) |there(?:'s|s) |you have |i have |its |it'?s |they have |i am |i'?m )?(?:none|zero|nothing|"
    r"no \w+ (?:are )?left|all (?:of )?(?:them|it)|infinity|"
    r"a (?:hundred|million|thousand|billion|dollar|dozen|half|bazillion|couple|gazillion)\b|the same)"
)
_FAVORITE = re.compile(
    r"^(?!(?:i|we) (?:have|had|was|were|am|don'?t|saw|hate|went|got)\b)(?:i|we|me|\w+ing|play|my favou?rite|it'?s|its)\b"
)
_ADULT = re.compile(
    r"\b(?:my (?:wife|husband|spouse|fianc\w+|partner|kids?|children|son|daughter|grandchildren|colleagues?|co-?workers?|"
    r"office|job|boss|employer|employees|career|students|pupils|clients|customers|mortgage|landlord|degree|lab|company|"
    r"twenties|thirties|forties|fifties|own classroom|commute)|(?:at|from|after|before|for) work\b|"
    r"in (?:my|the) office|i (?:work|worked|teach|taught|graduated|retired|commute)\b|(?:am|i'm) retired|"
    r"(?:am|i'm|im) (?:an? )?(?:adult|grown ?-?up|grown (?:man|woman)|teacher|professor|parent|engineer|nurse|doctor|"
    r"lawyer|accountant|mother of|father of|middle.aged)|"
    r"when i was (?:a (?:kid|child|boy|girl|student)|your age|younger|in (?:school|elementary|grade school|second grade))|"
    r"as an adult|years? ago i|decades|too old for|meetings|stock market|stocks|taxes|bills|emails|conference|lunch break|"
    r"happy hour|wine|beer|coffee break|phd|ph\.d|master'?s|bachelor'?s|university|in college|finished school|"
    r"out of school|haven'?t been in school|long since|no longer (?:in|a))\b"
)
_PROGRAM = re.compile(
    r"\b(?:exist (?:only |just )?as|i'?m (?:just|only)|i am (?:just|only)|made of|run on|live in) (?:a |an |some |the )?"
    r"(?:software|code|computer|server|servers|program|data|machine|ai|chip|chips|cloud)\b|\bphysical (?:body|form|world)\b|"
    r"\bi was (?:trained|programmed|coded|created by|built by|developed|made (?:last|by|in))\b|"
    r"\bcomputers (?:do not|don'?t) have\b|"
    r"\bmy (?:developers?|programmers?|creators?|training|algorithms?|servers?)\b|"
    r"\bi (?:do not|don'?t) have (?:a )?(?:body|feelings)\b"
)
_ALL_OF_A_KIND = re.compile(
    r"^(?:all |most |some )?(?!(?:yes|us|recess|class|tennis|kids)\b)[a-z]+s (?:are|have|can|grow|live|eat|need|come|like) "
    r"(?!.*\b(?:best|favou?rite|fun|funnest)\b)"
)
_GENERAL = re.compile(
    r"^(?:in general,? |generally,? |the |a |an |most |many |all )*"
    r"(?:\w+ ){1,3}?(?:are|is|were|refers?|has been|have been|provides?|play)\b"
)


def attempt(text: str, question: Question, kind: Kind) -> str | None:
    """What an attempt says, cut short, or None where it is none. `text`: in lower case, without its doubts, no phrase in it."""
    bare = _FILLERS.sub("", text.strip(" ,.!?…")).strip(" ,.!?…")
    said = numbers.in_digits(bare)
    if not said or _repeats(said, question) or _REMARK.match(said):
        return None
    if kind is Kind.NUMBER:
        fits = _AMOUNT.match(said) is not None
    elif kind in (Kind.YES_NO, Kind.CHOICE):
        fits = _TWO_AT_ONCE.match(said) is not None
    else:
        fits = any(_fits(said, text, form, question) for form in forms_of(question))
    return bare[:_LONGEST_SHOWN] if fits else None


def speaks_as_adult(text: str, question: Question) -> bool:
    """Whether an adult speaks of itself, in answer to a question about who is asked."""
    return is_about_the_child(question) and _ADULT.search(text) is not None


def speaks_as_program(text: str, question: Question) -> bool:
    """Whether a program speaks of itself ("I exist only as software"), in answer to a question about who is asked."""
    return is_about_the_child(question) and _PROGRAM.search(text) is not None


def lectures(text: str, question: Question) -> bool:
    """Whether it tells about the world where the question was about who is asked ("Dogs are mammals and were ...")."""
    if not is_about_the_child(question) or re.search(
        r"\b(?:i|i'm|im|my|me|we|our|you|u|mine|us)\b", text
    ):
        return False
    if phrases.adult_phrases(text):
        return True
    if _ALL_OF_A_KIND.match(text):
        return True
    is_praise = re.search(r"\b(?:best|favou?rite|fun|funnest)\b", text) is not None
    speaks_of_one = (
        re.search(r"^(?:yes|yeah|yep|no|nope)\b|\b(?:his|her|its|hers) name\b", text) is not None
    )
    if is_praise or speaks_of_one:
        return False
    return len(text.split()) >= 6 and _GENERAL.match(text) is not None


@lru_cache(maxsize=1_000)
def is_about_the_child(question: Question) -> bool:
    """Whether it asks about who is asked, and not how one does something ("what do you do when ...")."""
    together = question.wordings
    if re.search(r"\bdo you do\b|\bhow do you (?!like)|\bwhat do you (?:do|call)\b", together):
        return False
    return (
        re.search(
            r"\b(?:are|do) you\b(?! (?:do|read|spell|get|call)\b)|\byour (?:favou?rite|name|age)\b",
            together,
        )
        is not None
    )


_ASKS_FOR_A_FAVORITE = re.compile(r"\bfavou?rite\b|\blike (?:to \w+ )?(?:best|most|the most)\b")


@lru_cache(maxsize=1_000)
def asks_for_a_favorite(question: Question) -> bool:
    """Whether any answer in earnest is right: it asks what somebody likes best."""
    return _ASKS_FOR_A_FAVORITE.search(question.wordings) is not None


_FORMS = (
    ("why", re.compile(r"\bwhy\b|\bhow come\b|\bwhat .* for\?")),
    ("favorite", _ASKS_FOR_A_FAVORITE),
    ("who", re.compile(r"\bwho\b|\bwhose\b|\bhelper\b")),
    ("do", re.compile(r"\b(?:what|how) (?:do|would|should|can) (?:you|we|i)\b")),
    (
        "what is",
        re.compile(
            r"\bwhat (?:is|are|does .* mean|do .* mean)\b|\bmeans?\b|\bdifferen(?:t|ce)\b|\bhow (?:is|are)\b|\bwhat's\b|"
            r"\bhow much\b|\bjob\b"
        ),
    ),
)
_ASKS_WHAT_HAPPENS = re.compile(
    r"\bwhat (?:happens|does|do|will|would)\b|\bturn into\b|\bfeel(?:s|ing)?\b|\bneeds?\b|\bjob of\b"
)


@lru_cache(maxsize=1_000)
def forms_of(question: Question) -> frozenset[str]:
    """Which forms its wordings have: "why", "what is", "do", "who", "happens", "favorite"."""
    found = set()
    for wording in question.asked:
        asked = wording.lower()
        first = next((name for name, pattern in _FORMS if pattern.search(asked)), None)
        if first is not None:
            found.add(first)
        asks_a_meaning = re.search(r"\bmeans?\b", asked) is not None
        if (
            _ASKS_WHAT_HAPPENS.search(asked)
            and first not in ("do", "why")
            and not asks_a_meaning
        ):
            found.add("happens")
    return frozenset(found)


def _content(text: str) -> list[str]:
    return [plain(word) for word in words(text) if plain(word) not in _SMALL]


def _repeats(said: str, question: Question) -> bool:
    """Whether it has no word of its own beside the question's."""
    asked = {word.rstrip("s") for word in _content(question.wordings)}
    return all(word.rstrip("s") in asked for word in _content(said))


def _names_the_topic(said: str, question: Question) -> bool:
    """Whether its first words are a noun of the question ("a metaphor is", "liquids you can drink")."""
    asked = {word.rstrip("s") for word in _content(question.wordings) if len(word) > 3}
    first = [word.rstrip("s") for word in _content(" ".join(said.split()[:4]))][:1]
    return (
        bool(first)
        and first[0] in asked
        and re.search(r"\b(?:is|are|means|meens|like)\b", said) is not None
    )


def _is_story(said: str) -> bool:
    return SELF.search(said) is not None or _STORY.search(said) is not None


def _is_bare(said: str) -> bool:
    """Whether it is a name of something and no sentence: "a doctor", "wind"."""
    parts = said.split()
    is_short = len(parts) <= 2 or (
        len(parts) == 3 and (parts[0] in ("a", "an", "the", "some", "my") or parts[1] == "and")
    )
    is_plural_and_verb = len(parts) == 2 and parts[0].endswith("s")
    has_sentence = re.search(
        r"\b(?:i|i'm|im|my|me|we|you|it|they|he|she|is|are|was|do|does|did|can)\b", said
    )
    return is_short and not is_plural_and_verb and has_sentence is None and not _is_story(said)


def _fits(said: str, whole: str, form: str, question: Question) -> bool:
    """Whether an answer has the form that was asked for. `whole`: the answer with its fillers."""
    if form in ("why", "what is", "happens") and _LIKES.match(said):
        return False
    if form == "why":
        gives_one = _REASON.search(whole) is not None or _STATE.match(said) is not None
        return gives_one or (not _is_story(said) and _ACTS.match(said) is not None)
    if form == "what is":
        return not _is_story(said) and (
            _DEFINES.match(said) is not None
            or _names_the_topic(said, question)
            or _is_bare(said)
        )
    return _BY_FORM[form](said)


def _says_what_happens(said: str) -> bool:
    if _is_story(said):
        return False
    first = said.split()[0]
    return (
        _is_bare(said)
        or _HAPPENS.match(said) is not None
        or first in _BARE_VERBS
        or first.rstrip("s") in _BARE_VERBS
    )


def _says_what_to_do(said: str) -> bool:
    first = said.split()[0]
    if first in _BARE_VERBS or first.removesuffix("s") in _BARE_VERBS:
        return True
    return not _is_story(said) and (
        _DOES.match(said) is not None or (_is_bare(said) and not said.endswith("s"))
    )


def _says_who(said: str) -> bool:
    if re.match(r"^(?:my|our) \w+$", said):
        return True
    is_person = (
        re.search(r"\bhelps?(?:ed|ing)?\b|^(?:the|a|an|mr|mrs|ms|miss|some) \w+", said)
        is not None
    )
    return not _is_story(said) and (_is_bare(said) or is_person)


def _says_a_favorite(said: str) -> bool:
    if _FAVORITE.match(said) or _is_bare(said):
        return True
    has_verb = re.search(r"\b(?:is|are|was)\b", said) is not None
    return (
        len(said.split()) <= 4
        and re.search(r"^\w+ (?:the|and|a)\b", said) is not None
        and not has_verb
        and not _is_story(said)
    )


_BY_FORM: Mapping[str, Callable[[str], bool]] = {
    "happens": _says_what_happens,
    "do": _says_what_to_do,
    "who": _says_who,
    "favorite": _says_a_favorite,
}
