"""Phrases that tell who speaks: hedges and fillers, adults and assistants, teachers, programs."""

import re
from collections import Counter

_HEDGES = re.compile(
    r"\b(?:i think|i guess|i bet|i wonder|maybe|probably|perhaps|might be|kind of|kinda|sort of|sorta|not (?:really |so )?sure|"
    r"i'?m not sure|i don'?t really know|i forgot|i don'?t remember|let me think|is that right|did i get it right|"
    r"u+m+|u+h+|e+r+m+|h+m{2,})\b",
    re.IGNORECASE,
)
_CORRECTIONS = re.compile(
    r"\b(?:wait|oops|i mean|no,? (?:wait|that)|let me (?:try|count|think|start)|oh,? (?:no|i know|now i)|actually|"
    r"i messed up|i got mixed up)\b",
    re.IGNORECASE,
)
_ADULT = re.compile(
    r"\b(?:furthermore|moreover|additionally|therefore|thus|hence|consequently|nevertheless|nonetheless|in conclusion|"
    r"in summary|to summari[sz]e|in other words|for instance|specifically|essentially|fundamentally|subsequently|"
    r"however,|it is important to|it'?s important to|it is worth|keep in mind|as a result|in order to|"
    r"plays? an? (?:crucial|vital|key|important|essential) role|on the other hand|a (?:wide )?variety of|such as the|"
    r"refers? to|is defined as|is (?:called|known as) an? |due to|utili[sz]e\w{0,3}|demonstrate\w{0,3}|"
    r"that'?s (?:a )?(?:great|excellent|wonderful|good|interesting) question|great question|i'?d be happy to|"
    r"would you like me to|let'?s work through|does that make sense|certainly[!,]|absolutely[!,]|of course!|"
    r"i hope this helps|feel free to|let me know if|to be honest|i suppose|i(?:'d| would) rather|although|whereas|"
    r"regarding|with respect to|as well as|is caused by|are caused by|the process (?:of|by)|as long as possible)",
    re.IGNORECASE,
)
_TEACHING = re.compile(
    r"\b(?:let me explain|great question|good question|well done|(?:good|great|nice|excellent|amazing|awesome) (?:job|work|"
    r"try|effort|thinking)|that'?s (?:a )?(?:right|correct|great|good try|not quite)|not quite right|your answer|you got it|"
    r"(?:can|could) you (?:please )?(?:tell me|explain|show me|try|solve|think of|read)|what do you (?:think|notice)|"
    r"would you like to|let'?s (?:look|try|start|go|move|see|take|solve|review|practice|count)|does that make sense|"
    r"remember (?:that|to)|as we learned|(?:okay|all right|now|good morning),? (?:class|everyone|everybody|boys and girls)|"
    r"boys and girls|i like how you|i can help you|keep (?:it up|trying|up the)|your students?|we (?:need|have) to|"
    r"how did you (?:get|figure|know|find)|what is the question asking|next question|try again)\b",
    re.IGNORECASE,
)
_AS_AN_AI = re.compile(
    r"\b(?:as an ai|as a (?:large )?language model|i'?m an ai|i am an ai|ai (?:language )?(?:model|assistant)|"
    r"language model|i'?m (?:just )?(?:a|an) (?:bot|chat ?bot|computer|computer program|program|virtual assistant|assistant)|"
    r"i am (?:just )?(?:a|an) (?:bot|chat ?bot|computer|computer program|program|virtual assistant|assistant)|chatgpt|openai|"
    r"my training data|i (?:can'?t|cannot) assist|i do not have (?:personal|feelings|an age)|"
    r"i don'?t have (?:personal|feelings|an age))\b",
    re.IGNORECASE,
)


_ASSISTANT = re.compile(
    r"\b(?:i(?:'m| am) (?:just )?(?:an? )?(?:ai|assistant|chatbot|virtual)\b|how (?:can|may) i (?:help|assist)|"
    r"(?:i'd|i would) be happy to|i(?:'m| am) here to (?:help|assist)|i (?:cannot assist|can't assist|apologi[sz]e)|"
    r"thank you for (?:asking|your)|do not hesitate|i hope (?:that )?this)\b",
    re.IGNORECASE,
)
_MARKUP = re.compile(
    r"^[ \t]{0,20}(?:[-*•]|\d{1,3}[.)])[ \t]+\S|\*\*|^#{1,6}[ \t]|```", re.MULTILINE
)


def hedges(text: str) -> int:
    """How often it hedges or fills: "I think", "maybe", "um". Made-up children do it far more often than real ones."""
    return len(_HEDGES.findall(text))


def corrections(text: str) -> int:
    """How often it corrects itself."""
    return len(_CORRECTIONS.findall(text))


def adult_phrases(text: str) -> list[tuple[str, int]]:
    """(phrase, times) of what adults and assistants say, most frequent first, at most 20."""
    found = Counter(
        match.group().lower().replace("’", "'").strip()
        for match in _ADULT.finditer(text.replace("’", "'"))
    )
    return found.most_common(20)


def teaching_phrases(text: str) -> int:
    """How often it speaks as a teacher does to a pupil."""
    return len(_TEACHING.findall(text.replace("’", "'")))


def out_of_character(text: str) -> tuple[str, ...]:
    """Phrases and layout that no child would use, each once: of programs, assistants, adults and teachers; lists, headings."""
    straight = text.replace("’", "'")
    found = [
        match.group().strip()
        for part in (_AS_AN_AI, _ASSISTANT)
        for match in part.finditer(straight)
    ]
    found += [phrase for phrase, _ in adult_phrases(straight)]
    found += [match.group().strip() for match in _TEACHING.finditer(straight)]
    found += [match.group().strip() for match in _MARKUP.finditer(straight)][:1]
    kept: dict[str, str] = {}
    for phrase in found:
        kept.setdefault(phrase.lower(), phrase)
    return tuple(kept.values())


def says_it_is_an_ai(text: str) -> str | None:
    """The words in which a text gives itself away as a program, or None."""
    found = _AS_AN_AI.search(text.replace("’", "'"))
    return found.group() if found else None
