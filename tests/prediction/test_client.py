import concurrent.futures
import contextlib
import json
import pathlib

import numpy as np
import pytest

from kerasnets import UserError
from kerasnets.cli.main import parse
from kerasnets.prediction import ClientConfig, client, predict, predict_grpc, predict_rest
from tests.prediction.made import busy_server
from tests.serving.server import image_bytes


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    folder = tmp_path_factory.mktemp("images")
    paths = [folder / f"{number} ä.png" for number in range(20)]
    for number, path in enumerate(paths):
        path.write_bytes(image_bytes((20 + number, 30), (12 * number, 40, 200), "PNG"))
    return paths


def test_a_server_answers_as_the_saved_model_does(server, images):
    here = predict(server.folder / "lenet", images)
    url = f"{server.url}/v1/models/lenet"
    for address in (url, f"{url}/", f"{url}/versions/1", f"{url}:predict"):
        there = list(predict_rest(address, images, ClientConfig(concurrency=4)))
        assert [found.image for found in there] == images
        for one, other in zip(here, there, strict=True):
            np.testing.assert_allclose(one.probabilities, other.probabilities, atol=1e-5)
            assert one.classes[0] == other.classes[0]


def test_a_refused_image_is_named(server, images, tmp_path):
    note = tmp_path / "note.txt"
    note.write_text("no image")
    url = f"{server.url}/v1/models/lenet"
    with pytest.raises(UserError, match="note.txt': HTTP 400: .*no JPEG, PNG, GIF, BMP or WebP"):
        list(predict_rest(url, [*images, note]))
    with pytest.raises(UserError, match="There is no image file .*none.png"):
        predict_rest(url, [tmp_path / "none.png"])
    with pytest.raises(UserError, match=r"HTTP 404: Servable not found for request: Latest\(x\)"):
        list(predict_rest(f"{server.url}/v1/models/x", images))
    with pytest.raises(UserError, match="0 ä.png': HTTP 400: .* is not of expected type: float"):
        list(predict_rest(f"{server.url}/v1/models/half", images))
    with pytest.raises(UserError, match="The URL must be a model's"):
        predict_rest(server.url, images)


@pytest.mark.parametrize("body", [b"[" * 100_000, b"\xff", b'{"predictions": [3]}', b"[]"])
def test_an_answer_of_another_program_is_told(body):
    with pytest.raises(UserError, match="answers otherwise than a SavedModel of kerasnets"):
        client._rest_answer("http://x", body)


def test_a_busy_server_is_asked_again(images):
    with busy_server(refusals=2) as running:
        url = f"http://127.0.0.1:{running.server_port}/v1/models/a"
        (found,) = predict_rest(url, images[:1])
        assert found.classes == ("a",)
        assert running.asked == 3
    with busy_server(refusals=9) as running:
        url = f"http://127.0.0.1:{running.server_port}/v1/models/a"
        with pytest.raises(UserError, match="HTTP 503: busy"):
            list(predict_rest(url, images[:1], ClientConfig(retries=1)))
        assert running.asked == 2
    with pytest.raises(UserError, match=f"{url} does not answer: .*Connection refused"):
        list(predict_rest(url, images[:1], ClientConfig(retries=0)))


def test_the_numbers_of_a_server_are_written_by_their_names(images, tmp_path):
    with busy_server(refusals=0, answer={"names": ["height"], "values": [1.5]}) as running:
        url, out = f"http://127.0.0.1:{running.server_port}/v1/models/a", tmp_path / "a.csv"
        parse(["predict", url, *map(str, images[:2]), "--out", str(out)]).run()
        assert running.asked == 3
    assert out.read_text().splitlines() == ["image,height", *(f"{each},1.5" for each in images[:2])]


