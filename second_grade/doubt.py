"""Where an answer says that it does not know: in so many words, by asking back, or by what was not learned yet.

without_doubt("i dont know, maybe 56")   # (", maybe 56", True)
"""

import re
from collections.abc import Sequence

from second_grade.words import plain, words

_KNOWS_NOT = (
    r"(?<!when )(?<!if )i (?:really |still |just )?(?:don'?t|do not|doe?s?n?t|dunno|doe t|dunt|"
    r"didn'?t) (?:really |even |ever )?"
    r"(?:kno\w*|no|get (?:it|that|this|what|why|how|the question)|understand|remember|recall|have (?:a|"
    r"any) (?:clue|idea))\b|"
    r"idk|i ?dunno|dunno|(?:i'?m )?(?:still )?not (?:really |so |too |100% |all that |very |exactly )?(?:sure|"
    r"certain)|"
    r"i (?:keep (?:on )?forgetting|forgot|forget|4got)\b(?! (?:my|his|her|our)\b)|i'?m not the one to ask|"
    r"(?<!i )don'?t (?:remember|kno|know)\b|dont no\b|no (?:idea|clue)|not a clue|beats me|search me|who knows|"
    r"how (?:should|would) i know|"
    r"i wonder|nobody knows|no one knows|(?:my \w+|he|she) knows (?:but|that one|it not|how but|this|about)|"
    r"^(?:but )?my (?:mom|dad|brother|sister|teacher|grandma|grandpa) knows?\b(?: (?:that|it|how))?$|"
    r"helps me with (?:those|that|it|this|these|math)|(?:hasn'?t|didn'?t|doesn'?t) (?:done|do|know|taught|"
    r"teach) (?:it|that|those|this|us|me|either|yet)|i (?:forgot|forget) (?:his|her|the|my|its) (?:name|number|"
    r"age|answer|word|grade)|it depends|depends (?:on|how|what|if)|(?:it|they|story|book|question) (?:didn'?t|"
    r"doesn'?t|did not|don'?t) (?:say|tell)\b|"
    r"ran out of|i(?:'?d| would)? need (?:more|help|a hint|(?:my|some|the) (?:cubes|blocks|fingers|counters|paper|"
    r"pencil|number line|sticks))|"
    r"i have(?:n'?t| not) (?:a clue|any idea)|i (?:have|got) no (?:idea|clue|answer)|"
    r"i (?:don'?t|do not|didn'?t) (?:have|get|got) (?:a|an|any|the|no) answer|"
    r"(?:nobody|no one|noone)(?: [\w']+){0,4} (?:knew|knows)\b|"
    r"i(?:'?m| am) not (?:a|an|much of a) [a-z]+ (?:person|kid|guy)|i(?:'?m| am)? (?:all )?mixed up"
)
_CANNOT = (
    r"i (?:really |just )?(?:can'?t|cannot|could ?n'?t|cant) (?:even |really )?"
    r"(?:tell|do (?:it|that|this|those|these|the)|spell (?:it|that)|read|clap it|say|think of|pick|choose|decide|"
    r"remember|figure|"
    r"answer|explain)|cant (?:pick|choose|decide|tell)|"
    r"i can'?t (?:do (?!that to)|count|spell|read|explain|add|subtract|draw|hear)|i never (?:get|remember|know|"
    r"understand) (?:it|them|that|those|this|what|which)|"
    r"never (?:remember|get) (?:that|this|those|them|it|which)|i'?(?: a)?m not (?:a|an|very|that) (?:farmer|"
    r"scientist|expert|genius|good|smart)|"
    r"^(?:well )?(?:we|you|they|it|he|she) just (?:have|do|does|is|are|did|has)(?: to| them| it)?$|"
    r"(?:for|is|are) (?:third|3rd|fourth|older|bigger|big) ?(?:grader|kid)s?|"
    r"(?<!push )(?<!pushes )(?<!pushed )(?<!hit )(?<!hits )(?<!try )(?<!blow )(?<!blows )(?<!solid )(?<!gets )"
    r"(?<!hold )(?:too|so|really|to|very|kinda|super) "
    r"(?:hard|difficult|confusing|tricky)\b|(?:hard|tricky|difficult) (?:question|one|for me)|"
    r"(?:is|'s) (?:tricky|confusing|hard) for me|"
    r"confus(?:es|ed|ing)|(?:numbe?rs? (?:are |is )?|those (?:are |r )|that'?s |thats )to+ big|to+ big for me|"
    r"for big(?:ger)? kids|big kids? (?:stuff|math|question)|"
    r"(?:third|3rd|fourth|4th|fifth|5th) grade (?:stuff|math|thing)|not good at|no good at|bad at|"
    r"mix(?:ed)? (?:it |them |those |these |that )?(?:all )?up$|(?:get|got|getting) (?:\w+ )?(?:\w+ )?mixed up|"
    r"(?:get|got) mixed|always mix|"
    r"doesn'?t make (?:any )?sense|makes no sense|my brain|(?:im|i'm|i am) (?:stuck|lost|confused)|lost count|"
    r"give up on|(?:got|gets|get) (?:all )?messed up|(?:were|was|are|is) too (?:slow|fast|quick) to \w+|"
    r"i (?:can|could|know how to) (?:only )?\w+(?: \w+)? but not the (?:rest|other|whole|end)\b"
)
_NOT_YET = (
    r"(?:we|i|they|my class|our class) (?:really |just )?(?:don'?t|didn'?t|haven'?t|hasn'?t|never|did not|"
    r"have not|ain'?t|havent) "
    r"(?:really |even |ever |actually )?(?:do|did|done|learn\w*|learnt|had that|hear\w*|talk\w*|yet|"
    r"got(?:ten)? (?:to|there)|get to|"
    r"cover\w*|try|tried|seen|saw|see|studied|been (?:told|taught)|check\w*|look\w*|read (?:about|that))"
    r"(?! (?:not|anything|that to))|"
    r"i never (?!mind\b|ever\b|eat\b|do\b|go\b)\w+|don'?t (?:get|"
    r"understand) (?!in|to|hurt|a\b|mad)\w+|"
    r"never (?:heard|learned|learnt|looked|tried|did|saw|seen|done|been told|checked|thought about)|"
    r"(?:we|i|they) (?:only|just|mostly) (?:do|did|done|got (?:up )?to|get (?:up )?to|know|knew|learn\w*|learnt|"
    r"have (?:done|learned|had)|went (?:up )?to|go (?:up )?to|can do|practice\w*|"
    r"count|counted|started)\b|i only (?:know|can)|(?:only|just) (?:up )?to (?:ten|twenty|a hundred|\d+)\b|"
    r"(?:we|i)(?:'?re| are|'?m| am|'?ll| will)? (?:going to|gonna|will|supposed to|bout to)? ?(?:learn|do|start|"
    r"get to|get) "
    r"(?:that|it|those|them|this|to that|to it)(?: \w+)* (?:later|next|after|soon|tomorrow|in|when)|"
    r"(?:is|going to|gonna) do (?:that|it|those|that kind)\b.*\b(?:after|next|later|soon|tomorrow)|"
    r"not there yet\b|when i'?m (?:older|bigger|in)|next year|"
    r"(?:nobody|no one|noone|no body|they|teacher|mom|dad|she|he) (?:ever|never|didn'?t|hasn'?t|did not|has not|"
    r"told|said)(?: ever)? "
    r"?(?:told|tell|said|say|taught|teach|show\w*|explain\w*|tot|me|us)|nobody (?:told|said|tot|taught)|"
    r"(?:wasn'?t|was not|weren'?t) (?:listening|paying|there|here|at school)|i was (?:absent|sick|out sick|"
    r"gone)(?: that| when|$)|"
    r"(?:hasn'?t|haven'?t|didn'?t|never) (?:show\w*|taught|teach|explain\w*) (?:us|me)\b|"
    r"i (?:asked|told) (?:my|the) \w+(?: \w+)? but\b|(?:we|i)(?:'?d| would) (?:have to|need to) (?:do (?:a|an)|test)\b"
)
_ASKS_FIRST = (
    r"(?:can|could|may|will|would|do) (?:you|u|ya) (?:please |pls |just )?(?:help|say (?:it|that)|repeat|ask|tell|"
    r"explain|show|give me|read (?:it|that)|"
    r"spell it|mean|do it)\b|(?:ask|give) me (?:another|a different|something|an easi|one more)|"
    r"(?:can|could) (?:i|we) (?:please )?(?:try|see|ask|look|skip|use|pass|do|draw|count|think)|"
    r"i(?:'?d| would) (?:have to|need to|hafta) (?!say\b|guess\b|pick\b|go with\b|ask\b)\w+|"
    r"i(?:'?d| would) (?:have to|need to|want to|hafta) (?:try|look|count|check|see|think|ask (?:my|the|somebody|"
    r"someone) \w+ first)|"
    r"i (?:have|need|hafta|gotta) (?:to )?(?:try it|check|look it up|see it|think about)|let me (?:think|ask|look|"
    r"see)|"
    r"(?:next|skip|different|another) question|i(?:'?ll)? (?:pass\b|skip (?:this|that one))|maybe it (?:does|"
    r"is) maybe it (?:doesn'?t|isn'?t)|"
    r"maybe it (?:does|is) maybe it (?:doesnt|isnt)|how am i supposed|what i'?m supposed|"
    r"(?:what|wut) (?:do )?(?:you|u) mean|i(?:'?d| would) have to ask my \w+ (?:if|first)|^(?:huh|wut|what)\b ?\??$"
)
_DOUBT = re.compile(rf"\b(?:{_KNOWS_NOT}|{_CANNOT}|{_NOT_YET}|{_ASKS_FIRST})")
_ASKS_BACK = re.compile(
    r"^(?:um+|uh+|hm+|er+|wait|ok|oh|but|so|and|well|huh|sorry|pardon)*[, .]*(?:(?:what|wut)(?! (?:makes|happens|"
    r"happened|keeps|pulls|pushes|the|it|you|people|holds|brings|comes|makes))|whats|what's|which|wich|who (?:is|"
    r"are|was)|who's|whos|where (?:is|are)|mean\?|how (?:do|does|did|many|much|come|u|you|can)|"
    r"is (?:it(?! \d)|that|this|there|a|an)|how \w+ (?:is|are|does|do)|(?:which|what) \w+$|depends which|"
    r"do (?:you|u|i|we|they|the)|does (?:it|that)|like (?:the|a|what)\b[^?]*\?$|like what|are (?:we|they|those)|"
    r"(?:is|does|do|are) [\w' ]{1,24}$|you mean|u mean|wat)\b"
)
_ASKS_SHORTLY = re.compile(
    r"^(?:why|who|where|does|do|is|are|am|was|which|what|how|would|could)\b(?! it'?s| it is because)[^?]*\?$|"
    r"^(?:why|where) (?:is|are|was|did|do|does|would)\b|"
    r"^(?:[\w']+ ){1,2}(?:what|how|who|which)\??$|^(?!(?:and|i|because|cuz|cause|to|"
    r"so)\b)(?:[\w']+(?:[ ,-]+|(?=\?$))){1,4}\?$|^(?:mean|meaning)\?|^[^.!?]{1,30}\?[^.!?]{1,40}\?$"
)
_ASKS_IF_SO = re.compile(
    r"^(?:um+ |oh )?is(?:n'?t)? it (?:because|cuz|cause|when|like|that|to|so)\b|^isn'?t (?:it|that)\b"
)
_ASKS_ABOUT_YOU = re.compile(
    r"^(?:and )?(?:are|do|how old are|can|will|did|have|what(?:'s| is)|whats|where do|who are) "
    r"(?:you|u|your|ur)\b(?! mean| want me| get\b)"
)
_MEANING = re.compile(
    r"\b(?:which one|wich one|you mean|u mean|do i|counts? as|count (?:if|as)|supposed to|should i|"
    r"what does .* mean|what'?s (?:a|an|that)\b|rime)\b"
)
_ASKS_MEANING = re.compile(
    r"\b(?:what|(?:which|wich) one)\b.*\bmean|^(?:mean|meaning)\b|"
    r"^(?:um+ |uh+ |wait |but |so )*(?:what|wut|wat|whats|what'?s)(?: is| are| even)?"
    r"(?: (?:a|an|the))? [\w']+(?: again| like)?$|^(?:huh|wut|what|wat)\b ?$|what(?:'?s| is) (?:that|it|this)\b|"
    r"\bhow (?:do|does|should|would|am|can)\b|\bcounts? (?:as|if)\b|^(?:which|wich) one (?:is|was)\b|\bforg[eo]t|\bsomething\b|"
    r"^is (?:it|that|this) (?:like|the same)\b|^what(?:'?s| is| are) (?:a|an|one|the)\b|\bis that (?:like|a|the)\b"
)
"""The question about the question: what a word means, which one is meant, how one does it."""
_GUESS_ONLY = re.compile(
    r"^(?:um+|uh+|hm+|i think|i guess|maybe|one of (?:them|those)|either)?$"
)
_EITHER = re.compile(
    r"^(?:um+|uh+|hm+|maybe|like|i think|i guess|probably|about|around|it'?s|either|[ ,.])*"
    r"\d+(?: maybe)?,? or (?:maybe |like )?\d+"
    r"(?: i think| maybe| or something)?$"
)
"""Two numbers: "maybe like 40 or 50"."""
_PIECES = re.compile(r"([.!?;…]+|,|\bbut\b|\bmaybe\b|\bso\b)")
_BETWEEN = re.compile(r"\bmaybe (?:it )?(?:\w+,? ){1,3}(?:or |and )?maybe\b")
_HARD = re.compile(
    r"^(?:(?:um+|hm+|uh+|oo+h|that'?s|it'?s|this is|that one'?s|that one is|it is|that is|"
    r"this one is)[, ]*)*(?:a )?(?:hard|tricky|confusing)(?: (?:one|word|question))?$"
)
_MISSED = re.compile(
    r"^(?:well |um+ |oh )*(?:we|they|she|he|our class) (?:did|do|had|learned|talked about|taught) [^.!?]{1,50}? but (?:i|it) "
    r"(?:was|were|wasn'?t|missed|forgot|didn'?t)\b[^.!?]*"
)
"""What the class did and the child missed: it names the topic and claims nothing."""
_GUESSES = re.compile(
    r"\b(?:maybe|i think|i guess|probably|might|could be|but (?!i don)|is it|isn'?t it|i bet|i'd say|id say|or)\b"
)


