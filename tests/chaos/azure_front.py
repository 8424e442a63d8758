"""Azure as a chaos run sees it: the scripted provider's API under /openai, and the control plane that deploys models beside it.

Whatever is asked belongs to a step. `trouble` says what goes wrong there next, one word a request, until it is used up:
"cut": nothing is done and nothing is said. "lost": it is done, and its answer never comes. "html": a page in place of an
answer. "failed": a deployment that says so. A number: that status, with an error in OpenAI's shape.
Control plane and chat by deployment name as `tests.training.dialect_servers` has them from Azure's documentation.
"""

import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

import httpx

from tests.chaos.provider import KEY as PROVIDER_KEY
from tests.training.dialect_servers import AzureControl

KEY, SECRET = "azure-chaos-key", "azure-secret-1"
RESOURCE = "subscriptions/s-1/resourceGroups/g/providers/Microsoft.CognitiveServices/accounts/chaos"
HTML = b"<html><body>Our services aren't available right now</body></html>"
LOOKS_UNTIL_READY = 2
STEPS = (
    ("token", "POST", r"/oauth2/v2\.0/token"),
    ("deploy", "PUT", r"^/subscriptions/"),
    ("deployment", "GET", r"^/subscriptions/"),
    ("upload", "POST", r"^/openai/v1/files$"),
    ("create", "POST", r"^/openai/v1/fine_tuning/jobs$"),
    ("results", "GET", r"^/openai/v1/(files/[^/]+/content|fine_tuning/jobs/[^/]+/(events|checkpoints))"),
    ("poll", "GET", r"^/openai/v1/fine_tuning/jobs/[^/]+$"),
    ("chat", "POST", r"^/openai/v1/chat/completions$"),
)
"""Name, method, and what the path looks like."""

Word = str | int


def step_of(method: str, path: str) -> str:
    """Empty for what no row of the table breaks."""
    for name, verb, pattern in STEPS:
        if verb == method and re.search(pattern, path):
            return name
    return ""


class AzureFront:
    """A server in threads of this process. `met`: how many requests of each step went wrong."""

    def __init__(self, provider_url: str) -> None:
        self.control = AzureControl()
        self.trouble: dict[str, list[Word]] = {}
        self.met: dict[str, int] = {}
        self._looks = 0
        self._guard = threading.Lock()
        self._web = httpx.Client(base_url=provider_url, timeout=60)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def start(self) -> None:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._web.close()

    def breaks(self, **trouble: list[Word]) -> None:
        """From now on this goes wrong and nothing else."""
        with self._guard:
            self.trouble = {step: list(words) for step, words in trouble.items()}
            self.met = {}
            self._looks = 0

    def is_over(self) -> bool:
        """Whether all of it went wrong."""
        return not any(self.trouble.values())

    def next_word(self, step: str) -> Word:
        """Empty where nothing goes wrong."""
        with self._guard:
            words = self.trouble.get(step)
            if not words:
                return ""
            self.met[step] = self.met.get(step, 0) + 1
            return words.pop(0)

    def said_by_control(self, method: str, path: str, body: Any, key: str) -> tuple[int, Any]:
        """A deployment is ready after some looks at it."""
        with self._guard:
            if step_of(method, path) == "deployment":
                self._looks += 1
            self.control.state = "Succeeded" if self._looks > LOOKS_UNTIL_READY else "Creating"
            return self.control.answer(method, path, body, key)

    def model_of(self, deployment: str) -> str:
        """What was deployed under this name; empty for a name that nobody deployed."""
        for path, body in list(self.control.made.items()):
            if path.endswith(f"/{deployment}"):
                return str(body["properties"]["model"]["name"])
        return ""

    def forward(self, method: str, path: str, body: bytes, content_type: str) -> httpx.Response:
        headers = {"Authorization": f"Bearer {PROVIDER_KEY}"}
        if content_type:
            headers["Content-Type"] = content_type
        return self._web.request(method, path.removeprefix("/openai"), content=body, headers=headers)


def _handler(front: AzureFront) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            bare = self.path.partition("?")[0]
            word = front.next_word(step_of(self.command, bare))
            if word == "cut":
                self.close_connection = True
                return
            if word == "html":
                self._say(200, HTML, "text/html")
            elif word == "failed":
                self._json(200, {"properties": {"provisioningState": "Failed"}})
            elif isinstance(word, int):
                self._json(word, {"error": {"message": "Not now.", "code": str(word)}})
            else:
                status, said, kind = self._done(bare, body)
                if word != "lost":
                    self._say(status, said, kind)

        do_POST = do_PUT = do_DELETE = do_GET

        def _done(self, bare: str, body: bytes) -> tuple[int, bytes, str]:
            key, kind = self.headers.get("Authorization") or "", self.headers.get("Content-Type") or ""
            if not bare.startswith("/openai/"):
                read = parse_qs(body.decode()) if "form" in kind else json.loads(body or b"null")
                status, said = front.said_by_control(self.command, bare, read, key)
                return status, json.dumps(said).encode(), "application/json"
            if key != f"Bearer {KEY}":
                return 401, b'{"error": {"code": "401", "message": "Access denied"}}', "application/json"
            if step_of(self.command, bare) == "chat":
                asked = json.loads(body)
                asked["model"] = front.model_of(asked["model"])
                if not asked["model"]:
                    return 404, b'{"error": {"code": "DeploymentNotFound"}}', "application/json"
                body = json.dumps(asked).encode()
            answer = front.forward(self.command, self.path, body, kind)
            return answer.status_code, answer.content, answer.headers.get("content-type", "")

        def _json(self, status: int, said: Any) -> None:
            self._say(status, json.dumps(said).encode(), "application/json")

        def _say(self, status: int, said: bytes, kind: str) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)

        def log_message(self, *_: Any) -> None:
            pass

    return Handler
