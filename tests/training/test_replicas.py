"""On two devices as on one; in a process of its own, since devices are set up once."""

import os
import subprocess
import sys

PROGRAM = """
import numpy as np
import tensorflow as tf

cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)

from kerasnets.evaluation import evaluate
from kerasnets.training.distillation import Distillation
from kerasnets.training.model import TrainingModel
from tests.evaluation import test_evaluator
from tests.training.test_model import AS_IT_IS, CHOSEN, batch, changed, fit, network

chosen = changed(accumulate=2, ema=0.5, clip_norm=0.5, weight_decay=0.05)
rng = np.random.default_rng(0)
batches = [batch(rng, 32) for _ in range(5)]
images = test_evaluator.split(rng, 23)
teacher = Distillation(lambda pixels: tf.cast(pixels[:, 0, :1, 0], "float32") * tf.range(7.0), 0.5, 90.0)
found = []
for strategy in (tf.distribute.get_strategy(), tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])):
    with strategy.scope():
        model = TrainingModel(network(), AS_IT_IS, chosen, 10, distillation=teacher)
    history = fit(model, batches)
    weights = [each.numpy() for each in (*model.network.weights, *model.averages)]
    with strategy.scope():
        # The last batch is one image, on the first device.
        measured = evaluate(
            test_evaluator.network(), images, test_evaluator.PREPROCESSING, batch_size=11
        )
    assert measured.images == measured.confusion.sum() == 23
    found.append([*weights, np.array(measured.loss), np.array(history["loss"])])
for one, two in zip(*found, strict=True):
    np.testing.assert_allclose(two, one, rtol=1e-5, atol=1e-6)

# Batch norms that each have a device's statistics; their kernels beside Keras' own.
found = []
for fast in (("auto",), ("none",)):
    with strategy.scope():
        model = TrainingModel(network(norm=True), AS_IT_IS, CHOSEN, 10, fast=fast)
    fit(model, batches)
    found.append([each.numpy() for each in model.network.weights])
for one, two in zip(*found, strict=True):
    np.testing.assert_allclose(two, one, rtol=1e-3, atol=1e-4)

# In half precision a step is skipped where one device's gradients overflow, whichever it is.
from kerasnets.config import recipe
from kerasnets.training.optimization import build_optimizer

half = recipe("cosine", optimizer="sgd", momentum=0, precision="mixed_float16", weight_decay=0)
for bad in (0, 1):
    with strategy.scope():
        layer = network()
        optimizer = build_optimizer(half, 10, layer)
        optimizer.build(layer.trainable_variables)
    before = [each.numpy() for each in layer.trainable_variables]

    @tf.function
    def step():
        def of_device():
            number = tf.distribute.get_replica_context().replica_id_in_sync_group
            value = tf.where(number == bad, np.float32(np.inf), np.float32(1))
            gradients = [tf.fill(each.shape, value) for each in layer.trainable_variables]
            optimizer.apply(gradients, layer.trainable_variables)

        strategy.run(of_device)

    step()
    for variable, value in zip(layer.trainable_variables, before, strict=True):
        np.testing.assert_array_equal(variable.numpy(), value)
    assert float(optimizer.dynamic_scale.numpy()) == 2.0**14
print("the same")
"""


def test_penalty_clipping_averages_parts_teacher_and_figures_are_the_same():
    result = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={**os.environ, "PYTHONPATH": os.getcwd()},
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert result.stdout.strip() == "the same", result.stderr[-3000:]
