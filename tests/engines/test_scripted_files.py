"""The scripted provider checks training files as OpenAI does, and keeps, lists and forgets files."""

import json
from collections.abc import Iterator
from typing import Any

import openai
import pytest

from tests.scripted_provider.server import BASE, Row, ScriptedProvider, child_rows, jsonl, row, started

USER = {"role": "user", "content": "What is ice?"}
CHILD = {"role": "assistant", "content": "It is cold!"}


@pytest.fixture(scope="module")
def scripted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ScriptedProvider]:
    with started(tmp_path_factory.mktemp("files"), "--job-seconds", "0", "--allow-faults") as running:
        yield running


def talk(*messages: dict[str, Any]) -> Row:
    return {"messages": list(messages)}


BAD_ROWS: tuple[tuple[Any, str], ...] = (
    (talk(USER), "last message must be from the assistant"),
    (talk(CHILD, USER), "last message must be from the assistant"),
    (talk(), "at least one message"),
    ({"dialogue": [USER, CHILD]}, "missing required key 'messages'"),
    ({**talk(USER, CHILD), "id": "r1"}, "unrecognized key(s) 'id'"),
    (talk({"role": "teacher", "content": "Hi"}, CHILD), "unrecognized role 'teacher'"),
    (talk({"role": "user"}, CHILD), "'content' must be a string"),
    (talk({"role": "user", "content": "  "}, CHILD), "'content' is empty"),
    (talk({**USER, "weight": 1}, CHILD), "'weight' is allowed on assistant messages only"),
    (talk(USER, {**CHILD, "weight": 0.5}), "'weight' must be 0 or 1"),
    (talk(USER, {**CHILD, "weight": True}), "'weight' must be 0 or 1"),
    (talk(USER, {**CHILD, "weight": 0}), "no assistant message with a weight other than 0"),
    (talk(USER, {**CHILD, "mood": "happy"}), "unrecognized key(s) 'mood'"),
    (["not", "an", "object"], "is not a dictionary"),
)


@pytest.mark.parametrize(("bad", "reason"), BAD_ROWS)
def test_a_bad_row_makes_the_file_an_error_that_names_its_line(
    scripted: ScriptedProvider, bad: Any, reason: str
) -> None:
    file = scripted.client.files.create(file=("r.jsonl", jsonl([*child_rows(12), bad])), purpose="fine-tune")
    assert file.status == "error"
    assert reason in (file.status_details or "")
    assert "Line 13" in (file.status_details or "")


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'{"messages": [', "valid JSON"),
        (b'{"messages": NaN}', "NaN is not JSON"),
        (b'{"messages": [], "messages": []}', "a key is given twice"),
        (b"\xff\xfe", "not UTF-8"),
        (b'{"messages": [{"role": "user", "content": "\\ud800"}]}', "surrogate"),
        (b"[" * 100_000, "valid JSON"),
    ],
)
def test_what_is_not_json_is_said_to_be_so(scripted: ScriptedProvider, line: bytes, reason: str) -> None:
    content = jsonl(child_rows(12)) + line
    file = scripted.client.files.create(file=("r.jsonl", content), purpose="fine-tune")
    assert file.status == "error"
    assert reason in (file.status_details or "")


def test_text_parts_weights_tools_and_a_byte_order_mark_are_good(scripted: ScriptedProvider) -> None:
    parts = {"role": "user", "content": [{"type": "text", "text": "What is "}, {"type": "text", "text": "ice?"}]}
    rows = [talk(parts, {**CHILD, "weight": 0}, USER, {**CHILD, "weight": 1}), *child_rows(11)]
    content = b"\xef\xbb\xbf" + jsonl(rows).replace(b"\n", b"\r\n")
    assert scripted.client.files.create(file=("r.jsonl", content), purpose="fine-tune").status == "processed"


