"""The installation that the proofs are about: PostgreSQL, Redis, nginx with TLS, two web hosts, one host for the rest."""

import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import httpx

from courseplatform import redis_server
from tests.cluster.hosts import OUTSIDE, Host, bridge_down, bridge_up

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 240.0
NAME = "course.example.edu"
STARTED = ["--only", "web"]


class Site:
    """Use as a context manager. `folder` holds everything, logs included."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.web = [Host("web-a", 10), Host("web-b", 11)]
        self.rest = Host("work-c", 12)
        self.services: dict[str, subprocess.Popen[bytes]] = {}
        self.log = (folder / "log").open("ab")
        self.password = secrets.token_urlsafe(24)
        self.database, self.redis_port = 15432, 16379

    def __enter__(self) -> "Site":
        try:
            self._build()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for host in (*self.web, self.rest):
            host.end()
        for name in list(self.services):
            self.stop(name)
        self._postgres("stop", "-m", "immediate")
        bridge_down()
        self.log.close()

    def env(self, host: str = "operator", database: str = "postgres") -> dict[str, str]:
        var = self.folder / f"var-{host}"
        var.mkdir(mode=0o700, exist_ok=True)
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "VAR_DIR": str(var),
            "SECRET_KEY": self.password * 2,
            "SERVICE_TOKEN": self.password[::-1] * 2,
            "ALLOWED_HOSTS": NAME,
            "TRUSTED_PROXIES": OUTSIDE,
            "DATABASE_URL": f"postgres://course@{OUTSIDE}:{self.database}/{database}",
            "REDIS_URL": f"redis://:{self.password}@{OUTSIDE}:{self.redis_port}/0",
            "DRAIN_SECONDS": "20",
            "LOG_FORMAT": "json",
        }

    def manage(self, *arguments: str, host: str = "operator", database: str = "postgres") -> str:
        """Raises AssertionError with what it said where it fails."""
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments], cwd=ROOT, env=self.env(host, database), capture_output=True, text=True,
            check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout[-400:] + done.stderr[-400:]
        return done.stdout

    def start_web(self, host: Host) -> subprocess.Popen[bytes]:
        command = [sys.executable, "manage.py", "start", *STARTED, "--bind", host.address]
        return host.start(command, self.env(host.name), self.log, ROOT)

    def ready(self, host: Host, query: str = "") -> int:
        """Status of the host's own /readyz; 0 where nobody answers."""
        try:
            return httpx.get(f"http://{host.address}:8000/readyz{query}", headers={"Host": NAME}, timeout=5).status_code
        except httpx.HTTPError:
            return 0

    def wait_ready(self, host: Host) -> float:
        return until(lambda: self.ready(host) == 200, f"{host.name} is not ready: {self.ready(host)}")

    def page(self, client: httpx.Client) -> int:
        """Status of a page that reads session and database, through nginx and TLS."""
        return client.get(f"https://{OUTSIDE}/sign-in/", headers={"Host": NAME}).status_code

    def start_redis(self) -> None:
        folder = self.folder / "redis"
        folder.mkdir(exist_ok=True)
        command = redis_server.command(port=self.redis_port, folder=folder, password=self.password)
        self.services["redis"] = subprocess.Popen([*command, "--bind", OUTSIDE], stdout=self.log, stderr=self.log)

    def stop(self, name: str, sign: signal.Signals = signal.SIGTERM) -> None:
        process = self.services.pop(name)
        process.send_signal(sign)
        process.wait(30)

    def _build(self) -> None:
        bridge_up()
        for host in (*self.web, self.rest):
            host.begin()
        self._postgres("init")
        self.start_redis()
        self.manage("migrate", "-v0")
        self.manage("collectstatic", "--noinput", "-v0")
        self._start_nginx()
        for host in self.web:
            self.start_web(host)
        rest = [sys.executable, "manage.py", "start", "--only", "quick", "--only", "schedule", "--label", "cpu"]
        self.rest.start(rest, self.env(self.rest.name), self.log, ROOT)

    def _start_nginx(self) -> None:
        folder = self.folder / "nginx"
        folder.mkdir()
        made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", f"/CN={NAME}"]
        subprocess.run(
            [*made, "-keyout", str(folder / "privkey.pem"), "-out", str(folder / "fullchain.pem")],
            check=True,
            capture_output=True,
        )
        text = (ROOT / "deploy" / "nginx.conf").read_text()
        servers = "\n".join(f"        server {host.address}:8000 max_fails=1 fail_timeout=5s;" for host in self.web)
        text = re.sub(r"^\s*server web:8000.*$", servers, text, flags=re.MULTILINE)
        text = text.replace("/etc/nginx/tls", str(folder)).replace("/var/log/nginx", str(folder))
        text = text.replace("/run/nginx.pid", str(folder / "pid")).replace("        http2 on;\n", "")
        text = text.replace("listen 80;", f"listen {OUTSIDE}:80;").replace("listen 443", f"listen {OUTSIDE}:443")
        (folder / "nginx.conf").write_text(text)
        command = ["nginx", "-c", str(folder / "nginx.conf"), "-g", "daemon off; user root;"]
        self.services["nginx"] = subprocess.Popen(command, stdout=self.log, stderr=self.log)

    def _postgres(self, do: str, *more: str) -> None:
        bins = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))[-1]
        data = self.folder / "postgres"
        owner = ["runuser", "-u", "postgres", "--"]
        if do == "init":
            data.mkdir()
            shutil.chown(data, "postgres", "postgres")
            init = [
                *owner,
                str(bins / "initdb"),
                "-D",
                f"{data}/data",
                "-U",
                "course",
                "--auth=trust",
                "--locale=C.UTF-8",
            ]
            subprocess.run([*init, "--encoding=UTF8", "--no-sync"], check=True, capture_output=True)
            with (data / "data" / "pg_hba.conf").open("a") as rules:
                rules.write("host all all 10.77.7.0/24 trust\n")
            options = f"-p {self.database} -c listen_addresses={OUTSIDE} -c unix_socket_directories={data} -c fsync=off"
            more = ("-w", "-t", "120", "-l", f"{data}/log", "-o", f"{options} -c max_connections=200")
            do = "start"
        elif not (data / "data").exists():
            return
        subprocess.run(
            [*owner, str(bins / "pg_ctl"), "-D", f"{data}/data", do, *more], check=False, stdout=subprocess.DEVNULL
        )


def until(what: Callable[[], bool], why: str, patience: float = PATIENCE) -> float:
    """Seconds until it was so. Raises AssertionError where it is not in time."""
    began = time.monotonic()
    while not what():
        assert time.monotonic() - began < patience, why
        time.sleep(0.2)
    return time.monotonic() - began
