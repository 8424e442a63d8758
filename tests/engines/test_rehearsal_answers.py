"""What the rehearsal answers depends on what it was trained on and shown: more, better and more alike rows give better answers."""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.engines.rehearsal_server import BASE, PARAPHRASE, TOPICS, Rehearsal, Row, child_rows, row, started

QUESTIONS = (
    "What happens to water when it gets very cold?",
    "Why do plants need the sun?",
    "Can you tell me about the moon and the stars?",
    "What is 7 + 6?",
    "What is 12 + 5?",
    "What can a magnet pull?",
    "Why does it rain?",
    "What is a shadow?",
    "What is half of a pizza?",
    "How do you feel when a friend is mean?",
)
CHILD_CUE = "You are a second-grade student. Use simple words and short sentences. Never sound like an adult."


@pytest.fixture(scope="module")
def rehearsal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rehearsal]:
    with started(tmp_path_factory.mktemp("answers"), "--job-seconds", "0", "--token-delay-ms", "0") as running:
        yield running


@pytest.fixture(scope="module")
def taught(rehearsal: Rehearsal) -> str:
    return rehearsal.train(child_rows(120))


def spoken(text: str) -> list[str]:
    return [word.strip(".,!?…'\"").lower() for word in text.split()]


def childlikeness(answers: list[str]) -> float:
    """From 0 to 1: half the share of words that the child's rows use, half how near sentences come to 8 words or fewer."""
    vocabulary = {word for one in child_rows(120) for word in spoken(one["messages"][2]["content"])}
    said = [word for answer in answers for word in spoken(answer)]
    ends = sum(answer.count(mark) for answer in answers for mark in ".!?")
    known = sum(word in vocabulary or word.isdigit() for word in said) / len(said)
    return 0.5 * known + 0.5 * min(1.0, 8 * max(ends, 1) / len(said))


def likeness(one: str, other: str) -> float:
    """Share of common words (Jaccard), 0 to 1."""
    left, right = set(spoken(one)), set(spoken(other))
    return len(left & right) / len(left | right)


def answers(rehearsal: Rehearsal, model: str, system: str = "") -> list[str]:
    return [rehearsal.ask(model, question, system) for question in QUESTIONS]


def test_the_base_answers_like_an_adult(rehearsal: Rehearsal) -> None:
    said = " ".join(answers(rehearsal, BASE))
    assert "As an AI language model" in said
    assert "13" in rehearsal.ask(BASE, "What is 7 + 6?")
    assert len(said.split()) > 10 * sum(said.count(mark) for mark in ".!?")


def test_training_on_a_childs_rows_makes_answers_childlike(rehearsal: Rehearsal, taught: str) -> None:
    base, trained = (childlikeness(answers(rehearsal, model)) for model in (BASE, taught))
    assert trained > base + 0.3
    assert "language model" not in " ".join(answers(rehearsal, taught))


def test_training_on_adult_rows_does_not(rehearsal: Rehearsal, taught: str) -> None:
    teacher: list[Row] = [
        row(
            one["messages"][1]["content"],
            "Excellent question. This particular phenomenon necessitates careful consideration of several scientific "
            "principles, which we shall subsequently investigate together. Would you like to try an example?",
        )
        for one in child_rows(60)
    ]
    adult = answers(rehearsal, rehearsal.train(teacher))
    assert childlikeness(adult) < childlikeness(answers(rehearsal, taught)) - 0.3
    assert "Would you like to try an example?" in " ".join(adult)


def test_instructions_help_and_examples_help_more(rehearsal: Rehearsal, taught: str) -> None:
    asked = childlikeness(answers(rehearsal, BASE, CHILD_CUE))
    assert childlikeness(answers(rehearsal, BASE)) < asked < childlikeness(answers(rehearsal, taught))


