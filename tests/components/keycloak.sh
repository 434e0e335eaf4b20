#!/usr/bin/env bash
# Keycloak on loopback, plain HTTP, from the distribution zip on Maven Central,
# with the test realm of ./keycloak/realm.json.
# `start --optimized` on a build made once, not `start-dev`, which rebuilds.
#
#   keycloak.sh install          prints the path of kc.sh
#   keycloak.sh start DIR PORT   prints the realm's issuer URL
#   keycloak.sh stop DIR
#
# State is in memory. The administrator is admin, password admin.
# KEYCLOAK_REALM names another realm file; KEYCLOAK_HEAP the heap (default 512m).
. "$(dirname "$0")/_common.sh"
VERSION=26.7.3
home=$COMPONENTS_DIR/keycloak/$VERSION

usage() { sed -n '2,/^\./s/^# \{0,1\}//p' "$0" >&2; exit 2; }

install_server() {
  lock keycloak
  if [ ! -x "$home/bin/kc.sh" ]; then
    debian java default-jre-headless
    debian mvn maven
    debian unzip unzip
    local part=$COMPONENTS_DIR/keycloak/.part artifact=keycloak-quarkus-dist
    rm -rf "$part"
    mkdir -p "$part"
    say "fetching Keycloak $VERSION with Maven (177 MB)"
    (cd "$part" && mvn -q -B dependency:copy -Dartifact="org.keycloak:$artifact:$VERSION:zip" \
      -DoutputDirectory="$part" -Dmdep.useBaseVersion=true) 9>&- >&2
    (cd "$part" && unzip -q "$artifact-$VERSION.zip")
    rm -rf "$home"
    mv "$part/keycloak-$VERSION" "$home"
    rm -rf "$part"
    # Built once here, so that no start has to.
    "$home/bin/kc.sh" build --db=dev-mem --cache=local >&2 9>&-
  fi
  printf '%s\n' "$home/bin/kc.sh"
}

start() {
  local dir=$1 port=$2 realm=${KEYCLOAK_REALM:-$COMPONENTS_SRC/keycloak/realm.json} name
  need curl
  mkdir -p "$dir"
  dir=$(cd "$dir" && pwd)
  name=$(python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["realm"])' "$realm")
  if ! curl -sf "http://127.0.0.1:$port/realms/$name" >/dev/null; then
    # --import-realm reads data/import below the installation and nowhere else,
    # so each DIR gets a view of the installation with a data folder of its own.
    rm -rf "${dir:?}/home"
    mkdir -p "$dir/home/data/import"
    cp -R "$home/bin" "$home/conf" "$dir/home/"
    ln -s "$home/lib" "$home/providers" "$home/themes" "$dir/home/"
    cp "$realm" "$dir/home/data/import/"
    KC_BOOTSTRAP_ADMIN_USERNAME=admin KC_BOOTSTRAP_ADMIN_PASSWORD=admin \
      JAVA_OPTS_KC_HEAP="-Xms64m -Xmx${KEYCLOAK_HEAP:-512m}" \
      launch "$dir" keycloak "$dir/home/bin/kc.sh" start --optimized --import-realm \
      --http-enabled=true --http-host=127.0.0.1 --http-port="$port" \
      --hostname-strict=false --log-level=warn
    wait_for 180 curl -sf "http://127.0.0.1:$port/realms/$name" ||
      { tail -30 "$dir/keycloak.log" >&2; die "Keycloak did not come up"; }
  fi
  printf 'http://127.0.0.1:%s/realms/%s\n' "$port" "$name"
}

case ${1:-} in
  install) install_server ;;
  start) [ $# -eq 3 ] || usage; install_server >&2; start "$2" "$3" ;;
  stop) [ $# -eq 2 ] || usage; halt "$2" keycloak ;;
  *) usage ;;
esac
