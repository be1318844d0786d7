"""Baselines of a data set, counted on the train split and measured on the eval split."""

from __future__ import annotations

from pipeline.config.spec import Config


def measure_baselines(
    config: Config, graph: str, examples: str, split: str = "eval"
) -> dict[str, dict[str, float | None]]:
    """Return the metrics of each baseline that applies; None for a metric that the baseline does not have.

    The node Baselines measures the same models on the test split, from which no default may be chosen.

    Args:
        config: Configuration of the data.
        graph: Folder of the Transform graph, with the vocabularies.
        examples: Folder of the rows of ExampleGen, with a folder for each split. If positions of rows are split, a row
            of the eval split says which of its positions are labels.
        split: Split to measure.

    Raises:
        ValueError: The train split has no known label, or the other split no label.
    """
    import tensorflow_transform as tft

    from components.baselines.ngrams import Baselines
    from components.baselines.reading import Encoder, read_records
    from components.files import matching
    from components.metrics.targets import label_target
    from components.preprocessing.vocabulary import vocabularies

    data, evaluation, mixture = config.data, config.evaluation, config.trainer.head.mixture
    known = vocabularies(tft.TFTransformOutput(graph))
    encoder = Encoder(data, known["inputs"], known["labels"])
    target = label_target(data, exclude_seen=evaluation.exclude_seen)
    most = mixture.max_ngrams if mixture else None
    baselines = Baselines(data.shape, target, encoder, evaluation.bands, evaluation.exclude_seen, most)
    for path in matching([f"{examples}/Split-train/*"]):
        for records in read_records(path):
            baselines.count(encoder(records))
    baselines.estimate()
    for path in matching([f"{examples}/Split-{split}/*"]):
        for records in read_records(path):
            baselines.measure(encoder(records))
    return baselines.summary()["metrics"]
