"""What happens beside the steps: progress, history, checkpoints, a clean stop."""

from __future__ import annotations

import csv
import datetime
import logging
import math
import pathlib
import signal
import threading
import time
import types
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import rich.console
from rich.progress import BarColumn, Progress, TextColumn

from kerasnets.errors import UserError
from kerasnets.files import whole
from kerasnets.runs.history import read_history
from kerasnets.training import checkpoints
from kerasnets.training.model import TrainingModel
from kerasnets.training.targets import Units, in_units
from kerasnets.weights import save_weights

log = logging.getLogger("kerasnets")

# Figures by name; Keras always passes some where a step or an epoch has ended.
Logs = Mapping[str, Any]


class Interrupted(Exception):  # noqa: N818 - a request, not an error
    """The user or the system asked to stop; everything is saved."""

    def __init__(self, step: int, folder: pathlib.Path) -> None:
        super().__init__(f"stopped after step {step}; go on in {folder}")
        self.step = step
        self.folder = folder


class DivergedError(UserError):
    """The loss is not finite any more."""


class Callback(keras.callbacks.Callback):
    """A callback of a network in training; Keras' own does not tell what its model is."""

    model: TrainingModel


class ProgressBar(Callback):
    """A bar for each epoch with the figures, the speed and the run's time left; then a log line.

    Args:
        batch_size: Images in a step.
        steps: Steps in an epoch.
        epochs: Epochs of the whole run.
    """

    def __init__(self, batch_size: int, steps: int, epochs: int) -> None:
        super().__init__()
        self.batch_size = batch_size
        self.steps = steps
        self.epochs = epochs
        self.progress: Progress | None = None

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        self.epoch = epoch
        self.first_step, self.next_report = -1, 0.0
        columns = (
            TextColumn("[bold]{task.description}"),
            BarColumn(bar_width=8),
            TextColumn("{task.fields[figures]}"),
        )
        console = rich.console.Console(stderr=True)
        self.progress = Progress(*columns, console=console, transient=True)
        self.task = self.progress.add_task(
            f"epoch {epoch + 1}/{self.epochs}", total=self.steps, figures=""
        )
        if console.is_terminal:
            self.progress.start()

    def on_train_batch_end(self, batch: int, logs: Logs) -> None:
        now, batch = time.perf_counter(), self.model.steps_after(batch) - 1
        if self.first_step < 0:
            # The first step traces the graph; it says nothing of the speed.
            self.first_step, self.since, self.next_report = batch, now, now
        elif self.progress and now >= self.next_report and self.progress.live.is_started:
            self.next_report = now + 0.2
            speed = self._images_per_second(batch, now)
            measure = self.model.measure.name
            figures = f"loss {float(logs['loss']):.3f}  {measure} {float(logs[measure]):.3f}"
            figures += f"  rate {learning_rate(self.model):.2g}  {speed:,.0f} images/s"
            figures += f"  {self._left(batch, speed)} left"
            self.progress.update(self.task, completed=batch + 1, figures=figures)
        self.last_step = batch

    def _images_per_second(self, batch: int, now: float) -> float:
        return (batch - self.first_step) * self.batch_size / max(now - self.since, 1e-9)

    def _left(self, batch: int, speed: float) -> datetime.timedelta:
        """Time to the end of the run, without validation."""
        steps = (self.epochs - self.epoch) * self.steps - batch - 1
        return datetime.timedelta(seconds=round(steps * self.batch_size / max(speed, 1e-9)))

    def on_test_begin(self, logs: dict | None = None) -> None:
        self.trained = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        self.close()
        end = getattr(self, "trained", time.perf_counter())
        speed = self._images_per_second(self.last_step, end)
        figures = "  ".join(f"{name} {float(value):.4f}" for name, value in logs.items())
        figures += f"  rate {learning_rate(self.model):.2g}  {speed:,.0f} images/s"
        log.info("epoch %d/%d  %s", epoch + 1, self.epochs, figures)

    def close(self) -> None:
        """Takes the bar off the screen."""
        if self.progress is not None and self.progress.live.is_started:
            self.progress.stop()

    def on_train_end(self, logs: dict | None = None) -> None:
        self.close()


def learning_rate(model: keras.Model) -> float:
    """The learning rate of the next step, without the factors of stages."""
    return float(np.asarray(keras.ops.convert_to_numpy(model.optimizer.learning_rate)))


class History(Callback):
    """``history.csv``, a row for each epoch; a resumed run goes on below its earlier rows.

    Args:
        path: Path of the file.
        first_epoch: Epochs that an earlier part of the run has finished.
        measure: The figure by which the validation decides.
        write: Whether this worker writes it.

    Raises:
        UserError: When the file is damaged or lacks one of their rows.
    """

    def __init__(
        self,
        path: pathlib.Path,
        first_epoch: int,
        *,
        measure: str = "accuracy",
        write: bool = True,
    ) -> None:
        super().__init__()
        self.path = path
        self.measure = f"val_{measure}"
        self.write = write
        self.rows = [row for row in read_history(path) if row["epoch"] <= first_epoch]
        found, expected = [row["epoch"] for row in self.rows], list(range(1, first_epoch + 1))
        if found != expected:
            raise UserError(
                f"{str(path)!r} is damaged: it must have a row for each of the {first_epoch} "
                f"epochs so far. Found: {', '.join(map(str, found)) or 'none'}."
            )

    @property
    def measured(self) -> list[float]:
        """The figure of the validation after each epoch so far."""
        return [row[self.measure] for row in self.rows if self.measure in row]

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        self.started = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        row = {
            "epoch": epoch + 1,
            **{name: float(value) for name, value in logs.items()},
            "learning_rate": learning_rate(self.model),
            "seconds": round(time.perf_counter() - self.started, 3),
        }
        self.rows.append(row)
        if not self.write:
            return
        with whole(self.path) as partial, partial.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(row))
            writer.writeheader()
            writer.writerows(self.rows)


