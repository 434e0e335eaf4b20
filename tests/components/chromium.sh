#!/usr/bin/env bash
# Headless Chromium, from Debian's package, for the tests of the console.
. "$(dirname "$0")/_common.sh"
lock chromium
debian chromium chromium fonts-dejavu-core
command -v chromium
