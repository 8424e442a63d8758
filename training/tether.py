"""Ties a program to the life of the one that starts it: `python -I tether.py <parent pid> <program> <arguments…>`.

Asks the kernel (Linux) to send SIGTERM when the parent ends, however it ends, then becomes the program. A program of its own
because the parent has threads, and code between fork and exec is not safe there. Elsewhere than on Linux an engine notices
that nobody reads its events any more.
"""

import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main(arguments: list[str]) -> None:
    parent, command = int(arguments[0]), arguments[1:]
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # it ended before we asked
            sys.exit(128 + signal.SIGTERM)
    os.execv(command[0], command)  # noqa: S606  # becoming the program is the point


if __name__ == "__main__":
    main(sys.argv[1:])