def test_a_job_on_nine_rows_fails_after_validation_and_says_why(scripted: ScriptedProvider) -> None:
    job = scripted.client.fine_tuning.jobs.retrieve(scripted.job(child_rows(9)).id)
    assert scripted.client.files.retrieve(job.training_file).status == "processed", "it could be a validation file"
    assert job.status == "failed"
    assert job.error is not None
    assert (job.error.code, job.error.param) == ("invalid_n_examples", "training_file")
    assert "9 example(s)" in (job.error.message or "")
    told = [event.message for event in scripted.client.fine_tuning.jobs.list_events(job.id).data]
    assert any("must have at least 10 examples" in message for message in told)
    assert not any("started" in message for message in told)


def test_a_short_validation_file_is_enough(scripted: ScriptedProvider) -> None:
    checks = scripted.upload([row("What is ice?", "It is cold!")])
    job = scripted.client.fine_tuning.jobs.retrieve(scripted.job(validation_file=checks).id)
    assert job.status == "succeeded"


def test_a_file_of_preferences_is_for_dpo_only(scripted: ScriptedProvider) -> None:
    preferences = [
        {"input": talk(USER), "preferred_output": [CHILD], "non_preferred_output": [{**CHILD, "content": "H2O."}]}
    ] * 10
    job = scripted.client.fine_tuning.jobs.retrieve(scripted.job(preferences).id)
    assert job.error is not None
    assert "its rows are for 'dpo'" in (job.error.message or "")


def test_a_file_comes_back_byte_for_byte_until_it_is_deleted(scripted: ScriptedProvider) -> None:
    content = jsonl(child_rows(12))
    file = scripted.client.files.create(file=("rows.jsonl", content), purpose="fine-tune")
    assert (file.bytes, file.filename) == (len(content), "rows.jsonl")
    assert scripted.client.files.content(file.id).content == content
    scripted.client.files.delete(file.id)
    with pytest.raises(openai.NotFoundError, match="No such File object"):
        scripted.client.files.retrieve(file.id)
    with pytest.raises(openai.BadRequestError) as refused:
        scripted.client.fine_tuning.jobs.create(model=BASE, training_file=file.id)
    assert refused.value.code == "invalid_training_file"


def test_files_are_listed_page_by_page_newest_first(scripted: ScriptedProvider) -> None:
    made = [scripted.upload(child_rows(12)) for _ in range(3)]
    first = scripted.client.files.list(limit=2, purpose="fine-tune")
    assert [file.id for file in first.data] == [made[2], made[1]]
    assert first.has_more
    second = first.get_next_page()
    assert second.data[0].id == made[0]


def test_a_file_past_its_lifetime_cannot_be_read_or_trained_on(scripted: ScriptedProvider) -> None:
    file = scripted.client.files.create(
        file=("r.jsonl", jsonl(child_rows(12))),
        purpose="fine-tune",
        expires_after={"anchor": "created_at", "seconds": 3600},
    )
    assert scripted.client.files.content(file.id).content
    scripted.faults(clock_ahead=4000)
    with pytest.raises(openai.NotFoundError, match="has expired"):
        scripted.client.files.content(file.id)
    with pytest.raises(openai.BadRequestError, match="has expired"):
        scripted.client.fine_tuning.jobs.create(model=BASE, training_file=file.id)
    scripted.faults(reset=True)


@pytest.mark.parametrize(
    ("data", "files", "param"),
    [
        ({"purpose": "fine-tune"}, {}, "file"),
        ({"purpose": "fun"}, {"file": ("r.jsonl", b"{}")}, "purpose"),
        ({"purpose": "fine-tune"}, {"file": ("r.jsonl", b"")}, "file"),
    ],
)
def test_an_upload_that_lacks_something_is_refused(
    scripted: ScriptedProvider, data: dict[str, str], files: dict[str, Any], param: str
) -> None:
    answer = scripted.web.post("/v1/files", data=data, files=files or None)
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == param


def test_a_limit_that_is_no_number_is_refused_in_words(scripted: ScriptedProvider) -> None:
    for limit in ("0", "many", "-1", "99999"):
        answer = scripted.web.get("/v1/files", params={"limit": limit})
        assert answer.status_code == 400
        assert "limit" in json.dumps(answer.json())
