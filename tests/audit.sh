#!/bin/sh
# Looks every locked package up in the public advisories (PyPI's, through pip-audit, in an environment of its own).
# Ends with 0 when all were looked up and none has an advisory, 1 when one has, 2 when nothing was checked.
set -eu
cd "$(dirname "$0")/.."
not_checked() { echo "NOT CHECKED: $1 Nothing is known about the locked packages' advisories." >&2; exit 2; }
if ! .venv/bin/python - <<'EOF'
import httpx, sys
try:
    answer = httpx.get("https://pypi.org/pypi/Django/5.2.19/json", timeout=10)
    sys.exit(0 if "vulnerabilities" in answer.json() else 1)
except (httpx.HTTPError, ValueError):
    sys.exit(1)
EOF
then not_checked "the advisory service of pypi.org cannot be reached from here."; fi
if [ ! -x .venv-audit/bin/pip-audit ]; then
    "${PYTHON:-python3}" -m venv .venv-audit
    .venv-audit/bin/python -m pip install --quiet pip-audit==2.10.1 || not_checked "pip-audit cannot be installed here."
fi
grep -oE '^torch==[^ ]+' requirements.txt >.venv-audit/torch.txt
log=.venv-audit/said
for list in requirements.lock requirements-dev.lock .venv-audit/torch.txt; do
    echo "$list:"
    if .venv-audit/bin/pip-audit --no-deps --disable-pip -r "$list" >"$log" 2>&1; then
        cat "$log"
    elif grep -q "known vulnerabilit" "$log"; then
        cat "$log"
        exit 1
    else
        tail -3 "$log" >&2
        not_checked "pip-audit ended without an answer."
    fi
done
