"""Scripted services as their documentation describes them, each in a thread: what they were asked is kept in `asked`.

AzureControl: learn.microsoft.com/azure/ai-foundry/openai/how-to/fine-tuning-deploy (as of 2025-10-25) and the client
credentials flow of learn.microsoft.com/entra/identity-platform. Nebius: example code and type definitions of others that
cite docs.tokenfactory.nebius.com/post-training/how-to-fine-tune and /deploy-custom-model.
"""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

Answer = tuple[int, Any]
CUT = (0, None)
"""In place of an answer: the connection is closed without a word."""


class Scripted:
    """`spoil`: answers that are given first to what begins so: {"PUT /subscriptions": [(500, "later")]}."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, Any, str]] = []
        self.spoil: dict[str, list[Answer]] = {}
        self.url = ""

    def answer(self, method: str, path: str, body: Any, key: str) -> Answer:
        self.asked.append((method, path, body, key))
        for begin, answers in self.spoil.items():
            if f"{method} {path}".startswith(begin) and answers:
                return answers.pop(0)
        return self.reply(method, path.partition("?")[0], body, key)

    def reply(self, method: str, path: str, body: Any, key: str) -> Answer:
        raise NotImplementedError

    def times(self, begin: str) -> int:
        return sum(1 for method, path, *_ in self.asked if f"{method} {path}".startswith(begin))


class AzureControl(Scripted):
    """Tokens and deployments. `state`: what a new deployment says of itself."""

    def __init__(self) -> None:
        super().__init__()
        self.state, self.made = "Creating", dict[str, Any]()

    def reply(self, method: str, path: str, body: Any, key: str) -> Answer:
        if path.endswith("/oauth2/v2.0/token"):
            good = body.get("client_secret") == ["azure-secret-1"] and body.get("grant_type") == ["client_credentials"]
            return (
                (200, {"access_token": "arm-token", "expires_in": 3599}) if good else (401, {"error": "invalid_client"})
            )
        if key != "Bearer arm-token":
            return 401, {"error": {"code": "InvalidAuthenticationToken"}}
        if method == "PUT":
            self.made[path] = body
        if path not in self.made:
            return 404, {"error": {"code": "DeploymentNotFound"}}
        return 201 if method == "PUT" else 200, {"properties": {"provisioningState": self.state}}


class Service(Scripted):
    """Files, jobs, events, checkpoints, result file, models and chat as platform.openai.com/docs/api-reference describes them
    (as of the description that tests/data holds). `status`: what the jobs say of themselves."""

    key = "service-key-1"
    tuned = "ft:base-1:course::abc"

    def __init__(self) -> None:
        super().__init__()
        self.status, self.jobs, self.uploads = "running", list[dict[str, Any]](), list[bytes]()

    def reply(self, method: str, path: str, body: Any, key: str) -> Answer:
        if key != f"Bearer {self.key}":
            return 401, {"error": {"message": "Incorrect API key provided.", "code": "invalid_api_key"}}
        path = path.removeprefix("/openai")
        if path.startswith("/v1/files"):
            return self._files(method, path, body)
        if path.startswith("/v1/fine_tuning/jobs"):
            return self._jobs(method, path, body)
        if path.startswith("/v1/models"):
            return 200, {"id": path.rsplit("/", 1)[-1], "object": "model", "created": 1, "owned_by": "us"}
        if path == "/v1/chat/completions":
            return 200, said_in_chat(body["model"])
        return 404, {"error": {"message": "Invalid URL", "code": None}}

    def file(self, number: int) -> dict[str, Any]:
        shape = {"object": "file", "bytes": 1, "created_at": 1, "filename": f"x-{number}", "purpose": "fine-tune"}
        return {"id": f"file-{number}", "status": "processed", **shape}

    def job(self, made: dict[str, Any]) -> dict[str, Any]:
        done = self.status == "succeeded"
        said = {"status": self.status, "fine_tuned_model": self.tuned if done else None, "error": None}
        counted = {"trained_tokens": 1_000 if done else None, "result_files": ["file-result"] if done else []}
        return {**made, **said, **counted}

    def _files(self, method: str, path: str, body: Any) -> Answer:
        if path.endswith("/content"):
            return 200, "step,train_loss,valid_loss\n1,2.5,2.6\n2,1.5,1.7\n"
        if method == "POST":
            self.uploads.append(body)
            return 200, self.file(len(self.uploads))
        if method == "DELETE":
            return 200, {"id": path.rsplit("/", 1)[-1], "object": "file", "deleted": True}
        if path == "/v1/files":
            return 200, {"object": "list", "data": [], "has_more": False}
        return 200, self.file(int(path.rsplit("-", 1)[-1]))

    def _jobs(self, method: str, path: str, body: Any) -> Answer:
        if path.endswith("/events"):
            data = {"step": 1, "train_loss": 2.5, "total_steps": 2}
            event = {
                "id": "e-1",
                "object": "fine_tuning.job.event",
                "created_at": 1,
                "level": "info",
                "type": "metrics",
            }
            return 200, {"object": "list", "data": [{**event, "message": "Step 1", "data": data}], "has_more": False}
        if path.endswith("/checkpoints"):
            point = {"id": "ftckpt-1", "object": "fine_tuning.job.checkpoint", "created_at": 1, "step_number": 2}
            named = {**point, "fine_tuned_model_checkpoint": f"{self.tuned}:ckpt", "metrics": {"train_loss": 1.5}}
            return 200, {"object": "list", "data": [named], "has_more": False}
        if path == "/v1/fine_tuning/jobs" and method == "POST":
            if isinstance(refused := self.refusal(body), dict):
                return 400, refused
            made = {"id": f"ftjob-{len(self.jobs) + 1}", "object": "fine_tuning.job", "created_at": 1, "seed": 1}
            self.jobs.append({**body, **made, "hyperparameters": {"n_epochs": 2}})
        shown = [self.job(one) for one in self.jobs]
        if path == "/v1/fine_tuning/jobs" and method == "GET":
            return 200, {"object": "list", "data": shown, "has_more": False}
        return (200, shown[-1]) if shown else (404, {"error": {"message": "No such job", "code": None}})

    def refusal(self, body: dict[str, Any]) -> dict[str, Any] | None:
        """Why a job is not made."""
        if str(body.get("training_file", "")) == "file-none":
            return {"error": {"message": "invalid training_file", "code": "invalid_training_file"}}
        return None


class AzureService(Service):
    """Where Azure's data plane differs: rows carry a byte-order mark, a file is looked through before a job may be made of it,
    new jobs are "pending", and what OpenAI always fills is null.

    learn.microsoft.com/azure/ai-foundry/openai/how-to/fine-tuning (as of 2025-09-30) for addresses, mark, `trainingType` and
    names of models; Microsoft's samples (github.com/Azure/azure-sdk-for-js/pull/36243, 2025-10-16) for the wait; nulls and
    "pending" as github.com/BerriAI/litellm/pull/24687 (2026-03-27) met them.
    """

    tuned = "gpt-4o-mini-2024-07-18.ft-f8838e7c6d4a4cbe882a002815758510"
    looks = 2
    """Of a file, until it is processed."""

    def __init__(self) -> None:
        super().__init__()
        self.status, self.seen = "pending", dict[int, int]()

    def file(self, number: int) -> dict[str, Any]:
        looked = self.seen[number] = self.seen.get(number, -1) + 1
        return {**super().file(number), "status": "processed" if looked >= self.looks else "pending"}

    def job(self, made: dict[str, Any]) -> dict[str, Any]:
        shown = super().job(made)
        return {
            **shown,
            "organization_id": None,
            "result_files": shown["result_files"] or None,
            "hyperparameters": None,
        }

    def refusal(self, body: dict[str, Any]) -> dict[str, Any] | None:
        unread = [number for number in range(1, len(self.uploads) + 1) if self.seen[number] < self.looks]
        unmarked = [upload for upload in self.uploads if b"\xef\xbb\xbf{" not in upload]
        if unread or unmarked:
            said = "The file is not ready." if unread else "The file must be UTF-8 with a byte-order mark."
            return {"error": {"message": said, "code": "invalidPayload"}}
        return super().refusal(body)


def said_in_chat(model: str) -> dict[str, Any]:
    said = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Um, three!"}}
    usage = {"prompt_tokens": 5, "completion_tokens": 3, "total_tokens": 8}
    about = {"id": "c", "object": "chat.completion", "created": 1, "model": model}
    return {**about, "choices": [said], "usage": usage}


class Nebius(Scripted):
    """Files, jobs without metadata, checkpoints without models, and custom models with a name of the service's own."""

    def __init__(self) -> None:
        super().__init__()
        self.jobs, self.models = list[dict[str, Any]](), list[dict[str, Any]]()
        self.status, self.model_status, self.files = "running", "validating", 0

    def reply(self, method: str, path: str, body: Any, key: str) -> Answer:
        if path == "/v1/files" and method == "POST":
            self.files += 1
            return 200, self._file(f"file-{self.files}")
        if path == "/v1/files":
            return 200, {"object": "list", "data": [], "has_more": False}
        if path.startswith("/v1/files/") and method == "DELETE":
            return 405, {"error": {"message": "Method Not Allowed"}}
        if path.startswith("/v1/fine_tuning/jobs"):
            return self._jobs(method, path, body)
        if path == "/v0/models" and method == "POST":
            self.models.append({**body, "name": f"{body['base_model']}-LoRa:{body['name']}"})
        if path == "/v0/models":
            listed = [{**one, "status": self.model_status} for one in self.models]
            return 200, listed[-1] if method == "POST" else {"data": listed}
        if path == "/v1/chat/completions":
            return 200, said_in_chat(body["model"])
        return 404, {"detail": "Not Found"}

    def _jobs(self, method: str, path: str, body: Any) -> Answer:
        if path.endswith("/checkpoints"):
            point = {"id": "ftckpt_1", "object": "fine_tuning.job.checkpoint", "created_at": 1, "step_number": 4}
            return 200, {"object": "list", "data": [{**point, "metrics": {}}], "has_more": False}
        if path == "/v1/fine_tuning/jobs" and method == "POST":
            if "method" in body or "metadata" in body or "hyperparameters" not in body:
                return 422, {"error": {"message": "Extra inputs are not permitted", "code": "validation"}}
            made = {"id": f"ftjob-{len(self.jobs) + 1}", "object": "fine_tuning.job", "created_at": 1, **body}
            self.jobs.append(made)
        shown = [{**one, "status": self.status, "trained_tokens": 1_000, "result_files": []} for one in self.jobs]
        if path == "/v1/fine_tuning/jobs" and method == "GET":
            return 200, {"object": "list", "data": shown, "has_more": False}
        return (200, shown[-1]) if path.count("/") <= 4 and shown else (404, {"detail": "Not Found"})

    def _file(self, name: str) -> dict[str, Any]:
        shape = {"object": "file", "bytes": 1, "created_at": 1, "filename": "x", "purpose": "fine-tune"}
        return {"id": name, "status": "processed", **shape}


def _read(raw: bytes, kind: str) -> Any:
    """JSON and forms as values, an upload as its bytes."""
    if "json" in kind and raw:
        return json.loads(raw)
    if "form-urlencoded" in kind:
        return parse_qs(raw.decode())
    return raw if "multipart" in kind else None


@contextmanager
def serving(script: Scripted) -> Iterator[None]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            raw = self.rfile.read(length)
            kind = self.headers.get("Content-Type") or ""
            body = _read(raw, kind)
            status, said = script.answer(self.command, self.path, body, self.headers.get("Authorization") or "")
            if not status:
                self.close_connection = True
                return
            text = said if isinstance(said, str) else json.dumps(said)
            self.send_response(status)
            self.send_header("Content-Type", "text/html" if isinstance(said, str) else "application/json")
            self.send_header("Content-Length", str(len(text.encode())))
            self.end_headers()
            self.wfile.write(text.encode())

        do_POST = do_PUT = do_DELETE = do_GET

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    script.url = f"http://127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, args=[0.02], daemon=True).start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
