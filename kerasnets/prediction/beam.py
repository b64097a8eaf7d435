"""Answers by Apache Beam: each shard is an element, which a worker takes whole.

Where Beam gives a shard to a second worker, since the first was lost, that one goes on where the
first stopped. All workers must see the images and the folder of the file.
"""

from __future__ import annotations

import dataclasses
import functools
import shlex
from dataclasses import dataclass

from kerasnets.errors import UserError
from kerasnets.files import write_text
from kerasnets.lazy import installed
from kerasnets.prediction.config import ClientConfig, RunnerConfig
from kerasnets.prediction.merging import divisions, merge
from kerasnets.prediction.models import open_model
from kerasnets.prediction.prediction import ImageModel
from kerasnets.prediction.shards import Shard
from kerasnets.prediction.sources import STANDARD_INPUT, items
from kerasnets.prediction.writing import Out, write_answers


@dataclass(frozen=True)
class Job:
    """What is asked of which images.

    Attributes:
        model: Where the model is, see `kerasnets.prediction.open_model`.
        sources: The images, see `kerasnets.prediction.sources.items`.
        out: Where all answers go.
        client: How a server is asked.
    """

    model: str
    sources: tuple[str, ...]
    out: Out
    client: ClientConfig

    def answer(self, shard: Shard) -> None:
        """Answers on the images of a shard, or on those that an earlier worker has left.

        What is refused stands in ``FILE.refused``: Beam would ask again after an error.
        """
        out = dataclasses.replace(self.out, shard=shard)
        try:
            if out.begin(resume=True):
                write_answers(_model(self.model, self.client), items(self.sources), out)
        except UserError as error:
            write_text(out.beside("refused"), str(error))


def predict_by_beam(
    job: Job, runner: RunnerConfig, *, resume: bool = False, overwrite: bool = False
) -> tuple[int, int]:
    """Writes the answers on all images, in their order.

    Args:
        job: The work.
        runner: How Beam is run.
        resume: Whether to go on with the shards that a stopped pipeline has left.
        overwrite: Whether what is there is removed first.

    Returns:
        The number of images, and how many of these cannot be read.

    Raises:
        UserError: When Beam is not installed, when there are shards of another division or of an
            earlier work, or for what a worker refused.
    """
    if not installed("apache_beam"):
        raise UserError("--runner beam needs Apache Beam: pip install 'kerasnets[beam]'.")
    if STANDARD_INPUT in job.sources:
        raise UserError("Beam's workers have no standard input; name the images by manifest:FILE.")
    shards = [Shard(index + 1, runner.runner_shards) for index in range(runner.runner_shards)]
    outs = [dataclasses.replace(job.out, shard=shard) for shard in shards]
    other = [each for each in divisions(job.out.path) if each != len(shards)]
    if other:
        raise UserError(
            f"There are shards of {str(job.out.path)!r} in a division by {other[0]}; remove them, "
            f"or give --runner-shards {other[0]}."
        )
    for out in outs:
        out.beside("refused").unlink(missing_ok=True)  # of a pipeline that was killed
        if overwrite:
            out.clear()
        elif not resume:
            out.begin()
    _run(job, shards, runner)
    _check_refused(outs)
    found = merge(job.out.path, overwrite=overwrite)
    for out in outs:
        out.clear()
    return found


def _run(job: Job, shards: list[Shard], runner: RunnerConfig) -> None:
    import apache_beam
    from apache_beam.options.pipeline_options import PipelineOptions

    flags = ["--default_sdk_harness_log_level=WARNING", *shlex.split(runner.runner_flags)]
    pipeline = apache_beam.Pipeline(options=PipelineOptions(flags))
    _ = (
        pipeline
        | apache_beam.Create(shards)
        | apache_beam.Reshuffle()
        | apache_beam.Map(job.answer)
    )
    pipeline.run().wait_until_finish()


def _check_refused(outs: list[Out]) -> None:
    """Raises what a worker refused."""
    refused = [path for path in (out.beside("refused") for out in outs) if path.exists()]
    reasons = [path.read_text(encoding="utf-8") for path in refused]
    for path in refused:
        path.unlink()
    if reasons:
        raise UserError(reasons[0])


@functools.lru_cache(maxsize=1)
def _model(source: str, client: ClientConfig) -> ImageModel:
    """The model, loaded once in a worker's process."""
    return open_model(source, client)
