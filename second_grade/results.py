"""Which number an answer claims: of a working with several numbers, the one that it ends up with.

claimed_number("15 and 5 is 20 and 3 more is 23", question)   # "23"
claimed_number("not 22, one more", question)                  # "23"
"""

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise

from second_grade import numbers
from second_grade.matching import NEGATION
from second_grade.questions import Question
from second_grade.spelling import sound
from second_grade.words import plain, words

NUMBER = re.compile(r"(?<![\w/])\d+(?:/\d+)?(?![\w/])")
SELF = re.compile(
    r"^(?:um+ |oh |well |and |one time |once |then )*(?:(?:i|we) (?:really |also |just |once |only )?"
    r"(?:like|love|hate|have|has|had|hav|saw|want|went|know|wish|live|can|was|were|write|read|drink|drank|eat|ate|"
    r"dropped|jumped|fell|threw|spilled|climbed|got (?:a|an|some|two|new)|raised|made a|"
    r"play(?:ed)?|found|bought|watch\w*|visited|are going|am|need a)\b|"
    r"my (?!(?:big |little |older )?(?:brother|sister|mom|dad|teacher|friend|grandma|grandpa|"
    r"cousin)(?: \w+)? (?:told|said|says|tot|taught|showed)|"
    r"answer|guess|brain|chin|fingers?)"
    r"(?:[\w']+ ){1,3}(?:has|had|is|have|was|got|likes?|says|puts|can|doesn'?t|broke|gave|took|ate|made|found|"
    r"bought|went|saw|\w+ed|\w{3,}s)\b|"
    r"the (?:tooth fairy|easter bunny|lady|man) \w+|there(?:'?s| is| are| was| were) (?:a|an)\b|"
    r"once upon|once there|(?:yesterday|last (?:week|night|year|summer|time))\b)"
)
"""How a clause begins that tells of whoever speaks."""
_CLAUSE_END = re.compile(
    r"[.!?;:…\n]+|,|\bbut\b|\bso\b|\band (?:then )?(?=it|i|the|you|we|they|he|she)\b"
)
_ONE = re.compile(
    r"\b(?:that|this|the other|which|wich|each|every|another|hard|easy|big|little|new|red|blue|last|first|next|"
    r"tricky|only|no|other|a|"
    r"right|wrong|real|[a-z]+er|[a-z]+est) 1\b|\b1 (?:time|day|of (?:them|my|the|these|those)|by 1|night|kid|"
    r"more time|because it)\b|"
    r"\b(?:any|some|every|the) ?1\b(?! (?:is|in|means|ten)\b)"
)
_STRONG = re.compile(
    r"(?:\b(?:the answer (?:is|was|must be)|answer:|answer is|so (?:then )?(?:i think |i say |it'?s |its |it is |"
    r"that'?s |thats |that is |there'?s |"
    r"there are |i (?:get|got|have) |you (?:get|have) |we (?:get|have) |now i have |the answer is |it would be |"
    r"it makes |that makes |they have |he has )?|"
    r"(?:and |so |then )?(?:that'?s|thats|that is|it'?s|its|that makes|which makes|which is|makes|gives|equals|"
    r"equal|land(?:ed)? on|end(?:ed)? up (?:with|at|on)|"
    r"ends up (?:with|at)|stop(?:ped)? (?:at|on)|in all|all together|altogether|leaves(?: me| you)?|left with|"
    r"i (?:got|get)|you get|must be)))"
    r"[ ,:]*(?:about |like |just |only |maybe |now |the |exactly |actually |oh |um+ |umm, )*(\d+)\b(?! (?:and|"
    r"plus|minus|take away|times|\+|-|because it'?s the|more|x)\b| ?[-+x*=]|/)"
)
_RESULT = re.compile(
    r"(?:\b(?:is|it'?s|its|makes|make|maks|gives|give|gave|equals|get|got|that'?s|thats|there'?s|theres|are|"
    r"leaves|left with|answer is|worth|was|be|"
    r"and i get|says|have|has|say|said|to)|=)"
    r" ?(?:about |like |just |only |maybe |now |the )?(\d+)\b(?! (?:and|plus|minus|take away|times|\+|x)\b| ?[-+x*])"
)
_GOES_ON = re.compile(r"\b\d+ (?:more )?(?:is|makes|equals|gives|=) ?(\d+)\b(?! ?[-+x*/])")
_OFF_BY = re.compile(
    r"\bnot (\d+)\b[^.\d]*?\b(\d+) (more|less|fewer|bigger|higher|lower|under|over|after|before)\b|"
    r"\b(\d+) (more than|less than|after|before) (\d+)\s*$"
)
_LEFT_OVER = re.compile(
    r"(?<=\d)(?: \w+)? (?:and|with) (?:then |there(?:'s| are) |theres |you (?:get|have) )?"
    r"\d+ (?:\w+ )?(?:left ?over|leftover|extra|left|that (?:don'?t|didn'?t|aren'?t)|not in|by (?:them|it)sel\w+)\b"
)
"""What is left over beside the number that counts: "4 and 7 left over"."""
_BEGINS = re.compile(r"(\d+)\b(?P<after>[^.!?,;]*)")
_AFTER_BARE = re.compile(
    r"^ ?(?:because|becuz|becaus|becus|cuz|coz|cause|'cause|bc|since|i think|i guess|maybe|right|all ?together|"
    r"in all|total|left|not|if|when|"
    r"is (?:the|my) answer|years? old|yrs?|"
    r"i (?:counted|did|know|got|used|just|put|took|can|think)|and i(?:'m| am)?\b)"
)


