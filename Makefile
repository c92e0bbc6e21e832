# All that a person or CI does here. The first use of an environment makes it from its hashed lock; a changed lock makes
# it again.
.DEFAULT_GOAL := help

## interpreter of the environments in .venv/
PYTHON ?= python3
## photo for `predict`: a path or a URL
IMAGE ?= examples/cat.jpg
## event file for `invoke`
EVENT ?= events/image.json
## function for `invoke`, as template.yaml names it
FUNCTION ?= ClassifyFunction
## port of `serve`
PORT ?= 8000
## your own photos for `train`, `convert` and `publish`: a folder with one sub-folder per class
DATA ?=
## network that `train` trains beside the small CNN
BACKBONE ?= mobilenetv2
## folder of the run; by default runs/cats_vs_dogs, or runs/FOLDER of DATA
RUN ?=
# A test waits for a server or a container while others compute.
ONE_MORE_THAN_PROCESSORS := $(shell expr $$(getconf _NPROCESSORS_ONLN) + 1)
## test processes that run at once; default: one more than processors
WORKERS ?=
## flags of `python -m train`
TRAIN_FLAGS ?=
## flags of `python -m convert`
CONVERT_FLAGS ?=
## flags of `python -m evaluate check`
CHECK_FLAGS ?=
## flags of `python -m benchmarks`
BENCHMARK_FLAGS ?=
## flags of `sam build`
BUILD_FLAGS ?=
## flags of `sam local invoke`
INVOKE_FLAGS ?=

# The last part of a path, which may hold spaces.
space := $(subst ,, )
last_part = $(subst |,$(space),$(notdir $(lastword $(abspath $(subst $(space),|,$1)))))
# As they were typed, in the environment: a space, a "$$" or a quote in a name means nothing to make or the shell.
predict: override export IMAGE := $(value IMAGE)
train convert publish: override export DATA := $(value DATA)
train convert publish: override export RUN := $(or $(value RUN),runs/$(or $(call last_part,$(value DATA)),cats_vs_dogs))
invoke: override export EVENT := $(value EVENT)

PHOTOS = $(if $(DATA),--data-dir "$$DATA")
PYTHON311 := $(shell command -v python3.11)
RUNTIMES := $(if $(PYTHON311),--runtime-python .venv/tflite-runtime-test/bin/python)
SAM := SAM_CLI_TELEMETRY=0 .venv/sam/bin/sam
LOCK := .venv/dev/bin/pip-compile --quiet --strip-extras --generate-hashes --no-emit-index-url --no-emit-find-links \
	--allow-unsafe --no-header
# LiteRT's Python package requires these; its C library, which serve uses, does not. What is locked is in the image.
LIBRARY_ONLY := --no-allow-unsafe $(addprefix --unsafe-package=,backports-strenum flatbuffers ml-dtypes numpy protobuf)
SERVE_ONLY := $(LIBRARY_ONLY) $(addprefix --unsafe-package=,tqdm typing-extensions)

# The tests of a file share servers, models and browsers: they stay in one process. tests/conftest.py orders the files.
PARALLEL := -n $(or $(WORKERS),$(ONE_MORE_THAN_PROCESSORS)) --dist loadfile --no-loadscope-reorder
# What depends on the runtime: all else of `serve`, decoding too, has the same packages with either.
OF_THE_RUNTIME := $(patsubst %,tests/serve/%.py,test_app adapters/test_direct \
	$(addprefix model/test_,c_stderr classifier explanation interpreter log model_file))
# What has passed beside the serving requirements alone is not repeated in the development environment.
PASSED := .cache/tests-passed
# The tests of serve, and those of local that start no service.
STARTS := tests/local/test_backlog.py tests/local/test_cli.py tests/local/test_server.py
FAST := tests/serve $(filter-out $(STARTS),$(wildcard tests/local/test_*.py))

.PHONY: help predict serve screenshots test test-fast coverage check audit docs format hooks train convert publish build invoke \
	api deploy graviton lint-template benchmarks notebook lock clean
.SECONDARY:

help:  ## list the targets and the variables
	@printf 'Targets:\n'
	@sed -nE 's/^([a-z][a-z-]*):.*  ## (.*)/\1|\2/p' $(firstword $(MAKEFILE_LIST)) | awk -F'|' '{ printf "  %-17s%s\n", $$1, $$2 }'
	@printf '\nVariables (make TARGET NAME=VALUE):\n'
	@awk '/^## / { text = substr($$0, 4); next } \
	  text && / \?=/ { name = $$1; sub(/^[A-Z_]+ \?= */, ""); printf "  %-17s%s%s\n", name, text, $$0 == "" ? "" : " (" $$0 ")" } \
	  { text = "" }' $(firstword $(MAKEFILE_LIST))

