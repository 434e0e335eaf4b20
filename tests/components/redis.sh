#!/usr/bin/env bash
# A Redis on loopback, from Debian's package, that keeps what it acknowledges:
# it evicts nothing and syncs every write.
#
#   redis.sh install        prints the path of redis-server
#   redis.sh start DIR PORT prints a connection URL
#   redis.sh stop DIR
. "$(dirname "$0")/_common.sh"

usage() { sed -n '2,/^\./s/^# \{0,1\}//p' "$0" >&2; exit 2; }

install_server() {
  lock redis
  debian redis-server redis-server
  command -v redis-server
}

start() {
  local dir=$1 port=$2
  mkdir -p "$dir"
  if ! redis-cli -p "$port" ping >/dev/null 2>&1; then
    launch "$dir" redis redis-server --bind 127.0.0.1 --port "$port" --dir "$dir" \
      --save '' --appendonly yes --appendfsync always --maxmemory-policy noeviction --daemonize no
    wait_for 20 redis-cli -p "$port" ping || die "redis-server did not come up: $dir/redis.log"
  fi
  printf 'redis://127.0.0.1:%s/0\n' "$port"
}

case ${1:-} in
  install) install_server ;;
  start) [ $# -eq 3 ] || usage; install_server >&2; start "$2" "$3" ;;
  stop) [ $# -eq 2 ] || usage; halt "$2" redis ;;
  *) usage ;;
esac
