"""Files as real tools write them; each holds the same four exchanges of a teacher and a second-grader.

Built by code, byte for byte as the tool does it: its encoding, its line ends, its quotes, what it puts around.
"""

import io
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import openpyxl

ASKED = (
    "What is 8 + 7?",
    "Where did you eat your crème brûlée?",
    "What does “brave” mean?",
    "Why do leaves fall – do you know?",
)
ANSWERED = (
    "Um… I count up. It’s 15!",
    "At the café! It was so yummy…",
    "It’s like when I wasn’t scared of the big dog.",
    "Maybe they’re tired, and the wind pulls ’em?",
)
PAIRS = tuple(zip(ASKED, ANSWERED, strict=True))


@dataclass(frozen=True)
class MessyFile:
    """One file, and the forms that a person sends before it is accepted, with what they change in them."""

    name: str
    content: bytes
    clicks: tuple[tuple[str, dict[str, str]], ...] = ()


def excel_for_windows() -> MessyFile:
    """“CSV (separator-delimited)” where the list separator is a semicolon: Windows-1252, CRLF, no mark of either."""
    return MessyFile("Book1.csv", _table(";", "\r\n").encode("cp1252"))


def excel_for_mac() -> MessyFile:
    """“CSV (Macintosh)”: Mac Roman and lone carriage returns."""
    return MessyFile("Mappe1.csv", _table(";", "\r").encode("mac_roman"))


def excel_unicode_text() -> MessyFile:
    """“Unicode Text (*.txt)”: UTF-16 with a byte order mark, tabs."""
    return MessyFile("Book1.txt", _table("\t", "\r\n").encode("utf-16"))


def libreoffice_without_names() -> MessyFile:
    """A sheet whose first line is a record already: nothing says which column is whose."""
    lines = [f'"{asked}","{answered}"' for asked, answered in PAIRS]
    text = "\n".join(lines) + "\n"
    return MessyFile("Untitled 1.csv", text.encode("utf-8"), (("map/", {}), ("accept/", {})))


def google_sheets_turns() -> MessyFile:
    """A turn a line, names of people in one column, under headings that nobody knows; some cells were left empty."""
    lines = ["Nr,Wer,Satz"]
    for number, (asked, answered) in enumerate(PAIRS, 1):
        lines.append(f'{number},Ms. Bee,"{asked}"')
        lines.append(f'{number},Theo,"{answered}"')
    return MessyFile("Lesson - Sheet1.csv", "\r\n".join(lines).encode("utf-8"), (("map/", {}), ("accept/", {})))


def google_docs() -> MessyFile:
    """Plain text of a document: a mark, CRLF, a heading, and an empty line after every paragraph."""
    lines = ["Interview with Theo", ""]
    for asked, answered in PAIRS:
        lines += [f"Ms. Bee: {asked}", "", f"Theo: {answered}", "", "", ""]
    return MessyFile("Interview.txt", "\ufeff".encode() + "\r\n".join(lines).encode("utf-8"))


def whatsapp() -> MessyFile:
    """A chat export: a time before each message, notices of the app, a picture that is not there, invisible marks."""
    lines = ["\u200e[12/03/2026, 14:01:10] Ms. Bee: \u200eMessages and calls are end-to-end encrypted."]
    for day, (asked, answered) in enumerate(PAIRS, 12):
        lines.append(f"[{day}/03/2026, 14:05:12] Ms. Bee: {asked}")
        lines.append(f"\u200e[{day}/03/2026, 14:05:40] Theo: \u200eimage omitted")
        lines.append(f"[{day}/03/2026, 14:06:02] Theo: {answered}")
    return MessyFile("_chat.txt", "\r\n".join(lines).encode("utf-8"))


def zoom_transcript() -> MessyFile:
    """WebVTT as Zoom saves it: numbered cues, CRLF, the name before each sentence, one sentence over two cues."""
    lines = ["WEBVTT", ""]
    cue = 0
    for minute, (asked, answered) in enumerate(PAIRS, 1):
        first, _, rest = answered.partition(" ")
        spoken = [f"Ms. Bee: {asked}", f"Theo: {first}", f"Theo: {rest}"]
        for place, said in enumerate(spoken):
            cue += 1
            second = 10 * place
            at = f"00:{3 * minute:02}:{second:02}.120 --> 00:{3 * minute:02}:{second + 4:02}.870"
            lines += [str(cue), at, said, ""]
    return MessyFile("GMT20260312-140110_Recording.transcript.vtt", "\r\n".join(lines).encode("utf-8"))


