"""E-mail addresses, and names by which a child is found in games, chats and networks."""

import re
from collections.abc import Iterator

from datasets.checks.privacy import vocabulary
from datasets.checks.privacy.kinds import Found

_EMAIL = re.compile(
    r"(?<![\w.+-])[\w.+-]{1,64} ?@ ?[\w-]{1,63}(?: ?\. ?[\w-]{2,63}){1,4}(?![\w@])"
)
_TOP_DOMAINS = (
    r"(?:com|org|net|edu|gov|io|me|info|co|uk|us|ca|de|fr|es|it|in|br|mx|jp|au|nz|ie"
    r"|nl|pl|se|no|fi|dk|ru|cn|kr|ng|za|ke)"
)
_EMAIL_SPOKEN = re.compile(
    rf"\b[\w+-]{{1,40}}(?: ?(?:\.|\bdot\b"
    rf"|\bunderscore\b) ?[\w+-]{{1,40}}){{0,3}} ?[(\[{{<]?\bat\b[)\]}}>]? ?[\w-]{{2,40}}"
    rf"(?: ?[(\[]?(?:\bdot\b|\.)[)\]]? ?[\w-]{{2,20}}){{0,2}} ?[(\[]?(?:\bdot\b|\.)[)\]]? ?{_TOP_DOMAINS}\b",
    re.IGNORECASE,
)
_AT_HANDLE = re.compile(r"(?<![\w@.])@[A-Za-z0-9_][\w.]{1,29}\w\b(?!@)")
_TAGGED = re.compile(r"\b[A-Za-z][\w.]{1,30}#\d{4}\b")
_PROFILE = re.compile(
    r"\b(?:https?://)?(?:www\.)?(?:instagram|tiktok|facebook|twitter|snapchat|twitch|roblox|linkedin|github|pinterest"
    r"|steamcommunity|x|t|youtube|discord|fb|threads|reddit|vk|bsky|kik|tumblr)\.(?:com|tv|gg|me|app"
    r"|net)/[\w@./?=&%-]{2,80}",
    re.IGNORECASE,
)
_PLATFORM = (
    r"(?:roblox|minecraft|fortnite|discord|snap(?:chat)?|insta(?:gram)?|tik ?tok|youtube|xbox(?: live)?|psn"
    r"|playstation|nintendo"
    r"|switch|twitch|steam|kahoot|whatsapp|telegram|facebook|messenger|twitter|kik|prodigy|scratch|game|gaming"
    r"|gamer|online|chat"
    r"|brawl stars|among us|skype|zoom|google|gmail|school|computer|login|class ?dojo|seesaw)"
)
_ACCOUNT = (
    r"(?:user ?names?|usernames?|user|screen ?names?|names?|handle|gamer ?tags?|tags?"
    r"|ids?|accounts?|channels?|login|nick(?:name)?|profile|@)"
)
_CUED = re.compile(
    rf"\b(?:{_PLATFORM} {_ACCOUNT}|(?:user ?name|username|screen ?name|gamer ?tag|handle|login(?: name)?|friend code))"
    r"(?: on [a-z ]{2,15}?| there| for it)?(?: is| was|'s|:| =){1,2} ?\"?([\w.#@-]{3,32})",
    re.IGNORECASE,
)
_ON_PLATFORM = re.compile(
    rf"\b(?:add|follow|friend|dm|find|message|subscribe to|invite|search(?: for)?|i am|i'm|im|called|name is|me as"
    rf"|play as)"
    rf"\b(?: me| him| her| us)?(?: on {_PLATFORM})?(?: at| as|:| under|,| it's| i'm"
    rf"| im)? ?\"?([\w.#-]{{3,32}})\"?(?: on {_PLATFORM})?",
    re.IGNORECASE,
)
_NAMED_ON = re.compile(
    rf"\bon {_PLATFORM}(?: i am| i'm| im| he is| she is| they call me| my name is| call me| you can find me as|,"
    rf"|:) ?(?:i'm |im |i am )?"
    r"\"?([\w.#-]{3,32})",
    re.IGNORECASE,
)
_FIND_ME = re.compile(
    rf"\b(?:find|add|follow|message) (?:me|him|her|us) on {_PLATFORM}(?:,| at| as|:| -){{0,2}} ?(?:it'?s |it is "
    rf"|i'?m |i am )?\"?([\w.#-]{{4,32}})",
    re.IGNORECASE,
)
_PASSWORD = re.compile(
    r"\b(?:password|passcode|pass ?word|log ?in code)(?: is| was|:| =|'s){1,2} ?\"?([^\s\",]{3,40})",
    re.IGNORECASE,
)
_MARKED = re.compile(
    r"[A-Za-z][\w.-]{0,30}[\d_#]|[\d_][\w.-]{0,30}[A-Za-z]|[a-z][A-Z]|[A-Za-z][.-][A-Za-z]"
)
_ODD_WORD = re.compile(
    r"(?<![\w@./-])(?:[A-Za-z]{2,20}_[A-Za-z0-9_]{2,20}|xX_?[A-Za-z]{2,20}_?Xx)(?![\w./-])"
)


def find_contacts(text: str) -> Iterator[Found]:
    """E-mail addresses and names on the net in a text of one spelling."""
    if "@" in text:
        for match in _EMAIL.finditer(text):
            yield (
                "email",
                match.start(),
                match.end(),
                "high",
                "This looks like an e-mail address.",
            )
        for match in _AT_HANDLE.finditer(text):
            yield (
                "handle",
                match.start(),
                match.end(),
                "high",
                "This looks like somebody's name on the net.",
            )
    for match in _EMAIL_SPOKEN.finditer(text):
        yield "email", match.start(), match.end(), "high", "An e-mail address is spelled out."
    for match in _PROFILE.finditer(text):
        yield (
            "handle",
            match.start(),
            match.end(),
            "high",
            "This is a link to somebody's profile.",
        )
    yield from _handles(text)


def _handles(text: str) -> Iterator[Found]:
    reason = "This looks like somebody's name on the net."
    for pattern in (_TAGGED, _ODD_WORD):
        for match in pattern.finditer(text):
            yield "handle", match.start(), match.end(), "high", reason
    for match in _PASSWORD.finditer(text):
        if not vocabulary.is_function_word(match.group(1)):
            yield "handle", match.start(1), match.end(1), "high", "This looks like a password."
    for pattern in (_CUED, _NAMED_ON, _FIND_ME):
        for match in pattern.finditer(text):
            if not vocabulary.is_function_word(match.group(1).strip(".")):
                yield "handle", match.start(1), match.end(1), "high", reason
    for match in _ON_PLATFORM.finditer(text):
        if (
            _MARKED.search(match.group(1))
            and not match.group(1)[0].isdigit()
            and "'" not in match.group(1)
        ):
            yield "handle", match.start(1), match.end(1), "medium", reason
