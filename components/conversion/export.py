"""Export of a pushed model to a folder of files for other programs."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from components.conversion import npz
from components.conversion.checks import TOLERANCE, Comparison, compare
from components.conversion.errors import ConversionError
from components.conversion.folder import vocabularies, write_about, write_vocabularies
from components.conversion.model import VectorModel
from components.conversion.rows import rows_of
from components.files import commit

Format = Literal["npz", "onnx"]


@dataclass(frozen=True)
class Exported:
    """Exported model.

    Attributes:
        file: File with the vectors or the model.
        size: Bytes of the file.
        classes: Number of classes.
        width: Number of coordinates of a class vector.
        rows: Number of rows of the comparison.
        origin: Origin of these rows, in words.
        comparison: Comparison of the vectors with the answers of the pushed model.
        difference: Largest difference of the ONNX file from TensorFlow; None for NumPy.
        opset: Version of the operations of the ONNX file; None for NumPy.
        beside: Part of the pushed model's answers that the files do not contain, or None.
        approximate: True if the pushed model answers by an approximate search.
    """

    file: Path
    size: int
    classes: int
    width: int
    rows: int
    origin: str
    comparison: Comparison
    difference: float | None
    opset: int | None
    beside: str | None
    approximate: bool


def export(version: Path, kind: Format, output: Path, rows: str | None = None) -> Exported:
    """Write a pushed model to a new folder, which appears only when it is complete and compared.

    Args:
        version: Folder of one version.
        kind: Format of the files.
        output: New folder.
        rows: File of rows for the comparison. None: the test split of the run.

    Raises:
        ConversionError: The folder exists, the model has no class vectors, there are no rows, or, with the exit code
            `FAILED`, the answers differ.
        PredictError: The model or the rows cannot be read.
    """
    if output.exists():
        raise ConversionError(f"{output} exists already: name a new folder by -o")
    model = VectorModel(version)
    examples, origin = rows_of(model, rows)
    queries, inputs = model.queries(examples)
    found = vocabularies(model)
    comparison = compare(model, found["labels"].tokens, examples, queries)
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{output.name}-", dir=output.parent) as name:
        folder = Path(name) / "files"
        folder.mkdir()
        difference = opset = None
        more = {"rows": len(examples), "agreement": comparison.agreement, "difference": comparison.difference}
        if kind == "onnx":
            from components.conversion import onnx_model

            written = onnx_model.write(folder, model, inputs)
            file, difference, opset = written.file, written.difference, onnx_model.OPSET
            more |= {"onnx_difference": difference, "opset": opset}
        else:
            file = npz.write(folder, model)
        write_vocabularies(folder, found)
        write_about(folder, model, found, tolerance=TOLERANCE, **more)
        size = file.stat().st_size
        commit(folder, output)
    classes, width = model.vectors.shape
    return Exported(
        output / file.name, size, classes, width, len(examples), origin, comparison, difference, opset, model.beside,
        model.approximate,
    )  # fmt: skip