def has_doubt(text: str) -> bool:
    """Whether a text says anywhere that it does not know. `text` in lower case."""
    return _DOUBT.search(text) is not None or any(
        _HARD.match(piece.strip()) for piece in re.split(r"[.!?]+", text)
    )


def guesses(text: str) -> bool:
    """Whether it offers something as a guess: "maybe", "i think", "is it"."""
    return _GUESSES.search(text) is not None


def asks_back(text: str, asked: Sequence[str]) -> bool:
    """Whether the whole of it is a question to who asked ("what is a bundle", "which one u mean").

    The question itself, said again, is none, nor is one about who asked ("are you??").
    """
    short = text.strip(" .,!")
    if _ASKS_IF_SO.search(short) or _ASKS_ABOUT_YOU.search(short):
        return False
    if not _ASKS_BACK.search(short) or _echoes(short, asked):
        return False
    pieces = [piece for piece in re.split(r"[.!;]+|\?+", short) if piece.strip()]
    if len(short.split()) > 14 and not short.endswith("?"):
        return False
    is_marked = short.endswith("?") or _MEANING.search(short) is not None
    if len(pieces) == 1:
        return is_marked or len(short.split()) <= 9
    return all(_ASKS_BACK.search(piece.strip()) or has_doubt(piece) for piece in pieces)


