"""What an earlier version wrote, in words that are no longer used, is read as what it is called now."""

import gzip
from importlib import import_module

import msgspec
import pytest

from courseplatform.course_archive.child import cleaned
from courseplatform.course_archive.tables import BY_LABEL, RUN
from datasets import formats
from datasets.models import Import
from datasets.services.problems import problems_of


def test_an_archive_of_before_brings_what_to_try_after_a_failed_run() -> None:
    assert cleaned(BY_LABEL[RUN], 1, {"id": 7, "error_mend": "Take less."}) == {"id": 7, "error_fix": "Take less."}


@pytest.mark.django_db
def test_the_problems_of_an_import_of_before_are_still_shown(tmp_path, settings) -> None:
    settings.VAR_DIR = tmp_path
    kept = formats.Problem(line=1, column=None, field="", code="odd", severity="error", message="Odd.", fix="Look.")
    line = msgspec.json.encode(kept)
    before = line.replace(b'"fix":', b'"mend":')
    assert before != line
    import_ = Import()
    import_.folder.mkdir(parents=True)
    import_.problems_path.write_bytes(gzip.compress(before + b"\n" + line + b"\n"))
    assert list(problems_of(import_)) == [kept, kept]


def test_a_stored_finding_is_renamed_and_renamed_back() -> None:
    migration = import_module("datasets.migrations.0008_say_fix")
    before = {"code": "mended_json_bom", "message": "m", "mend": "Nothing to do."}
    after = migration.renamed(dict(before), migration.OLD, migration.NEW)
    assert after == {"code": "fixed_json_bom", "message": "m", "fix": "Nothing to do."}
    assert migration.renamed(dict(after), migration.NEW, migration.OLD) == before
