"""Results that are the same for each command, computed at the import: before the fork server forks a command.

Nothing here starts a thread. Sources of BigVocab, which a running test suite does not change, are read once.
"""

from __future__ import annotations

from components.code import fingerprint
from components.report.html import page

# As the nodes ask, so that the results are taken from the cache.
for _modules in (
    ("components.baselines.component",),
    ("components.data_validation.statistics_gen",),
    ("components.data_validation.validator",),
    ("components.defaults.component",),
    ("components.evaluation.executor",),
    ("components.infra_validation.component",),
    ("components.ingest.component",),
    ("components.preprocessing.preprocessing", "components.preprocessing.component"),
    ("components.pushing.component",),
    ("components.training.run",),
):
    fingerprint(*_modules)
page()
