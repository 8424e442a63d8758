"""The local model server: `python -P -m lora.serve --port P --runs-root DIR --base NAME=PATH [--base …]`.

Speaks OpenAI's chat completions for base models and for runs (`run-<key>`), to whoever has the token in SERVICE_TOKEN.
"""

import argparse
import logging
import os
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from lora.events import EngineError

if TYPE_CHECKING:
    from lora.store import ModelStore

log = logging.getLogger("lora.serve")


def _base(text: str) -> tuple[str, str]:
    name, _, path = text.partition("=")
    if not name or not path or name.startswith("run-"):
        raise argparse.ArgumentTypeError(
            f"{text!r}: write NAME=PATH, where NAME does not begin with run-"
        )
    return name, path


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--runs-root", type=Path, required=True)
    parser.add_argument(
        "--base", type=_base, action="append", required=True, metavar="NAME=PATH"
    )
    parser.add_argument(
        "--base-list",
        type=Path,
        metavar="FILE",
        help="JSON {name: folder or id}, read when asked",
    )
    parser.add_argument(
        "--fetch-from", type=Path, metavar="SOCKET", help="where the platform brings runs' files"
    )
    parser.add_argument(
        "--threads", type=int, default=1, help="torch threads; training wants the others"
    )
    parser.add_argument(
        "--max-batch", type=int, default=32, help="people answered at the same time per base"
    )
    parser.add_argument("--max-adapters", type=int, default=64, help="adapters kept in memory")
    parser.add_argument(
        "--base-memory-mb",
        type=int,
        default=_half_of_memory(),
        help="base models kept in memory",
    )
    parser.add_argument(
        "--chunk",
        type=int,
        default=256,
        help="tokens of prompts read between two steps of an answer",
    )
    return parser.parse_args()


def _half_of_memory() -> int:
    """MB; training wants the other half."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2 // 10**6


def main() -> None:
    os.umask(0o077)  # what it writes is for the platform's user alone
    arguments = _arguments()
    token = os.environ.get("SERVICE_TOKEN", "")
    if not token:
        sys.exit(
            "lora.serve: SERVICE_TOKEN is not set. Set it to the secret the platform sends."
        )
    _serve(arguments, token)


def _serve(arguments: argparse.Namespace, token: str) -> None:
    # Importing torch takes seconds: only once the order is known to be good.
    import torch
    import uvicorn
    from transformers.utils import logging as transformers_logging

    from lora.api import Api
    from lora.base_model import stay_offline
    from lora.store import Limits, ModelStore

    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s"
    )
    transformers_logging.disable_progress_bar()
    torch.set_num_threads(arguments.threads)
    bases = dict(arguments.base)
    if all(Path(path).is_dir() for path in bases.values()):
        stay_offline()
    limits = Limits(
        arguments.max_batch,
        arguments.max_adapters,
        arguments.base_memory_mb * 10**6,
        arguments.chunk,
    )
    store = ModelStore(
        bases,
        arguments.runs_root,
        limits,
        base_list=arguments.base_list,
        fetch_from=arguments.fetch_from,
    )
    threading.Thread(target=_preload, args=(store, next(iter(bases))), daemon=True).start()
    uvicorn.run(
        Api(store, token).app(),
        host=arguments.host,
        port=arguments.port,
        log_level="warning",
        access_log=False,
        # httpx drops an idle connection after 5 s: the server must be the later one, or a question meets a closing door
        timeout_keep_alive=75,
        timeout_graceful_shutdown=3,
    )


def _preload(store: "ModelStore", name: str) -> None:
    """The first base is loaded before anybody waits for it. A failure is logged, and told to whoever asks for it."""
    try:
        store.open(name)
    except EngineError as broken:
        log.error("%s: %s %s", name, broken.message, broken.fix)


if __name__ == "__main__":
    main()
