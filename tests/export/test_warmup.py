import json

import tensorflow as tf
from tensorflow_serving.apis import prediction_log_pb2


def test_every_signature_is_warmed_up_by_a_request_it_answers(version):
    """The file is parsed by TensorFlow Serving's own messages, and each request is run."""
    loaded = tf.saved_model.load(version)
    warmed = []
    path = version / "assets.extra" / "tf_serving_warmup_requests"
    for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
        log = prediction_log_pb2.PredictionLog.FromString(record)
        if log.WhichOneof("log_type") == "classify_log":
            request = log.classify_log.request
            examples = [
                example.SerializeToString() for example in request.input.example_list.examples
            ]
            tensors = {"inputs": tf.constant(examples)}
        else:
            request = log.predict_log.request
            tensors = {
                name: tf.constant(tf.make_ndarray(tensor))
                for name, tensor in request.inputs.items()
            }
        signature = request.model_spec.signature_name
        assert request.model_spec.name == "resnet20_cifar"
        answers = loaded.signatures[signature](**tensors)
        assert all(answer.shape[0] == 1 for answer in answers.values())
        warmed.append(signature)
    assert sorted(warmed) == sorted(loaded.signatures)


def test_the_graph_is_for_inference_alone(version):
    """Nothing random, no batch norm's square root: dropout is gone and batch norm folded."""
    loaded = tf.saved_model.load(version)
    graph = loaded.signatures["serving_default"].graph.as_graph_def()
    functions = [function.node_def for function in graph.library.function]
    operations = {node.op for nodes in [graph.node, *functions] for node in nodes}
    assert "Conv2D" in operations
    assert not {name for name in operations if "Random" in name or "Rsqrt" in name}
    description = json.loads((version / "assets.extra" / "model.json").read_text())
    assert description["optimize"] is True
