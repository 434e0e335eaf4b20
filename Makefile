# Tabard's build. `make help` lists the targets.
#
# Needs make and Python 3.11 or newer. Everything else is set up below this
# folder (.bootstrap, .venv, .cache): a pinned uv unless a fitting one is on
# PATH, the locked packages, and a Go toolchain for the engine if there is none.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules --no-print-directory
SHELL := /bin/sh
.SHELLFLAGS := -eu -c

export UV_PYTHON_DOWNLOADS := never
# Images often set it. Without bytecode each of the thousand processes of the tests would compile all that it imports.
export PYTHONDONTWRITEBYTECODE :=
# Trust whom the machine trusts, as pip and Go do; networks with a certificate authority of their own need it.
export UV_SYSTEM_CERTS ?= $(if $(wildcard /etc/ssl/certs/ca-certificates.crt),true,false)

UV_VERSION := 0.12.24
# Oldest uv that reads the lock file's revision.
UV_MINIMUM := 0.9.0
UV := $(shell have=$$(uv --version 2>/dev/null | cut -d' ' -f2); \
  if [ -n "$$have" ] && [ "$$(printf '%s\n' $(UV_MINIMUM) "$$have" | sort -V | head -n1)" = $(UV_MINIMUM) ]; \
  then command -v uv; else echo .bootstrap/bin/uv; fi)

# First interpreter on PATH that is new enough; only looked for when needed.
PYTHON = $(shell for name in python3 python3.14 python3.13 python3.12 python3.11; do \
  $$name -c 'import sys; sys.exit(sys.version_info < (3, 11) or print(sys.executable))' 2>/dev/null && break; done)

RUN := .venv/bin/
say = @printf '\033[1m==>\033[0m %s\n' $(1)

