#!/bin/sh
# Builds the development cluster's binaries if this machine does not have them yet, and links them
# into bin/. Usage: hack/devcluster.sh [control-plane|node|all]
set -eu
cd "$(dirname "$0")/devcluster"
GOWORK=off GOFLAGS='-trimpath -buildvcs=false' CGO_ENABLED=0 exec go run ./build --bin ../../bin "${1:-all}"
