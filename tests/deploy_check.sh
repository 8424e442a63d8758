#!/bin/sh
# Django's deployment checks against production settings, and: production must refuse to start without its secrets.
set -eu
cd "$(dirname "$0")/.."
python=.venv/bin/python
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
secret=$($python -c 'import secrets; print(secrets.token_urlsafe(60))')
env -i PATH="$PATH" DEBUG=0 SECRET_KEY="$secret" ALLOWED_HOSTS=course.example.edu SERVICE_TOKEN="$secret" VAR_DIR="$folder" TRUSTED_PROXIES=127.0.0.1 \
    $python manage.py check --deploy --fail-level WARNING
for missing in SECRET_KEY ALLOWED_HOSTS SERVICE_TOKEN; do
    if env -i PATH="$PATH" DEBUG=0 SECRET_KEY="$secret" ALLOWED_HOSTS=course.example.edu SERVICE_TOKEN="$secret" VAR_DIR="$folder" \
        env -u "$missing" $python manage.py check >/dev/null 2>&1; then
        echo "Production started without $missing." >&2
        exit 1
    fi
done
echo "Production settings: no warning; each missing secret is refused."
