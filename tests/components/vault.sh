#!/usr/bin/env bash
# A throwaway HashiCorp Vault 1.13.1 on loopback: of the releases under the
# MPL-2.0, whose HTTP API OpenBao shares.
#
#   vault.sh install         prints the path of vault
#   vault.sh start DIR PORT  dev mode: in memory, unsealed, root token "root";
#                            prints the address
#   vault.sh server DIR PORT keeps its data in DIR/data and can be sealed, killed
#                            and started again; prints the address. The first
#                            start initializes it: the root token is in
#                            DIR/root-token, the one key in DIR/unseal-key. Each
#                            start unseals it. With VAULT_TLS_CERT and
#                            VAULT_TLS_KEY (files) it speaks TLS.
#   vault.sh stop DIR
. "$(dirname "$0")/_common.sh"
VERSION=1.13.1

usage() { sed -n '2,/^\./s/^# \{0,1\}//p' "$0" >&2; exit 2; }

# Vault's own go.mod points its sdk at a folder of its repository; the released sdk
# v0.8.1 fits this version (tried: 1.13.5, 1.14.1, 1.14.3, 1.21.4 fit no released sdk).
install_vault() {
  lock vault
  export CGO_ENABLED=0
  go_build vault "$VERSION" vault github.com/hashicorp/vault -ldflags='-s -w'
}

# A plugin inside parses, at start, a certificate that newer Go refuses without this.
export GODEBUG=x509negativeserial=1
# What the caller has set for a Vault of their own stays out.
unset VAULT_TOKEN VAULT_NAMESPACE VAULT_ADDR VAULT_CACERT

# `status` exits with 0 if unsealed, 2 if sealed, 1 if there is no answer.
answers() { VAULT_ADDR=$1 "$2" status >/dev/null 2>&1 || [ $? -eq 2 ]; }
unsealed() { VAULT_ADDR=$1 "$2" status; }

start() {
  local dir=$1 address=http://127.0.0.1:$2 vault
  vault=$(install_vault | tail -1)
  mkdir -p "$dir"
  if ! unsealed "$address" "$vault" >/dev/null 2>&1; then
    HOME=$dir launch "$dir" vault "$vault" server -dev -dev-root-token-id=root \
      -dev-listen-address="${address#http://}" -dev-no-store-token
    wait_for 60 unsealed "$address" "$vault" || die "vault did not come up: $dir/vault.log"
  fi
  printf '%s\n' "$address"
}

server() {
  local dir=$1 address=http://127.0.0.1:$2 tls='tls_disable = true' vault
  vault=$(install_vault | tail -1)
  mkdir -p "$dir"
  dir=$(cd "$dir" && pwd)
  if [ -n "${VAULT_TLS_CERT:-}" ]; then
    address=https://127.0.0.1:$2
    tls="tls_cert_file = \"$VAULT_TLS_CERT\"
  tls_key_file = \"${VAULT_TLS_KEY:?}\""
    export VAULT_SKIP_VERIFY=true
  fi
  cat >"$dir/vault.hcl" <<HCL
disable_mlock = true
api_addr = "$address"
storage "file" { path = "$dir/data" }
listener "tcp" {
  address = "127.0.0.1:$2"
  $tls
}
HCL
  if ! answers "$address" "$vault"; then
    HOME=$dir launch "$dir" vault "$vault" server -config="$dir/vault.hcl"
    wait_for 60 answers "$address" "$vault" || die "vault did not come up: $dir/vault.log"
  fi
  export VAULT_ADDR=$address
  if [ ! -s "$dir/unseal-key" ]; then
    (
      umask 077
      "$vault" operator init -key-shares=1 -key-threshold=1 -format=json >"$dir/init.json"
      python3 - "$dir" <<'PY'
import json, pathlib, sys
folder = pathlib.Path(sys.argv[1])
made = json.loads((folder / "init.json").read_text())
(folder / "root-token").write_text(made["root_token"])
(folder / "unseal-key").write_text(made["unseal_keys_b64"][0])
(folder / "init.json").unlink()
PY
    )
  fi
  unsealed "$address" "$vault" >/dev/null 2>&1 ||
    "$vault" operator unseal "$(cat "$dir/unseal-key")" >&2
  wait_for 30 unsealed "$address" "$vault" || die "vault stays sealed: $dir/vault.log"
  printf '%s\n' "$address"
}

case ${1:-} in
  install) install_vault ;;
  start) [ $# -eq 3 ] || usage; start "$2" "$3" ;;
  server) [ $# -eq 3 ] || usage; server "$2" "$3" ;;
  stop) [ $# -eq 2 ] || usage; halt "$2" vault ;;
  *) usage ;;
esac
