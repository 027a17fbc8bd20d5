# `make help` lists the targets. Needs Go, git and make; everything else is built from Go modules.

SHELL := bash
.SHELLFLAGS := -o errexit -o nounset -o pipefail -c
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

# One set of flags for every build: Go's build cache is keyed on them, and they cover half of Kubernetes.
export CGO_ENABLED := 0
export GOFLAGS := -trimpath -buildvcs=false $(filter-out -trimpath -buildvcs=%,$(GOFLAGS))

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS := -s -w -X main.version=$(VERSION)

# Absolute, so that they also work in another folder.
TOOL := go tool -modfile=$(CURDIR)/hack/tools/go.mod
KO := go tool -modfile=$(CURDIR)/hack/tools/ko/go.mod ko
HELM := go tool -modfile=$(CURDIR)/hack/tools/helm/go.mod helm
LINT := $(TOOL) golangci-lint-kube-api-linter
# For hack/devcluster: the linters that do not read all of Kubernetes first.
SHALLOW := errorlint,funlen,ineffassign,interfacebloat,nolintlint,revive,unused

# An API server for the tests: the user's own if KUBEBUILDER_ASSETS is set, else the one of hack/devcluster.
ifeq ($(origin KUBEBUILDER_ASSETS),undefined)
export KUBEBUILDER_ASSETS := $(CURDIR)/bin/assets
ASSETS := control-plane
endif

say = @echo "▸ $(1)"

.PHONY: help
help: ## Show this help.
	@awk 'BEGIN {FS = ":.*## "} /^[a-z0-9-]+:.*## / {printf "  %-12s %s\n", $$1, $$2} /^##@ / {print "\n" substr($$0, 5)}' Makefile

##@ Try

.PHONY: demo dev-up dev-down run
demo: build node ## Run a cluster, a simulated Make and the operator, and show them at work; KEEP=1 leaves them running.
	@go run ./hack/demo

dev-up: build $(if $(filter 1,$(DEV_NODE)),node) ## Start control plane, simulator and manager in the background, with DEV_NODE=1 also a real node.
	@go run ./hack/dev up

dev-down: ## Stop what dev-up started.
	@go run ./hack/dev down

run: manager ## Run the manager against the cluster of the current kubeconfig; ARGS adds flags.
	@bin/manager $(ARGS)

##@ Build

.PHONY: build manager programs control-plane node image push chart clean
build: manager programs control-plane ## Build all programs into bin/.

manager:
	$(call say,building manager $(VERSION))
	@go build -ldflags '$(LDFLAGS)' -o bin/manager .

programs:
	$(call say,building make-mcp makesim kubectl-make $(VERSION))
	@go build -ldflags '$(LDFLAGS)' -o bin/ ./cmd/...

# Kept in the user's cache folder. The first build on a machine takes minutes and shows its progress.
control-plane:
	@hack/devcluster.sh control-plane

# As root on Linux only; elsewhere it says so and leaves it at that.
node:
	@hack/devcluster.sh node

image: build ## Build container images into bin/images, as archives, without a container engine.
	$(call say,building images $(VERSION))
	@mkdir -p bin/images
	@bin/devcluster image bin/manager make-operator:$(VERSION) bin/images/make-operator.tar
	@bin/devcluster image bin/make-mcp make-mcp:$(VERSION) bin/images/make-mcp.tar

# Here without a container engine too, but not without a registry: that is where a base image comes from.
push: ## Build the images for amd64 and arm64 and push them, with an SBOM each, to REPOSITORY.
	$(if $(REPOSITORY),,$(error set REPOSITORY to where the images go))
	$(call say,building and pushing images $(VERSION) to $(REPOSITORY))
	@VERSION=$(VERSION) KO_DOCKER_REPO=$(REPOSITORY) \
		$(KO) build --base-import-paths --tags=$(VERSION) --platform=linux/amd64,linux/arm64 . ./cmd/make-mcp

chart: ## Check the Helm chart and package it into bin/.
	@$(HELM) lint --strict charts/make-operator
	@$(HELM) package --destination bin charts/make-operator

