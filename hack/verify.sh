#!/usr/bin/env bash
# Regenerates what is generated, lints and tidies, and fails if that leaves any file different. The tree is compared with
# itself, before and after, so that it also works with changes that are not committed. Called by `make verify`.
set -euo pipefail
cd "$(dirname "$0")/.."

# Tidying hack/devcluster too would download gigabytes: the test dependencies of all of Kubernetes' dependencies.
modules=(. hack/tools hack/tools/helm hack/tools/ko test/conform)

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# snapshot prints a git tree of every file that is not ignored. It uses an index of its own and leaves the user's alone.
snapshot() {
	GIT_INDEX_FILE=$scratch/index git add --all
	GIT_INDEX_FILE=$scratch/index git write-tree
}

before=$(snapshot)
make generate
after=$(snapshot)
if [ "$before" != "$after" ]; then
	git --no-pager diff --stat "$before" "$after"
	git --no-pager diff --unified=0 "$before" "$after" >"$scratch/diff"
	head -n 60 "$scratch/diff"
	echo "verify: the generated files above are out of date; they are right now, commit them" >&2
	exit 1
fi

make lint

for module in "${modules[@]}"; do
	echo "▸ checking $module/go.mod"
	go -C "$module" mod tidy -diff || {
		echo "verify: $module/go.mod is not tidy; run: go -C $module mod tidy" >&2
		exit 1
	}
done
echo "▸ verified"