@contextlib.contextmanager
def grpc_server(folder, refusals: int):
    """TensorFlow Serving's service with a SavedModel behind it, on a free port."""
    import grpc
    import tensorflow as tf
    from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

    signature = (loaded := tf.saved_model.load(folder)).signatures["serving_default"]

    class Service(prediction_service_pb2_grpc.PredictionServiceServicer):
        asked = 0

        def Predict(self, request, context):  # noqa: N802
            Service.asked += 1
            if Service.asked <= refusals:
                context.abort(grpc.StatusCode.UNAVAILABLE, "still loading")
            if request.model_spec.name != "lenet":
                context.abort(grpc.StatusCode.NOT_FOUND, "Servable not found")
            inputs = {name: tf.make_ndarray(proto) for name, proto in request.inputs.items()}
            answer = predict_pb2.PredictResponse()
            for name, tensor in signature(**{k: tf.constant(v) for k, v in inputs.items()}).items():
                answer.outputs[name].CopyFrom(tf.make_tensor_proto(tensor))
            assert loaded
            return answer

    running = grpc.server(concurrent.futures.ThreadPoolExecutor(4))
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(Service(), running)
    port = running.add_insecure_port("127.0.0.1:0")
    running.start()
    yield f"127.0.0.1:{port}"
    running.stop(None).wait()


def test_grpc_gives_the_same_answers_and_tries_again(models_folder, images):
    here = predict(models_folder / "lenet", images)
    with grpc_server(models_folder / "lenet" / "1", refusals=1) as target:
        there = list(predict_grpc(target, "lenet", images))
        for one, other in zip(here, there, strict=True):
            np.testing.assert_allclose(one.probabilities, other.probabilities, atol=1e-5)
            assert one.classes[0] == other.classes[0]
        with pytest.raises(UserError, match="0 ä.png': gRPC NOT_FOUND: Servable not found"):
            list(predict_grpc(target, "other", images[:1]))
    with pytest.raises(UserError, match=f"{target}: gRPC UNAVAILABLE"):
        list(predict_grpc(target, "lenet", images[:1], ClientConfig(retries=0)))


@pytest.mark.parametrize(
    "outputs", [{"y": [[1.0]]}, {"probabilities": 1.0, "top_classes": b"a", "top_scores": 1.0}]
)
def test_grpc_answers_of_another_program_are_told(outputs, images):
    import tensorflow as tf
    from tensorflow_serving.apis import predict_pb2

    answer = predict_pb2.PredictResponse()
    for name, value in outputs.items():
        answer.outputs[name].CopyFrom(tf.make_tensor_proto(value))
    received = ", ".join(outputs)
    with pytest.raises(UserError, match=f"h:1 answers otherwise than .* Received: {received}"):
        client._grpc_prediction("h:1", images[0], answer.outputs)


def test_the_connection_ends_with_the_last_answer_and_with_an_error(images):
    ended = []

    @contextlib.contextmanager
    def connect():
        try:
            yield "connection"
        finally:
            ended.append(True)

    def ask(connection, path):
        return connection, client.read_image(path)[:4]

    found = client._in_parallel(connect, ask, images[:2], ClientConfig())
    assert list(found) == [("connection", b"\x89PNG")] * 2
    with pytest.raises(UserError, match="none.png' cannot be read: "):
        list(client._in_parallel(connect, ask, [images[0] / "none.png"], ClientConfig()))
    assert len(ended) == 2


def test_a_url_is_a_model_like_any_other(server, images, kerasnets_command, tmp_path):
    url, out = f"{server.url}/v1/models/lenet", tmp_path / "answers.jsonl"
    folder = tmp_path / "images"
    folder.mkdir()
    for image in images:
        (folder / image.name).symlink_to(image)
    (folder / "bad.png").write_bytes(images[0].read_bytes()[:40])
    result = kerasnets_command("predict", url, folder, "--out", out)
    assert "Written to" in result.stderr
    assert "Loading TensorFlow" not in result.stderr
    here = predict(server.folder / "lenet", sorted(images))
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    for row, expected in zip(rows, here, strict=True):
        assert pathlib.Path(row["image"]).name == expected.image.name
        assert row["top"][0]["class"] == expected.classes[0]
    (_, bad) = (tmp_path / "answers.jsonl.bad.csv").read_text().splitlines()
    assert "bad.png,HTTP 400: " in bad
    result = kerasnets_command("predict", url, folder)
    assert "bad.png': HTTP 400: " in result.stderr
    assert result.returncode == 2


def test_the_command_asks_a_server_without_tensorflow(server, images, kerasnets_command):
    url = f"{server.url}/v1/models/lenet"
    result = kerasnets_command("predict", "--url", url, "--json", "--top", 2, *images[:2])
    assert result.stderr == ""
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert [line["image"] for line in lines] == [str(path) for path in images[:2]]
    assert all(len(line["top"]) == 2 for line in lines)
