"""The text generator, the demo rows and the committed tiny base model."""

import json
import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

import pytest
from tiny_student import facts_file
from tiny_student.arithmetic import child_difference, child_sum, is_held_out, pick_pair
from tiny_student.conversations import conversations
from tiny_student.facts_file import BrokenFacts, load_facts, parse_facts
from tiny_student.lessons import Voice
from tiny_student.make_dataset import SHAPES, sample_rows
from tiny_student.numbers import in_words

ROOT = Path(__file__).resolve().parents[2]
MODEL = ROOT / "training" / "base_models" / "tiny-student"
DEMO = ROOT / "courseplatform" / "demo_data"
CHILD_MARKS = re.compile(r"!|\b(um+|uh|hmm+|ooh|my (mom|dad|teacher|grandma))\b", re.IGNORECASE)

ASK_THE_MODEL = """
import json, sys
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

assert "django" not in sys.modules
torch.set_num_threads(1)
folder, talks = sys.argv[1], json.load(sys.stdin)
tokenizer = AutoTokenizer.from_pretrained(folder)
model = AutoModelForCausalLM.from_pretrained(folder)
answers = []
for talk in talks:
    given = tokenizer.apply_chat_template(talk, add_generation_prompt=True, return_tensors="pt", return_dict=True)
    out = model.generate(**given, max_new_tokens=60, do_sample=False)
    answers.append(tokenizer.decode(out[0, given["input_ids"].shape[1] :], skip_special_tokens=True))
marked = tokenizer.apply_chat_template(
    [
        {"role": "system", "content": "Answer the question."},
        {"role": "user", "content": "What is 2 + 2?"},
        {"role": "assistant", "content": "The answer is 4."},
        {"role": "user", "content": "And 1 more?"},
        {"role": "assistant", "content": "It is 5."},
    ],
    return_dict=True,
    return_assistant_tokens_mask=True,
)
learned = [token for token, kept in zip(marked["input_ids"], marked["assistant_masks"]) if kept]
strange = "naïve 🦕 ½ \\u200b 日本"
print(json.dumps({
    "answers": answers,
    "learned": tokenizer.decode(learned),
    "whole": tokenizer.decode(marked["input_ids"]),
    "strange": tokenizer.decode(tokenizer(strange, add_special_tokens=False)["input_ids"]) == strange,
    "dtype": str(model.dtype),
    "parameters": sum(p.numel() for p in model.parameters()),
    "context": model.config.max_position_embeddings,
}))
"""


def ask(*questions: str, system: str | None = None) -> list[dict[str, str]]:
    """A talk that ends with the last of `questions`; odd places are the assistant's earlier answers."""
    opening = [{"role": "system", "content": system}] if system else []
    return opening + [
        {"role": "user" if i % 2 == 0 else "assistant", "content": text} for i, text in enumerate(questions)
    ]


TALKS = {
    "ice": ask("What happens to water when it gets very cold?"),
    "guide sum": ask("Can you solve this math problem: 15 + 8 = ?"),
    "other guide sum": ask("What happens when you add 8 + 7?"),
    "sky": ask("What makes the sky blue?"),
    "plants": ask("Can you explain how plants grow?"),
    "seasons": ask("You are helping your friend understand why seasons change. How would you explain it?"),
    "hello": ask("Hello"),
    "triangle": ask("How many sides does a triangle have?"),
    "noun": ask("What is a noun?"),
    "hard": ask("What is quantum physics?"),
    "child sky": ask("What makes the sky blue?", system="You are a second-grade student."),
    "later turn": ask("Hello", "Hello. How can I help you?", "Good. What happens to water when it gets very cold?"),
}


