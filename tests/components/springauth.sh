#!/usr/bin/env bash
# Spring Authorization Server on loopback, plain HTTP: an identity provider that
# honours actor_token and may_act. The jars of ./springauth/jars.txt come from
# Maven Central; ./springauth/Server.java has the clients and the people.
#
#   springauth.sh install          prints the folder of jars and classes
#   springauth.sh start DIR PORT   prints the issuer URL
#   springauth.sh stop DIR
#
# State is in memory.
. "$(dirname "$0")/_common.sh"
source=$COMPONENTS_SRC/springauth
# What is installed belongs to exactly this list and this program.
home=$COMPONENTS_DIR/springauth/$(cat "$source/jars.txt" "$source/Server.java" | sha256sum | cut -c1-16)

usage() { sed -n '2,/^\./s/^# \{0,1\}//p' "$0" >&2; exit 2; }

# pom: a project that depends on exactly the jars of the list.
pom() {
  local group artifact version
  printf '<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>'
  printf '<groupId>tests</groupId><artifactId>springauth</artifactId><version>1</version>'
  printf '<packaging>pom</packaging><dependencies>\n'
  while IFS=' :' read -r _ group artifact version; do
    printf '<dependency><groupId>%s</groupId><artifactId>%s</artifactId><version>%s</version>' \
      "$group" "$artifact" "$version"
    printf '<exclusions><exclusion><groupId>*</groupId><artifactId>*</artifactId></exclusion></exclusions></dependency>\n'
  done <"$source/jars.txt"
  printf '</dependencies></project>\n'
}

install_server() {
  lock springauth
  if [ ! -d "$home" ]; then
    debian javac default-jdk-headless
    debian mvn maven
    local release part=$COMPONENTS_DIR/springauth/.part
    release=$(javac -version 2>&1 | sed -n 's/^javac \([0-9]*\).*/\1/p')
    [ "${release:-0}" -ge 17 ] || die "Spring Security 7 needs a JDK of version 17 or newer; javac is ${release:-unknown}"
    rm -rf "$part"
    mkdir -p "$part/jars" "$part/classes"
    say "fetching Spring Authorization Server with Maven (20 MB)"
    pom >"$part/pom.xml"
    mvn -q -B -f "$part/pom.xml" dependency:copy-dependencies -DoutputDirectory="$part/jars" 9>&- >&2
    (cd "$part/jars" && sed 's/  [^:]*:\([^:]*\):/  \1-/; s/$/.jar/' "$source/jars.txt" | sha256sum --check --quiet --strict) >&2 ||
      die "a jar isn't the one of springauth/jars.txt"
    javac --release 17 -d "$part/classes" -cp "$part/jars/*" "$source/Server.java" 9>&- >&2
    mv "$part" "$home"
  fi
  printf '%s\n' "$home"
}

start() {
  local dir=$1 port=$2 issuer=http://127.0.0.1:$2
  need curl
  mkdir -p "$dir/base"
  dir=$(cd "$dir" && pwd)
  if ! curl -sf "$issuer/.well-known/oauth-authorization-server" >/dev/null; then
    # Compiled only as far as pays in a short life.
    launch "$dir" springauth java -Xms32m -Xmx128m -XX:TieredStopAtLevel=1 \
      -cp "$home/classes:$home/jars/*" Server "$port" "$dir/base"
    wait_for 60 curl -sf "$issuer/.well-known/oauth-authorization-server" ||
      { tail -30 "$dir/springauth.log" >&2; die "Spring Authorization Server did not come up"; }
  fi
  printf '%s\n' "$issuer"
}

case ${1:-} in
  install) [ $# -eq 1 ] || usage; install_server ;;
  start) [ $# -eq 3 ] || usage; install_server >&2; start "$2" "$3" ;;
  stop) [ $# -eq 2 ] || usage; halt "$2" springauth ;;
  *) usage ;;
esac
