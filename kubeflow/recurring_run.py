"""Create a recurring run in Kubeflow Pipelines. It needs no CronJob, and all its runs are in one list.

    bigvocab compile mine.yaml -o pipeline.yaml
    python kubeflow/recurring_run.py pipeline.yaml --cron "0 0 3 * * *" --parameter epochs=2

A manifest cannot replace this script: Kubeflow Pipelines keeps recurring runs in its own database and creates a
ScheduledWorkflow for each of them. It ignores a ScheduledWorkflow that is created by hand. ML Metadata caches the nodes
that have not changed since the last run, so a night without new data takes minutes.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import kfp


def main() -> None:
    """Create the recurring run that the command line describes, then delete older ones of its name."""
    parser = argparse.ArgumentParser(
        description=(__doc__ or "").splitlines()[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("pipeline", type=Path, help="output of `bigvocab compile`")
    parser.add_argument("--cron", default="0 0 3 * * *", help="six fields, seconds first, in UTC")
    parser.add_argument(
        "--name", default="bigvocab-nightly", help="name of the recurring run; replaces a recurring run of this name"
    )
    parser.add_argument("--experiment", default="bigvocab", help="experiment of the runs")
    parser.add_argument("--parameter", action="append", default=[], metavar="NAME=VALUE", help="pipeline parameter")
    parser.add_argument("--host", help="address of the API; default: the SDK finds it")
    parser.add_argument("--namespace", help="namespace of the Profile, on a cluster with several users")
    parser.add_argument("--service-account", help="default-editor, on a cluster with several users")
    asked = parser.parse_args()

    client = kfp.Client(host=asked.host, namespace=asked.namespace or "kubeflow")
    experiment = client.create_experiment(asked.experiment, namespace=asked.namespace)
    experiment_id = str(experiment.experiment_id)
    found = client.list_recurring_runs(experiment_id=experiment_id, page_size=100).recurring_runs
    made = client.create_recurring_run(
        experiment_id=experiment_id,
        job_name=asked.name,
        cron_expression=asked.cron,
        # Only one run at a time. Missed runs are not made up for, because the next run reads all data.
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
    """Parse `NAME=VALUE`. A value that is not JSON is text."""
    name, _, value = said.partition("=")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


if __name__ == "__main__":
    main()