@pytest.fixture(scope="module")
def asked() -> dict[str, object]:
    """What the committed model says, asked in an interpreter of its own, offline, with no project folder on its path."""
    done = subprocess.run(
        [sys.executable, "-P", "-c", ASK_THE_MODEL, str(MODEL)],
        input=json.dumps(list(TALKS.values())),
        capture_output=True,
        text=True,
        check=False,
        cwd="/",
        env={"PATH": os.environ["PATH"], "HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    report: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    report["answers"] = dict(zip(TALKS, report["answers"], strict=True))
    return report


def test_the_same_seed_makes_the_same_text_and_another_seed_other_text():
    assert conversations(3, 200) == conversations(3, 200)
    assert conversations(3, 200) != conversations(4, 200)


def test_every_conversation_takes_turns_and_leaves_no_slot_open():
    for talk in conversations(5, 3000):
        spoken = [message["role"] for message in talk if message["role"] != "system"]
        assert spoken == ["user", "assistant"] * (len(spoken) // 2)
        assert [m["role"] for m in talk[1:]].count("system") == 0
        for message in talk:
            assert message["content"].strip() == message["content"] != ""
            assert not re.search(r"[{}|@<>]", message["content"])


def test_text_is_plain_by_default_and_childlike_when_a_second_grader_is_asked_for():
    plain, child = [], []
    for talk in conversations(6, 4000):
        first = next(m["content"] for m in talk if m["role"] == "assistant")
        if talk[0]["role"] != "system" and "second" not in talk[0]["content"].lower():
            plain.append(first)
        elif talk[0]["role"] == "system" and re.search(r"second|7-year|child", talk[0]["content"]):
            child.append(first)
    assert sum(bool(CHILD_MARKS.search(text)) for text in plain) / len(plain) < 0.12
    assert sum(bool(CHILD_MARKS.search(text)) for text in child) / len(child) > 0.75


def test_held_out_sums_are_never_asked_in_the_training_text():
    two_numbers = re.compile(r"^\D*(\d+) ?(?:\+|plus|and) ?(\d+)\D*$")
    asked_for = {
        (int(found[1]), int(found[2]))
        for talk in conversations(7, 6000)
        for message in talk
        if message["role"] == "user" and (found := two_numbers.match(message["content"]))
    }
    assert len(asked_for) > 500
    assert {pair for pair in asked_for if is_held_out(*pair)} == set()
    rng = Random(1)
    assert all(is_held_out(*pick_pair(rng, held_out=True)) for _ in range(50))
    assert not any(is_held_out(*pick_pair(rng)) for _ in range(2000))
    assert not is_held_out(8, 7)
    assert not is_held_out(15, 8)


def test_a_childs_sum_and_difference_always_name_the_right_result():
    rng = Random(2)
    for _ in range(500):
        a, b = pick_pair(rng)
        assert str(a + b) in re.findall(r"\d+", child_sum(rng, a, b))
        assert str(a) in re.findall(r"\d+", child_difference(rng, a + b, b))


def test_numbers_are_written_in_words():
    assert [in_words(n) for n in (0, 13, 20, 47, 99)] == ["zero", "thirteen", "twenty", "forty-seven", "ninety-nine"]


def test_every_fact_can_be_answered_in_both_voices_and_no_question_belongs_to_two():
    facts = load_facts()
    assert len(facts) > 300
    assert {fact.subject for fact in facts} == {"science", "reading", "people", "talk"}
    for fact in facts:
        for stage in fact.stages:
            assert stage.asks
            assert all(stage.answers.get(voice.value[0]) for voice in Voice), fact.topic
    counts = Counter(question for fact in facts for question in fact.stages[0].asks)
    assert [question for question, n in counts.items() if n > 1] == []


def test_a_broken_facts_table_names_its_line():
    with pytest.raises(BrokenFacts, match="line 3"):
        list(parse_facts("science", "[ice]\nq: What is ice?\nx: hard water\n"))


def test_demo_rows_are_the_same_for_a_seed_childlike_varied_and_never_twice():
    rows = sample_rows(140, 7)
    assert rows == sample_rows(140, 7)
    assert rows != sample_rows(140, 8)
    assert {row.subject for row in rows} == {"math", "science", "reading", "social studies", "talk"}
    assert (
        len({row.turns[0].question.lower() for row in rows})
        == len({row.turns[0].answer.lower() for row in rows})
        == 140
    )
    childlike = sum(bool(CHILD_MARKS.search(row.turns[0].answer)) for row in rows)
    assert childlike >= 130


def test_asking_for_more_demo_rows_than_there_are_says_so():
    with pytest.raises(ValueError, match="Ask for fewer rows"):
        sample_rows(5000, 1)


@pytest.mark.parametrize(
    ("name", "shape", "rows", "seed"),
    [
        ("lora_instructions", "instruction", 140, 7),
        ("openai_messages", "messages", 80, 8),
        ("dspy_dialogues", "dialogue", 30, 9),
    ],
)
def test_the_committed_demo_files_are_what_the_generator_makes(name: str, shape: str, rows: int, seed: int):
    written_as, turns = SHAPES[shape]
    lines = (DEMO / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line) for line in lines] == [written_as(row) for row in sample_rows(rows, seed, turns)]


def test_demo_files_hold_nothing_that_looks_like_personal_data():
    for file in DEMO.glob("*.jsonl"):
        text = file.read_text(encoding="utf-8")
        assert not re.search(r"@|https?:|\d{3}[- ]\d{3,4}\b|\b\d{4,}\b", text), file.name
        assert not re.search(r"\b(Street|Avenue|Road) \d|\d+ [A-Z]\w+ (Street|Avenue|Road)\b", text), file.name


def test_slots_are_filled_alike_in_question_and_answer():
    fact = next(parse_facts("talk", "[pet]\nq: Is {name} here?\np: {name} is.\nc: {name}!\n"))
    lesson = facts_file.lesson_from(fact, Random(1), Voice.PLAIN, 0)
    assert lesson.turns[0].question == f"Is {lesson.turns[0].answer.split()[0]} here?"


@pytest.mark.engine
def test_the_committed_model_loads_offline_as_fp32_and_is_small(asked: dict[str, object]):
    assert asked["dtype"] == "torch.float32"
    assert 3_000_000 < int(str(asked["parameters"])) < 5_000_000
    assert asked["context"] == 512
    assert sum(file.stat().st_size for file in MODEL.iterdir()) < 12_000_000


@pytest.mark.engine
def test_the_template_marks_exactly_what_the_assistant_says(asked: dict[str, object]):
    assert asked["learned"] == "The answer is 4.<|end|>It is 5.<|end|>"
    assert asked["whole"] == (
        "<|system|>Answer the question.<|end|><|user|>What is 2 + 2?<|end|><|assistant|>The answer is 4.<|end|>"
        "<|user|>And 1 more?<|end|><|assistant|>It is 5.<|end|>"
    )
    assert asked["strange"] is True


@pytest.mark.engine
@pytest.mark.parametrize(
    ("talk", "expected"),
    [
        ("ice", r"ice"),
        ("guide sum", r"\b23\b"),
        ("other guide sum", r"\b15\b"),
        ("sky", r"blue"),
        ("plants", r"water|seed"),
        ("seasons", r"sun|Earth"),
        ("hello", r"Hello|Hi"),
        ("triangle", r"\b(3|three)\b"),
        ("noun", r"person|place|thing"),
        ("hard", r"don't know"),
        ("later turn", r"ice"),
    ],
)
def test_the_committed_model_answers_simple_questions(asked: dict[str, object], talk: str, expected: str):
    answers = asked["answers"]
    assert isinstance(answers, dict)
    assert re.search(expected, answers[talk]), answers[talk]


@pytest.mark.engine
def test_the_base_speaks_plainly_nearly_always_until_asked_to_be_a_second_grader(asked: dict[str, object]):
    answers = asked["answers"]
    assert isinstance(answers, dict)
    plain = [
        answers[talk]
        for talk in ("ice", "guide sum", "other guide sum", "sky", "plants", "seasons", "triangle", "noun")
    ]
    assert sum(bool(CHILD_MARKS.search(text)) for text in plain) <= 1, plain
    assert CHILD_MARKS.search(answers["child sky"]), answers["child sky"]


def test_the_model_folder_says_which_lora_settings_were_measured():
    defaults = json.loads((MODEL / "lora_defaults.json").read_text(encoding="utf-8"))
    assert 1e-5 < defaults["learning_rate"] < 1e-2
    assert defaults["epochs"] >= 1
    assert defaults["batch_size"] >= 1
    assert "sums" in defaults["measured"]
