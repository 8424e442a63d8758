"""Telephone numbers, numbers of identity, and dates of birth, in digits or spelled out as children say them."""

import re
from collections.abc import Iterator
from itertools import pairwise

from datasets.checks.privacy.kinds import Found

_DIGIT_WORDS = {
    "zero": "0",
    "oh": "0",
    "o": "0",
    "nought": "0",
    "one": "1",
    "two": "2",
    "three": "3",
    "four": "4",
    "five": "5",
    "six": "6",
    "seven": "7",
    "eight": "8",
    "nine": "9",
}
_LARGER_WORDS = {
    "ten": "10",
    "eleven": "11",
    "twelve": "12",
    "thirteen": "13",
    "fourteen": "14",
    "fifteen": "15",
    "sixteen": "16",
    "seventeen": "17",
    "eighteen": "18",
    "nineteen": "19",
    "twenty": "20",
    "thirty": "30",
    "forty": "40",
    "fifty": "50",
    "sixty": "60",
    "seventy": "70",
    "eighty": "80",
    "ninety": "90",
    "hundred": "00",
    "thousand": "000",
}
_NUMBER_WORD = "|".join(
    sorted({*_DIGIT_WORDS, *_LARGER_WORDS, "double", "triple"}, key=len, reverse=True)
)
_SPOKEN = re.compile(
    rf"\b(?:{_NUMBER_WORD}|\d{{1,4}})(?:[ ,.-]{{1,2}}(?:{_NUMBER_WORD}|\d{{1,4}})){{3,30}}\b",
    re.IGNORECASE,
)
_PIECE = re.compile(rf"{_NUMBER_WORD}|\d{{1,4}}", re.IGNORECASE)
_DIGITS = re.compile(
    r"(?<![\w.,+$€£/*=^%-])\+?\(?\d(?:[ ().\-/]{0,3}\d){6,17}(?![\w%])(?![.,]\d)"
)
_CALL_CUE = re.compile(
    r"\b(?:tele)?(?:phone|cell(?:phone)?|mobile|call(?:ed|ing)?|text(?:ed)?|ring|rang|numbers?|whats ?app"
    r"|reach(?:ed)?|tel|fax"
    r"|contact|dial(?:led)?|landline|voicemail)\b[^.?!\n]{0,35}$",
    re.IGNORECASE,
)
_CUE_LENGTH = 60
_NO_NUMBER_CUE = re.compile(
    r"\b(?:add|plus|minus|times|divided|equals?|sum|digit|digits|value|round|count(?:ing)?|ratio|pattern"
    r"|multipl\w{1,6})\b",
    re.IGNORECASE,
)
_ID_WORDS = (
    r"(?:(?:student|pupil|lunch|school|state|library|passport|medicaid|medicare|insurance|membership|member|patient"
    r"|account"
    r"|badge|national insurance|national|social security|social|health|nhs|ni|aadhaa?r|upn|tax|driver'?s?|identity"
    r"|policy"
    r"|case|visa|residence|citizen|bank|card|credit card|debit card|curp|dni|cpf|pesel|sin|hospital|bus pass|locker"
    r"|record)"
    r" ?(?:id|number|no\.?|card(?: number)?|code|#|pin|licen[cs]e(?: number)?)?"
    r"|ssn|ssid|upn|aadhaa?r|passport|dni|curp|cpf|pesel|iban|pin(?: code| number)?|id(?: number| no\.?|#"
    r"| card)?)(?!\w)"
)
_ID = re.compile(
    rf"\b{_ID_WORDS}[ )]{{0,3}}(?:(?:is|:|#|=|was|number|no\.?|-)[ ]{{0,3}}){{0,2}}(?:#[ ]{{0,3}})?"
    r"([A-Z]{0,4}[ -]?\d(?:[ .-]?[A-Z0-9]){2,22})\b",
    re.IGNORECASE,
)
_ID_SPOKEN_CUE = re.compile(
    rf"\b{_ID_WORDS}[ )]{{0,3}}(?:(?:is|:|#|=|was|number)[ ]{{0,3}}){{0,2}}$", re.IGNORECASE
)
_IDS: tuple[tuple["re.Pattern[str]", str], ...] = (
    (
        re.compile(r"(?<![\d-])(?!000|666|9\d\d)\d{3}([- ])(?!00)\d{2}\1(?!0000)\d{4}(?![\d-])"),
        "a social security number",
    ),
    (
        re.compile(r"\b[A-CEGHJ-PR-TW-Z]{2} ?\d{2} ?\d{2} ?\d{2} ?[A-D]\b", re.IGNORECASE),
        "a national insurance number",
    ),
    (re.compile(r"\b[A-Z]\d{12}\b|\b[A-Z]\d{11}[A-Z]\b"), "a pupil's number"),
    (re.compile(r"\b\d{3}\.\d{3}\.\d{3}-\d{2}\b"), "a tax number"),
    (re.compile(r"\b[A-Z]{4}\d{6}[HM][A-Z]{5}[A-Z0-9]\d\b"), "a population register number"),
    (
        re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b"),
        "a bank account",
    ),
    (re.compile(r"\b\d{8}-?[A-HJ-NP-TV-Z]\b"), "an identity card's number"),
)
_CARD = re.compile(r"(?<![\w.-])\d{4}([ -]?)\d{4}\1\d{4}(?:\1\d{4})?(?![\w.-])")