def claimed_number(text: str, question: Question) -> str | None:
    """The number that a text claims, as digits, or None. `text`: in lower case, its numbers as digits."""
    listed = listed_numbers(question)
    told = _ONE.sub(" ", text) if "1" not in listed else text
    told = re.sub(
        r"(?<=\d) and (?:a|1|3) (?:half|quarters?|fourths?)\b", "", _LEFT_OVER.sub("", told)
    )
    off = _off_by_some(told)
    if off is not None:
        return off
    asked = {plain(word) for word in words(" ".join(question.asked))}
    clauses = [clause for clause in _CLAUSE_END.split(told) if clause and clause.strip()]
    asks_about_the_child = re.search(r"\bare you\b", question.wordings) is not None
    if asks_about_the_child:
        kept = [
            clause for clause in clauses if not re.match(r"^ ?(?:and )?my (?!age)\w+", clause)
        ]
    else:
        kept = [clause for clause in clauses if not _tells_of_itself(clause, listed)]
    kept = [_without_other_things(clause, asked, listed) for clause in kept]
    affirmed = [re.split(r"\bthan\b", NEGATION.split(clause)[0])[0] for clause in kept]
    stated = " . ".join(affirmed)
    if re.search(r"\d+ or (?:maybe )?\d+", stated):
        return None  # two at once commit to neither
    said = NUMBER.findall(stated)
    if not said:
        return None
    if len(set(said)) == 1:
        return _lone(stated, said[0], question, listed)
    operands = set(NUMBER.findall(numbers.in_digits(question.wordings)))
    for value in _candidates(told, stated, said, question, operands - listed):
        if value is not None:
            return value
    return None


def _candidates(
    told: str, stated: str, said: Sequence[str], question: Question, operands: set[str]
) -> Iterator[str | None]:
    """What may be the result, the surest first."""
    reason = re.search(r"\b(?:because|becuz|becaus|becus|cuz|coz|cause|'cause|since|bc)\b", told)
    before_reason = told[: reason.start()] if reason else told
    yield None if counts_up(said[:4]) else _begins(told, operands)
    counted = with_unit(stated, question)
    yield counted if counted not in operands else None
    yield _last_strong(before_reason, operands)
    yield _last_strong(told, operands)
    if counts_up(said):
        yield said[-1]
    ends = re.search(r"(?:^|[,.!?]|\band|\bis)\s*(?:um+ |oh |like )?(\d+)[ .!?]*$", told)
    yield ends.group(1) if ends and ends.group(1) not in operands else None
    results = [value for value in _RESULT.findall(stated) if value not in operands]
    yield results[-1] if results else None
    fresh = [value for value in said if value not in operands]
    yield fresh[-1] if fresh else None


def listed_numbers(question: Question) -> set[str]:
    ways = [way for phrase in (*question.right, *question.mistaken) for way in phrase.split("|")]
    return {way for way in map(numbers.in_digits, ways) if way.isdigit()}


def _off_by_some(text: str) -> str | None:
    """ "not 22, 1 more" is 23."""
    found = _OFF_BY.search(text)
    if found is None:
        return None
    base, step, how = (
        (found.group(1), found.group(2), found.group(3))
        if found.group(1)
        else (found.group(6), found.group(4), found.group(5))
    )
    if len(base) > 6 or len(step) > 2:
        return None
    sign = 1 if how in ("more", "more than", "bigger", "higher", "over", "after") else -1
    return str(int(base) + sign * int(step))


def _tells_of_itself(clause: str, listed: set[str]) -> bool:
    return SELF.search(clause.strip()) is not None and not set(NUMBER.findall(clause)) & listed


