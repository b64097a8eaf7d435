import numpy as np
import pytest
from safetensors.numpy import save_file

import kerasnets
from kerasnets.models.build import unweighted
from kerasnets.registry import registration
from tests.golden import golden_images, golden_logits, golden_state
from tests.models.parts import all_params, shape_of, trainable


@pytest.mark.parametrize(
    ("name", "count", "widths"),
    [
        ("densenet40_k12_cifar", 12, (160, 304, 448)),
        ("densenet100_k12_cifar", 32, (400, 784, 1168)),
        ("densenet_bc100_k12_cifar", 16, (216, 300, 342)),
        pytest.param("densenet_bc190_k40_cifar", 31, (1320, 1900, 2190), marks=pytest.mark.slow),
    ],
)
def test_blocks_have_their_sizes_and_widths(name, count, widths):
    model = unweighted(name, include_top=False)
    for stage, (side, width) in enumerate(zip((32, 16, 8), widths, strict=True), start=1):
        assert shape_of(model, f"stage{stage}_layer{count}_concat") == (side, side, width)
    assert shape_of(model, "final_act") == (8, 8, widths[2])


def test_odd_widths_are_rounded_down():
    model = unweighted("densenet_bc100_k12_cifar", compression=0.3)
    # 24 + 16 * 12 = 216; 0.3 * 216 = 64.8.
    assert shape_of(model, "stage1_transition_pool") == (16, 16, 64)


def test_a_basic_layer_is_one_convolution():
    model = unweighted("densenet40_k12_cifar")
    assert trainable(model, "stage1_layer2") == 2 * 28 + 9 * 28 * 12
    assert trainable(model, "stage1_transition") == 2 * 160 + 160 * 160


@pytest.mark.parametrize(
    ("name", "options", "count"),
    [
        ("densenet40_k12_cifar", {"classes": 100}, 1_060_132),
        ("densenet40_k12_cifar", {"initial_filters": 24}, 1_059_298),
        ("densenet_bc100_k12_cifar", {"classes": 100}, 800_032),
        *(
            pytest.param(*values, marks=pytest.mark.slow)
            for values in (
                ("densenet100_k12_cifar", {"classes": 100}, 7_084_852),
                ("densenet100_k12_cifar", {"initial_filters": 24}, 7_083_538),
                ("densenet100_k24_cifar", {"classes": 100}, 27_457_972),
                ("densenet100_k24_cifar", {"initial_filters": 48}, 28_071_706),
                ("densenet_bc250_k24_cifar", {"classes": 100}, 15_480_556),
                ("densenet_bc190_k40_cifar", {"classes": 100}, 25_821_620),
            )
        ),
        ("densenet_bc100_k12_cifar", {"dropout": 0.2, "remat": True}, 769_162),
    ],
)
def test_forms_have_their_counts(name, options, count):
    assert all_params(unweighted(name, **options))[0] == count


@pytest.mark.parametrize(
    ("peer", "name"),
    [
        ("densenet40_k12_cifar10", "densenet40_k12_cifar"),
        ("densenet100_k12_bc_cifar10", "densenet_bc100_k12_cifar"),
    ],
)
def test_logits_are_those_of_pytorchcv(peer, name, tmp_path):
    save_file(golden_state("pytorchcv", peer), tmp_path / "weights.safetensors")
    options = registration(name).layouts["pytorchcv"].options
    model = kerasnets.build(
        name, weights=tmp_path / "weights.safetensors", classifier_activation=None, **options
    )
    expected = golden_logits("pytorchcv", peer)
    difference = np.asarray(model(golden_images(32))) - expected
    # Rounding to float32; 3e-7 was measured.
    assert abs(difference).max() < 1e-5 * abs(expected).max()
