"""`PORT PACE`: an OpenAI-compatible server that answers everybody with a piece every PACE seconds.

Its first-token delay is known, so that what the platform adds can be measured.
The answer repeats the question's last word with a number, `PIECES` times, so that a lost, doubled or foreign piece is seen.
"""

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

FIRST_TOKEN_SECONDS, PIECES = 0.3, 75

delays: list[float] = []
streams = {"now": 0, "most": 0}


def answer_to(word: str) -> list[str]:
    return [f"{word}:{number} <&> " for number in range(PIECES)]


async def completions(request: Request) -> Response:
    began = time.monotonic()
    word = (await request.json())["messages"][-1]["content"].split()[-1]
    return StreamingResponse(_chunks(word, began), media_type="text/event-stream")


async def _chunks(word: str, began: float) -> AsyncIterator[str]:
    streams["now"] += 1
    streams["most"] = max(streams.values())
    try:
        await asyncio.sleep(FIRST_TOKEN_SECONDS)
        delays.append(time.monotonic() - began)
        for piece in answer_to(word):
            yield _line(choices=[{"index": 0, "delta": {"content": piece}, "finish_reason": None}])
            await asyncio.sleep(app.state.pace)
        yield _line(choices=[{"index": 0, "delta": {}, "finish_reason": "stop"}])
        yield _line(usage={"prompt_tokens": 20, "completion_tokens": PIECES, "total_tokens": 20 + PIECES})
        yield "data: [DONE]\n\n"
    finally:
        streams["now"] -= 1


def _line(**more: object) -> str:
    body = {"id": "c1", "object": "chat.completion.chunk", "created": 0, "model": "m", "choices": [], **more}
    return f"data: {json.dumps(body)}\n\n"


async def seen(request: Request) -> Response:
    """What this server measured: its own first-token delays in seconds, and the most streams at the same moment."""
    return JSONResponse({"delays": delays, "most": streams["most"]})


app = Starlette(
    routes=[Route("/v1/chat/completions", completions, methods=["POST"]), Route("/healthz", seen), Route("/seen", seen)]
)

if __name__ == "__main__":
    app.state.pace = float(sys.argv[2])
    uvicorn.run(app, port=int(sys.argv[1]), log_level="error", access_log=False)
