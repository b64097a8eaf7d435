import numpy as np
import tensorflow as tf
from scipy import stats

from kerasnets.data.transforms import CutMix, Mixup
from kerasnets.data.transforms.mixing import beta


def batch():
    """Image k is filled with 20 k, of class k."""
    images = np.broadcast_to(20 * np.arange(8, dtype=np.uint8)[:, None, None, None], (8, 12, 12, 3))
    return tf.constant(images), tf.one_hot(tf.range(8), 8)


def key(step):
    return tf.constant([0, -1 - step], tf.int64)


def test_beta_follows_its_distribution():
    @tf.function
    def draw(steps: tf.Tensor) -> tf.Tensor:
        return tf.map_fn(
            lambda step: beta(0.2, tf.stack([tf.constant(0, tf.int64), step])),
            steps,
            fn_output_signature=tf.float32,
        )

    drawn = draw(tf.range(3_000, dtype=tf.int64))
    assert stats.kstest(drawn.numpy(), stats.beta(0.2, 0.2).cdf).pvalue > 0.001


def test_mixup_blends_images_as_labels():
    images, labels = batch()
    for step in range(5):
        mixed, soft = Mixup(alpha=1.0)(images, labels, key(step))
        assert mixed.dtype == tf.uint8
        np.testing.assert_allclose(soft.numpy().sum(axis=1), 1, rtol=1e-6)
        assert (np.count_nonzero(soft, axis=1) == 2).any()
        brightness = soft.numpy() @ (20.0 * np.arange(8))
        np.testing.assert_allclose(mixed.numpy().mean(axis=(1, 2, 3)), brightness, atol=0.51)


def test_cutmix_labels_follow_the_area():
    images, labels = batch()
    shares = []
    for step in range(30):
        mixed, soft = CutMix(alpha=1.0)(images, labels, key(step))
        brightness = soft.numpy() @ (20.0 * np.arange(8))
        np.testing.assert_allclose(mixed.numpy().mean(axis=(1, 2, 3)), brightness, atol=1e-3)
        shares.append(soft.numpy().max(axis=1).min())
        # A pixel is of one image or of the other.
        assert (mixed.numpy() % 20 == 0).all()
    assert len(set(np.round(shares, 3))) > 10
