#!/usr/bin/env bash
# Install every component that the integration tests use, with progress on
# stderr. Without a Go on PATH, one from PyPI builds those written in Go.
. "$(dirname "$0")/_common.sh"
command -v go >/dev/null 2>&1 || PATH=$("$COMPONENTS_SRC/gotoolchain.sh" | tail -n 1):$PATH
for component in 'docker.sh install' macaroons.sh gomacaroon.sh 'vectors.sh wycheproof' 'vectors.sh json-canonicalization' \
  'vectors.sh macaroon' opa.sh kube-install.sh 'redis.sh install' promtool.sh; do
  # shellcheck disable=SC2086 # a script and its arguments
  say "${component%% *}: $("$COMPONENTS_SRC"/$component | tail -n 1)"
done