def teams_transcript() -> MessyFile:
    """WebVTT as Teams saves it: a long id over each cue, the voice as a tag, which spans two lines."""
    lines = ["WEBVTT", "", "NOTE Confidence: 0.87", ""]
    for minute, (asked, answered) in enumerate(PAIRS, 1):
        first, _, rest = answered.partition(" ")
        spoken = [f"<v Ms. Bee (Guest)>{asked}</v>", f"<v Theo>{first}", f"{rest}</v>"]
        second = f"01:{3 * minute:02}:01.120 --> 01:{3 * minute:02}:05.870"
        answer = f"01:{3 * minute:02}:07.000 --> 01:{3 * minute:02}:11.500"
        name = f"8c1f0b62-77aa-4a0e-9f0e-1d2a3b4c5d6e/{minute}-"
        lines += [f"{name}0", second, spoken[0], ""]
        lines += [f"{name}1", answer, spoken[1], spoken[2], ""]
    return MessyFile("Lesson_2026-03-12.vtt", "\n".join(lines).encode("utf-8"))


def word_json() -> MessyFile:
    """JSON lines typed in Word: AutoCorrect made every quote a curly one, and pasting brought no-break spaces."""
    lines = [f"{{“question”:\u00a0“{asked}”, “answer”: “{answered}”}}" for asked, answered in PAIRS]
    return MessyFile("pasted text", "\n".join(lines).encode("utf-8"), (("fix/", {}), ("accept/", {})))


def word_paste() -> MessyFile:
    """A dialogue pasted out of Word, where AutoFormat made dashes of the hyphens behind the names."""
    lines = []
    for asked, answered in PAIRS:
        lines += [f"Teacher – {asked}", f"Theo — {answered}", ""]
    return MessyFile("pasted text", "\n".join(lines).encode("utf-8"))


def word_table() -> MessyFile:
    """A table pasted out of Word: tabs, no names above, no-break spaces."""
    lines = [f"{asked}\t{answered}" for asked, answered in PAIRS]
    return MessyFile("pasted text", "\r\n".join(lines).encode("utf-8"), (("map/", {}),))


def one_line_array() -> MessyFile:
    """A program's whole output in one line, one item with a comma too many, one without its answer."""
    items = [json.dumps({"question": asked, "answer": answered}) for asked, answered in PAIRS]
    items[1] = items[1].replace("}", ",}")
    items.insert(2, '{"question": "Who are you?"}')
    return MessyFile("export.json", ("[" + ", ".join(items) + "]").encode(), (("fix/", {}), ("accept/", {})))


def excel_workbook() -> MessyFile:
    """A workbook: a title above the names, a column of numbers, dates and an empty line between the records."""
    book = openpyxl.Workbook()
    page = book.worksheets[0]
    for record in _workbook_lines():
        page.append(record)
    out = io.BytesIO()
    book.save(out)
    return MessyFile("Mappe 1.xlsx", out.getvalue())


def _workbook_lines() -> Iterator[list[object]]:
    yield ["Rows of team 3"]
    yield ["Nr", "Question", "Answer"]
    for number, (asked, answered) in enumerate(PAIRS, 1):
        yield [number, asked, answered]
        yield [None, None, None]


def _table(separator: str, line_end: str) -> str:
    """Question and answer under their names; every text that holds a separator or a quote is in quotes."""
    lines = [f"Question{separator}Answer"]
    for asked, answered in PAIRS:
        lines.append(f"{asked}{separator}{answered}")
    return line_end.join(lines) + line_end


MESSY: dict[str, Callable[[], MessyFile]] = {
    made.__name__: made
    for made in (
        excel_for_windows,
        excel_for_mac,
        excel_unicode_text,
        excel_workbook,
        libreoffice_without_names,
        google_sheets_turns,
        google_docs,
        whatsapp,
        zoom_transcript,
        teams_transcript,
        word_json,
        word_paste,
        word_table,
        one_line_array,
    )
}
