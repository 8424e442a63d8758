"""Our app shadows Hugging Face's package of the same name; system checks say when that goes wrong."""

import sys
from types import ModuleType

from courseplatform import checks


def test_our_own_datasets_app_passes():
    assert checks.our_datasets_app_is_imported(None) == []


def test_another_package_of_that_name_is_an_error(monkeypatch):
    stranger = ModuleType("datasets")
    stranger.__file__ = "/somewhere/site-packages/datasets/__init__.py"
    monkeypatch.setitem(sys.modules, "datasets", stranger)
    assert [error.id for error in checks.our_datasets_app_is_imported(None)] == ["courseplatform.E001"]


def test_a_missing_engine_is_an_error(settings, tmp_path):
    settings.ENGINES_ROOT = tmp_path
    assert {error.id for error in checks.engines_are_where_the_launcher_looks(None)} == {"courseplatform.E002"}


def test_a_queue_that_pickles_is_an_error(settings):
    settings.RQ_QUEUES = {"quick": {"URL": "redis://"}}
    assert [error.id for error in checks.rq_queues_use_json(None)] == ["courseplatform.E003"]


def test_the_web_process_does_not_load_torch():
    import subprocess

    program = (
        "import os, sys, django; os.environ['DJANGO_SETTINGS_MODULE'] = 'tests.settings'; django.setup();"
        "import courseplatform.urls; from django.urls import get_resolver; get_resolver().url_patterns;"
        "import courseplatform.asgi;"
        "sys.exit(', '.join({'torch', 'transformers', 'peft'} & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
