"""What networks cost, against what is counted by hand."""

from __future__ import annotations

import keras
import pytest

from kerasnets.lab.costs import activations
from kerasnets.layers import Rematerialize


@pytest.mark.parametrize(("twice", "kept", "again"), [(False, 3 + 4 + 4 + 8, 0), (True, 11, 16)])
def test_activations_are_kept_unless_they_are_computed_again(twice, kept, again):
    image = keras.Input((5, 5, 3))
    x = keras.layers.ReLU()(keras.layers.Conv2D(4, 1)(image))
    x = keras.layers.Conv2D(8, 1)(x)
    if twice:
        x = Rematerialize()([x, image])
    found = activations(keras.Model(image, x))
    assert found == (kept * 25 * 4, again * 25 * 4)
