"""Whom the program server asks: connections to the provider and to this machine's model server, and who gets which key."""

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from dspy.clients.engines.lm15_engine import AsyncLM15Engine

from dspy_program.engine import router_config
from dspy_program.program import SavedProgram

TIMEOUT_SECONDS = 120.0


class ApiError(Exception):
    """An answer with an HTTP status and OpenAI's error body; `usage` where LM calls were made all the same."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str,
        kind: str,
        usage: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        error = {"message": message, "type": kind, "param": None, "code": code}
        self.body: dict[str, Any] = {"error": error, **({"usage": usage} if usage else {})}


@dataclass
class Upstreams:
    """Connections to providers, by address. The key goes only to addresses the people who run this server named."""

    api_key: str
    service_token: str
    base_url: str
    allowed: frozenset[str]
    model_server: str = ""
    opened: dict[tuple[str, str], AsyncLM15Engine] = field(default_factory=dict)

    def for_program(
        self, program: SavedProgram, told_address: str = "", told_key: str = ""
    ) -> AsyncLM15Engine:
        """The connection for `program`; `told_…`: the provider that the platform names, with its key, for this question.

        Raises ApiError 403 for an address nobody allowed, 503 without a key.
        """
        if told_address and told_key and not program.serving.local:
            return self._open(told_address.rstrip("/"), told_key)
        if program.serving.local:
            return self._open(self._model_server(program), self.service_token)
        address = (self.base_url or program.serving.base_url).rstrip("/")
        loopback = urlsplit(address).hostname in {"127.0.0.1", "localhost", "::1"}
        if not (self.base_url or loopback or address in self.allowed):
            raise ApiError(
                403,
                f"This program wants to call {address}, which is not among the allowed providers (ALLOWED_BASE_URLS).",
                code="provider_not_allowed",
                kind="invalid_request_error",
            )
        key = self.api_key or (self.service_token if loopback else "")
        if not key:
            raise ApiError(
                503,
                "No provider key is set (OPENAI_API_KEY).",
                code="no_provider_key",
                kind="server_error",
            )
        return self._open(address, key)

    def _model_server(self, program: SavedProgram) -> str:
        """The address that this server was told; a program's own only where it is this machine's."""
        address = (self.model_server or program.serving.base_url).rstrip("/")
        if not self.model_server and urlsplit(address).hostname not in {
            "127.0.0.1",
            "localhost",
            "::1",
        }:
            raise ApiError(
                403,
                f"This program wants a local model at {address}, which is not this machine.",
                code="provider_not_allowed",
                kind="invalid_request_error",
            )
        return address

    def _open(self, address: str, key: str) -> AsyncLM15Engine:
        if (address, key) not in self.opened:
            config = router_config(
                api_key=key, base_url=address, timeout_seconds=TIMEOUT_SECONDS
            )
            self.opened[address, key] = AsyncLM15Engine(config)
        return self.opened[address, key]

    async def close(self) -> None:
        """Close all connections."""
        for engine in self.opened.values():
            await engine.aclose()
