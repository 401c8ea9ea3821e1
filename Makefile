# Spark Inference Lab. `make` alone prints what there is.
.DEFAULT_GOAL := help
.PHONY: help run test lab up up-gpu url doctor logs down test-compose bench notebooks lint lock clean

BIN := .venv/bin
RESULTS := $(or $(INFERLAB_STORAGE),share_storages)/results
DATA ?= $(or $(INFERLAB_STORAGE),share_storages)/data/flowers
MODEL ?= flowers
ROWS ?= 100,400,1600

help: ## print this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | awk -F'\t' '{printf "  make %-13s %s\n", $$1, $$2}'

run: .venv/lab.stamp ## from a bare clone to the comparison chart, on this machine: about 5 minutes, then 2
	@mkdir -p $(RESULTS)/run
	$(BIN)/python -m inferlab.samples
	$(BIN)/papermill --cwd notebooks --no-log-output notebooks/04_compare.ipynb $(RESULTS)/run/04_compare.ipynb \
		-p out "$(abspath $(RESULTS))/run"
	$(BIN)/jupyter nbconvert --log-level ERROR --to html $(RESULTS)/run/04_compare.ipynb
	@$(BIN)/python -m inferlab.results $(RESULTS)/run
	@printf '\nChart:    %s\nNotebook: %s\n          %s\n' \
		$(RESULTS)/run/comparison.png $(RESULTS)/run/04_compare.ipynb $(RESULTS)/run/04_compare.html

test: .venv/dev.stamp ## all tests that need no Docker: about 13 minutes
	$(BIN)/python -m pytest --ignore tests/compose
	$(BIN)/python -m inferlab.samples
	cd notebooks && ../$(BIN)/python -m pytest -p no:cacheprovider --nbval-lax 00_check_the_lab.ipynb 01_load_the_data.ipynb

lab: .venv/lab.stamp ## JupyterLab on this machine, at an address that only this machine can open
	$(BIN)/python -m inferlab.samples
	$(BIN)/jupyter lab --config jupyterlab/jupyter_server_config.py --LabApp.app_settings_dir=jupyterlab/settings

up: ## the Compose cluster: a Spark master, two workers and JupyterLab; prints the address that opens
	@spark/bin/compose.sh up

up-gpu: ## the same with one more worker, which sees all GPUs of this machine
	@spark/bin/compose.sh up --profile gpu

url: ## print the address again
	@spark/bin/compose.sh url

doctor: ## say whether the Compose cluster is fit, and the cure for what is not
	@docker compose exec jupyterlab inferlab doctor

logs: ## what the services say, as they say it
	@docker compose logs --follow --tail 100

down: ## stop the cluster; data, models, results and the notebooks stay
	@docker compose --profile gpu down --remove-orphans

test-compose: .venv/dev.stamp ## the tests in real containers, in a project of their own; needs Docker, about 15 minutes
	$(BIN)/python -m pytest tests/compose

bench: .venv/lab.stamp ## the full measurement; DATA=folder MODEL=name ROWS=100,400,1600 choose what
	$(BIN)/python -m inferlab.samples
	$(BIN)/inferlab compare --data $(DATA) --model $(MODEL) --rows $(ROWS) \
		--engines keras,keras_on_batch,openvino --precision f32,bf16

notebooks: .venv/dev.stamp ## execute the notebooks and keep their outputs, for committing
	$(BIN)/python jupyterlab/execute.py notebooks/*.ipynb notebooks/solutions/*.ipynb

lint: .venv/dev.stamp ## ruff, on code and notebooks
	$(BIN)/ruff check .
	$(BIN)/ruff format --check spark tests jupyterlab

lock: .venv/dev.stamp ## compile the locks anew from pyproject.toml
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --upgrade --python-version 3.11 --extra lab pyproject.toml -o requirements.lock
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --python-version 3.11 --extra dev --constraint requirements.lock \
		pyproject.toml -o requirements-dev.lock
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --python-version 3.11 --extra gpu --constraint requirements.lock \
		pyproject.toml -o requirements-gpu.lock

clean: ## remove the environment; data, models and results stay
	rm -rf .venv

.venv/lab.stamp: requirements.lock pyproject.toml spark/bin/environment.sh
	spark/bin/environment.sh requirements.lock
	@touch $@

# The development packages are the lab's and some more, so whoever has them has the lab.
.venv/dev.stamp: requirements-dev.lock pyproject.toml spark/bin/environment.sh
	spark/bin/environment.sh requirements-dev.lock
	@touch .venv/lab.stamp $@