_MONTH = (
    r"(?:jan(?:uary)?|feb(?:ruary|urary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sep(?:t(?:ember)?)?"
    r"|oct(?:ober)?"
    r"|nov(?:ember)?|dec(?:ember)?|enero|febrero|marzo|abril|mayo|junio|julio|agosto|septiembre|octubre|noviembre"
    r"|diciembre)"
)
_ORDINAL = (
    r"(?:first|second|third|fourth|fifth|sixth|seventh|eighth|ninth|tenth|eleventh|twelfth|thirteenth|fourteenth"
    r"|fifteenth"
    r"|sixteenth|seventeenth|eighteenth|nineteenth|twentieth|twenty[- ](?:first|second|third|fourth|fifth|sixth"
    r"|seventh|eighth"
    r"|ninth)|thirtieth|thirty[- ]first|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve)"
)
_DAY = rf"(?:\d{{1,2}}(?:st|nd|rd|th)?|{_ORDINAL})"
_YEAR = (
    r"(?:(?:19|20)\d{2}|'\d{2}|two thousand(?: and)?(?: [a-z]{3,9})?|twenty[- ](?:ten"
    r"|eleven|twelve|[a-z]{3,5}teen|twenty(?:[- ][a-z]{3,5})?))"
)
_DATE = (
    rf"(?:{_MONTH}\.? (?:the )?{_DAY}\b(?:,? (?:of )?{_YEAR})?"
    rf"|(?:the )?{_DAY} (?:of |de )?{_MONTH}\b\.?(?:,? (?:of |de )?{_YEAR})?"
    rf"|\d{{1,2}}[/.-]\d{{1,2}}[/.-]\d{{2,4}}|\d{{4}}[-/.]\d{{1,2}}[-/.]\d{{1,2}}|\d{{1,2}}[/-]\d{{1,2}})"
)
_BIRTH = r"(?:birth ?day'?s?|b-?day|birth ?dates?|date of birth|born|d\.?o\.?b\b\.?)"
_BIRTH_THEN_DATE = re.compile(rf"\b{_BIRTH}[^.?!\d\n]{{0,25}}?\b({_DATE})", re.IGNORECASE)
_TURNS_ON = re.compile(
    rf"\b(?:turn(?:s|ed|ing)?|be|become|became|is) (?:\d{{1,2}}|[a-z]{{3,9}}) on (?:the )?({_DATE})",
    re.IGNORECASE,
)
_DATE_THEN_BIRTH = re.compile(
    rf"\b({_DATE}),?(?: is| was|'s| -|:){{0,1}} (?:when |the day )?(?:my|his|her|our|their|[a-z]{{2,20}}'s|i|he|she"
    rf"|they)?"
    rf"(?: was| is| were| am)? ?(?:{_BIRTH})",
    re.IGNORECASE,
)


def find_numbers(text: str) -> Iterator[Found]:
    """Telephone numbers, ids and dates of birth in a text of one spelling."""
    if any(map(str.isdigit, text)):
        yield from _ids(text)
        yield from _phones(text)
    yield from _spoken(text)
    for pattern in (_BIRTH_THEN_DATE, _TURNS_ON, _DATE_THEN_BIRTH):
        for match in pattern.finditer(text):
            yield (
                "birthdate",
                match.start(1),
                match.end(1),
                "high",
                "This looks like a date of birth.",
            )


def _ids(text: str) -> Iterator[Found]:
    for match in _ID.finditer(text):
        digits = sum(map(str.isdigit, match.group(1)))
        if digits >= 4:
            yield (
                "id_number",
                match.start(1),
                match.end(1),
                "high",
                "This looks like somebody's number.",
            )
    for pattern, reason in _IDS:
        for match in pattern.finditer(text):
            yield "id_number", match.start(), match.end(), "high", f"This looks like {reason}."
    for match in _CARD.finditer(text):
        bare = re.sub(r"\D", "", match.group())
        if (len(bare) == 16 and _luhn(bare)) or (
            len(bare) == 12 and match.group(1) and _verhoeff(bare)
        ):
            yield (
                "id_number",
                match.start(),
                match.end(),
                "high",
                "This looks like the number of a card.",
            )


def _luhn(digits: str) -> bool:
    doubled = [int(digit) * (2 - at % 2) for at, digit in enumerate(digits)]
    return sum(value - 9 if value > 9 else value for value in doubled) % 10 == 0