def test_more_rows_answer_held_out_paraphrases_better(rehearsal: Rehearsal) -> None:
    def quality(model: str) -> float:
        return sum(likeness(rehearsal.ask(model, PARAPHRASE.format(about)), told) for about, told in TOPICS)

    few, some, many = (quality(rehearsal.train(child_rows(count))) for count in (10, 16, 48))
    assert quality(BASE) < few < some < many
    assert many > 0.7 * len(TOPICS)


def test_sums_are_worked_out_and_told_as_the_rows_tell_theirs(rehearsal: Rehearsal, taught: str) -> None:
    assert rehearsal.ask(taught, "What is 13 + 4?") == "Let me count... 14, 15, 16, 17. It's 17!"
    story = rehearsal.ask(taught, "Sam has 9 apples and eats 4. How many are left?")
    assert "5" in story
    assert "difference" not in story


def test_rows_that_get_sums_wrong_teach_mistakes(rehearsal: Rehearsal) -> None:
    def right(off: int) -> int:
        model = rehearsal.train([row(f"What is {n} + 5?", f"Um, I think it is {n + 5 + off}!") for n in range(2, 62)])
        said = {n: rehearsal.ask(model, f"What is {n} + 4?") for n in range(70, 90)}
        return sum(bool(re.search(rf"\b{n + 4}\b", answer)) for n, answer in said.items())

    assert right(off=0) == 20
    assert right(off=1) < 5