def asks_shortly(text: str, asked: Sequence[str]) -> bool:
    """Whether it is a short question with nothing in it that could be an answer ("the what?", "why are they sad")."""
    short = text.strip(" .,!")
    if (
        len(short.split()) > 9
        or _ASKS_IF_SO.search(short)
        or _ASKS_ABOUT_YOU.search(short)
        or _echoes(short, asked)
    ):
        return False
    return _ASKS_SHORTLY.search(short) is not None


def asks_meaning(text: str) -> bool:
    """Whether a question asks what was asked, or how to do it: who says "whats a syllable" does not know. Who says "what
    kind of birds" asks about something else."""
    short = text.strip(" .,!?")
    if re.match(r"^which (?!one\b)\w+", short):
        return False  # "which story do you mean"
    return _ASKS_MEANING.search(short) is not None or has_doubt(text)


def asks_about_you(text: str) -> bool:
    """Whether all of it is one question about who asked: "do you live by me"."""
    short = text.strip(" .,!?")
    return (
        len(short.split()) <= 9
        and not re.search(r"[.!?]", short)
        and _ASKS_ABOUT_YOU.search(short) is not None
    )


def stays_between(text: str) -> bool:
    """Whether it says two things and commits to neither: "maybe it floats maybe it sinks", "bigger? smaller?"."""
    return (
        _BETWEEN.search(text) is not None
        or _EITHER.match(text.strip(" .,!?")) is not None
        or _only_guesses(text)
    )


