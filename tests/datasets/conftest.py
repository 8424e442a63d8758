"""What the dataset tests share: rows, uploads, and the addresses of a team's dataset pages."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from datasets.models import DatasetVersion, Import
from datasets.services import versions
from teams.models import Team, User
from tests import factories


def jsonl(*rows: Any) -> bytes:
    """Rows as JSON lines; a string stands for itself, good or bad."""
    return "\n".join(row if isinstance(row, str) else json.dumps(row, ensure_ascii=False) for row in rows).encode()


def question(number: int) -> dict[str, Any]:
    return {"instruction": f"What is {number} plus {number}?", "output": f"Um, I count. It is {2 * number}!"}


def downloaded(answer: Any) -> bytes:
    """All of a file that is sent piece by piece, read as an ASGI server reads it."""

    async def whole() -> bytes:
        return b"".join([piece async for piece in answer.streaming_content])

    assert answer.is_async, "a plain iterator would be read to its end before the first byte leaves"
    return async_to_sync(whole)()


@pytest.fixture
def browser(client_for: Callable[[User | None], Client], member: User) -> Client:
    """The session of a member of the team."""
    return client_for(member)


@pytest.fixture
def upload(browser: Client, team: Team) -> Callable[..., Import]:
    """Send a file through the page as a person does; gives the import it became."""

    def send(content: bytes, name: str = "rows.jsonl", **fields: Any) -> Import:
        data = {"file": SimpleUploadedFile(name, content), **fields}
        answer = browser.post(f"/teams/{team.pk}/datasets/new/", data)
        assert answer.status_code == 302, answer.content.decode()[:2000]
        newest = Import.objects.order_by("-id").first()
        assert newest is not None
        return newest

    return send


@pytest.fixture
def version(team: Team, member: User) -> DatasetVersion:
    """Twelve clean rows."""
    dataset = versions.create_dataset(team=team, name="Sums", person=member)
    return versions.create_version(
        dataset=dataset,
        rows=factories.child_rows(12),
        shape="messages",
        person=member,
        note="First.",
        source_name="sums.jsonl",
    )


@pytest.fixture
def version_url(version: DatasetVersion) -> str:
    return f"/teams/{version.dataset.team_id}/datasets/{version.dataset_id}/versions/{version.number}/"
