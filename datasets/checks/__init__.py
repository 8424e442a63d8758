"""What a set of rows is worth: quality, language, coverage, privacy, split, advice. Pure Python: no Django, no network.

Everything takes `datasets.formats.Row` objects in a sequence; a row's place in the sequence is its `index` (0-based),
its
`row.line` is where it stood in its file.

`report(rows, *, count_tokens=None, context_tokens=None, validation_rows=(), prices=None) -> Report`
    `.quality` (dict, JSON-able, keys below) and `.privacy` (list[Finding]). `count_tokens(text) -> int` is the base
    model's own tokenizer; without it figures are estimates and say so.
    quality = {"rows", "turns", "guideline": {method: {"least", "wanted", "most", "rows", "verdict", "sentence"}},
    "tokens": {"total", "mean", "largest", "estimated", "over_context": [line…]},
    "language": {"words", "spache", "flesch_kincaid", "reason", "band", "sentence", "beyond_grade_2": {"share", "top"},
    "mean_sentence_words", "hedges_per_100_words", "self_corrections_per_100_words", "adult_phrases": [...], "as_an_ai":
    [line…], "reference": {...}}, "speaker": {"trains_the_teacher": bool, "evidence": [...], "lines": [...]},
    "coverage": {label: {value: count}} (with "unlabelled"), "duplicates": {"exact": [[line…]…], "near": [[line…]…]},
    "openings": [{"words", "count"}…], "leakage": [{"line", "validation_line", "similarity"}…], "findings": [Problem dict…]}
`language(texts) -> dict` the language part alone; `speaker(rows) -> dict`; `coverage(rows)`; `suggest_labels(row) ->
dict`.
`find_private(rows) -> list[Finding]`: Finding(index, line, field, kind, excerpt, start, end, text, severity, reason).
`pseudonyms(rows, findings) -> list[Row]` new rows with every finding replaced, the same person by the same name
everywhere.
`near_duplicates(rows, threshold=0.8) -> list[list[int]]`; `exact_duplicates(rows) -> list[list[int]]` (groups of
indexes).
`split(rows, fraction, seed) -> Split(train: list[int], validation: list[int])`: stratified by subject, leakage-free.
`advice(*, rows, goal, weeks, private, …) -> Advice`: the guide's three factors, with reasons.
"""

from datasets.checks.advising import GUIDELINES, Advice, MethodAdvice, advice, guideline
from datasets.checks.coverage import coverage, suggest_labels
from datasets.checks.duplicates import exact_duplicates, leakage, near_duplicates, openings
from datasets.checks.files import FileReport, check_file
from datasets.checks.language import beyond_grade_two, language
from datasets.checks.privacy import Finding, find_private
from datasets.checks.pseudonyms import pseudonyms
from datasets.checks.reporting import Report, report
from datasets.checks.speaker import speaker
from datasets.checks.splitting import Split, split
from datasets.checks.tokens import tokens, tokens_of

__all__ = [
    "GUIDELINES",
    "Advice",
    "FileReport",
    "Finding",
    "MethodAdvice",
    "Report",
    "Split",
    "advice",
    "beyond_grade_two",
    "check_file",
    "coverage",
    "exact_duplicates",
    "find_private",
    "guideline",
    "language",
    "leakage",
    "near_duplicates",
    "openings",
    "pseudonyms",
    "report",
    "speaker",
    "split",
    "suggest_labels",
    "tokens",
    "tokens_of",
]
