"""The report: guideline, tokens, coverage, duplicates, leakage, split, advice; and the command that prints it."""

import json
import os
import random
import subprocess
import sys
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import call_command
from hypothesis import given, settings
from hypothesis import strategies as st

from datasets import checks, formats
from datasets.formats import Row
from teams.methods import named

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"


def row(asked: str, said: str, line: int = 1, **labels: str) -> Row:
    return Row(
        line=line, messages=[{"role": "user", "content": asked}, {"role": "assistant", "content": said}], labels=labels
    )


def different_rows(count: int, **labels: str) -> list[Row]:
    pick = random.Random(3)
    pool = [
        "cat",
        "dog",
        "tree",
        "run",
        "jump",
        "red",
        "blue",
        "house",
        "ball",
        "cake",
        "fish",
        "bird",
        "song",
        "star",
        "moon",
    ]
    said = [" ".join(pick.choices(pool, k=14)) for _ in range(count)]
    return [row(f"Tell me about {text[:30]} {n}?", f"{text} {n}.", n + 1, **labels) for n, text in enumerate(said)]


@pytest.mark.parametrize(
    ("rows", "verdicts"),
    [
        (3, ("too_few", "too_few", "too_few")),
        (9, ("few", "too_few", "few")),
        (10, ("good", "few", "few")),
        (50, ("good", "good", "few")),
        (120, ("plenty", "good", "good")),
    ],
)
def test_size_is_judged_by_each_methods_guideline(rows, verdicts):
    found = [checks.guideline(named(method), rows) for method in ("dspy", "openai", "lora")]
    assert tuple(one["verdict"] for one in found) == verdicts
    assert all(one["sentence"] for one in found)


def test_tokens_are_the_tokenizers_own_or_called_an_estimate():
    rows = [row("a b c", "d e"), row("x " * 500, "y")]
    exact = checks.report(rows, count_tokens=lambda text: len(text.split()), context_tokens=100).quality["tokens"]
    assert (exact["total"], exact["estimated"]) == (3 + 2 + 500 + 1 + 16, False)
    assert exact["over_context"] == [1]
    assert checks.report(rows).quality["tokens"]["estimated"] is True


def test_labels_are_suggested_by_rule_and_never_over_given_ones():
    found = checks.suggest_labels(row("What is 8 + 7?", "I think the answer is 15, wait, 16?"))
    assert found["subject"] == "math" and found["emotion"] == "unsure" and found["special_case"] == "corrects itself"
    assert (
        checks.suggest_labels(row("Why do plants need the sun?", "Plants eat dirt and drink rain."))["subject"]
        == "science"
    )
    wrong = checks.suggest_labels(row("Why is it day and night?", "Because the sun goes around us!"))
    assert wrong["misconception"] == "the sun moves around the Earth"
    assert "subject" not in checks.suggest_labels(row("What is 8 + 7?", "15", subject="counting"))


def test_coverage_counts_given_and_suggested_labels_and_the_unlabelled():
    rows = [row("What is 8 + 7?", "15", subject="math"), row("What is 2 + 2?", "4"), row("Hm?", "Hm.")]
    found = checks.coverage(rows)["subject"]
    assert found["given"] == {"math": 1, "": 2}
    assert found["suggested"] == {"math": 2, "": 1}


def test_duplicates_are_found_exactly_and_nearly_and_others_are_not():
    long = "I like the big red dog that runs fast in the park with my friend and my mom every day after school"
    rows = [
        *different_rows(40),
        row("Tell me a story!", long + ".", 41),
        row("tell me a STORY", long, 42),
        row("Tell me a story!", long + " and then we go home.", 43),
    ]
    found = checks.report(rows).quality["duplicates"]
    assert found["exact"] == [[41, 42]]
    assert found["near"] == [[41, 42, 43]]
    codes = [problem.code for problem in checks.report(rows).problems]
    assert {"duplicate_rows", "near_duplicate_rows"} <= set(codes)
    assert checks.near_duplicates(different_rows(40)) == []


def test_repeated_openings_are_counted():
    rows = [row(f"Question {n} about {n * 7}?", f"Well you know it is {n * 13} because of {n}") for n in range(12)]
    found = checks.openings(rows)
    assert (found[0]["words"], found[0]["count"]) == ("well you know", 12)
    assert "repeated_opening" in [problem.code for problem in checks.report(rows).problems]


