# Verbs for people who work on BigVocab. Users need none of them: see the README.
.PHONY: help run test quick-test fresh-machine flink format lint schema lock
help:        ## this list
	@sed -n 's/^\([a-z-]*\): *## */\1\t/p' $(MAKEFILE_LIST)
run:         ## the main job on the default data
	./with-env bigvocab run
test:        ## all tests
	./with-env pytest
quick-test:  ## the tests that take seconds
	./with-env pytest -m "not slow"
fresh-machine: ## first command and quick tests on a minimal Debian 12 and 13, built by debootstrap (root)
	python3 -m tests.fresh_machine $(FRESH)
flink:       ## the tests on a real Flink alone; fetches it, and Beam's job server, into ~/.cache/bigvocab
	./with-env pytest -n 0 -rs tests/flink
format:      ## format and mend what can be mended by itself
	./with-env ruff format .
	./with-env ruff check --fix .
lint:        ## format, lint, types, import contracts
	./with-env ruff format --check .
	./with-env ruff check .
	./with-env pyright
	./with-env lint-imports
schema:      ## write schemas/bigvocab.schema.json from the configuration's types
	./with-env python -m pipeline.config.json_schema
lock:        ## bring uv.lock up to date with pyproject.toml
	uv lock
