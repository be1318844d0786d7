"""Has Kubeflow Pipelines itself start a run again and again: no CronJob, and all runs stand in one list.

    bigvocab compile mine.yaml -o pipeline.yaml
    python kubeflow/recurring_run.py pipeline.yaml --cron "0 0 3 * * *" --parameter epochs=2

There is no manifest for it: Kubeflow Pipelines keeps recurring runs in its own database and makes the ScheduledWorkflow
of each from there; one that is put beside them by hand is none of its own. What has not changed since the last run is
taken from ML Metadata, so a night without new data takes minutes.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import kfp


def main() -> None:
    parser = argparse.ArgumentParser(
        description=(__doc__ or "").splitlines()[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("pipeline", type=Path, help="what `bigvocab compile` wrote")
    parser.add_argument("--cron", default="0 0 3 * * *", help="six fields, seconds first, in UTC")
    parser.add_argument("--name", default="bigvocab-nightly", help="of the recurring run; one of this name is replaced")
    parser.add_argument("--experiment", default="bigvocab", help="where its runs are listed")
    parser.add_argument("--parameter", action="append", default=[], metavar="NAME=VALUE", help="of the pipeline")
    parser.add_argument("--host", help="address of the API; without one, as the SDK finds it")
    parser.add_argument("--namespace", help="on a cluster with several users: the Profile's")
    parser.add_argument("--service-account", help="on a cluster with several users: default-editor")
    asked = parser.parse_args()

    client = kfp.Client(host=asked.host, namespace=asked.namespace or "kubeflow")
    experiment = client.create_experiment(asked.experiment, namespace=asked.namespace)
    experiment_id = str(experiment.experiment_id)
    found = client.list_recurring_runs(experiment_id=experiment_id, page_size=100).recurring_runs
    made = client.create_recurring_run(
        experiment_id=experiment_id,
        job_name=asked.name,
        cron_expression=asked.cron,
        # One at a time, and none in place of those that were missed: the next one sees all the data there is.
        max_concurrency=1,
        no_catchup=True,
        pipeline_package_path=str(asked.pipeline),
        params=dict(map(_parameter, asked.parameter)),
        service_account=asked.service_account,
    )
    for old in found or []:
        if old.display_name == asked.name:
            client.delete_recurring_run(old.recurring_run_id)
    print(f"{asked.name}: recurring run {made.recurring_run_id}, {asked.cron}")


def _parameter(said: str) -> tuple[str, Any]:
    """As in `epochs=2`: JSON where it is JSON, else text."""
    name, _, value = said.partition("=")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


if __name__ == "__main__":
    main()
