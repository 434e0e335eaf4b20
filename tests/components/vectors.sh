#!/usr/bin/env bash
# Test vectors by other projects, as Go modules whose content ./vectors/go.sum pins.
# vectors.sh wycheproof | json-canonicalization | macaroon
# Prints the folder with the module's files.
. "$(dirname "$0")/_common.sh"
name=${1:-}
cd "$COMPONENTS_SRC/vectors"
module=$(sed -n "s|^\t\([^ ]*/$name\(\.v[0-9]*\)\?\) \(v.*\)|\1@\3|p" go.mod)
[ -n "$module" ] || die "usage: vectors.sh wycheproof|json-canonicalization|macaroon"
out=$COMPONENTS_DIR/vectors/${module//\//+}
lock vectors
if [ ! -d "$out" ]; then
  need go
  say "go mod download $module"
  answer=$(go mod download -json "$module" 9>&-) || die "$answer"
  found=$(printf '%s' "$answer" | sed -n 's/^\t"Dir": "\(.*\)",$/\1/p')
  # Go compares it as well; the pin must not depend on its settings (GONOSUMCHECK, GOFLAGS).
  sum=$(printf '%s' "$answer" | sed -n 's/^\t"Sum": "\(.*\)",$/\1/p')
  grep -qxF "${module//@/ } $sum" go.sum || die "$module isn't what go.sum pins"
  rm -rf "$out.part"
  mkdir -p "$(dirname "$out")"
  cp -r "$found" "$out.part"
  chmod -R u+w "$out.part"
  mv "$out.part" "$out"
fi
printf '%s\n' "$out"
