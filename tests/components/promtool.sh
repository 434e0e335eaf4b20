#!/usr/bin/env bash
# promtool, which checks and tests Prometheus' rules, from Debian's package.
# Prints its path.
. "$(dirname "$0")/_common.sh"
lock promtool
debian promtool prometheus
command -v promtool
