#!/bin/sh
# The browser journeys need Chromium. As root on Debian it is installed; elsewhere the person is told what to do.
set -eu
for name in "${CHROMIUM:-}" chromium chromium-browser google-chrome; do
    if [ -n "$name" ] && command -v "$name" >/dev/null 2>&1; then exit 0; fi
done
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    echo "Installing Debian's chromium for the browser journeys…"
    apt-get update -qq || true # what was fetched before may do
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq -o Acquire::Retries=3 -o DPkg::Lock::Timeout=300 chromium >/dev/null
    exit 0
fi
echo "The browser journeys need Chromium. Install it (Debian, Ubuntu: sudo apt-get install chromium), or set CHROMIUM to its path." >&2
exit 1
