# `make demo` shows the main job on a cluster that it starts itself; `make test` runs everything.
# `make` alone says what else there is.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS += --no-print-directory

# Static, so that an image needs nothing but the binary.
TARGET := $(shell uname -m)-unknown-linux-gnu
STATIC := RUSTFLAGS="-C target-feature=+crt-static" cargo
BUILD := $(STATIC) build --quiet --locked --target $(TARGET)
# What `make image` makes; tests take a profile that builds in a fraction of the time.
PROFILE := release
# Beside the Kubernetes that `make test` uses.
VERSIONS := 1.33 1.35 1.36
VERSION := $(shell sed -nE '/^\[workspace.package\]/,/^$$/ s/^version = "(.*)"/\1/p' Cargo.toml)
CLUSTER_TOOL := cargo run --quiet --locked --package landfall-cluster --
IMAGES := target/images
# For each fuzz target.
SECONDS ?= 60
# For the soak.
MINUTES ?= 30
SEED ?= 1

.DEFAULT_GOAL := help
.PHONY: help demo test test-versions unit bench bench-pure soak faults fuzz lint generate image images databases servers release release-binaries checksums requirements clean

help: ## Shows this.
	@sed -nE 's/^([a-z-]+):.*## (.*)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 22

demo: requirements ## Starts a cluster and the operator, runs the sample, and calls its tool. EXIT=1: ends by itself. CLUSTER=existing: uses KUBECONFIG.
	@tests/demo

test: requirements ## Everything: unit, snapshot and schema tests, a real API server, a real node.
	@tests/run

test-versions: requirements ## The tests on a real API server, on each other Kubernetes in VERSIONS. Each is built once, in minutes.
	@for version in $(VERSIONS); do \
	  echo "== Kubernetes $$version" >&2; \
	  LANDFALL_KUBERNETES=$$version cargo test --locked --test apiserver; \
	done

unit: ## Only what needs no cluster.
	@cargo test --locked --workspace --lib --bins

bench: requirements ## Measures how soon a server is Ready and what the way in costs, on a real node, and what the operator costs at scale. N=100,1000: only the last, with so many servers.
	@$(if $(N),,LANDFALL_BENCH=1 cargo test --quiet --locked --test node --test apiserver --no-fail-fast)
	@$(STATIC) bench --quiet --locked --target $(TARGET) --bench scale -- $(if $(N),--servers $(N))

bench-pure: ## Measures what the pure steps of a pass cost, in allocations and in time.
	@cargo bench --quiet --locked --bench pure

soak: requirements ## Random changes for half an hour: memory, tasks and watches have to stay as they are. MINUTES=5 SEED=7: others.
	@LANDFALL_SOAK=$(MINUTES) LANDFALL_SEED=$(SEED) cargo test --quiet --locked --test apiserver

faults: requirements ## Kills the operator around each write, before and after, and runs 2,000 scenarios with faults of all kinds; tests have a part of it.
	@LANDFALL_FAULTS=all cargo test --quiet --locked --test faults

fuzz: ## Feeds the readers of specs, replies and imports with anything, side by side for a minute. SECONDS=600: longer.
	@tests/fuzz $(SECONDS)

lint: ## Formatting, clippy, licences and sources, generated files.
	@tests/lint

generate: ## Writes what is made from the source: crds/ and its copy in charts/, and docs/reference.md.
	@cargo run --quiet --locked -- crd > crds/mcpservers.yaml.new
	@mv crds/mcpservers.yaml.new crds/mcpservers.yaml
	@cp crds/mcpservers.yaml charts/landfall-crds/files/
	@cargo run --quiet --locked -- crd --markdown > docs/reference.md.new
	@mv docs/reference.md.new docs/reference.md

image: ## Makes the operator's image (amd64 or what this machine is), without a container engine.
	@mkdir -p $(IMAGES)
	@$(BUILD) --bin landfall --profile $(PROFILE)
	@$(CLUSTER_TOOL) image --name "ghcr.io/landfall-dev/landfall:$(VERSION)" --file /landfall=target/$(TARGET)/$(PROFILE)/landfall \
	  --entrypoint /landfall --cmd operator --user 65532:65532 --port 8080 \
	  --label org.opencontainers.image.title=landfall --label org.opencontainers.image.version=$(VERSION) \
	  --label org.opencontainers.image.licenses=Apache-2.0 --output $(IMAGES)/landfall.tar

images: ## Makes the images of the tests and the demo, without a container engine.
	@mkdir -p $(IMAGES)
	@cd examples/echo-server && $(BUILD) --release
	@install examples/echo-server/target/$(TARGET)/release/echo-server $(IMAGES)/echo-server
	@for it in echo-server:0.1.0 echo-server-next:0.2.0; do \
	  $(CLUSTER_TOOL) image --name "localhost/landfall/echo-server:$${it#*:}" --file /echo-server=$(IMAGES)/echo-server \
	    --entrypoint /echo-server --user 65532 --port 3001 --output "$(IMAGES)/$${it%:*}.tar"; \
	done

databases: ## Makes images of real databases from packages of Debian or Ubuntu, for the tests.
	@tests/databases/images $(IMAGES)

servers: ## Makes images of real MCP servers from npm, PyPI and Go modules, for the tests.
	@tests/servers/images $(IMAGES)

release: ## Makes all of a release in dist/: binary and image of this architecture, charts, bill of materials, checksums.
	@PROFILE=$(PROFILE) .ci/release

release-binaries: ## Makes only what differs by architecture in dist/.
	@PROFILE=$(PROFILE) .ci/release binaries

checksums: ## Writes dist/SHA256SUMS anew, for files that come from several machines.
	@.ci/checksums

requirements: ## Installs what is missing on Debian and Ubuntu, as root; elsewhere says what is missing.
	@tests/requirements

clean: ## Removes what builds and crashed test clusters left. ~/.cache/landfall stays, with programs and dependencies.
	@$(CLUSTER_TOOL) clean
	@cargo clean --quiet
	@cargo clean --quiet --manifest-path examples/echo-server/Cargo.toml