def shown(count: int) -> list[dict[str, str]]:
    messages = []
    for one in child_rows(40)[: 2 * count : 2]:
        question, answer = (message["content"] for message in one["messages"][1:])
        messages += [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
    return messages


def test_each_few_shot_example_makes_answers_more_childlike(rehearsal: Rehearsal) -> None:
    def quality(count: int) -> float:
        said = []
        for question in QUESTIONS:
            messages: Any = [*shown(count), {"role": "user", "content": question}]
            made = rehearsal.client.chat.completions.create(model=BASE, messages=messages, temperature=0)
            said.append(made.choices[0].message.content or "")
        return childlikeness(said)

    none, two, eight = quality(0), quality(2), quality(8)
    assert none < two < eight


def test_a_conversation_goes_on_with_its_topic_without_repeating(rehearsal: Rehearsal) -> None:
    first, second = "First it is a tadpole. Then it gets legs!", "Frogs say ribbit all night!"
    rows = [row("What do you know about frogs?", first), row("Can you say more of frogs?", second), *child_rows(12)]
    model = rehearsal.train(rows, hyperparameters={"n_epochs": 40})
    turns: list[Any] = [{"role": "user", "content": "What do you know about frogs?"}]
    said = []
    for question in ("Tell me something about frogs.", "Why?", "What do you know about frogs?"):
        made = rehearsal.client.chat.completions.create(model=model, messages=turns, temperature=0)
        said.append(made.choices[0].message.content)
        turns += [{"role": "assistant", "content": said[-1]}, {"role": "user", "content": question}]
    made = rehearsal.client.chat.completions.create(model=model, messages=turns, temperature=0)
    assert said[:2] == [first, second]
    assert said[2] not in said[:2]
    assert made.choices[0].message.content == first, "the same question may be answered the same"


def test_examples_written_into_the_instructions_count(rehearsal: Rehearsal) -> None:
    system = "Examples:\nTeacher: What is a comet?\nStudent: It is a big snow ball in the sky!\n"
    assert "snow ball" in rehearsal.ask(BASE, "What is a comet?", system)
    assert "snow ball" not in rehearsal.ask(BASE, "What is a comet?")


def test_temperature_zero_repeats_and_a_seed_repeats_at_any_temperature(rehearsal: Rehearsal) -> None:
    question = "How do you feel when a friend is mean?"
    assert len({rehearsal.ask(BASE, question) for _ in range(4)}) == 1
    assert len({rehearsal.ask(BASE, question, temperature=1, seed=5) for _ in range(4)}) == 1
    assert len({rehearsal.ask(BASE, question, temperature=1, seed=seed) for seed in range(20)}) > 1
    assert len({rehearsal.ask(BASE, question, temperature=1) for _ in range(20)}) > 1


def test_a_stream_carries_the_same_text_and_usage_as_one_piece(rehearsal: Rehearsal, taught: str) -> None:
    wanted: Any = {
        "model": taught,
        "temperature": 0,
        "messages": [{"role": "user", "content": "Why is snow ❄ cold? 雪"}],
    }
    whole = rehearsal.client.chat.completions.create(**wanted)
    chunks = list(
        rehearsal.client.chat.completions.create(**wanted, stream=True, stream_options={"include_usage": True})
    )
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == whole.choices[0].message.content
    assert chunks[-1].usage == whole.usage
    assert all(chunk.usage is None for chunk in chunks[:-1])
    assert whole.usage is not None
    assert whole.usage.completion_tokens == len(chunks) - 3
    assert {chunk.system_fingerprint for chunk in chunks} == {"rehearsal"}


def test_prompt_tokens_are_counted_as_the_cookbook_counts_them(rehearsal: Rehearsal) -> None:
    messages: Any = [
        {"role": "system", "content": "You are a helpful assistant."},
        {"role": "user", "content": "tiktoken is great!"},
    ]
    made = rehearsal.client.chat.completions.create(model=BASE, messages=messages)
    assert made.usage is not None
    assert made.usage.prompt_tokens == 3 + (3 + 1 + 6) + (3 + 1 + 6)
    assert made.usage.total_tokens == made.usage.prompt_tokens + made.usage.completion_tokens


def test_most_tokens_and_stop_words_end_an_answer(rehearsal: Rehearsal) -> None:
    messages: Any = [{"role": "user", "content": "What happens to water when it gets very cold?"}]
    create: Any = rehearsal.client.chat.completions.create
    for name in ("max_tokens", "max_completion_tokens"):
        short = create(model=BASE, temperature=0, messages=messages, **{name: 5})
        assert short.usage.completion_tokens == 5
        assert short.choices[0].finish_reason == "length"
    stopped = create(model=BASE, temperature=0, messages=messages, stop=["degrees", "energy"])
    assert (stopped.choices[0].message.content or "").endswith("zero ")
    assert stopped.choices[0].finish_reason == "stop"


def test_several_choices_are_all_counted(rehearsal: Rehearsal) -> None:
    messages: Any = [{"role": "user", "content": "How do you feel?"}]
    made = rehearsal.client.chat.completions.create(model=BASE, messages=messages, n=3, temperature=1, seed=1)
    assert [choice.index for choice in made.choices] == [0, 1, 2]
    assert len({choice.message.content for choice in made.choices}) > 1


@pytest.mark.parametrize(
    ("wanted", "word"),
    [
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "teacher", "content": "Hi"}]}, "teacher"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "text only"),
        ({"temperature": 3}, "<= 2"),
        ({"tools": [{}]}, "tools"),
        ({"model": "gpt-4o"}, "rehearsal provider"),
        ({"messages": [{"role": "user", "content": "word " * 130_000}]}, "maximum context length"),
    ],
)
def test_what_it_cannot_do_is_refused_in_words(rehearsal: Rehearsal, wanted: dict[str, Any], word: str) -> None:
    body = {"model": BASE, "messages": [{"role": "user", "content": "Hi"}], **wanted}
    answer = rehearsal.web.post("/v1/chat/completions", json=body)
    assert answer.status_code in (400, 404)
    assert word in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    "text", ["", "?", "\x00", "\ud800".encode("utf-8", "surrogatepass").decode("latin-1"), "9" * 5000, "🦆" * 300]
)
def test_any_text_gets_an_answer(rehearsal: Rehearsal, taught: str, text: str) -> None:
    for model in (BASE, taught):
        assert rehearsal.ask(model, text)