predict: .venv/serve/installed  ## classify a photo through the Lambda handler: make predict IMAGE=path-or-URL
	@LOG_LEVEL=ERROR .venv/serve/bin/python lambda_function.py "$$IMAGE"

serve: .venv/local/installed  ## run the service and its page on this machine: make serve PORT=8000
	.venv/local/bin/uvicorn local.server:app --port $(PORT) --limit-concurrency 256 --no-access-log

screenshots: .venv/dev/installed  ## take the pictures of the page in docs/
	SCREENSHOTS=docs .venv/dev/bin/python -m pytest tests/e2e/test_page.py -q -k screenshot

test: .venv/dev/installed .venv/serve-test/installed .venv/tflite-runtime-test/installed .venv/sam/installed  ## run all tests, in three environments
	.venv/serve-test/bin/python -m pytest -q $(PARALLEL) --write-passed=$(PASSED) tests/serve
	@if [ -x .venv/tflite-runtime-test/bin/python ]; then \
	  .venv/tflite-runtime-test/bin/python -m pytest -q $(PARALLEL) $(OF_THE_RUNTIME); \
	else echo "NOT TESTED: tflite-runtime, which needs Python 3.11"; fi
	.venv/dev/bin/python -m pytest $(PARALLEL) --skip-passed=$(PASSED) tests

test-fast: .venv/dev/installed  ## run tests/serve and the units of local: no browser, container or training
	.venv/dev/bin/python -m pytest -q $(PARALLEL) --hypothesis-profile=fast -m "not (browser or container or training)" $(FAST)

coverage: .venv/dev/installed  ## measure the branch coverage of serve/, in process
	.venv/dev/bin/coverage run -m pytest -q tests/serve tests/local tests/fuzz tests/test_lambda_function.py
	.venv/dev/bin/coverage report

