"""The two sides: our training step and PyTorch's, of one network with the same weights.

Tensors are in the peer's layout and under its names on both sides.
"""

from __future__ import annotations

import contextlib
import copy
import pathlib
from collections.abc import Iterator

import keras
import numpy as np
import torch

import kerasnets
from benchmarks.peer_training.cases import AUXILIARY_LOSS, CLASSES, Case
from benchmarks.peer_training.results import Tensors
from kerasnets.config import Recipe
from kerasnets.inputs import Preprocessing
from kerasnets.registry import registration
from kerasnets.training.model import TrainingModel
from kerasnets.weights.files import open_weights
from kerasnets.weights.layouts import Tensor, layout_tensors
from kerasnets.weights.recognition import project_of

# Rate and momentum are those that float32 has: Keras rounds them to it, whatever the rest is in.
RATE, MOMENTUM, DECAY = 2.0**-10, float(np.float32(0.9)), 1e-4
# Mean of the batch norms' initial biases, where one step is compared: it leaves few of their units
# near the edge of ReLU. Rounding to float32 moves those across it, and each such unit changes
# gradients by per cents.
SHIFT = 3.0
# (pixel - 128) / 64 is exact in float32, in which our step scales images whatever the rest is in.
CENTRE, SCALE = 128, 64


@contextlib.contextmanager
def computing_in(dtype: str) -> Iterator[None]:
    """Lets Keras make variables, and compute, in ``float32`` or ``float64``."""
    before = keras.config.floatx()
    keras.config.set_floatx(dtype)
    keras.config.set_dtype_policy(dtype)
    try:
        yield
    finally:
        keras.config.set_floatx(before)
        keras.config.set_dtype_policy(before)


def is_statistic(name: str) -> bool:
    """Whether a tensor is of a batch norm's moving statistics."""
    return name.endswith((".running_mean", ".running_var"))


class Ours:
    """A network in the step that `kerasnets train` compiles.

    Args:
        case: The network.
        weights: A file of the peer's tensors.
        dtype: What it computes in. TensorFlow's fused kernels, which are those of users, have
            float32 alone; in float64 the step is of Keras' operations.
    """

    def __init__(self, case: Case, weights: pathlib.Path, dtype: str) -> None:
        heads = {"auxiliary_heads": True} if case.auxiliary_loss else {}
        network = kerasnets.build(
            case.network,
            weights=weights,
            classes=CLASSES,
            classifier_activation=None,
            input_shape=(case.side, case.side, 3),
            **heads,
        )
        for layer in network.layers:
            if isinstance(layer, keras.layers.Dropout):
                layer.rate = 0.0
        self.batch, self.steps = case.batch, 0
        self.model = TrainingModel(
            network, _scaling(case.side), _recipe(case), 1, fast=_tricks(dtype)
        )
        with open_weights(weights) as file:
            layouts = registration(case.network).layouts
            layout = layouts[project_of(file, registration(case.network))]
        self.layout = list(layout_tensors(network, layout))
        self.start = self.tensors()

    def step(self, images: np.ndarray, labels: np.ndarray) -> float:
        """The loss of a batch, (N, H, W, 3) uint8 and (N,), by which the weights then move."""
        self.model.reset_metrics()
        self.steps += 1
        return float(self.model.train_on_batch(images, labels, return_dict=True)["loss"])

    def tensors(self) -> Tensors:
        """Parameters and statistics."""
        found = {each.name: each.to_file(_array(each.variable)) for each in self.layout}
        for each in self.layout:
            if self.steps and each.name.endswith(".running_var"):
                found[each.name] = self._unbiased(each, found[each.name])
        return found

    def _unbiased(self, tensor: Tensor, found: np.ndarray) -> np.ndarray:
        """A moving variance as PyTorch would have it, which divides by n - 1, not by n."""
        norm = tensor.layer
        count = self.batch * np.prod(norm.input.shape[1:3])
        of_start = norm.momentum**self.steps * self.start[tensor.name]
        return of_start + (found - of_start) * count / (count - 1)

    def gradients(self) -> Tensors:
        """Those of the first step, as its momentum holds them: ``-rate * (gradient + penalty)``."""
        variables = self.model.trainable_variables
        places = {variable.path: place for place, variable in enumerate(variables)}
        momentums, found = self.model.optimizer.momentums, {}
        for each in self.layout:
            if not is_statistic(each.name):
                momentum = _array(momentums[places[each.variable.path]])
                penalized = each.to_file(momentum) / -RATE
                start = self.start[each.name]
                found[each.name] = penalized - DECAY * start if start.ndim > 1 else penalized
        return found