def test_validation_rows_seen_in_training_are_told_with_both_lines():
    train = different_rows(30)
    leaked = row(train[4].prompt() + "!", train[4].student_text()[0].upper(), 77)
    found = checks.report(
        train, validation_rows=[leaked, row("Quite another thing?", "Yes, it is so very other", 78)]
    ).quality
    assert [(leak["line"], leak["validation_line"]) for leak in found["leakage"]] == [(5, 77)]


def test_a_split_is_stratified_seeded_and_stays_when_rows_are_shuffled():
    rows = different_rows(80, subject="math") + [
        Row.from_dict({**one.as_dict(), "labels": {"subject": "science"}, "messages": one.messages[::1]})
        for one in different_rows(100)[80:]
    ]
    found = checks.split(rows, 0.2, seed=1)
    assert sorted(found.train + found.validation) == list(range(100))
    subjects = [rows[index].labels["subject"] for index in found.validation]
    assert (subjects.count("math"), subjects.count("science")) == (16, 4)
    order = list(range(100))
    random.Random(5).shuffle(order)
    shuffled = checks.split([rows[index] for index in order], 0.2, seed=1)
    assert sorted(order[index] for index in shuffled.validation) == found.validation
    assert checks.split(rows, 0.2, seed=2).validation != found.validation


def test_everything_alike_stays_on_one_side_of_a_split():
    rows = different_rows(30)
    doubles = [row(one.prompt(), f"another answer number {n} of {n * n}", 100 + n) for n, one in enumerate(rows[:10])]
    nearly = [row(one.prompt() + "?", one.student_text()[0] + "!", 200 + n) for n, one in enumerate(rows[10:20])]
    found = checks.split([*rows, *doubles, *nearly], 0.3, seed=4)
    validation = set(found.validation)
    assert len(validation) >= 10
    for n in range(10):
        assert (n in validation) == (30 + n in validation)
        assert (10 + n in validation) == (40 + n in validation)
    everything = [*rows, *doubles, *nearly]
    train, tested = ([everything[index] for index in side] for side in (found.train, found.validation))
    assert checks.leakage(train, tested) == []


@settings(max_examples=30, deadline=None)
@given(st.lists(st.sampled_from("abcdefgh"), max_size=12), st.floats(0, 0.5), st.integers(0, 99))
def test_any_split_is_a_partition_that_leaves_something_to_train_on(letters, fraction, seed):
    rows = [row(f"{letter}?", f"{letter} is it") for letter in letters]
    found = checks.split(rows, fraction, seed)
    assert sorted(found.train + found.validation) == list(range(len(rows)))
    assert found.train or not rows
    assert found.validation or found.reason


def test_a_split_outside_its_bounds_is_refused():
    with pytest.raises(ValueError, match=r"between 0 and 0\.5"):
        checks.split([], 0.9, 1)


def test_advice_follows_goal_data_and_time_with_reasons():
    assert checks.advice(rows=20, goal="quick_personality", time="quick").best == "dspy"
    assert checks.advice(rows=80, goal="subject_knowledge", time="moderate").best == "openai"
    assert checks.advice(rows=300, goal="deep_personality", time="long").best == "lora"
    scarce = checks.advice(rows=3, goal="deep_personality", time="long")
    assert not next(method for method in scarce.methods if method.method == "lora").possible
    assert all(method.reasons or method.against for method in scarce.methods)


def test_advice_keeps_private_rows_on_this_machine_and_knows_closed_clouds():
    private = checks.advice(rows=200, goal="subject_knowledge", time="moderate", private=3)
    assert private.best == "lora"
    assert not next(method for method in private.methods if method.method == "openai").possible
    closed = checks.advice(rows=80, goal="subject_knowledge", time="moderate", cloud_closed=True)
    assert closed.best != "openai"
    assert "No method works" in checks.advice(rows=1).sentence


def test_a_report_of_no_rows_has_every_figure():
    found = checks.report([])
    assert found.quality["rows"] == 0 and found.quality["language"]["band"] == "unknown" and found.problems == []
    json.dumps(found.quality)


def command(*arguments: str) -> tuple[int, str]:
    out = StringIO()
    try:
        call_command("check_dataset", *arguments, stdout=out)
    except SystemExit as end:
        return int(end.code or 0), out.getvalue()
    return 0, out.getvalue()


