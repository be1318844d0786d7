"""Flink job in SQL, without Beam."""

from __future__ import annotations

import subprocess
from pathlib import Path

from apache_beam.utils.subprocess_server import JavaHelper

from tests.flink.cluster import JAVA_17, Cluster


def count_slowly(home: Path, cluster: Cluster, folder: Path) -> subprocess.Popen[str]:
    """Start a job that counts the numbers from 1 to 42: two at once, the others at four per second.

    The counts are written to files in `folder`/counted. A JDK is needed, because the job is a single-file Java program.
    """
    statements = [
        _numbers("few", 1, 2),
        _numbers("many", 3, 42, "'rows-per-second' = '4'"),
        "CREATE TABLE counted (n BIGINT, times BIGINT) WITH "
        f"('connector' = 'filesystem', 'format' = 'csv', 'path' = '{(folder / 'counted').as_uri()}')",
        "INSERT INTO counted SELECT n, COUNT(*) FROM (SELECT n FROM few UNION ALL SELECT n FROM many) GROUP BY n",
    ]
    command = [
        JavaHelper.get_java(),
        "-classpath",
        f"{home}/lib/*",
        *JAVA_17,
        str(Path(__file__).with_name("Sql.java")),
    ]
    with (folder / "sql.log").open("w") as log:
        return subprocess.Popen(
            [*command, *cluster.address.split(":"), *statements], stdout=log, stderr=subprocess.STDOUT, text=True
        )


def counted(folder: Path) -> list[tuple[int, int]]:
    """Return the numbers and their counts."""
    lines = [line for file in (folder / "counted").iterdir() for line in file.read_text().split()]
    return sorted((int(number), int(times)) for number, times in (line.split(",") for line in lines))


def _numbers(table: str, first: int, last: int, *more: str) -> str:
    said = ["'connector' = 'datagen'", f"'number-of-rows' = '{last - first + 1}'", "'fields.n.kind' = 'sequence'"]
    said += [f"'fields.n.start' = '{first}'", f"'fields.n.end' = '{last}'", *more]
    return f"CREATE TABLE {table} (n BIGINT) WITH ({', '.join(said)})"