class FiniteLoss(Callback):
    """Stops the run where the loss is not finite, and names the step.

    Of steps that were started together it names the last.

    Args:
        folder: Folder of the checkpoints.
        step: Step that the run is at.
    """

    # Starts between two checks; each check waits for the device.
    EVERY = 20

    def __init__(self, folder: pathlib.Path, step: int) -> None:
        super().__init__()
        self.folder = folder
        self.step = step
        self.losses: list[tuple[int, Any]] = []

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        self.before = self.step

    def on_train_batch_end(self, batch: int, logs: Logs) -> None:
        self.step = self.before + self.model.steps_after(batch)
        self.losses.append((self.step, logs["loss"]))
        if len(self.losses) == self.EVERY:
            self.check()

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        self.check()

    def check(self) -> None:
        """Raises a `DivergedError` for the first loss since the last check that is not finite."""
        for step, loss in self.losses:
            if not math.isfinite(float(loss)):
                raise DivergedError(
                    f"The loss is {float(loss)} at step {step}; {checkpoints.kept(self.folder)} "
                    "A lower --learning-rate may help."
                )
        self.losses.clear()


class SaveCheckpoints(Callback):
    """Keeps a run from being lost: checkpoints and a clean stop.

    There is a checkpoint after each epoch, every `minutes`, every `steps`, and before a stop that
    Ctrl-C or SIGTERM asked for: the first signal lets the step finish, saves and raises
    `Interrupted`; a second one acts as usual. After the last step of an epoch this waits for the
    validation. Several workers save and stop at the same step, whichever of them was asked.

    Args:
        loss: Checked before each checkpoint; it comes before this among the callbacks.
        minutes: Minutes between checkpoints.
        steps: Steps between checkpoints; ``None`` leaves it to the minutes.
        per_epoch: Steps of an epoch.
        write: Whether this worker writes them.
        shared: Whether the model's wishes go to other workers.
    """

    def __init__(
        self,
        loss: FiniteLoss,
        *,
        minutes: float,
        steps: int | None = None,
        per_epoch: int = 0,
        write: bool = True,
        shared: bool = False,
    ) -> None:
        super().__init__()
        self.loss = loss
        self.folder = loss.folder
        self.minutes = minutes
        self.steps = steps
        self.per_epoch = per_epoch
        self.write = write
        self.shared = shared
        self.stop_asked = False
        self.stop_agreed = False
        self.previous: dict[int, Any] = {}

    def on_train_begin(self, logs: dict | None = None) -> None:
        self.saved_at = time.monotonic()
        # Keras forgets the figures of the epoch so far when it goes on with the epoch.
        self.figures = [variable.value.numpy() for variable in self.model.metrics_variables]
        # Kept from one `fit` to the next: nothing must be lost between them either.
        # Signals are the main thread's; a training in another one is stopped by whoever started it.
        main = threading.current_thread() is threading.main_thread()
        if main and not self.previous and not self.stop_asked:
            for number in (signal.SIGINT, signal.SIGTERM):
                self.previous[number] = signal.signal(number, self._ask)

    def _ask(self, number: int, frame: types.FrameType | None) -> None:
        self.stop_asked = True
        self.close()

    def close(self) -> None:
        """Gives the signals back to whoever handled them before."""
        for number, handler in self.previous.items():
            # There is none where it was not Python that set it.
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
        self.previous.clear()

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        for variable, value in zip(self.model.metrics_variables, self.figures, strict=False):
            variable.assign(value)
        self.figures = []

    def on_train_batch_begin(self, batch: int, logs: dict | None = None) -> None:
        if self.shared:
            self.model.wishes.assign([self._due(self.loss.step + 1), self.stop_asked])

    def _due(self, step: int) -> bool:
        by_steps = self.steps is not None and step % self.steps == 0
        return by_steps or time.monotonic() - self.saved_at > 60 * self.minutes

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        save, stop = self._due(self.loss.step), self.stop_asked
        if self.shared:
            save, stop = self.model.asked.numpy()
        if self.model.steps_after(batch) == self.model.steps:
            # A run that goes on behind the epoch would not validate it any more.
            self.stop_agreed = bool(stop)
            return
        if save or stop:
            self._save()
        if stop:
            raise Interrupted(self.loss.step, self.folder.parent)

    def _save(self) -> None:
        self.loss.check()
        values = checkpoints.state(self.model)
        if self.write:
            checkpoints.save(self.folder, values, self.loss.step, per_epoch=self.per_epoch)
        self.saved_at = time.monotonic()

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        self._save()
        # A signal during the validation is one worker's alone: all of them hear of it a step later.
        if self.stop_agreed or (self.stop_asked and not self.shared):
            raise Interrupted(self.loss.step, self.folder.parent)


class KeepBest(Callback):
    """Writes the weights of the best validated epoch into a file of their own.

    Args:
        path: Path of the weight file.
        best: Validation figure to beat: the best of an earlier part of the run.
        units: Units of the numbers that the network gives, if it does.
        write: Whether this worker writes it.
    """

    def __init__(
        self, path: pathlib.Path, best: float, *, units: Units | None = None, write: bool = True
    ) -> None:
        super().__init__()
        self.path = path
        self.best = best
        self.units = units
        self.write = write

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        found = float(logs.get(f"val_{self.model.measure.name}", -math.inf))
        if found > self.best:
            self.best = found
            with self.model.averaged(), in_units(self.model.network, self.units):
                if self.write:
                    save_weights(self.model.network, self.path)