clean: ## Stop what dev-up started and remove bin/; the caches in the home folder stay.
	@if [ -e bin/dev/env ]; then $(MAKE) dev-down; fi
	rm -rf bin

##@ Develop

.PHONY: generate fmt lint verify
generate: ## Regenerate deepcopy, CRDs, RBAC, webhook manifests, the chart's copies and docs/api.
	$(call say,generating code and manifests)
	@$(TOOL) controller-gen object:headerFile=hack/boilerplate.go.txt crd paths=./api/... output:crd:dir=config/crd/bases
	@$(TOOL) controller-gen rbac:roleName=make-operator webhook paths=./controllers/... paths=./internal/... \
		output:rbac:dir=config/rbac output:webhook:dir=config/webhook
	@mkdir -p charts/make-operator/files/crds docs/api
	@cp config/crd/bases/*.yaml charts/make-operator/files/crds/
	@cp config/rbac/role.yaml charts/make-operator/files/role.yaml
	@cp config/webhook/manifests.yaml charts/make-operator/files/webhook.yaml
	@go run ./hack/admission > config/admission/policy.yaml
	@cp config/admission/policy.yaml charts/make-operator/files/admission.yaml
	@$(TOOL) crd-ref-docs --source-path=api --config=hack/tools/crd-ref-docs.yaml --renderer=markdown \
		--output-path=docs/api/v1alpha1.md --log-level=ERROR

fmt: ## Format the Go code.
	@$(LINT) fmt

lint: ## Check the Go code: layers, errors, sizes, API conventions, and all that go vet knows.
	$(call say,linting; the first time builds the linter)
	@$(LINT) run ./...
	@cd hack/devcluster && $(LINT) run --enable-only=$(SHALLOW) ./...
	@$(LINT) fmt --diff

verify: ## Regenerate, lint and tidy, and fail if that leaves any file different.
	@hack/verify.sh

##@ Test

.PHONY: test test-unit test-e2e test-fault test-fault-sample test-push test-vault bench soak soak-mcp
test: test-unit test-fault-sample test-e2e ## Run all tests: units, API validation, controllers, a sample of the faults, end to end.

test-unit: $(ASSETS) ## Run the tests of every package, except those of test/e2e and test/fault.
	$(call say,preparing Helm; the first time builds it)
	@$(HELM) version >/dev/null
	$(call say,testing packages)
	@packages=$$(go list ./... | grep -v -e /test/e2e -e /test/fault) && go test $$packages
	$(call say,testing hack/devcluster)
	@go -C hack/devcluster test ./...

test-e2e: build node ## Run the end-to-end tests with the real programs.
	$(call say,testing end to end)
	@go test -count=1 -timeout=15m ./test/e2e/...

test-fault: build ## Kill real managers at every request, in every class of server; FLAGS="-scenarios=rotate -classes=E" chooses.
	$(call say,building an authorization server that is not ours)
	@go -C test/conform build -o $(CURDIR)/bin/conform .
	$(call say,injecting faults)
	@go test -count=1 -timeout=4h -v ./test/fault -full $(FLAGS)

test-fault-sample: build ## The same with a sample of the faults, in two minutes.
	$(call say,injecting a sample of the faults)
	@go test -count=1 -timeout=15m -v ./test/fault $(FLAGS)

test-push: ## Push the images to a registry of the test; the first time builds ko.
	@go -C hack/tools/ko test -count=1 ./...

test-vault: ## Test sealing by Vault against Vault's own transit engine; the first time compiles it.
	@go -C test/vault test -count=1 ./...

bench: $(ASSETS) ## Run the benchmarks.
	@go test -run='^$$' -bench=. -benchmem ./...

soak: ## Run makesim for a minute with all knobs changing at random; SOAK=10m makes it longer.
	@go test -count=1 -timeout=1h -run='^TestSoak$$' -v ./internal/makesim -soak=$(or $(SOAK),60s)

soak-mcp: build ## Rotate a server's token every few seconds for two minutes under calls; longer than that callers reach their limits.
	@go test -count=1 -timeout=10m -run='^TestTokenRotatesUnderCalls$$' -v ./test/e2e -rotation-for=2m
