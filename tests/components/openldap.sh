#!/usr/bin/env bash
# A throwaway OpenLDAP server on loopback, from Debian's packages.
#
#   openldap.sh install         prints the path of slapd
#   openldap.sh start DIR PORT  prints the address, ldap://127.0.0.1:PORT
#   openldap.sh stop DIR
#
# The suffix is dc=example,dc=org, with ou=people and ou=groups below it. The
# administrator is cn=admin,dc=example,dc=org, password admin. DIR/access.conf, if
# it is there at the start, says who may do what (slapd.access); by default every
# login may read all but passwords. ldapsearch and the other clients are installed
# beside it. Each connection, bind and search is logged in DIR/slapd.log.
. "$(dirname "$0")/_common.sh"
SLAPD=/usr/sbin/slapd

usage() { sed -n '2,/^\./s/^# \{0,1\}//p' "$0" >&2; exit 2; }

install_server() {
  lock openldap
  debian "$SLAPD" slapd ldap-utils
  debian ldapsearch ldap-utils
  printf '%s\n' "$SLAPD"
}

up() { ldapwhoami -x -H "$1" -D cn=admin,dc=example,dc=org -w admin; }

start() {
  local dir=$1 address=ldap://127.0.0.1:$2
  mkdir -p "$dir"
  dir=$(cd "$dir" && pwd)
  if ! up "$address" >/dev/null 2>&1; then
    mkdir -p "$dir/data"
    cat >"$dir/slapd.conf" <<CONF
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
pidfile $dir/slapd.own.pid
argsfile $dir/slapd.args
loglevel stats
database mdb
suffix dc=example,dc=org
rootdn cn=admin,dc=example,dc=org
rootpw admin
directory $dir/data
dbnosync
CONF
    if [ -s "$dir/access.conf" ]; then
      cat "$dir/access.conf"
    else
      printf 'access to attrs=userPassword by anonymous auth by * none\n'
      printf 'access to * by users read by anonymous auth\n'
    fi >>"$dir/slapd.conf"
    if [ ! -s "$dir/data/data.mdb" ]; then
      "${SLAPD%slapd}slapadd" -f "$dir/slapd.conf" >&2 <<'LDIF'
dn: dc=example,dc=org
objectClass: dcObject
objectClass: organization
dc: example
o: Example

dn: ou=people,dc=example,dc=org
objectClass: organizationalUnit
ou: people

dn: ou=groups,dc=example,dc=org
objectClass: organizationalUnit
ou: groups
LDIF
    fi
    # -d keeps it in the foreground and prints what it logs.
    launch "$dir" slapd "$SLAPD" -h "$address" -f "$dir/slapd.conf" -d stats
    wait_for 20 up "$address" || { tail -20 "$dir/slapd.log" >&2; die "slapd did not come up"; }
  fi
  printf '%s\n' "$address"
}

case ${1:-} in
  install) install_server ;;
  start) [ $# -eq 3 ] || usage; install_server >&2; start "$2" "$3" ;;
  stop) [ $# -eq 2 ] || usage; halt "$2" slapd ;;
  *) usage ;;
esac
