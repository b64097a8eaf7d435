"""Training with less memory: layers whose outputs are computed again instead of kept."""

from __future__ import annotations

import keras


@keras.saving.register_keras_serializable(package="kerasnets")
class Rematerialize(keras.layers.Layer):
    """Returns its first input and computes that again in the backward pass, from the others.

    Nothing that lies between the sources and the first input is kept for the gradient. Outputs,
    gradients and moving statistics are those of the layers alone. For functional models that are
    compiled, as ``fit`` does; run eagerly, the layers compute twice and nothing is saved.

    Input shape: ``[y, *sources]``, where a row of layers makes y of the sources: the first layer
    may take several, each other layer takes the one before. Output shape: that of y.

    >>> images = keras.Input((8, 8, 3))
    >>> y = keras.layers.BatchNormalization()(images)
    >>> y = keras.layers.Conv2D(4, 1)(keras.layers.ReLU()(y))
    >>> Rematerialize()([y, images]).shape
    (None, 8, 8, 4)

    Source: Pleiss, Chen, Huang, Li, van der Maaten, Weinberger 2017, arXiv 1707.06990.
    """

    def __init__(self, **kwargs) -> None:
        # The layers cast their inputs and weights themselves.
        super().__init__(autocast=False, **kwargs)

    # Keras has two means for this, and neither does alone (Keras 3.15). `keras.RematScope` works on
    # one layer at a time and keeps each layer's input, and it is the inputs that must go.
    # `keras.remat` takes a function of tensors: run on layers it would update batch norm's moving
    # statistics a second time. A `StatelessScope` makes the row of layers such a function: weights
    # are arguments, and updates of statistics are thrown away, because the layers have made them
    # when they ran in front of this one. That run shares its forward pass with this one's once a
    # compiler has merged equal operations and removed unused ones.
    def call(self, inputs: list[keras.KerasTensor], training: bool = False) -> keras.KerasTensor:
        y, *sources = inputs
        if not training:
            return y
        layers = self._layers_between()
        weights = [weight for layer in layers for weight in layer.trainable_variables]

        def run(*tensors: keras.KerasTensor) -> keras.KerasTensor:
            x, values = list(tensors[: len(sources)]), tensors[len(sources) :]
            x = x[0] if len(x) == 1 else x
            with keras.StatelessScope(state_mapping=list(zip(weights, values, strict=True))):
                for layer in layers:
                    # Outside of the model's call no layer knows that this is training.
                    x = layer(x, training=True)
            return x

        values = [keras.ops.convert_to_tensor(weight) for weight in weights]
        return keras.remat(run)(*sources, *values)

    def _layers_between(self) -> list[keras.layers.Layer]:
        """The row of layers from the sources to y, first layer first."""
        y, *sources = self.input
        names = {id(source) for source in sources}
        layers = []
        while True:
            layer = y._keras_history.operation
            inputs = keras.tree.flatten(layer.input)
            layers.insert(0, layer)
            if {id(x) for x in inputs} == names:
                return layers
            if len(inputs) != 1 or isinstance(layer, keras.layers.InputLayer):
                raise ValueError(
                    f"{self.name}: a row of layers must lead from the sources to the first input. "
                    f"Received: an input made by {layer.name}, which has {len(inputs)} inputs."
                )
            y = inputs[0]

    def compute_output_shape(self, input_shape: list[tuple]) -> tuple:
        return input_shape[0]
