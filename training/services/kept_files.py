"""Which files an archive may bring of a run, method by method: what the child that reads it is told."""

from typing import Any

import msgspec

from training import methods
from training.archives.manifest import KeptFiles


def of_runs() -> dict[str, KeptFiles]:
    """Of an archive of one run, by the name of its method."""
    return {
        method.name: KeptFiles(
            method.archive_files,
            method.archive_needs,
            is_program=method.is_program,
            leaves_adapter=method.leaves_adapter,
        )
        for method in methods.every()
    }


def in_a_course() -> dict[str, KeptFiles]:
    """Of a course: a job of the platform's own service is a run of a provider's method, and left an adapter."""
    found = of_runs()
    adapters = [kept for kept in found.values() if kept.leaves_adapter]
    left = dict.fromkeys(name for kept in adapters for name in kept.files)
    for method in methods.every():
        if method.kept_by_provider:
            kept = found[method.name]
            files = tuple(dict.fromkeys([*kept.files, *left]))
            found[method.name] = msgspec.structs.replace(kept, files=files)
    return found


def as_request(found: dict[str, KeptFiles]) -> dict[str, Any]:
    """For a child of the sandbox, which reads plain data."""
    return {name: msgspec.to_builtins(kept) for name, kept in found.items()}
