"""Files that only the platform's own user may read, and the secrets that a machine makes for itself.

Free of Django: settings, `manage.py` and the supervisor need it before there are settings.
"""

import json
import os
import secrets
import stat
from pathlib import Path

PRIVATE_UMASK = 0o077
PUBLIC_UMASK = 0o022
SECRET_NAMES = ("SECRET_KEY", "SERVICE_TOKEN", "REDIS_PASSWORD")
SYSTEM_USER = 0  # root can read everything anyway
OPEN_TO_OTHERS = stat.S_IRWXG | stat.S_IRWXO


class NotPrivate(Exception):
    """A folder cannot be closed to the other users of this machine."""


def write_privately() -> None:
    """From now on every file and folder that this process makes, and its children make, is its user's alone."""
    os.umask(PRIVATE_UMASK)


def make_folder(path: Path) -> None:
    """The folder, with mode 0700 where it is new. One that exists keeps its mode: see `close_folder`."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)


def close_folder(path: Path) -> bool:
    """Make the folder and take it away from everybody else. True where others could enter it before.

    Nothing below it needs a change of its own: who cannot enter a folder opens nothing in it.
    Raises NotPrivate where the folder belongs to another user, who could put his own files in the place of ours.
    """
    make_folder(path)
    owner = path.stat().st_uid
    if owner not in (os.geteuid(), SYSTEM_USER):
        raise NotPrivate(
            f"{path} belongs to another user (number {owner}), who could exchange what is in it. "
            f"Start the platform as that user, or set VAR_DIR to a folder of your own."
        )
    if not is_open(path):
        return False
    try:
        path.chmod(0o700)
    except OSError as error:
        raise NotPrivate(
            f"{path} can be read by other users of this machine and is not ours to close ({error.strerror}). "
            f"Run `chmod 700 {path}` as its owner, or set VAR_DIR to another folder."
        ) from error
    return True


def is_open(path: Path) -> bool:
    """Whether other users may read it or enter it, as far as its own mode says. False for what is not there."""
    try:
        return bool(path.stat().st_mode & OPEN_TO_OTHERS)
    except OSError:
        return False


def write(path: Path, text: str) -> None:
    """Replace the file at once, with mode 0600 whatever mode it had. A reader sees the old text or the new one."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
    draft.replace(path)


def kept_secrets(var: Path, *, make: bool) -> dict[str, str]:
    """This machine's own random secrets, kept in `var`/secrets.json; made there first where `make` says so.

    Empty where there are none. Of two processes that make them at once the first one's count.
    """
    path = var / "secrets.json"
    if make and not path.exists():
        made = {name: secrets.token_urlsafe(48) for name in SECRET_NAMES}
        draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        write(draft, json.dumps(made))
        try:
            os.link(draft, path)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    try:
        text = path.read_text(encoding="utf-8")
    except (FileNotFoundError, PermissionError):
        return {}
    if is_open(path):
        path.chmod(0o600)
    found: dict[str, str] = json.loads(text)
    return found


def throw_away_secrets() -> None:
    """For a command that reads no stored data: secrets that end with this process, where the environment has none."""
    for name in ("SECRET_KEY", "SERVICE_TOKEN"):
        os.environ.setdefault(name, secrets.token_urlsafe(48))
    os.environ.setdefault("ALLOWED_HOSTS", "localhost")