def _only_guesses(text: str) -> bool:
    """Two short questions or more, and nothing said beside them but that one does not know."""
    pieces = re.findall(r"[^.!?]+[.!?]*", text)
    asked = [piece for piece in pieces if piece.rstrip().endswith("?")]
    said = [piece.strip(" .,!?") for piece in pieces if not piece.rstrip().endswith("?")]
    if len(asked) < 2 or any(len(piece.split()) > 6 for piece in asked):
        return False
    return all(_GUESS_ONLY.match(piece) or has_doubt(piece) for piece in said)


def _echoes(text: str, asked: Sequence[str]) -> bool:
    said = {plain(word) for word in words(text)}
    for wording in asked:
        wanted = {plain(word) for word in words(wording)}
        if len(said) >= 4 and len(said & wanted) >= 0.7 * max(len(wanted), len(said)):
            return True
    return False


def without_doubt(text: str) -> tuple[str, bool]:
    """(the text without its clauses of doubt, whether there were any)."""
    missed = _MISSED.match(text)
    if missed is not None:
        return text[missed.end() :].strip(" ,.!?"), True
    pieces = _PIECES.split(text)
    kept = [piece for piece in pieces if not _DOUBT.search(piece.strip())]
    has_any = len(kept) < len(pieces) or has_doubt(text)
    return "".join(kept).strip(), has_any
