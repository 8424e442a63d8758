"""`make cluster`: several hosts in network namespaces; each proof says what it showed. Writes cluster.json.

Not here: the course's own journey, training hosts, Slurm, Ray and vLLM.
"""

import json
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import httpx

from tests.cluster.hosts import OUTSIDE, why_not
from tests.cluster.site import NAME, ROOT, Site, until

Proof = Callable[[Site, httpx.Client], str]


def starts(site: Site, client: httpx.Client) -> str:
    """Both web hosts are ready, a page comes through nginx, and strangers reach no probe."""
    took = max(site.wait_ready(host) for host in site.web)
    assert site.page(client) == 200
    for path in ("metrics", "readyz", "livez"):
        assert client.get(f"https://{OUTSIDE}/{path}", headers={"Host": NAME}).status_code == 404
    lines = json.loads(site.manage("preflight", "--json"))
    wrong = [line for line in lines if line["state"] == "FAIL"]
    assert wrong == [], wrong
    return f"two web hosts, one work host, ready within {took:.0f} s of asking; preflight passes"


class Visitors:
    """Ask for a page all along, and count what does not come."""

    def __init__(self, site: Site) -> None:
        self.site, self.statuses, self.over = site, list[int](), threading.Event()
        self.threads = [threading.Thread(target=self._visit) for _ in range(2)]

    def _visit(self) -> None:
        with httpx.Client(verify=False, timeout=60) as client:
            while not self.over.is_set():
                try:
                    self.statuses.append(self.site.page(client))
                except httpx.HTTPError:
                    self.statuses.append(0)
                time.sleep(0.05)

    def __enter__(self) -> "Visitors":
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        for thread in self.threads:
            thread.join()


def rolling_restart(site: Site, client: httpx.Client) -> str:
    """Each web host is ended by SIGTERM and started again, while people read pages: none is lost."""
    with Visitors(site) as visitors:
        for host in site.web:
            process = host.processes.pop()
            process.send_signal(signal.SIGTERM)
            assert process.wait(90) == 0, f"{host.name} ended with {process.returncode}"
            site.start_web(host)
            site.wait_ready(host)
    lost = [status for status in visitors.statuses if status != 200]
    assert lost == [], f"{len(lost)} of {len(visitors.statuses)}: {lost[:5]}"
    return f"{len(visitors.statuses)} pages, none lost"


def host_death(site: Site, client: httpx.Client) -> str:
    """The power of one web host goes: pages go on from the other one."""
    gone, stays = site.web
    with Visitors(site) as visitors:
        gone.die()
        time.sleep(5)
    assert site.ready(stays) == 200
    late = visitors.statuses[-10:]
    assert set(late) == {200}, late
    bad = sum(status != 200 for status in visitors.statuses)
    site.start_web(gone)
    site.wait_ready(gone)
    return f"{len(visitors.statuses)} pages, {bad} answered with an error at the moment of death"


def redis_death(site: Site, client: httpx.Client) -> str:
    """Pages go on; /readyz names Redis; all is well once it is back."""
    site.stop("redis", signal.SIGKILL)
    assert site.page(client) == 200
    host = site.web[0]
    until(lambda: site.ready(host) == 503, "nobody noticed")
    assert site.ready(host, "?exclude=redis") == 200
    site.start_redis()
    took = until(lambda: site.ready(host) == 200, "not ready again")
    return f"pages came without Redis; ready again {took:.1f} s after its start"


def backup_and_restore(site: Site, client: httpx.Client) -> str:
    """A backup taken while all runs, restored by another host into another database: the same rows and files."""
    run = site.folder / "var-operator" / "runs" / "some-run"
    run.mkdir(parents=True)
    (run / "weights.bin").write_bytes(b"weights" * 100_000)
    site.manage("backup", str(site.folder / "backup"))
    site.manage("verify", str(site.folder / "backup"))
    psql = ["psql", "-h", OUTSIDE, "-p", str(site.database), "-U", "course", "-d", "postgres", "-c"]
    subprocess.run([*psql, "CREATE DATABASE elsewhere TEMPLATE template0"], check=True, capture_output=True)
    site.manage("migrate", "-v0", host="elsewhere", database="elsewhere")
    site.manage("restore", str(site.folder / "backup"), "--replace", host="elsewhere", database="elsewhere")
    site.manage("backup", str(site.folder / "again"), host="elsewhere", database="elsewhere")
    first, again = (json.loads((site.folder / name / "manifest.json").read_text()) for name in ("backup", "again"))
    assert first["tables"] == again["tables"]
    weights = "runs/some-run/weights.bin"
    assert first["files"][weights] == again["files"][weights]
    rows = sum(table["rows"] for table in first["tables"].values())
    return f"{rows} rows and {len(first['files'])} files, the same hashes"


PROOFS: list[Proof] = [starts, redis_death, rolling_restart, host_death, backup_and_restore]


def main(wanted: list[str]) -> int:
    if reason := why_not():
        print(f"Skipped: {reason}.")
        (ROOT / "cluster.json").write_text(json.dumps([]) + "\n")
        return 0
    # What is built is taken down again, also where somebody ends this.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    folder = Path(tempfile.mkdtemp(prefix="course-cluster-", dir="/tmp"))
    folder.chmod(0o711)  # PostgreSQL's own user enters its folder in it
    told = []
    with Site(folder) as site, httpx.Client(verify=False, timeout=60) as client:
        for proof in PROOFS:
            if wanted and proof.__name__ not in wanted and proof is not starts:
                continue
            began = time.monotonic()
            try:
                detail, ok = proof(site, client), True
            except Exception as error:
                detail, ok = f"{type(error).__name__}: {str(error)[-600:]}", False
            told.append({"proof": proof.__name__, "ok": ok, "detail": detail})
            print(
                f"{'ok  ' if ok else 'FAIL'} {proof.__name__} ({time.monotonic() - began:.0f} s): {detail}", flush=True
            )
            (ROOT / "cluster.json").write_text(json.dumps(told, indent=1) + "\n")
            if proof is starts and not ok:
                break
    failed = [one for one in told if not one["ok"]]
    if failed:
        print(f"Logs: {folder}")
    else:
        shutil.rmtree(folder)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
