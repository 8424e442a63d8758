"""A mail server that takes letters and counts them, and that can be made to fail. Free of Django: it starts first."""

import socketserver
import threading

from courseplatform.redis_server import free_port
from tests.chaos.processes import Stuck


class _Talk(socketserver.StreamRequestHandler):
    """As much of SMTP as one letter needs."""

    server: "_Server"

    def handle(self) -> None:
        self.server.met.set()
        if self.server.silent:
            self.server.wakes.wait()
            return
        self._say("220 chaos")
        while line := self.rfile.readline():
            word = line[:4].upper().strip()
            if word == b"DATA":
                self._say("354 go on")
                while (text := self.rfile.readline()) and text != b".\r\n":
                    pass
                if self.server.breaks_off:
                    return
                self.server.letters += 1
            self._say("221 bye" if word == b"QUIT" else "250 ok")
            if word == b"QUIT":
                return

    def _say(self, line: str) -> None:
        self.wfile.write(f"{line}\r\n".encode())


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address, daemon_threads = True, True
    silent = breaks_off = False
    letters = 0

    def __init__(self, port: int) -> None:
        self.met, self.wakes = threading.Event(), threading.Event()
        super().__init__(("127.0.0.1", port), _Talk)


class MailServer:
    """Takes letters and counts them; can fall silent, break off before it has taken a letter, and be gone."""

    def __init__(self) -> None:
        self.port = free_port()
        self.url = f"smtp://127.0.0.1:{self.port}"
        self._server: _Server | None = None
        self.taken = 0

    def start(self, *, silent: bool = False, breaks_off: bool = False) -> None:
        self.stop()
        self._server = _Server(self.port)
        self._server.silent, self._server.breaks_off = silent, breaks_off
        threading.Thread(target=self._server.serve_forever, args=[0.05], daemon=True).start()

    def stop(self) -> None:
        """Nobody listens any more."""
        if self._server is not None:
            self.taken += self._server.letters
            self._server.wakes.set()
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def wait_until_met(self) -> None:
        """Until somebody has begun to hand a letter over."""
        server = self._server
        assert server is not None
        if not server.met.wait(60):
            raise Stuck("no mail comes")

    def letters(self) -> int:
        return self.taken + (self._server.letters if self._server else 0)
