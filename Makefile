# Verbs for contributors. Users need only the README.
.PHONY: help run test quick-test properties wrong-configurations faults fresh-machine soak image flink format lint \
	schema lock vega audit licenses sbom docs docs-serve docs-check
help:        ## list the verbs
	@sed -n 's/^\([a-z-]*\): *## */\1\t/p' $(MAKEFILE_LIST)
run:         ## run the pipeline on the default data
	./with-env bigvocab run
test:        ## run all tests
	./with-env pytest
quick-test:  ## run the tests that take seconds
	./with-env pytest -m "not slow"
properties:  ## run the property tests with five times the examples that they name
	BIGVOCAB_DRAWN=5 ./with-env pytest -m hypothesis
wrong-configurations: ## draw 5,000 wrong configurations; each must be refused with all of its faults
	BIGVOCAB_EXAMPLES=5000 ./with-env pytest -n 0 tests/pipeline/config/test_wrong_configurations.py
faults:      ## inject 500 faults into the file operations of a run, one at a time; resumes where it was interrupted
	./with-env python -m tests.faults $(FAULTS)
fresh-machine: ## run the first command and the quick tests on minimal Debian 12 and 13 systems from debootstrap (root)
	python3 -m tests.fresh_machine $(FRESH)
soak:        ## run the pipeline fifty times over rolling spans, and check the disk and the metadata queries; half an hour of CPU
	./with-env python -m tests.soak $(SOAK)
image:       ## build the image with buildah, and run a pipeline with one container for each node (root, 20 GB)
	BIGVOCAB_EXTRAS=kubeflow ./with-env python -m tests.image $(IMAGE)
flink:       ## run only the tests on a real Flink; downloads Flink and Beam's job server into ~/.cache/bigvocab
	./with-env pytest -n 0 -rs tests/flink
format:      ## format, and apply the automatic fixes of ruff
	./with-env ruff format .
	./with-env ruff check --fix .
lint:        ## check format, lint, types and import contracts
	./with-env ruff format --check .
	./with-env ruff check .
	./with-env pyright
	./with-env lint-imports
docs:        ## build the documentation site in site/; a broken link or anchor is an error
	BIGVOCAB_EXTRAS=docs NO_MKDOCS_2_WARNING=1 ./with-env python -m mkdocs build --strict
docs-serve:  ## show the documentation site at http://localhost:8000 while you edit
	BIGVOCAB_EXTRAS=docs NO_MKDOCS_2_WARNING=1 ./with-env python -m mkdocs serve
docs-check:  ## execute the commands of the tutorial and the how-to pages, as a reader would; half an hour on two cores
	./with-env python -m tests.docs $(DOCS)
schema:      ## write schemas/bigvocab.schema.json from the types of the configuration
	./with-env python -m pipeline.config.json_schema
lock:        ## update uv.lock from pyproject.toml
	uv lock
vega:        ## copy Vega-Lite, which the report embeds, from the locked vl-convert
	BIGVOCAB_EXTRAS=browser ./with-env python -m docs.tools.vega
audit:       ## report the known vulnerabilities of the locked packages (needs api.osv.dev)
	./with-env python -m tests.supply_chain audit
licenses:    ## write docs/reference/licenses.md from the metadata of the locked packages
	BIGVOCAB_EXTRAS="kubeflow sql onnx profile" ./with-env python -m tests.supply_chain licenses
sbom:        ## write the locked packages of users to dist/bigvocab.cdx.json, in the format CycloneDX
	mkdir -p dist
	./with-env sh -c '"$$UV" export --quiet --locked --all-extras --no-default-groups --format cyclonedx1.5 \
	  --output-file dist/bigvocab.cdx.json'