check: .venv/dev/installed .venv/audit/installed .venv/lint/installed  ## check format, lint, types, import rules, links, workflows and security
	.venv/dev/bin/ruff format --check .
	.venv/dev/bin/ruff check .
	.venv/dev/bin/mypy
	.venv/dev/bin/lint-imports
	.venv/dev/bin/python -m pytest -q tests/test_documents.py
	.venv/dev/bin/bandit --quiet --recursive serve lambda_function.py
	.venv/lint/bin/actionlint -shellcheck .venv/lint/bin/shellcheck
	.venv/lint/bin/zizmor --offline --quiet --persona pedantic .github
	.venv/lint/bin/shellcheck .ci/run .github/actions/*/*.sh
	git ls-files -z | grep -zv '^\(benchmarks/\)\?requirements/' | xargs -0 .venv/audit/bin/detect-secrets-hook --baseline .secrets.baseline

audit: .venv/audit/installed  ## look up known vulnerabilities of the locked packages on PyPI
	for lock in requirements/*.txt; do .venv/audit/bin/pip-audit --disable-pip --require-hashes --requirement $$lock || exit 1; done

docs: .venv/local/installed  ## write docs/settings.md from the settings
	.venv/local/bin/python -m local.settings_page

format: .venv/dev/installed  ## format the code and apply the safe lint fixes
	.venv/dev/bin/ruff format .
	.venv/dev/bin/ruff check --fix .

hooks: .venv/dev/installed .venv/audit/installed .venv/lint/installed  ## run quick checks before each git commit
	.venv/lint/bin/pre-commit install

train: .venv/dev/installed  ## train on cats_vs_dogs, or on DATA=FOLDER; TRAIN_FLAGS="--weights FILE" where Keras cannot download
	.venv/dev/bin/python -m train --model baseline $(PHOTOS) --output "$$RUN" $(TRAIN_FLAGS)
	.venv/dev/bin/python -m train --model $(BACKBONE) $(PHOTOS) --output "$$RUN" $(TRAIN_FLAGS)

convert: .venv/dev/installed .venv/tflite-runtime-test/installed  ## convert the network of $(RUN) to int8 for LiteRT and float16 for tflite-runtime
	.venv/dev/bin/python -m convert --model "$$RUN/model.keras" $(PHOTOS) $(RUNTIMES) $(CONVERT_FLAGS)

publish: .venv/dev/installed  ## check the files of $(RUN) and put them in models/; CHECK_FLAGS="--photos FOLDER"
	.venv/dev/bin/python -m evaluate check --model "$$RUN/model.tflite" $(PHOTOS) $(CHECK_FLAGS)
	.venv/dev/bin/python -m evaluate publish "$$RUN" $(PHOTOS)

build: .venv/sam/installed  ## build the container image
	$(SAM) build $(BUILD_FLAGS)

invoke: .venv/sam/installed  ## run the function once in its container: make invoke EVENT=events/url.json
	$(SAM) local invoke $(FUNCTION) -e "$$EVENT" $(INVOKE_FLAGS)

api: .venv/sam/installed  ## run the API in its container, on localhost:3000
	$(SAM) local start-api --warm-containers LAZY

deploy: .venv/sam/installed  ## deploy to AWS, step by step
	$(SAM) deploy --guided

lint-template: .venv/dev/installed .venv/sam/installed .venv/deploy/installed .venv/guard/installed  ## lint the templates and Dockerfiles
	AWS_DEFAULT_REGION=us-east-1 $(SAM) validate --lint
	.venv/sam/bin/cfn-lint --regions us-east-1 --template stacks/*.yaml
	.venv/deploy/bin/hadolint Dockerfile.lambda Dockerfile.train k8s/Dockerfile
	.venv/deploy/bin/checkov -f template.yaml stacks/*.yaml Dockerfile.lambda Dockerfile.train k8s/Dockerfile --skip-download --compact --quiet
	.venv/dev/bin/python -m tests.stacks.guard .venv/guard

graviton: .venv/dev/installed  ## build the image on an emulated Graviton2 (Debian, root, Podman)
	.venv/dev/bin/python -m tests.e2e.arm64

notebook: .venv/dev/installed  ## run the notebook on all photos; NOTEBOOK_PHOTOS=200: on a slice
	.venv/dev/bin/python notebooks/execute.py

benchmarks: .venv/dev/installed .venv/sam/installed  ## measure speed, size and cost beside the baselines; BENCHMARK_FLAGS="--rounds 3"
	.venv/dev/bin/python -m benchmarks $(BENCHMARK_FLAGS)

lock: .venv/dev/installed  ## compile requirements/*.txt from pyproject.toml and requirements/*.in
	$(LOCK) $(SERVE_ONLY) pyproject.toml --extra litert --output-file requirements/serve.txt
	$(LOCK) $(SERVE_ONLY) pyproject.toml --extra litert --extra test --output-file requirements/serve-test.txt
	$(LOCK) pyproject.toml --extra tflite-runtime --output-file requirements/serve-tflite-runtime.txt
	$(LOCK) pyproject.toml --extra tflite-runtime --extra test --output-file requirements/tflite-runtime-test.txt
	$(LOCK) pyproject.toml --extra litert --extra train --output-file requirements/train.txt
	$(LOCK) $(LIBRARY_ONLY) pyproject.toml --extra litert --extra local --output-file requirements/local.txt
	$(LOCK) pyproject.toml --extra litert --extra local --extra train --extra test --extra dev --output-file requirements/dev.txt
	$(LOCK) --output-file requirements/sam.txt requirements/sam.in
	$(LOCK) --output-file requirements/audit.txt requirements/audit.in
	$(LOCK) --output-file requirements/deploy.txt requirements/deploy.in
	$(LOCK) --output-file requirements/lint.txt requirements/lint.in
	$(LOCK) --output-file requirements/runtime-client.txt requirements/runtime-client.in
	for name in tutorial onnx keras fastapi; do \
	  $(LOCK) --output-file benchmarks/requirements/$$name.txt benchmarks/requirements/$$name.in || exit 1; done

clean:  ## delete the environments and the cache
	rm -rf .venv .cache

# A lock names every package: --no-deps keeps pip from resolving again, which older versions get wrong.
.venv/tflite-runtime-test/installed: requirements/tflite-runtime-test.txt
	@mkdir -p $(@D)
ifneq ($(PYTHON311),)
	$(PYTHON311) -m venv --clear $(@D)
	$(@D)/bin/python -m pip install --quiet --no-deps --require-hashes --requirement $<
endif
	@touch $@

.venv/%/installed: requirements/%.txt
	$(PYTHON) -m venv --clear $(@D)
	$(@D)/bin/python -m pip install --quiet --no-deps --require-hashes --requirement $<
	@touch $@
