"""The glossary: each word is explained once, is led to from forms and pages, and leads to pages that exist."""

import re

import pytest
from django import forms
from django.template import Context, Template

from courseplatform.views.guide import TOPICS
from evaluation.services import tags
from teams.glossary import BY_LABEL, PARTS, TERMS
from training.forms.dspy import DspyForm
from training.forms.lora import LoraForm
from training.forms.openai import OpenaiForm


class Settings(forms.Form):
    epochs = forms.IntegerField(label="Epochs")
    rank = forms.IntegerField(label="Rank (r)")
    name = forms.CharField(label="Name")


def test_every_word_stands_on_the_page_once_and_leads_on(client_for, member):
    page = client_for(member).get("/guide/glossary/").content.decode()
    assert len(TERMS) == sum(len(part.terms) for part in PARTS), "no word twice"
    for term in TERMS.values():
        assert page.count(f'id="{term.slug}"') == 1
        assert term.word in page and term.says.split(".")[0] in page
    assert {term.topic for term in TERMS.values()} <= {"", *(topic.slug for topic in TOPICS)}


def test_labels_of_forms_lead_to_one_word_each():
    settings = {
        str(field.label).lower() for form in (LoraForm, DspyForm, OpenaiForm) for field in form.base_fields.values()
    }
    assert {"epochs", "rank (r)", "alpha", "dropout", "learning rate", "optimiser"} <= settings & BY_LABEL.keys()
    assert sum(len(term.labels) for term in TERMS.values()) == len(BY_LABEL)
    assert all(label == label.lower() for label in BY_LABEL)


def test_a_form_explains_its_settings_beside_the_page():
    """Beside it: a link that leads away would lose what is filled in."""
    shown = "".join(
        Template('{% include "components/field.html" %}').render(Context({"field": field})) for field in Settings()
    )
    marks = re.findall(r'class="term-mark"\s+href="/guide/glossary/#([\w-]+)"\s+target="_blank"', shown)
    assert marks == ["epoch", "rank"]
    assert "One pass over all rows" in shown and shown.count("What this word means") == 2


def test_a_page_cannot_lead_to_a_word_that_is_not_explained():
    shown = Template('{% term "calibration" "calibrate" %}').render(Context())
    assert 'href="/guide/glossary/#calibration"' in shown and ">calibrate</a>" in shown
    with pytest.raises(KeyError):
        Template('{% term "quantum" %}').render(Context())


def test_the_leaflet_for_professors_speaks_of_marks_that_exist_and_of_no_method(client_for, professor):
    page = client_for(professor).get("/guide/professors/").content.decode()
    text = re.sub(r"<[^>]+>", " ", page[page.index("<article") : page.index("</article>")]).lower()
    marked = re.findall(r"“([^”]+)”", text)
    assert set(tags.LABELS) & set(marked)
    for word in ("lora", "dspy", "openai", "adapter", "token", "provider", "loss", " row", " run "):
        assert word not in text, word


def test_the_syllabus_leads_to_every_topic_of_the_guide(client_for, member):
    page = client_for(member).get("/guide/syllabus/").content.decode()
    article = page[page.index("<article") : page.index("</article>")]
    led = set(re.findall(r'href="/guide/([\w-]+)/', article))
    assert led >= {topic.slug for topic in TOPICS} - {"syllabus"}
