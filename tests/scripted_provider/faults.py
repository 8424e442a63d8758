"""Faults that can be switched on for tests, with `--allow-faults` only. They are kept in the store, so they outlive a
restart.

`POST /faults` with any of the fields below changes those and leaves the others; `{"reset": true}` clears all
first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from tests.scripted_provider.store import Store


class JobFailure(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """How jobs created from now on fail; `share` of their life says when: 0.1 after validation, 1 after training."""

    code: str
    message: str
    param: str | None = None
    share: float = 1.0


class Faults(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Every fault and what it does. Numbers of requests count down as they are used."""

    rate_limited: int = 0
    """The next N API requests get 429 with `retry-after`."""
    retry_after: int = 1
    """Seconds in that header."""
    server_errors: int = 0
    """The next N API requests get 500 and do nothing."""
    only: str = ""
    """Limits the two above to paths containing this text, such as "chat" or "fine_tuning"."""
    training_not_available: bool = False
    """Job creation gets 403, after uploads have worked: OpenAI's answer to organisations that may no longer fine-tune.
    """
    create_then_500: int = 0
    """The next N job creations make the job, then answer 500."""
    create_delay: float = 0.0
    """Seconds between making a job and answering."""
    fail_jobs: JobFailure | None = None
    """Jobs created from now on fail like this."""
    moderation_refusal: bool = False
    """Jobs created from now on are refused by the provider's checks after training."""
    slow_chat: float = 0.0
    """Seconds before the first token of an answer."""
    token_delay_ms: float | None = None
    """Milliseconds between streamed tokens, in place of `--token-delay-ms`."""
    drop_streams: int = 0
    """The next N streamed answers break off half-way without an end."""
    report_status: str = ""
    """Every unfinished job reports this status, such as "paused" or one that nobody knows."""
    expired_files: bool = False
    """Files can be seen but no longer read or trained on, as after `expires_at`."""
    plain_result_files: bool = False
    """Result files are plain CSV; otherwise base64 of it, as OpenAI sends them."""
    shutdown_date: str | None = None
    """Base models carry this `shutdown_date` (YYYY-MM-DD)."""
    costs: list[dict[str, Any]] = []
    """Lines of the organization's costs, {"day": "2026-11-20", "value": 1.5, "currency": "usd", "line_item": "…"}; without
    this fault nothing is billed."""
    clock_ahead: float = 0.0
    """Seconds the provider's clock runs ahead: lets a test finish a long job at once, or a clock jump."""


MODERATION = JobFailure(
    code="content_policy_violation",
    message="The fine-tuned model was refused: evaluating it against our usage policies found too much unsafe output "
    "(category: harassment). Remove the rows that teach it and try again.",
    param="training_file",
)


class FaultBoard:
    """Reads and changes the faults. Where faults are not allowed, they are all off whatever the store says."""

    def __init__(self, store: Store, *, allowed: bool) -> None:
        self._store = store
        self.allowed = allowed
        kept = store.note("faults") if allowed else None
        self.now = msgspec.convert(kept or {}, Faults)

    def change(self, wanted: dict[str, Any]) -> Faults:
        """Sets some faults. Raises msgspec.ValidationError for an unknown name or a wrong type."""
        start: dict[str, Any] = {} if wanted.get("reset") else msgspec.to_builtins(self.now)
        fields = {key: value for key, value in wanted.items() if key != "reset"}
        self.now = msgspec.convert({**start, **fields}, Faults)
        self._store.set_note("faults", msgspec.to_builtins(self.now))
        return self.now

    def use_up(self, name: str) -> bool:
        """Counts one of a numbered fault down; True where there was one left."""
        left: int = getattr(self.now, name)
        if left > 0:
            self.change({name: left - 1})
        return left > 0
