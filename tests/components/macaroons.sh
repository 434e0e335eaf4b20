#!/usr/bin/env bash
# libmacaroons, another implementation of macaroons, for interoperability tests.
# Prints the path of the shared library.
. "$(dirname "$0")/_common.sh"
lock macaroons
library() { find /usr/lib /usr/local/lib -name 'libmacaroons.so.*' -type f 2>/dev/null | head -n 1; }
if [ -z "$(library)" ]; then
  debian libmacaroons.so libmacaroons0
fi
library
