#!/usr/bin/env bash
# go-macaroon, another implementation of macaroons, behind a small program.
. "$(dirname "$0")/_common.sh"
VERSION=2.1.0-1
lock gomacaroon
export CGO_ENABLED=0
go_build gomacaroon "$VERSION" gomacaroon .
