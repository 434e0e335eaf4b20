#!/usr/bin/env bash
# A base for Tabard's image where no registry can be reached: Debian's Python and
# what it needs, without a shell or a package manager, made as
# gcr.io/distroless/python3-debian13:nonroot is. No package's script is run.
# /var/lib/dpkg/status.d says to scanners what is inside. Prints the path of a
# tar archive for `docker import`.
#
#   image-base.sh [ARCHITECTURE]     Debian's word for it: amd64 (default), arm64
#
# Debian mends mistakes in its packages: what is older than a week is made
# again, and used as it is if that fails.
. "$(dirname "$0")/_common.sh"
SUITE=trixie
VERSION=$SUITE-1
PACKAGES=python3,libstdc++6,base-files,ca-certificates,netbase,tzdata
# What Python's and the certificates' packages ask for and nothing here runs.
LEFT_OUT=' debconf dpkg mawk openssl openssl-provider-legacy tar readline-common '
architecture=${1:-amd64}
lock "image-base-$architecture"
out=$COMPONENTS_DIR/image-base/$VERSION/$architecture.tar

fetch() {
  debian mmdebstrap mmdebstrap
  say "fetching Debian $SUITE's Python for $architecture"
  # Signatures are checked by apt; the hook sees the packages before they are thrown away.
  nice -n "${COMPONENTS_NICE:-15}" mmdebstrap --quiet --mode=root --variant=extract \
    --architectures="$architecture" --include="$PACKAGES" \
    --extract-hook="cp \"\$1\"/var/cache/apt/archives/*.deb '$1'" \
    --keyring=/usr/share/keyrings/debian-archive-keyring.gpg "$SUITE" /dev/null \
    "deb http://deb.debian.org/debian $SUITE main" \
    "deb http://deb.debian.org/debian $SUITE-updates main" \
    "deb http://deb.debian.org/debian-security $SUITE-security main" 9>&- >&2
}

unpack() {
  local debs=$1 root=$2 deb name
  mkdir -p "$root/var/lib/dpkg/status.d"
  for deb in "$debs"/*.deb; do
    name=$(dpkg-deb --field "$deb" Package)
    [[ $LEFT_OUT != *" $name "* ]] || continue
    dpkg-deb --extract "$deb" "$root"
    { dpkg-deb --field "$deb"; echo 'Status: install ok installed'; } >"$root/var/lib/dpkg/status.d/$name"
  done
  # What update-ca-certificates would write.
  mkdir -p "$root/etc/ssl/certs" "$root/home/nonroot" "$root/run" "$root/tmp"
  find "$root/usr/share/ca-certificates" -name '*.crt' | LC_ALL=C sort | xargs cat \
    >"$root/etc/ssl/certs/ca-certificates.crt"
  printf 'root:x:0:0:root:/root:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin\n' \
    >"$root/etc/passwd"
  printf 'root:x:0:\nnonroot:x:65532:\n' >"$root/etc/group"
  chown 65532:65532 "$root/home/nonroot"
  chmod 1777 "$root/tmp"
  # Licences stay.
  find "$root/usr/share/doc" ! -type d ! -name copyright -delete
  rm -rf "$root"/usr/share/{man,locale,lintian,bug,pixmaps,applications,python3/debpython} \
    "$root"/usr/lib/*-linux-gnu/gconv "$root"/usr/lib/python3*/{pydoc_data,test,ensurepip,idlelib,turtledemo}
}

make_base() {
  local work
  work=$(mktemp -d)
  trap 'rm -rf "$work"' RETURN
  chmod 0755 "$work"
  mkdir "$work/debs" "$work/root"
  fetch "$work/debs" || return 1
  unpack "$work/debs" "$work/root" || return 1
  mkdir -p "$(dirname "$out")"
  tar -C "$work/root" --sort=name --numeric-owner --format=posix \
    --pax-option=exthdr.name=%d/PaxHeaders/%f,delete=atime,delete=ctime -cf "$out.part" . || return 1
  mv "$out.part" "$out"
}

if [ ! -e "$out" ]; then
  make_base || die "no base could be made"
elif [ -n "$(find "$out" -mtime +7)" ]; then
  make_base || say "the base stays the one of $(date -r "$out" +%F)"
fi
printf '%s\n' "$out"
