"""Networks of torchvision and timm, trained by the loop that PyTorch's users write."""

from __future__ import annotations

from collections.abc import Callable
from importlib import metadata

import torch

from kerasnets.benchmark.network import (
    CLASSES,
    LEARNING_RATE,
    MOMENTUM,
    Setting,
    UnsupportedError,
)


class TorchPeer:
    """A `torch.nn.Module`; on GPUs, and where it is compiled, with channels last."""

    compiled = False
    package = "torch"

    def __init__(self, setting: Setting) -> None:
        if setting.device == "gpu" and not torch.cuda.is_available():
            raise UnsupportedError("PyTorch finds no GPU")
        self.setting = setting
        on_gpu = torch.cuda.is_available() and setting.device != "cpu"
        self.device = "cuda" if on_gpu else "cpu"
        channels_last = on_gpu or self.compiled
        self.format = torch.channels_last if channels_last else torch.contiguous_format

    def make(self) -> torch.nn.Module:
        """The network with its initial weights and without auxiliary classifiers."""
        raise NotImplementedError

    def build(self) -> None:
        self.model = self.make().to(self.device, memory_format=self.format)

    def facts(self) -> dict:
        versions = {name: metadata.version(name) for name in dict.fromkeys((self.package, "torch"))}
        return {"backend": "torch", "versions": versions}

    def prepare(self, job: str) -> Callable[[int], None]:
        """A function that does so many steps and returns when they are computed."""
        if job == "build":
            return self._building
        call = torch.compile(self.model) if self.compiled else self.model
        if job == "train":
            return self._training(call)
        if job == ("graph" if self.compiled else "eager"):
            return self._inference(call)
        raise UnsupportedError(f"{self.package} has no {job!r} of its own")

    def _building(self, steps: int) -> None:
        for _ in range(steps):
            self.build()

    def _images(self) -> torch.Tensor:
        """On the host, where a loader with ``pin_memory`` would have put them."""
        images = torch.from_numpy(self.setting.images()).permute(0, 3, 1, 2)
        images = images.contiguous(memory_format=self.format)
        return images.pin_memory() if self.device == "cuda" else images

    def _precision(self) -> torch.autocast:
        mixed = self.setting.precision == "bfloat16"
        return torch.autocast(self.device, torch.bfloat16, enabled=mixed)

    def _training(self, call: Callable) -> Callable[[int], None]:
        self.model.train()
        optimizer = torch.optim.SGD(self.model.parameters(), LEARNING_RATE, momentum=MOMENTUM)
        images = self._images()
        labels = torch.from_numpy(self.setting.labels()).long().to(self.device)

        def run(steps: int) -> None:
            for _ in range(steps):
                optimizer.zero_grad()
                with self._precision():
                    logits = call(images.to(self.device, non_blocking=True))
                    loss = torch.nn.functional.cross_entropy(logits, labels)
                loss.backward()
                optimizer.step()
            loss.item()

        return run

    def _inference(self, call: Callable) -> Callable[[int], None]:
        self.model.eval()
        images = self._images().to(self.device)

        def run(steps: int) -> None:
            with torch.inference_mode(), self._precision():
                for _ in range(steps):
                    call(images).float().cpu()

        return run

    def product(self, side: int) -> Callable[[], None]:
        dtype = getattr(torch, self.setting.precision)
        a = torch.randn(side, side, device=self.device).to(dtype)
        return lambda: (a @ a)[0, 0].item()

    def device_memory(self) -> float | None:
        """Peak of the device since the last call, in MiB; ``None`` for a CPU."""
        if self.device == "cpu":
            return None
        peak = torch.cuda.max_memory_allocated() / 2**20
        torch.cuda.reset_peak_memory_stats()
        return peak

    def finish(self) -> None:
        """After a job."""


class Torchvision(TorchPeer):
    """A network of torchvision, run as it is."""

    package = "torchvision"

    def make(self) -> torch.nn.Module:
        from torchvision import models

        sided = self.setting.network in ("googlenet", "inception_v3")
        options = {"aux_logits": False, "init_weights": False} if sided else {}
        return getattr(models, self.setting.network)(num_classes=CLASSES, **options)


class CompiledTorchvision(Torchvision):
    """The same by `torch.compile`."""

    compiled = True


class Timm(TorchPeer):
    """A network of timm, run as it is."""

    package = "timm"

    def make(self) -> torch.nn.Module:
        import timm

        return timm.create_model(self.setting.network, num_classes=CLASSES)