def test_the_command_prints_one_object_a_file_and_exits_by_the_worst(tmp_path):
    good, bad, none = tmp_path / "good.jsonl", tmp_path / "bad.jsonl", tmp_path / "page.jsonl"
    good.write_text('{"question": "My student Emma Johnson?", "answer": "Yes!"}\n')
    bad.write_text('{"question": "a?", "answer": "b"}\n{"question": NaN}\n')
    none.write_text("<!doctype html><html></html>")
    code, printed = command("--json", str(good), str(bad), str(none))
    first, second, third = (json.loads(line) for line in printed.splitlines())
    assert code == 2
    for found in (first, second, third):
        assert list(found) == ["file", "shape", "rows", "good_rows", "problems", "quality", "privacy"]
    assert (first["shape"], first["rows"], first["good_rows"], first["problems"]) == ("instruction", 1, 1, [])
    assert first["privacy"] == [
        {"line": 1, "field": "messages[0].content", "kind": "name", "excerpt": "My student Emma Johnson?"}
    ]
    assert (second["rows"], second["good_rows"]) == (2, 1)
    (problem,) = second["problems"]
    assert list(problem) == ["line", "field", "code", "severity", "message", "fix"]
    assert (problem["line"], problem["field"], problem["code"]) == (2, "column 14", "json_nan")
    assert (third["shape"], third["problems"][0]["code"], third["problems"][0]["line"]) == (None, "html_page", 0)
    assert [command(str(path))[0] for path in (good, bad, none)] == [0, 1, 2]
    assert command("--shape", "dialogue", str(good))[0] == 1


def test_the_command_tells_a_person_what_to_do(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text('{"question": "a?", "answer": "b",}\n')
    code, printed = command(str(path))
    assert code == 1
    assert "line 1, column 33" in printed and "Delete the comma" in printed and "0 good rows of 1" in printed


def test_a_file_that_breaks_off_keeps_the_rows_before_the_break_as_the_page_does(tmp_path, settings):
    settings.DATASET_MAX_ROWS = 2
    path = tmp_path / "rows.jsonl"
    path.write_text('{"question": "a?", "answer": "b"}\n' * 3)
    code, printed = command("--json", str(path))
    found = json.loads(printed)
    assert (code, found["good_rows"], found["problems"][0]["code"]) == (1, 2, "too_many_rows")
    assert "more than 2 rows" in found["problems"][0]["message"]


@pytest.mark.skipif(not DATA.is_dir(), reason="../shared/data is not on this machine")
def test_the_command_never_shows_a_traceback_whatever_the_file():
    """A child process for each file: every fourth stands for its fellows, whose formats the readers' own tests walk."""
    paths = [path for path in sorted(DATA.rglob("*")) if path.is_file() and path.stat().st_size < 300_000][::4]
    assert len(paths) > 25
    code, printed = command("--json", *map(str, paths))
    assert code == 2
    assert len([json.loads(line) for line in printed.splitlines()]) == len(paths)


def test_formats_and_checks_are_free_of_django():

    program = "import sys; from datasets import checks, formats; sys.exit('django' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], cwd=Path(formats.__file__).parents[2], check=False)
    assert done.returncode == 0


def test_the_command_speaks_to_any_terminal_and_about_any_file_name(tmp_path):
    path = tmp_path / os.fsdecode(b"caf\xff\x1b[31m.jsonl")
    path.write_text('{"question": "a?", "answer": "b"}\n{}\n')
    for encoding in ("ascii", "utf-8"):
        done = run_command(str(path), PYTHONIOENCODING=encoding)
        assert (done.returncode, done.stderr) == (1, "")
        assert "\\udcff\\x1b[31m" in done.stdout and "\x1b" not in done.stdout
        assert "The row is empty" in done.stdout


def test_the_command_keeps_its_exit_code_when_nobody_reads_on(tmp_path):
    good, bad = tmp_path / "good.jsonl", tmp_path / "bad.jsonl"
    good.write_text('{"question": "a?", "answer": "b"}\n')
    bad.write_text("{}\n")
    reading, writing = os.pipe()
    os.close(reading)
    done = run_command(*[str(good)] * 20, str(bad), stdout=writing)
    os.close(writing)
    assert (done.returncode, done.stderr) == (1, "")


def run_command(*arguments, stdout=subprocess.PIPE, **environment):
    """The command as a process of its own, as a team's script starts it."""
    return subprocess.run(
        [sys.executable, "manage.py", "check_dataset", *arguments],
        cwd=Path(formats.__file__).parents[2],
        env={**os.environ, **environment},
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("goal", ["quick_personality", "subject_knowledge", "deep_personality"])
@pytest.mark.parametrize("rows", [0, 7, 20, 60, 150])
def test_advice_is_said_in_one_sentence_with_one_full_stop(goal, rows):
    advised = checks.advice(rows=rows, goal=goal, time="long", private=1)
    assert not advised.sentence.endswith("..") and ".;" not in advised.sentence
    assert all("1 open privacy finding:" in told for told in advised.methods[0].against if "privacy" in told)
