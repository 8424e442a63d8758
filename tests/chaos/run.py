"""`make chaos`: break everything, for each method, in the middle of a run; then count jobs, charges, orphans and held money.

`python -m tests.chaos.run [methods] [faults] [--report FILE]`: commas between several; without any, all. `none` as fault
breaks nothing. The platform is the real one (`manage.py start`), its provider the scripted provider behind OpenAI's settings,
so that money is at stake. Ends with 1 where something should not be. Linux only: it reads /proc.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.chaos import processes
from tests.chaos.azure_front import AzureFront
from tests.chaos.mail_server import MailServer
from tests.chaos.platform import Platform
from tests.chaos.processes import Stuck
from tests.chaos.provider import ROOT, Provider

DISK = "size=256m"
OWN_MOUNTS = "CHAOS_OWN_MOUNTS"
NEEDS_A_SMALL_DISK = ("disk", "disk-answer")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("methods", nargs="?", default="lora,dspy,openai,upload,mail,desk")
    parser.add_argument("faults", nargs="?", default="")
    parser.add_argument("--walks", type=int, default=2_000, help="over the grading desk")
    parser.add_argument("--steps", default="", help="one walk over the desk of just these, as a failure printed them")
    parser.add_argument("--report", type=Path, default=ROOT / "chaos.json")
    return parser.parse_args()


def into_own_mounts() -> None:
    """Begin again where a small disk may be mounted that nobody else sees and that is gone with us. Without the right
    to (no root, no user namespaces) everything but the full disk is still done."""
    if OWN_MOUNTS in os.environ:
        return
    rights = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--mount", "--map-root-user"]
    can = (
        shutil.which("unshare") and subprocess.run([*rights, "true"], capture_output=True, check=False).returncode == 0
    )
    os.environ[OWN_MOUNTS] = "1" if can else "0"
    if can:
        os.execvp("unshare", [*rights, sys.executable, "-m", "tests.chaos.run", *sys.argv[1:]])


def small_disk(folder: Path) -> bool:
    """Whether `folder` is now a disk of its own."""
    if os.environ[OWN_MOUNTS] != "1":
        return False
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", DISK, "tmpfs", str(folder)], capture_output=True, check=False)
    return done.returncode == 0


def main() -> None:
    into_own_mounts()
    options, began = arguments(), time.monotonic()
    folder = Path(tempfile.mkdtemp(prefix="chaos-"))
    var = folder / "var"
    var.mkdir()
    disk = small_disk(var)
    healthy = False
    provider = Provider(folder / "provider", folder / "provider.log")
    mail = MailServer()
    mail.start()
    front = AzureFront(provider.url)
    front.start()
    platform = Platform(var, folder / "output", provider.url, mail.url, front.url)
    try:
        provider.start()
        platform.start()
        os.environ.update(platform.seen_inside)
        healthy = play(platform, provider, mail, front, options, disk=disk)
    finally:
        platform.let_engines_go()
        code = platform.stop()
        provider.stop()
        mail.stop()
        front.stop()
        platform.keep_logs(folder)
    left = [processes.command_of(pid) for pid in platform.strays()]
    print(f"\nstopped with {code}, processes left: {left or 'none'}; {time.monotonic() - began:.0f} s in all")
    if not healthy or code or left:
        sys.exit(f"Something should not be. What the processes said: {folder}")
    if disk:
        subprocess.run(["umount", "--lazy", str(var)], check=True)
    shutil.rmtree(folder)


def play(
    platform: Platform,
    provider: Provider,
    mail: MailServer,
    front: AzureFront,
    options: argparse.Namespace,
    *,
    disk: bool,
) -> bool:
    """Every fault on every method. Prints the table as it grows and writes the report. True when nothing is broken."""
    import django

    django.setup()
    from tests.chaos.everything import all_faults
    from tests.chaos.faults import CONTROL
    from tests.chaos.scene import Scene, as_json

    scene, rows, healthy = Scene(platform, provider), [], True
    everything = [*all_faults(mail, front, walks=options.walks, steps=options.steps), CONTROL]
    wanted = options.faults.split(",") if options.faults else [fault.name for fault in everything[:-1]]
    print(f"{'method':<7} {'fault':<17} {'outcome':<44} jobs charges orphans held  seconds", flush=True)
    for fault in (fault for fault in everything if fault.name in wanted):
        if fault.name in NEEDS_A_SMALL_DISK and not disk:
            print(f"        {fault.name}: not done, a file system may not be mounted here")
            continue
        for group in fault.together:
            methods = [name for name in fault.methods if name in group and name in options.methods.split(",")]
            if not methods:
                continue
            began = time.monotonic()
            try:
                made = fault.play(scene, methods)
            except Stuck as stuck:
                print(f"{','.join(methods):<7} {fault.name:<17} STUCK: {stuck}", flush=True)
                return False
            for row in made:
                healthy &= not row.broken
                print(
                    f"{row.method:<7} {row.fault:<17} {row.outcome:<44} {row.provider_jobs:>4} {row.charges:>7} "
                    f"{row.orphans:>7} {row.held_left:>4}  {time.monotonic() - began:>7.0f}  {row.broken}",
                    flush=True,
                )
            rows += made
            options.report.write_text(as_json(rows))
    return healthy


if __name__ == "__main__":
    main()