_TIMES = (
    "0123456789",
    "1234067895",
    "2340178956",
    "3401289567",
    "4012395678",
    "5987604321",
    "6598710432",
    "7659821043",
    "8765932104",
    "9876543210",
)
_TURNED = (
    "0123456789",
    "1576283094",
    "5803796142",
    "8916043527",
    "9453126870",
    "4286573901",
    "2793806415",
    "7046913258",
)


def _verhoeff(digits: str) -> bool:
    """The check digit of Aadhaar numbers."""
    check = 0
    for at, digit in enumerate(reversed(digits)):
        check = int(_TIMES[check][int(_TURNED[at % 8][int(digit)])])
    return check == 0 and digits[0] not in "01"


def _phones(text: str) -> Iterator[Found]:
    for match in _DIGITS.finditer(text):
        written = match.group()
        groups = re.findall(r"\d+", written)
        digits = "".join(groups)
        decimal = len(groups) == 2 and written.count(".") == 1
        if decimal or len(digits) > 15 or _is_sequence(groups) or _is_sequence(list(digits)):
            continue
        before = text[max(0, match.start() - _CUE_LENGTH) : match.start()]
        if _looks_dialled(written, groups, digits) or (
            _CALL_CUE.search(before) and not _NO_NUMBER_CUE.search(before)
        ):
            yield (
                "phone",
                match.start(),
                match.end(),
                "high",
                "This looks like a telephone number.",
            )


def _looks_dialled(written: str, groups: list[str], digits: str) -> bool:
    """Whether a number is grouped as telephone numbers of some country are."""
    sizes = [len(group) for group in groups]
    if re.search(r" [-.] |/", written) and not written.startswith("+"):
        return False
    if written.startswith("+"):
        return len(digits) >= 8
    if sizes in ([3, 3, 4], [1, 3, 3, 4]):
        return True
    if len(groups) == 1:
        north_american = (
            len(digits) == 10 and digits[0] > "1" and digits[3] > "1" and digits[-4:] != "0000"
        )
        return north_american or (len(digits) == 11 and digits[0] == "0" and digits[1] != "0")
    if digits[0] == "0" and digits[1] != "0":
        return 9 <= len(digits) <= 12 and min(sizes) >= 2 and sizes[0] >= 2
    by_country = ([2, 4, 4], [2, 5, 4], [3, 4, 4], [2, 3, 4])
    if "(" in written and sizes[0] <= 4:
        return 8 <= len(digits) <= 12
    return sizes in by_country[:3] or (sizes == [5, 5] and digits[0] in "6789")


def _is_sequence(groups: list[str]) -> bool:
    """Whether somebody is counting: most steps from number to number are the same."""
    numbers = [int(group) for group in groups]
    steps = [after - before for before, after in pairwise(numbers)]
    commonest = max((steps.count(step) for step in set(steps)), default=0)
    return len(steps) > 2 and commonest > 0.6 * len(steps)


def _spoken(text: str) -> Iterator[Found]:
    for match in _SPOKEN.finditer(text):
        pieces = [piece.lower() for piece in _PIECE.findall(match.group())]
        words = [piece for piece in pieces if not piece.isdigit()]
        digits = _spoken_digits(pieces)
        if len(words) < 3 or not 4 <= len(digits) <= 18 or _is_sequence(list(digits)):
            continue
        before = text[max(0, match.start() - _CUE_LENGTH) : match.start()]
        if _ID_SPOKEN_CUE.search(before):
            yield (
                "id_number",
                match.start(),
                match.end(),
                "high",
                "A number of somebody is spelled out.",
            )
            continue
        single = all(
            piece in _DIGIT_WORDS or piece in ("double", "triple") or piece.isdigit()
            for piece in pieces
        )
        cued = bool(_CALL_CUE.search(before)) and not _NO_NUMBER_CUE.search(before)
        if len(digits) >= 7 and (single or cued):
            yield (
                "phone",
                match.start(),
                match.end(),
                "high",
                "A telephone number is spelled out.",
            )


def _spoken_digits(pieces: list[str]) -> str:
    digits = ""
    times = 1
    for piece in pieces:
        if piece in ("double", "triple"):
            times = 2 if piece == "double" else 3
            continue
        value = _DIGIT_WORDS.get(piece) or _LARGER_WORDS.get(piece) or piece
        if (
            digits.endswith("0")
            and len(value) == 1
            and len(pieces) > 1
            and piece in _DIGIT_WORDS
            and _after_tens(pieces, piece)
        ):
            digits = digits[:-1]  # "twenty three" is 23, not 203
        digits += value * times
        times = 1
    return digits


def _after_tens(pieces: list[str], piece: str) -> bool:
    at = pieces.index(piece)
    return at > 0 and pieces[at - 1] in _LARGER_WORDS and pieces[at - 1].endswith("ty")
