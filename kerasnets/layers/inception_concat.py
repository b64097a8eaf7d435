"""The end of an inception block."""

from __future__ import annotations

from collections.abc import Sequence

import keras


@keras.saving.register_keras_serializable(package="kerasnets")
class InceptionConcat(keras.layers.Layer):
    """Concatenates the branches of an inception block on the channel axis.

    Carries the block's name, so that a summary shows where each block ends and an error says in
    which block the branches do not fit.

    Input shape: a list of (N, H, W, C_i). Output shape: (N, H, W, sum of C_i).

    Raises:
        ValueError: When the branches differ in height or width.

    >>> branches = [keras.ops.ones((1, 2, 2, 3)), keras.ops.ones((1, 2, 2, 5))]
    >>> InceptionConcat(name="inception3a")(branches).shape[-1]
    8

    Source: Szegedy et al. 2014, arXiv 1409.4842, figure 2.
    """

    def call(self, branches: list[keras.KerasTensor]) -> keras.KerasTensor:
        self._check([branch.shape for branch in branches])
        return keras.ops.concatenate(branches, axis=-1)

    def compute_output_shape(self, input_shape: list[tuple]) -> tuple:
        self._check(input_shape)
        # A side that one branch leaves open is known from another.
        sides = (next(filter(None, axis), None) for axis in _sides(input_shape))
        return (input_shape[0][0], *sides, sum(shape[-1] for shape in input_shape))

    def _check(self, shapes: Sequence[tuple]) -> None:
        if any(len(set(axis) - {None}) > 1 for axis in _sides(shapes)):
            found = ", ".join(f"{shape[1]}x{shape[2]}" for shape in shapes)
            raise ValueError(f"{self.name}: branches differ in size: {found}.")


def _sides(shapes: Sequence[tuple]) -> tuple[tuple[int | None, ...], tuple[int | None, ...]]:
    """The heights and the widths."""
    return tuple(shape[1] for shape in shapes), tuple(shape[2] for shape in shapes)
