#!/usr/bin/env python
"""Django's command line for the course platform."""

import os
import sys

from courseplatform import private_files

STANDS_ALONE = (
    "check_dataset",
    "collectstatic",
    "makemigrations",
)  # read no stored data: need no platform's secrets
FOR_EVERYBODY = (
    "collectstatic",
)  # a web server of another user may read style sheets, and nothing else


def main() -> None:
    command = sys.argv[1] if len(sys.argv) > 1 else ""
    os.umask(
        private_files.PUBLIC_UMASK if command in FOR_EVERYBODY else private_files.PRIVATE_UMASK
    )
    if command in STANDS_ALONE:
        private_files.throw_away_secrets()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "courseplatform.settings")
    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import execute_from_command_line

    try:
        execute_from_command_line(sys.argv)
    except (
        ImproperlyConfigured
    ) as error:  # a sentence for a person at a terminal, who has no use for our source code
        sys.exit(f"manage.py {command}: {error}")


if __name__ == "__main__":
    main()
