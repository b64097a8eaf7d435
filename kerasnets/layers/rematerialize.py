"""Training with less memory: layers whose outputs are computed again instead of kept."""

from __future__ import annotations

import keras

from kerasnets.private import maker_of


@keras.saving.register_keras_serializable(package="kerasnets")
class Rematerialize(keras.layers.Layer):
    """Returns its first input and computes that again in the backward pass, from the others.

    Nothing that lies between the sources and the first input is kept for the gradient. Outputs,
    gradients and moving statistics are those of the layers alone. For functional models that are
    compiled, as ``fit`` does; run eagerly, the layers compute twice and nothing is saved.

    Input shape: ``[y, *sources]``, where other layers make y of the sources and of nothing else.
    Output shape: that of y.

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
    # statistics a second time. A `StatelessScope` makes the layers such a function: weights are
    # arguments, and updates of statistics and seeds are thrown away, because the layers have made
    # them when they ran in front of this one. That run shares its forward pass with this one's once
    # a compiler has merged equal operations and removed unused ones.
    def call(self, inputs: list[keras.KerasTensor], training: bool = False) -> keras.KerasTensor:
        y, *sources = inputs
        if not training:
            return y
        layers = self._layers_between()
        variables = [variable for layer in layers for variable in layer.variables]
        weights = [variable for variable in variables if variable.trainable]
        # Read here, a seed is that of this step, and the same in both passes.
        fixed = [(state, _value(state)) for state in variables if not state.trainable]

        def run(*tensors: keras.KerasTensor) -> keras.KerasTensor:
            places = [id(x) for x in self.input[1:]]
            known = dict(zip(places, tensors[: len(places)], strict=True))
            values = zip(weights, tensors[len(places) :], strict=True)
            with keras.StatelessScope(state_mapping=[*values, *fixed]):
                for layer in layers:
                    inputs = keras.tree.map_structure(lambda x: known[id(x)], layer.input)
                    # Outside of the model's call no layer knows that this is training.
                    known[id(layer.output)] = layer(inputs, training=True)
            return known[id(self.input[0])]

        return keras.remat(run)(*sources, *[_value(weight) for weight in weights])

    def _layers_between(self) -> list[keras.layers.Layer]:
        """The layers that lead from the sources to y, each behind those that it takes."""
        y, *sources = self.input
        reached, layers = {id(source) for source in sources}, []

        def reach(x: keras.KerasTensor) -> None:
            if id(x) in reached:
                return
            layer = maker_of(x)
            if isinstance(layer, keras.layers.InputLayer):
                raise ValueError(
                    f"{self.name}: layers must lead from the sources to the first input. "
                    f"Received: a first input that {layer.name} leads to, which is no source."
                )
            for taken in keras.tree.flatten(layer.input):
                reach(taken)
            reached.add(id(x))
            layers.append(layer)

        reach(y)
        return layers

    def compute_output_shape(self, input_shape: list[tuple]) -> tuple:
        return input_shape[0]


def _value(variable: keras.Variable) -> keras.KerasTensor:
    """A tensor: TensorFlow counts the gradient of an argument that is a variable twice, eagerly."""
    return keras.ops.reshape(variable, variable.shape)