def _array(variable: keras.Variable) -> np.ndarray:
    return keras.ops.convert_to_numpy(variable)


def _tricks(dtype: str) -> tuple[str]:
    return ("auto",) if dtype == "float32" else ("none",)


def _scaling(side: int) -> Preprocessing:
    mean, std = (CENTRE / 255,) * 3, (SCALE / 255,) * 3
    return Preprocessing(size=(side, side), mean=mean, std=std)


def _recipe(case: Case) -> Recipe:
    return Recipe(
        name="peer",
        batch_size=case.batch,
        optimizer="sgd",
        learning_rate=RATE,
        momentum=MOMENTUM,
        weight_decay=DECAY,
        schedule="constant",
        auxiliary_loss=case.auxiliary_loss,
    )


class Theirs:
    """The peer's network in the loop that PyTorch's users write.

    Args:
        case: The network.
        network: With its initial weights; it is copied.
        dtype: What it computes in.
        nearby: How far the weights start from those, as a fraction of each, up or down.
    """

    def __init__(
        self, case: Case, network: torch.nn.Module, dtype: str, nearby: float = 0.0
    ) -> None:
        self.auxiliary_loss = case.auxiliary_loss
        self.dtype = getattr(torch, dtype)
        self.network = copy.deepcopy(network).to(self.dtype).train()
        parameters = list(self.network.parameters())
        if nearby:
            draw = torch.Generator().manual_seed(1)
            with torch.no_grad():
                for each in parameters:
                    signs = torch.randint(0, 2, each.shape, generator=draw) * 2 - 1
                    each *= 1 + nearby * signs
        # As our recipes do by default: biases and batch norms do not decay.
        groups = [
            {"params": [each for each in parameters if each.ndim > 1], "weight_decay": DECAY},
            {"params": [each for each in parameters if each.ndim == 1]},
        ]
        self.optimizer = torch.optim.SGD(groups, RATE, momentum=MOMENTUM)

    def step(self, images: np.ndarray, labels: np.ndarray) -> float:
        """The loss of a batch, (N, H, W, 3) uint8 and (N,), by which the weights then move."""
        scaled = (torch.from_numpy(images).to(self.dtype) - CENTRE) / SCALE
        found = self.network(scaled.permute(0, 3, 1, 2).contiguous())
        logits, *auxiliary = found if isinstance(found, tuple) else (found,)
        wanted = torch.from_numpy(labels)
        loss = torch.nn.functional.cross_entropy(logits, wanted)
        for each in auxiliary:
            loss = loss + self.auxiliary_loss * torch.nn.functional.cross_entropy(each, wanted)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return loss.item()

    def tensors(self) -> Tensors:
        """Parameters and statistics."""
        return state(self.network)

    def gradients(self) -> Tensors:
        """Those of the last step."""
        return {name: each.grad.numpy().copy() for name, each in self.network.named_parameters()}


def state(network: torch.nn.Module) -> Tensors:
    """A copy of its parameters and statistics."""
    return {
        name: each.numpy().copy()
        for name, each in network.state_dict().items()
        if not name.endswith(".num_batches_tracked")
    }


def peer_network(case: Case) -> torch.nn.Module:
    """The peer's network with its initial weights, but for batch norms, and without dropout."""
    torch.manual_seed(0)
    # Torchvision's have them by default, also where the images are too small for them.
    heads = {"aux_logits": bool(case.auxiliary_loss)} if case.network in AUXILIARY_LOSS else {}
    if case.project == "timm":
        import timm

        network = timm.create_model(case.theirs, num_classes=CLASSES, **heads)
    else:
        from torchvision import models

        # Else a warning says that the default will change.
        heads |= {"init_weights": True} if heads else {}
        network = getattr(models, case.theirs)(num_classes=CLASSES, **heads)
    for module in network.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.weight, 0.6, 1.2)
            torch.nn.init.normal_(module.bias, SHIFT if case.steps == 1 else 0.0, 0.1)
            torch.nn.init.normal_(module.running_mean, std=0.02)
            torch.nn.init.uniform_(module.running_var, 0.8, 1.25)
    return network
