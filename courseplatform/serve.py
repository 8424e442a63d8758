"""`python -m courseplatform.serve`: one web process. SIGTERM lets it end without losing an answer.

The moment it is asked to end it takes no new connection, tells who only listens to come back elsewhere, and goes on with
requests and answers for DRAIN_SECONDS. uvicorn itself tells an application only when all connections are closed.
"""

import argparse
import asyncio
import signal
import socket
import sys
from types import FrameType

import uvicorn
from django.conf import settings

CLOSE_SECONDS = 3  # for what is left of requests, where no time to drain is set


class Server(uvicorn.Server):
    """uvicorn's, which also says when it is asked to end."""

    _saying: asyncio.Task[None] | None = None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        first = not self.should_exit
        super().handle_exit(sig, frame)
        if first:
            self.loop.call_soon_threadsafe(self._say)

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        self.loop = asyncio.get_running_loop()
        await super().serve(sockets)

    def _say(self) -> None:
        from courseplatform.operations import web_process

        self._saying = self.loop.create_task(web_process.leave_soon())


def configuration(host: str, port: int) -> uvicorn.Config:
    return uvicorn.Config(
        "courseplatform.asgi:application",
        host=host,
        port=port,
        access_log=False,
        timeout_keep_alive=75,  # later than a program's client or a reverse proxy, as in the engines' servers
        timeout_graceful_shutdown=max(CLOSE_SECONDS, settings.DRAIN_SECONDS),
        proxy_headers=False,  # believed where settings.TRUSTED_PROXIES says so, and nowhere else
        log_level="warning",
        log_config=None if settings.LOG_FORMAT == "json" else uvicorn.config.LOGGING_CONFIG,
    )


def main() -> None:
    options = argparse.ArgumentParser(description="One web process of the platform.")
    options.add_argument("--host", default="127.0.0.1")
    options.add_argument("--port", type=int, default=8000)
    given = options.parse_args()
    server = Server(configuration(given.host, given.port))
    try:
        server.run()
    except KeyboardInterrupt:  # raised again by uvicorn once all is closed
        sys.exit(128 + signal.SIGINT)
    if not server.started:
        sys.exit(3)


if __name__ == "__main__":
    import os

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "courseplatform.settings")
    main()
