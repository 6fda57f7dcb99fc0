# make up      everything on this machine        make test    the tests
# make check   style, types, imports, settings   make recorded DATA=DIR   the journey on recorded data
# make deep    long runs                       make mutants the code broken on purpose: a test must notice

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
INSTALLED_DEV := $(VENV)/.installed-dev
DATA ?=
SEEDS ?= 60
PYTEST_ARGS ?= -n 2 -m "not browser and not deep"

.PHONY: up test check recorded deep simulate mutants clean

up: $(INSTALLED)
	@exec $(BIN)/python manage.py up

test: $(INSTALLED_DEV)
	$(BIN)/pytest $(PYTEST_ARGS)

check: $(INSTALLED_DEV)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	DEBUG=1 $(BIN)/python manage.py makemigrations --check --dry-run
	env -u DEBUG -u INSECURE_HTTP SECRET_KEY="$$($(BIN)/python -c 'import secrets; print(secrets.token_urlsafe(60))')" \
		CREDENTIAL_KEYS="1:$$($(BIN)/python -c 'import base64, secrets; print(base64.b64encode(secrets.token_bytes(32)).decode())')" \
		DATABASE_URL=postgres://127.0.0.1/itomarkets ALLOWED_HOSTS=example.com \
		$(BIN)/python manage.py check --deploy --fail-level WARNING

recorded: $(INSTALLED)
	@test -n "$(DATA)" || { echo "Say where the recorded data is: make recorded DATA=path/to/folder"; exit 2; }
	$(BIN)/python manage.py recorded --data "$(DATA)"

deep: $(INSTALLED_DEV) mutants
	$(BIN)/pytest -m deep
	$(MAKE) simulate SEEDS=1000

# Trading under seeded faults, on the PostgreSQL of DATABASE_URL where there is one; the secrets are for this run alone.
simulate: $(INSTALLED_DEV)
	@env INSECURE_HTTP=1 REDIS_URL= LOG_LEVEL=CRITICAL ITO_VAR="$$(mktemp -d)" \
		SECRET_KEY="$$($(BIN)/python -c 'import secrets; print(secrets.token_urlsafe(60))')" \
		CREDENTIAL_KEYS="1:$$($(BIN)/python -c 'import base64, secrets; print(base64.b64encode(secrets.token_bytes(32)).decode())')" \
		$(BIN)/python -W ignore manage.py simulate_faults --seeds $(SEEDS) --jobs 2 --json

mutants: $(INSTALLED_DEV)
	$(BIN)/python tools/mutants.py

$(INSTALLED): requirements.txt constraints.txt
	@$(PYTHON) tools/make_venv.py $(VENV) requirements.txt
	@touch $@

$(INSTALLED_DEV): requirements.txt requirements-dev.txt constraints.txt
	@$(PYTHON) tools/make_venv.py $(VENV) requirements-dev.txt
	@touch $@ $(INSTALLED)

clean:
	rm -rf $(VENV) staticfiles .mypy_cache .ruff_cache .pytest_cache
