"""What a set of rows is worth: quality, language, coverage, privacy, split, advice. Pure Python: no Django, no network.

Everything takes `datasets.formats.Row` objects in a sequence; a row's place in the sequence is its `index` (0-based), its
`row.line` is where it stood in its file.

`report(rows, *, count_tokens=None, context_tokens=None, validation_rows=()) -> Report`
    `.quality` (JSON-able dict, keys below), `.privacy` (list[Finding]), `.problems` (list[Problem] with the set as a whole, all
    warnings: trains_the_teacher, too_advanced, adult_language, as_an_ai, duplicate_rows, near_duplicate_rows,
    repeated_opening, leakage). `count_tokens(text) -> int` is the base model's own tokenizer; without it the figures are
    estimates and say so ("estimated": true).
    quality = {"rows", "turns", "guideline": {method: {"least", "wanted", "most", "rows", "verdict", "sentence"}},
    "tokens": {"total", "mean", "largest", "estimated", "context", "over_context": [line…], "over_context_count"},
    "language": see `language`, "speaker": see `speaker`, "coverage": {label: {"given"|"suggested": {value: rows}}} ("" =
    unlabelled), "duplicates": {"exact": [[line…]…], "near": [[line…]…], "exact_rows", "near_rows", "compared"},
    "knowledge": {"right", "mistaken", "mistaken_lines", "few_right"},
    "openings": [{"words", "count", "share"}…], "leakage": [{"line", "validation_line", "similarity"}…],
    "as_an_ai_lines": [line…], "privacy": {kind: findings}, "findings": [`.problems` as dicts]}
`check_file(source, *, filename, limits=None, shape="auto", count_tokens=None) -> FileReport`: read and report in one; never
    raises for what is in the file; `.as_json()` is what `check_dataset --json` prints, `.exit_code()` its 0, 1 or 2.
`language(texts) -> dict`: {"words", "spache", "flesch_kincaid" (both None below 100 words, "reason" says so), "band": child |
    older | adult | unknown, "sentence", "grade_2_band": [low, high], "beyond_grade_2": {"share", "top": [[word, times]…]},
    "mean_sentence_words", "hedges_per_100_words", "self_corrections_per_100_words", "adult_phrases": [[phrase, times]…],
    "as_an_ai": answers, "version", "childlikeness": {"score", "childlike", "problem", "sentence",
    "parts"}, "reference": {"child_like"|"adult_like": {"spache"}}}. `beyond_grade_two(text)` gives spans to underline.
`speaker(rows) -> dict`: {"trains_the_teacher", "share", "lines", "evidence": [sentence…], "advanced": [[term, times]…],
    "college_level", "balance", "question"}: who asks and says "you", over all rows. `teaches(row) -> bool`;
    `swapped(row) -> Row | None`: teacher and student changed over.
`coverage(rows)`; `suggest_labels(row) -> {label: value}` for labels the row has not.
`find_private(rows, *, most_of_a_text=100) -> list[Finding]`: Finding(index, line, field, kind, excerpt, start, end, text,
    severity, reason, more); `more` of the last one listed of a text counts its others, `counted(findings)` all.
    Severity "high" and "medium" identify a child; "low" (a teacher's name) is worth a look and need not stop anything.
`pseudonyms(rows, findings, *, salt="") -> list[Row]`: new rows with every finding replaced, the same person by the same name.
`near_duplicates(rows, threshold=0.8) -> list[list[int]]`; `exact_duplicates(rows) -> list[list[int]]` (groups of indexes);
    `leakage(train, validation)`; `openings(rows)`.
`split(rows, fraction, seed) -> Split(train: list[int], validation: list[int], reason)`: stratified by subject, leakage-free,
    the same for the same rows in any order.
`advice(*, rows, goal, time, private=0, cloud_closed=False, stays_here=False) -> Advice`: the guide's three
factors, with reasons; `guideline`.
`tokens(rows, count_tokens, context)`, `tokens_of(row, count_tokens)`.
"""

from datasets.checks.advising import Advice, MethodAdvice, advice, guideline
from datasets.checks.coverage import coverage, suggest_labels
from datasets.checks.duplicates import exact_duplicates, leakage, near_duplicates, openings
from datasets.checks.files import FileReport, check_file
from datasets.checks.knowledge import knowledge
from datasets.checks.language import language
from datasets.checks.privacy import Finding, counted, find_private
from datasets.checks.pseudonyms import pseudonyms
from datasets.checks.reporting import Report, report
from datasets.checks.speaker import speaker, swapped, teaches
from datasets.checks.splitting import Split, split
from datasets.checks.tokens import tokens, tokens_of
from second_grade.familiar import unfamiliar_spans as beyond_grade_two

__all__ = [
    "Advice",
    "FileReport",
    "Finding",
    "MethodAdvice",
    "Report",
    "Split",
    "advice",
    "beyond_grade_two",
    "check_file",
    "counted",
    "coverage",
    "exact_duplicates",
    "find_private",
    "guideline",
    "knowledge",
    "language",
    "leakage",
    "near_duplicates",
    "openings",
    "pseudonyms",
    "report",
    "speaker",
    "split",
    "suggest_labels",
    "swapped",
    "teaches",
    "tokens",
    "tokens_of",
]
