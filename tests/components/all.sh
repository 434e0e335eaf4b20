#!/usr/bin/env bash
# Install every component that the integration tests use, with progress on
# stderr. Without a Go on PATH, one from PyPI builds those written in Go.
. "$(dirname "$0")/_common.sh"
command -v go >/dev/null 2>&1 || PATH=$("$COMPONENTS_SRC/gotoolchain.sh" | tail -n 1):$PATH
for script in opa docker kube macaroons; do
  case $script in
    docker) arguments=(install) ;;
    *) arguments=() ;;
  esac
  "$COMPONENTS_SRC/$script.sh" "${arguments[@]}"
done