# What an installed environment depends on: the lock, the packages' metadata and
# the engine's Go source with the hook that compiles it.
LOCKED := uv.lock pyproject.toml $(wildcard sdk/pyproject.toml sidecar/pyproject.toml engine/pyproject.toml engine/cli/pyproject.toml) \
  $(wildcard engine/*.py engine/cli/*.py) engine/tabard_opa/_toolchain.py
ENGINE := $(shell find engine -name '*.go' -o -name 'go.mod' -o -name 'go.sum' 2>/dev/null)
WHEELS := dist/.built-tabard dist/.built-tabard-sidecar dist/.built-tabard-opa dist/.built-tabard-opa-cli
REGO := $(shell find rego -name '*.rego' -o -name '*.json' -o -name '*.yaml' 2>/dev/null)

# --- Environments ----------------------------------------------------------

ifeq ($(UV),.bootstrap/bin/uv)
.bootstrap/uv-$(UV_VERSION): | python
	$(call say,'setting up uv $(UV_VERSION) in .bootstrap')
	@$(PYTHON) -m venv --clear .bootstrap || { \
	  echo 'make: $(PYTHON) cannot make virtual environments; on Debian: apt-get install python3-venv' >&2; exit 1; }
	@.bootstrap/bin/python -m pip install --quiet --disable-pip-version-check 'uv==$(UV_VERSION)'
	@touch $@
UV_READY := .bootstrap/uv-$(UV_VERSION)
endif

.PHONY: python
python:
	@[ -n "$(PYTHON)" ] || { \
	  echo "make: Tabard needs Python 3.11 or newer on PATH; python3 is $$(python3 --version 2>&1)" >&2; exit 1; }

.venv/pyvenv.cfg: | $(UV_READY)
	@$(MAKE) python
	$(call say,'making .venv')
	@$(UV) venv --quiet --allow-existing --python $(PYTHON) .venv
	@touch $@

# sync GROUP: install a dependency group beside what is there, with SYNC_GROUP as options.
# The demo starts six sidecars at once, which would each compile the same modules.
SYNC_demo = --compile-bytecode
define sync
.venv/.synced-$(1): $(LOCKED) $(ENGINE) $(UV_READY) | .venv/pyvenv.cfg
	$$(call say,'installing the $(1) environment (the first time compiles the policy engine: a minute or two)')
	@$(UV) sync --frozen --inexact --no-default-groups --group $(1) $(SYNC_$(1))
	@touch $$@
endef
$(foreach group,demo dev integration bench fuzz,$(eval $(call sync,$(group))))

# AgentDojo brings a hundred packages, pytest plugins among them: a place of its own.
.venv-agentdojo/.synced: $(LOCKED) $(ENGINE) $(UV_READY)
	@$(MAKE) python
	$(call say,'installing the AgentDojo environment')
	@UV_PROJECT_ENVIRONMENT=.venv-agentdojo $(UV) sync --frozen --python $(PYTHON) --no-default-groups --group agentdojo
	@touch $@

# Agent frameworks bring theirs too.
.venv-frameworks/.synced: $(LOCKED) $(ENGINE) $(UV_READY)
	@$(MAKE) python
	$(call say,'installing the environment of agent frameworks')
	@UV_PROJECT_ENVIRONMENT=.venv-frameworks $(UV) sync --frozen --python $(PYTHON) --no-default-groups --group frameworks
	@touch $@

# --- The main job ----------------------------------------------------------

.PHONY: demo
demo: .venv/.synced-demo ## Run the scenario: six workloads, 2,000 tool calls (ARGS=--json for machines)
	@$(RUN)python -m demo $(ARGS)

# --- Tests -----------------------------------------------------------------

# A worker more than there are processors, since tests also wait; one that is idle takes over tests of another one.
SPREAD = -n $$(($$(getconf _NPROCESSORS_ONLN) + 1)) --dist worksteal

.PHONY: test
test: .venv/.synced-dev ## Unit and conformance tests; no root, no network (ARGS are pytest's)
	@$(RUN)python -m pytest $(SPREAD) $(ARGS)

# Other versions of Python that this machine has; OTHER_PYTHONS names interpreters instead.
OTHER_PYTHONS = $(shell .ci/pythons "$$($(RUN)python -c 'import sys; print("%d.%d" % sys.version_info[:2])')")

# What depends on Python most, for the sake of time: event loops, types, TLS, SQLite, processes; and a whole sidecar.
# OTHER_TESTS=tests/unit runs all.
OTHER_TESTS = $(addprefix tests/unit/,sdk util state identity http config keys credentials server/test_lifecycle.py cli/test_init.py)

.PHONY: test-other
test-other: .venv/.synced-dev ## Some unit tests on each other Python of this machine, 3.11 to 3.14
	@pythons='$(OTHER_PYTHONS)'; \
	if [ -z "$$pythons" ]; then \
	  echo 'This machine has no other Python: the tests ran on one version only.'; exit 0; fi; \
	for python in $$pythons; do \
	  version=$$($$python -c 'import sys; print("%d.%d" % sys.version_info[:2])'); \
	  printf '\033[1m==>\033[0m the tests on Python %s (%s)\n' "$$version" "$$python"; \
	  UV_PROJECT_ENVIRONMENT=.venv-other/$$version \
	    $(UV) sync --quiet --frozen --python "$$python" --no-default-groups --group dev; \
	  .venv-other/$$version/bin/python -m pytest -q $(SPREAD) $(OTHER_TESTS) $(ARGS); \
	done

.PHONY: test-integration
test-integration: root .venv/.synced-dev .venv/.synced-integration $(WHEELS) ## Tests against real components; installs them, needs root
	@tests/components/all.sh
	@$(RUN)python -m tests.support.streams $(ARGS)

.PHONY: test-frameworks
test-frameworks: .venv-frameworks/.synced ## Guarded tools under LangGraph, OpenAI Agents and MCP; no network, no model
	@.venv-frameworks/bin/python -m pytest tests/frameworks $(ARGS)

FUZZ_SECONDS := 30
.PHONY: fuzz
fuzz: .venv/.synced-fuzz ## Coverage-guided fuzzing for FUZZ_SECONDS
	$(call say,'fuzzing for $(FUZZ_SECONDS) s')
	@$(RUN)python tests/fuzz/fuzz_inputs.py -max_total_time=$(FUZZ_SECONDS) -rss_limit_mb=4096 -verbosity=0 -print_final_stats=1

.PHONY: root
root:
	@[ "$$(id -u)" = 0 ] || { \
	  echo 'make: test-integration installs Debian packages and starts a container engine, so it has to run as root' >&2; \
	  exit 1; }

# --- Checks ----------------------------------------------------------------

.PHONY: check
check: lock lint types proto rego docs-check ## Every check that runs nothing: lock, lint, types, protos, policies, docs

.PHONY: lock
lock: $(UV_READY) ## The lock file fits the metadata and names only the public index
	$(call say,'lock file')
	@$(UV) lock --check --quiet
	@if grep -oE 'https?://[^/"]+' uv.lock | grep -vE '^https://(pypi\.org|files\.pythonhosted\.org)$$'; then \
	  echo 'make: uv.lock names another index than pypi.org' >&2; exit 1; fi

.PHONY: lint
lint: .venv/.synced-dev ## ruff: rules and format; import-linter: the map of the packages
	$(call say,'imports')
	@found=$$($(RUN)lint-imports --no-cache 2>&1) || { printf '%s\n' "$$found"; exit 1; }
	$(call say,'ruff')
	@$(RUN)ruff check --quiet .
	@$(RUN)ruff format --check --quiet . || { echo 'make: run `make format`' >&2; exit 1; }

.PHONY: format
format: .venv/.synced-dev ## Rewrite Python, Rego and protos in the house format
	@$(RUN)ruff check --quiet --fix-only . || true
	@$(RUN)ruff format --quiet .
	@$(OPA) fmt --write rego
	@$(RUN)buf format --write proto

.PHONY: types
types: .venv/.synced-dev ## mypy, strict
	$(call say,'mypy')
	@$(RUN)mypy --no-error-summary

OPA = $(RUN)python -m tabard_opa_cli

.PHONY: rego
rego: .venv/.synced-dev ## opa fmt, check, test with coverage; Regal; generated schemas in step
	@$(RUN)python rego/generate.py --check
	@.ci/rego '$(RUN)python'

.PHONY: proto
proto: .venv/.synced-dev .cache/googleapis/.complete ## buf lint, format and breaking; generated code in step
	$(call say,'protos')
	@$(RUN)buf lint
	@$(RUN)buf format --diff --exit-code proto
	@$(RUN)buf breaking proto --against proto/baseline.binpb
	@$(RUN)python proto/generate.py --check
	@$(RUN)python sdk/generate.py --check

.PHONY: baseline
baseline: .venv/.synced-dev .cache/googleapis/.complete ## Freeze the API as what `buf breaking` compares with (at a release)
	@$(RUN)buf build proto --exclude-source-info -o proto/baseline.binpb

# buf knows google/protobuf; google/rpc comes from the package that we run with.
.cache/googleapis/.complete: uv.lock | .venv/.synced-dev
	@mkdir -p $(@D)/google/rpc
	@for name in status error_details code; do \
	  $(RUN)python -c 'import sys; from importlib import resources; sys.stdout.write(resources.files("google.rpc").joinpath(sys.argv[1]).read_text())' \
	    $$name.proto > $(@D)/google/rpc/$$name.proto; done
	@touch $@

.PHONY: generate
generate: .venv/.synced-dev ## Write what is generated: the protos' code, the synchronous client, limits in the policy schemas
	@$(RUN)python proto/generate.py
	@$(RUN)python sdk/generate.py
	@$(RUN)python rego/generate.py

.PHONY: docs
docs: .venv/.synced-dev ## Write docs/reference, and parts of the Helm chart, from the source
	@$(RUN)python docs/generate.py
	@$(RUN)python k8s/generate_chart.py

.PHONY: screenshots
screenshots: .venv/.synced-dev ## Take the pictures of the console in docs/images; installs Chromium, needs root
	@$(RUN)python docs/screenshots.py

.PHONY: docs-check
docs-check: .venv/.synced-dev
	$(call say,'reference documentation')
	@$(RUN)python docs/generate.py --check
	@$(RUN)python k8s/generate_chart.py --check

.PHONY: install-yaml
install-yaml: .venv/.synced-dev ## Write k8s/install.yaml from the Helm chart; builds Helm the first time
	@$(RUN)python k8s/render_install.py "$$(tests/components/helm.sh | tail -n 1)"

# --- Packages, measurements --------------------------------------------------

.PHONY: wheels
wheels: $(WHEELS) ## Build sdists, and from them wheels, into dist/

# One package at a time, so that a change in Python doesn't link the engine again.
# The wheels of engine and opa are for any machine with glibc 2.28 (manylinux), linked with ziglang from PyPI.
# LOCAL=1: for this machine, linked with its own C compiler.
define package
dist/.built-$(1): $(2)/pyproject.toml $(3) $(UV_READY) | .venv/pyvenv.cfg
	$$(call say,'building $(1): a sdist and from it the wheel')
	@mkdir -p dist && rm -f dist/$(subst -,_,$(1))-[0-9]*
	@$(if $(LOCAL),,TABARD_OPA_MANYLINUX=1) $(UV) build --quiet --package $(1) --python .venv/bin/python --out-dir dist
	@touch $$@
endef
sources = $(shell find $(1) -type f \( -name '*.py' -o -name '*.lua' -o -name '*.toml' -o -name '*.md' -o -name '*.typed' \) 2>/dev/null)
$(eval $(call package,tabard,sdk,$(call sources,sdk)))
$(eval $(call package,tabard-sidecar,sidecar,$(call sources,sidecar) $(REGO)))
$(eval $(call package,tabard-opa,engine,$(call sources,engine/tabard_opa) engine/hatch_build.py engine/README.md $(ENGINE)))
$(eval $(call package,tabard-opa-cli,engine/cli,$(call sources,engine/cli) engine/tabard_opa/_toolchain.py $(ENGINE)))

.PHONY: wheels-aarch64
wheels-aarch64: dist/.built-aarch64 ## The wheels of engine and opa for aarch64 as well, cross-linked, into dist/

dist/.built-aarch64: $(WHEELS)
	@rm -f dist/tabard_opa-*_aarch64.whl dist/tabard_opa_cli-*_aarch64.whl
	@for package in tabard-opa tabard-opa-cli; do \
	  printf '\033[1m==>\033[0m building %s for aarch64\n' $$package; \
	  TABARD_OPA_MANYLINUX=1 TABARD_OPA_MACHINE=aarch64 \
	    $(UV) build --quiet --wheel --package $$package --python .venv/bin/python --out-dir dist; \
	done
	@touch $@

# Any image with glibc 2.28 and Python 3.11 or newer. ARCHITECTURES adds others to the build context: amd64,arm64.
BASE := gcr.io/distroless/python3-debian13:nonroot
ARCHITECTURES :=
.PHONY: image
image: $(WHEELS) $(if $(findstring arm64,$(ARCHITECTURES)),dist/.built-aarch64) ## The container image and its bill of materials, into dist/; needs Docker (BASE, ARCHITECTURES: k8s/README.md)
	@$(RUN)python -m k8s.image --base $(BASE) --architectures '$(ARCHITECTURES)' --uv $(UV) $(ARGS)

.PHONY: bench
bench: .venv/.synced-bench .venv/.synced-integration ## Measure; ONLY=name for one benchmark. Writes bench/results/
	@$(RUN)python -m bench $(if $(ONLY),--only $(ONLY)) $(ARGS)

.PHONY: bench-versions
bench-versions: .venv/.synced-bench ## Measure this version side by side with another checkout: OTHER=folder
	@[ -n "$(OTHER)" ] || { echo 'make: name the other checkout, for example OTHER=../tabard-main' >&2; exit 2; }
	@$(MAKE) --no-print-directory -C $(OTHER) .venv/.synced-bench
	@$(RUN)python -m bench.versions $(OTHER)

.PHONY: agentdojo
agentdojo: .venv-agentdojo/.synced ## AgentDojo's tool calls through the real sidecar. Writes bench/results/agentdojo.json
	@.venv-agentdojo/bin/python -m pytest -q tests/agentdojo
	@.venv-agentdojo/bin/python -m bench.agentdojo $(ARGS)

.PHONY: workspaces
workspaces: .venv/.synced-dev ## Requests and attacks of two workspaces through the real sidecar; ARGS=--help. Writes bench/results/workspaces.json
	@$(RUN)python -m bench.workspaces $(ARGS)

# --- Housekeeping ------------------------------------------------------------

.PHONY: clean
clean: ## Remove what was built (not the caches under ~/.cache)
	rm -rf .venv .venv-agentdojo .venv-frameworks .venv-other .bootstrap .cache dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage \
	  engine/tabard_opa/_lib engine/cli/tabard_opa_cli/_lib sidecar/tabard_sidecar/_rego

.PHONY: help
help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-18s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))
