#!/usr/bin/env bash
# Takes the fixtures of the conformance suite over from the MCP SDK that go.mod names: its server program becomes a package.
set -o errexit -o nounset -o pipefail
sdk=$(go list -m -f '{{.Dir}}' github.com/modelcontextprotocol/go-sdk)
version=$(go list -m -f '{{.Version}}' github.com/modelcontextprotocol/go-sdk)
{
	echo "// Code generated from conformance/everything-server of github.com/modelcontextprotocol/go-sdk $version by generate.sh. DO NOT EDIT."
	echo
	sed \
		-e 's/^package main$/package everything/' \
		-e '/^var ($/,/^)$/d' \
		-e '/^func main() {$/,/^}$/d' \
		-e '/^\t"flag"$/d; /^\t"log"$/d; /^\t"net\/http"$/d; /^\t"os"$/d' \
		"$sdk/conformance/everything-server/main.go"
} >everything.go
gofmt -w everything.go
