#!/bin/sh
# The part of the suite that touches the database, on a throw-away PostgreSQL cluster.
# `tests/postgres.sh chaos [methods] [faults]` breaks the platform on it instead, as `make chaos` does on SQLite.
set -eu
cd "$(dirname "$0")/.."
find_bin() { ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -1; }
bin=$(find_bin)
if [ -z "$bin" ] && command -v initdb >/dev/null 2>&1; then bin=$(dirname "$(command -v initdb)"); fi
if [ -z "$bin" ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    echo "Installing Debian's postgresql for the PostgreSQL run…"
    apt-get update -qq || true # what was fetched before may do
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq -o Acquire::Retries=3 -o DPkg::Lock::Timeout=300 postgresql >/dev/null
    bin=$(find_bin)
fi
if [ -z "$bin" ]; then
    echo "PostgreSQL is not installed, so this part of the checks cannot run (Debian, Ubuntu: sudo apt-get install postgresql)." >&2
    exit 1
fi
folder=$(mktemp -d /tmp/course-postgres.XXXXXX) # not in a TMPDIR that only root may enter
as_owner() { if [ "$(id -u)" = 0 ]; then runuser -u postgres -- "$@"; else "$@"; fi; }
if [ "$(id -u)" = 0 ]; then chown postgres "$folder"; fi
port=$(.venv/bin/python -c 'from courseplatform.redis_server import free_port; print(free_port())')
stop() { as_owner "$bin/pg_ctl" -D "$folder/data" -m immediate stop >/dev/null 2>&1 || true; rm -rf "$folder"; }
trap stop EXIT
# Not this machine's LANG, which may name a locale that it does not have. Connections: 64 threads of one test, and other tests'.
as_owner "$bin/initdb" -D "$folder/data" -U course --auth=trust --encoding=UTF8 --locale=C.UTF-8 --no-sync >/dev/null
as_owner "$bin/pg_ctl" -D "$folder/data" -w -t 300 -l "$folder/log" \
    -o "-p $port -c listen_addresses=127.0.0.1 -c unix_socket_directories=$folder -c fsync=off -c synchronous_commit=off -c full_page_writes=off -c max_connections=300" start >/dev/null
export DATABASE_URL="postgres://course@127.0.0.1:$port/postgres"
if [ "${1:-}" = chaos ]; then
    shift
    .venv/bin/python -m tests.chaos.run "$@"
    exit
fi
# Of the attacks, those whose defence is the database: locks, constraints, transactions, what is deleted. Not here, because they
# attack what comes before it, in child processes and servers of their own, and are slow at that:
readers="sandbox subverted_reader mutated_datasets dataset_door linear_time run_archive run_files program_state"
sent="dspy_within_limits provider_within_hold charged_by_work model_callers"
before="anonymous bodies slow_work queues"
machine="supervisor safe_defaults locked_requirements"
ignored=""
for topic in $readers $sent $before $machine; do ignored="$ignored --ignore=tests/security/test_$topic.py"; done
.venv/bin/python -m pytest -q -n 3 --dist loadfile -m "not e2e and not engine" \
    --ignore-glob='tests/datasets/test_formats_*' --ignore-glob='tests/datasets/test_checks_*' $ignored \
    --deselect tests/security/test_archives.py::test_no_archive_makes_a_row_or_a_file_outside_its_course \
    tests/teams tests/datasets tests/training tests/evaluation tests/security tests/test_access.py ${PYTEST_ARGS:-}
