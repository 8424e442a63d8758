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
            return self._chat(body)
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

    def _chat(self, body: Any) -> Answer:
        said = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Um, three!"}}
        usage = {"prompt_tokens": 5, "completion_tokens": 3, "total_tokens": 8}
        return 200, {
            "id": "c",
            "object": "chat.completion",
            "created": 1,
            "model": body["model"],
            "choices": [said],
            "usage": usage,
        }


@contextmanager
def serving(script: Scripted) -> Iterator[None]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            raw = self.rfile.read(length)
            kind = self.headers.get("Content-Type") or ""
            body: Any = (
                json.loads(raw)
                if "json" in kind and raw
                else parse_qs(raw.decode())
                if "form-urlencoded" in kind
                else None
            )
            status, said = script.answer(self.command, self.path, body, self.headers.get("Authorization") or "")
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
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