_MAY_FOLLOW_TEXT = (
    "left more and plus minus is are was equals take times in all total altogether together because cuz cause becuz "
    "becus i it so or if when of for then that thats right too big small little ones one tens ten hundreds hundred "
    "cents cent parts pieces beats claps syllables years year yrs old of not no but than away groups group sets set "
    "points sticks still there flew fly go gone went stayed bundles sums not thank yes to from on at the a you u we "
    "they he she my since bc times x make makes get gets have has had with were what's its it's altogether exactly "
    "maybe bucks pennys hops jumps each now again dollars coins pack packs things times sound sounds"
)
_MAY_FOLLOW = frozenset(_MAY_FOLLOW_TEXT.split())


def _without_other_things(clause: str, asked: set[str], listed: set[str]) -> str:
    """The clause without numbers of things that were not asked about ("5 dollars for each tooth", "4 stitches")."""

    def keep(found: re.Match[str]) -> str:
        follower = found.group(2)
        is_known = (
            follower in _MAY_FOLLOW
            or follower in asked
            or follower.rstrip("s") in asked
            or f"{follower}s" in asked
        )
        return (
            found.group()
            if is_known or found.group(1) in listed or len(clause.split()) <= 4
            else f" {follower}"
        )

    return re.sub(r"(?<![\w/])(\d+) ([a-z']+)", keep, clause)


def _lone(stated: str, value: str, question: Question, listed: set[str]) -> str | None:
    """The only number of a text: it is the claim unless it is an operand said again in a longer sentence."""
    operands = set(NUMBER.findall(numbers.in_digits(question.wordings)))
    if value in operands and value not in listed and len(stated.split()) > 2:
        return None
    if value in listed or len(stated.split()) <= 6:
        return value
    is_told = (
        _STRONG.search(stated)
        or _RESULT.search(stated)
        or _begins(stated, operands)
        or with_unit(stated, question)
    )
    return value if is_told else None


def _begins(text: str, operands: set[str]) -> str | None:
    """A number that opens the answer and stands for itself: "56, i know it because", "3 becus my chin"."""
    start = re.sub(
        r"^(?:(?:um+|uh+|hm+|oh|well|so|ok|okay|easy|i think|i said|i guess|i got|i get|i say|maybe|(?:i just |i |"
        r"i'm |im )(?:turned|turning|only|just|still|almost|gonna be|about to be)|i'?m|i am|im|its|it'?s|it is|"
        r"that'?s|thats|is it|probably|"
        r"the answer is|yes|yay|like|just|about|you have|i have|there(?:'s| are))\b[ ,.!]*)+",
        "",
        text.strip(" .,!?"),
    )
    found = _BEGINS.match(start)
    if found is None or found.group(1) in operands:
        return None
    after = found.group("after")
    follows = after.split()
    is_bare = not follows or _AFTER_BARE.match(after) is not None
    is_counted = (
        len(follows) in (1, 2)
        and follows[0].isalpha()
        and not NUMBER.search(after)
        and follows[0] not in ("and", "plus", "is", "take", "minus", "times", "or")
    )
    if not (is_bare or is_counted):
        return None
    rest = start[found.end() :].strip(" ,.!?")
    if not follows and re.match(r"\d+", rest):
        return None  # counting, or another number right after it
    return found.group(1)


def _last_strong(text: str, operands: set[str]) -> str | None:
    """The last number that is named as a result, or that a calculation goes on to ("makes 20, plus 3 is 23")."""
    strong = [found for found in _STRONG.finditer(text) if found.group(1) not in operands]
    if not strong:
        return None
    later = [
        found
        for found in _GOES_ON.finditer(text, strong[-1].end())
        if found.group(1) not in operands
    ]
    last: str = (later or strong)[-1].group(1)
    return last


def with_unit(text: str, question: Question) -> str | None:
    """The number beside what was counted: "4 tens" where "how many tens" was asked."""
    units = re.findall(r"how (?:many|much) (\w+)", question.wordings)
    for unit in units:
        stem = unit.removesuffix("s")
        if stem in ("do", "money", "did", "are", "i"):
            continue
        for found in re.finditer(r"(\d+) (?:of them |is the |is |full )?([a-z]+)", text):
            if found.group(2).removesuffix("s") == stem or (
                len(stem) > 3 and sound(found.group(2).removesuffix("s")) == sound(stem)
            ):
                return found.group(1)
    return None


def counts_up(found: Sequence[str]) -> bool:
    """Whether the last four numbers are counted: by equal steps, up or down."""
    said = [int(value) for value in found if value.isdigit() and len(value) < 8]
    once = [value for place, value in enumerate(said) if place == 0 or value != said[place - 1]]
    last = once[-4:]
    steps = {after - before for before, after in pairwise(last)}
    return len(last) == 4 and len(steps) == 1
