"""The class of our networks: functional models that remember where their weights are from."""

from __future__ import annotations

from typing import Any

import keras

from kerasnets.private import calls_after_running
from kerasnets.registry import WeightsOrigin


def _mark(model: Network, outputs: object) -> None:
    """Lets symbolic outputs carry the origin to a model that is made of them."""
    for x in keras.tree.flatten(outputs):
        if isinstance(x, keras.KerasTensor):
            vars(x)["origin"] = model.origin


@keras.saving.register_keras_serializable(package="kerasnets", name="Network")
@calls_after_running(_mark)
class Network(keras.Model):
    """A functional model with an origin.

    The origin survives ``.keras`` files, `copy.deepcopy`, `keras.models.clone_model` and
    `rebuilt_like`.

    Args:
        inputs, outputs, name: As `keras.Model` takes them.
        origin: A `WeightsOrigin` or its configuration. By default that of the network whose
            outputs these are, if there is one.
    """

    def __init__(
        self,
        inputs: Any,
        outputs: Any,
        name: str | None = None,
        *,
        origin: Any = None,
        **options: Any,
    ) -> None:
        super().__init__(inputs, outputs, name=name, **options)
        if origin is None:
            origin = getattr(keras.tree.flatten(outputs)[0], "origin", None)
        elif not isinstance(origin, WeightsOrigin):
            origin = WeightsOrigin.from_config(origin)
        self.origin: WeightsOrigin | None = origin

    def get_config(self) -> dict[str, Any]:
        origin = self.origin and self.origin.get_config()
        return {**super().get_config(), "origin": origin}


# Files of Keras' older format, .h5, know a class by this name alone, and load a functional model.
Network.__name__ = "Functional"


def rebuilt_like(model: keras.Model, inputs: Any, outputs: Any) -> keras.Model:
    """A functional model from `inputs` to `outputs` with the name of `model`, and its origin."""
    if isinstance(model, Network):
        return Network(inputs, outputs, name=model.name, origin=model.origin)
    return keras.Model(inputs, outputs, name=model.name)
