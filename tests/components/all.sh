#!/usr/bin/env bash
# Install every component that the integration tests use, with progress on
# stderr. Without a Go on PATH, one from PyPI builds those written in Go.
#
#   all.sh          all of them
#   all.sh ahead    the same, those that take minutes first; .ci/run starts it beside earlier steps
. "$(dirname "$0")/_common.sh"
command -v go >/dev/null 2>&1 || PATH=$("$COMPONENTS_SRC/gotoolchain.sh" | tail -n 1):$PATH
long=('vault.sh install' 'kube-install.sh node' spire-install.sh helm.sh 'keycloak.sh install' 'springauth.sh install'
  image-base.sh)
short=('docker.sh install' macaroons.sh gomacaroon.sh 'vectors.sh wycheproof' 'vectors.sh json-canonicalization'
  'vectors.sh macaroon' opa.sh kubeconform.sh 'redis.sh install' 'postgres.sh install' 'openldap.sh install' promtool.sh chromium.sh)
case ${1:-} in
  '') wanted=("${short[@]}" "${long[@]}") ;;
  ahead) wanted=("${long[@]}" "${short[@]}") ;;
  *) die "unknown argument $1; all.sh takes none, or ahead" ;;
esac
for component in "${wanted[@]}"; do
  # shellcheck disable=SC2086 # a script and its arguments
  say "${component%% *}: $("$COMPONENTS_SRC"/$component | tail -n 1)"
done
