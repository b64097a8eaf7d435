import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

import kerasnets
from kerasnets.data.images import decode, fit, seen_part
from kerasnets.explanation import layer_maps
from kerasnets.export.form import Form
from kerasnets.export.signatures import embedding_of, signatures
from kerasnets.export.writer import in_form
from kerasnets.inputs import with_preprocessing

SIGNATURES = {
    "serving_default": ("image_bytes", {"probabilities", "top_classes", "top_scores"}),
    "images": ("images", {"probabilities", "top_classes", "top_scores"}),
    "tensor": ("tensor", {"logits"}),
    "features": ("image_bytes", {"features"}),
    "classify": ("inputs", {"classes", "scores"}),
    "explain": ("image_bytes", {"class", "score", "map", "seen"}),
}


@pytest.fixture(scope="module")
def served(version):
    return tf.saved_model.load(version)


@pytest.fixture(scope="module")
def pixels():
    return np.random.default_rng(5).integers(0, 256, (3, 40, 36, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def files(pixels):
    encoded = []
    for image in pixels:
        with io.BytesIO() as file:
            Image.fromarray(image).save(file, "PNG")
            encoded.append(file.getvalue())
    return tf.constant(encoded)


def test_every_signature_has_its_names_and_the_batch_axis(served):
    assert set(served.signatures) == set(SIGNATURES)
    for name, (taken, given) in SIGNATURES.items():
        signature = served.signatures[name]
        assert set(signature.structured_input_signature[1]) == {taken}
        assert set(signature.structured_outputs) == given
        assert signature.structured_input_signature[1][taken].shape[0] is None
        for spec in signature.structured_outputs.values():
            assert spec.shape[0] is None
            assert spec.shape.rank == {"class": 1, "score": 1, "map": 3}.get(spec.name, 2)


def test_all_signatures_tell_the_same(served, network, preprocessing, files, pixels):
    answers = served.signatures["serving_default"](image_bytes=files)
    by_pixels = served.signatures["images"](images=pixels)
    for name, value in answers.items():
        np.testing.assert_array_equal(value, by_pixels[name])
    fitted = tf.stack([fit(image, preprocessing) for image in pixels])
    logits = with_preprocessing(network, preprocessing)(fitted)
    np.testing.assert_allclose(answers["probabilities"], tf.nn.softmax(logits), atol=1e-5)

    scaled = (fitted / 255 - np.array(preprocessing.mean)) / np.array(preprocessing.std)
    of_tensor = served.signatures["tensor"](tensor=tf.cast(scaled, tf.float32))["logits"]
    np.testing.assert_allclose(of_tensor, logits, rtol=1e-4, atol=1e-4)

    features = served.signatures["features"](image_bytes=files)["features"]
    kernel, bias = network.get_layer("logits").get_weights()
    np.testing.assert_allclose(features @ kernel + bias, logits, rtol=1e-4, atol=1e-4)

    examples = [
        tf.train.Example(
            features=tf.train.Features(
                feature={
                    "image/encoded": tf.train.Feature(bytes_list=tf.train.BytesList(value=[file]))
                }
            )
        ).SerializeToString()
        for file in files.numpy()
    ]
    classified = served.signatures["classify"](inputs=tf.constant(examples))
    np.testing.assert_array_equal(classified["classes"], answers["top_classes"])
    np.testing.assert_array_equal(classified["scores"], answers["top_scores"])


def test_no_images_have_no_answers(served):
    """A batch may be empty."""
    nothing = {
        "serving_default": tf.constant([], tf.string),
        "images": tf.zeros((0, 40, 36, 3), tf.uint8),
        "tensor": tf.zeros((0, 32, 32, 3)),
        "features": tf.constant([], tf.string),
        "classify": tf.constant([], tf.string),
        "explain": tf.constant([], tf.string),
    }
    for name, value in nothing.items():
        signature = served.signatures[name]
        for output, spec in signature.structured_outputs.items():
            answer = signature(**{SIGNATURES[name][0]: value})[output]
            assert answer.shape == (0, *spec.shape[1:])


@pytest.mark.parametrize(
    ("name", "precision", "options"),
    [
        ("lenet5", "fp32", {}),
        ("nin_cifar10", "fp32", {}),
        ("highway10_mnist", "fp32", {}),
        ("resnet20_cifar", "fp32", {"input_shape": (48, 32, 3)}),
        ("resnet20_cifar", "fp16", {}),
        ("vgg11", "bf16", {"width": 0.125, "input_shape": (64, 64, 3)}),
        ("resnet18_v2", "fp32", {"width": 0.125, "input_shape": (64, 64, 3)}),
    ],
)
def test_the_map_is_that_of_explain(name, precision, options, files):
    """Whatever an export has made of the network."""
    network = kerasnets.build(name, classifier_activation=None, classes=7, **options)
    height, width, channels = network.input_shape[1:]
    preprocessing = kerasnets.preprocessing(network).for_input(height, width, channels)
    fitted = tf.stack([fit(decode(file, channels), preprocessing) for file in files])
    model = with_preprocessing(network, preprocessing)
    written = in_form(network, Form(precision=precision))
    names = tuple("abcdefg")
    found = signatures(written, preprocessing, names)["explain"].function(files)
    exact = precision == "fp32"
    probabilities = tf.nn.softmax(model(fitted)).numpy()
    if exact:
        assert [each.decode() for each in found["class"].numpy()] == [
            names[label] for label in probabilities.argmax(axis=1)
        ]
    np.testing.assert_allclose(
        found["score"], probabilities.max(axis=1), atol=1e-4 if exact else 0.05
    )
    # In half precision another class may be the best by a hair.
    labels = [names.index(each.decode()) for each in found["class"].numpy()]
    expected = layer_maps(model, fitted, class_index=np.array(labels))
    np.testing.assert_allclose(found["map"], expected, atol=1e-3 if exact else 0.15)
    np.testing.assert_allclose(found["seen"], seen_part(tf.constant([[40, 36]] * 3), preprocessing))


def test_what_is_no_image_is_named(served, files):
    answer = served.signatures["serving_default"]
    mixed = tf.concat([files, [b"", b"<html>"]], 0)
    with pytest.raises(
        tf.errors.InvalidArgumentError, match="it is empty; image_bytes, counted from 0: 3, 4"
    ):
        answer(image_bytes=mixed)
    cut = tf.concat([files[:1], tf.strings.substr(files[1:2], 0, 60)], 0)
    with pytest.raises(tf.errors.InvalidArgumentError, match="PNG"):
        answer(image_bytes=cut)
    huge = files[0].numpy()[:16] + b"\0\1\0\0" * 2 + files[0].numpy()[24:]
    with pytest.raises(tf.errors.InvalidArgumentError, match="limit of 89,478,485 pixels"):
        answer(image_bytes=tf.constant([huge]))


@pytest.mark.parametrize("format", ["JPEG", "PNG", "BMP", "GIF", "WEBP"])
def test_every_format_is_taken(served, pixels, format):
    with io.BytesIO() as file:
        Image.fromarray(pixels[0]).save(file, format)
        encoded = file.getvalue()
    decoded = np.asarray(Image.open(io.BytesIO(encoded)).convert("RGB"))
    by_file = served.signatures["serving_default"](image_bytes=tf.constant([encoded]))
    by_pixels = served.signatures["images"](images=decoded[None])
    np.testing.assert_allclose(by_file["probabilities"], by_pixels["probabilities"], atol=1e-5)


@pytest.mark.parametrize(
    ("name", "size"),
    [("lenet5", 84), ("nin_cifar10", 192), ("alexnet", 4096), ("resnet18", 512)],
)
def test_features_are_what_the_classifier_sees(name, size):
    network = kerasnets.build(name, classifier_activation=None)
    assert embedding_of(network).shape == (None, size)


def test_auxiliary_classifiers_are_left_out():
    network = kerasnets.build("googlenet", auxiliary_heads=True, classifier_activation=None)
    assert embedding_of(network).shape == (None, 1024)
