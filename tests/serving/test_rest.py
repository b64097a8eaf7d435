"""TensorFlow Serving's REST API, as its source and its own tests have it.

The cases of http_rest_api_handler_test.cc come first, then what else its source says.
"""

import contextlib
import math

import pytest
from google.protobuf import json_format
from tensorflow.core.protobuf import meta_graph_pb2
from tensorflow_serving.apis import get_model_metadata_pb2, get_model_status_pb2

from tests.serving.server import b64
from tests.serving.test_limits import raw

HALF = "/v1/models/half"


@pytest.mark.parametrize(
    ("method", "path", "message"),
    [
        ("GET", "/v1/foo", "Malformed request: GET /v1/foo"),
        ("POST", "/v1/foo", "Malformed request: POST /v1/foo"),
        ("GET", "/v1/models", "Missing model name in request."),
        ("GET", "/v1/models/debug/model_name", "Malformed request"),
        ("POST", "/v1/models", "Malformed request"),
        ("GET", "/v1/models/foo:predict", "Malformed request"),
        ("GET", "/v1/models/foo/version/50:predict", "Malformed request"),
        ("POST", "/v1/models/foo/version/50:regress", "Malformed request"),
        ("POST", "/v1/models/foo/versions/HELLO:regress", "Malformed request"),
        ("POST", f"/v1/models/foo/versions/{2**64 - 1}:regress", "Failed to convert version"),
        ("POST", f"/v1/models/foo/versions/{'9' * 5000}:regress", "Failed to convert version"),
        ("POST", "/v1/models/foo/metadata", "Malformed request"),
        ("POST", "/v1/models/foo/label/some_label:regress", "Malformed request"),
        ("POST", "/v1/models/foo/versions/50/labels/some_label:regress", "Malformed request"),
        ("POST", "/v1/models/foo/versions/some_label:regress", "Malformed request"),
        ("POST", "/v1/models/half:explain", "Malformed request"),
        ("PUT", "/v1/models/half:predict", "Malformed request: PUT /v1/models/half:predict"),
        ("DELETE", "/v1/models/half", "Malformed request: DELETE"),
        ("OPTIONS", "/v1/models/half:predict", "Origin header is missing in CORS preflight"),
        ("GET", "/v1/models/half/", "Malformed request"),
        ("GET", "/v1/models/../../etc/passwd", "Malformed request"),
        ("GET", "/v1/", "Malformed request"),
    ],
)
def test_unsupported_calls(server, method, path, message):
    code, answer = server.ask(method, path)
    assert code == 400
    assert message in answer["error"]


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/v1/models/foo:predict", "Servable not found for request: Latest(foo)"),
        ("/v1/models/foo/versions/50:predict", "Servable not found for request: Specific(foo, 50)"),
        (f"{HALF}/versions/99:predict", "Servable not found for request: Specific(half, 99)"),
        (f"{HALF}/labels/gone:predict", "Servable not found for request: Specific(half, 7)"),
        ("/v1/models/..%2fhalf:predict", "Servable not found for request: Latest(../half)"),
        ("/v1/models/half%00:predict", "Servable not found for request: Latest(half\0)"),
    ],
)
def test_unknown_models_and_versions(server, path, message):
    assert server.ask("POST", path, {"instances": [1]}) == (404, {"error": message})


PREDICT_ERRORS = [
    ("", "JSON Parse error: Expecting value: line 1 column 1 (char 0)"),
    ("instances = [1, 2]", "JSON Parse error: Expecting value: line 1 column 1 (char 0)"),
    ('{"instances": [1', "JSON Parse error: "),
    ('{"instances" [1]}', "JSON Parse error: Expecting ':' delimiter: line 1 column 14 (char 13)"),
    ("[" * 100_000, "JSON Parse error: "),
    ('{"instances": [' + "[" * 300 + "1" + "]" * 300 + "]}", "at most 32 dimensions"),
    ('{"inputs": ' + "[" * 100 + "1" + "]" * 100 + "}", "at most 32 dimensions"),
    ('{"inputs": [1' + "0" * 400 + "]}", "Type: Number is not of expected type: float"),
    ("[1, 2]", "JSON Value: [1, 2] Is not object"),
    ('{"instances": ["x", "y"]}', 'JSON Value: "x" Type: String is not of expected type: float'),
    ('{"instances": [null]}', "Type: Null is not of expected type: float"),
    ('{"instances": [true]}', "Type: True is not of expected type: float"),
    ('{"signature_name": 100}', "'signature_name' key must be a string value."),
    (
        '{"signature_name": "no", "instances": [1]}',
        'Serving signature name: "no" not found in signature def',
    ),
    (
        '{"signature_name": "__saved_model_init_op", "instances": [1]}',
        "Failed to get input map for signature: __saved_model_init_op",
    ),
    ("{}", "Missing 'inputs' or 'instances' key"),
    ('{"instances": [1], "inputs": [1]}', "expecting only one of 'inputs' or 'instances' keys"),
    ('{"instances": 1}', "Expecting 'instances' to be an list/array"),
    ('{"instances": []}', "No values in 'instances' array"),
    ('{"instances": [{"z": 1}]}', "JSON object: does not have named input: z"),
    ('{"instances": [{}]}', "JSON object: {} keys must be equal to: x"),
    ('{"instances": [[1, 2], [3]]}', "Expecting tensor size: 2 but got: 1"),
    ('{"instances": [[1, 2], [[3, 4]]]}', "Expecting shape [2] but got: [1,2]"),
    ('{"instances": [{"x": 1}, 2]}', "Expecting object but got list at item 1 of input list"),
    ('{"instances": [1, {"x": 2}]}', "Expecting value/list but got object at item 1"),
    ('{"inputs": {"z": 1}}', "Missing named input: x in 'inputs' object."),
    (
        '{"inputs": [[1, 2], 3]}',
        "found at incorrect level: 2 in the JSON DOM. Expected at level: 2",
    ),
    ('{"inputs": [[1, 2], [3, 4, 5]]}', "Encountered list at unexpected size: 3 at level: 1"),
    ('{"inputs": [1, [2]]}', "Encountered list at unexpected level: 1 expected < 1"),
    ('{"inputs": [[1, 2]]}', "Expecting shape [?] for input x but got: [1,2]"),
    ('{"inputs": 3}', "Expecting shape [?] for input x but got: []"),
    (
        '{"signature_name": "two", "instances": [1]}',
        "instances is a plain list, but expecting list of objects",
    ),
    ('{"signature_name": "two", "inputs": [1]}', "inputs is a plain value/list, but expecting"),
    (
        '{"signature_name": "two", "instances": [{"numbers": [1, 2], "text": {"b64": "!"}}]}',
        "Unable to base64 decode",
    ),
    (
        '{"signature_name": "two", "inputs": {"numbers": [[1, 2.5]], "text": ["a"]}}',
        "JSON Value: 2.5 Type: Number is not of expected type: int32",
    ),
    (
        '{"signature_name": "two", "inputs": {"numbers": [[1, 2147483648]], "text": ["a"]}}',
        "is not of expected type: int32",
    ),
    (
        '{"signature_name": "two", "inputs": {"numbers": [[1, 2]], "text": ["a", "b"]}}',
        "The inputs have different batch sizes: [1, 2].",
    ),
    ('{"signature_name": "roots", "inputs": [4, -1]}', "x is negative"),
    ('{"signature_name": "odd", "inputs": [1]}', "JSON value for tensor type: half"),
]


@pytest.mark.parametrize(("body", "message"), PREDICT_ERRORS)
def test_predict_errors(server, body, message):
    code, answer = server.ask("POST", f"{HALF}:predict", body)
    assert code == 400
    assert message in answer["error"]
    assert len(answer["error"]) < 1000


def test_an_unknown_label_is_a_bad_request(server):
    for method, path in (("POST", "/labels/none:predict"), ("GET", "/labels/none/metadata")):
        code, answer = server.ask(method, HALF + path, {"instances": [1]})
        assert (code, answer["error"]) == (400, "Unrecognized servable version label: none")


@pytest.mark.parametrize(
    ("path", "body", "answer"),
    [
        ("", '{"instances": [1.0, 2.0]}', {"predictions": [3.5, 4.0]}),
        ("", '{"instances": [{"x": 1}, {"x": 2}]}', {"predictions": [3.5, 4.0]}),
        ("/versions/1", '{"instances": [1.0, 2.0]}', {"predictions": [2.5, 3.0]}),
        ("/versions/0001", '{"instances": [1.0]}', {"predictions": [2.5]}),
        ("/labels/stable", '{"instances": [1.0, 2.0]}', {"predictions": [2.5, 3.0]}),
        ("", '{"signature_name": "serving_default", "inputs": [3]}', {"outputs": [4.5]}),
        ("", '{"signature_name": "", "inputs": {"x": [3]}}', {"outputs": [4.5]}),
        ("", '{"inputs": []}', {"outputs": []}),
        ("", '\ufeff {"inputs": [3]} and what follows', {"outputs": [4.5]}),
        ("", '{"signature_name": "scalar", "inputs": 3}', {"outputs": 4.5}),
        ("", '{"inputs": [0.2, 1e-5, 1e10]}', {"outputs": [3.1, 3.000005, 5e9]}),
    ],
)
def test_predict(server, path, body, answer):
    assert server.ask("POST", f"{HALF}{path}:predict", body) == (200, answer)


def test_paths_ignore_case_and_percent_signs(server):
    for path in ("/V1/Models/half:predict", "/v1/models/%68alf:predict"):
        assert server.ask("POST", path, {"inputs": [2]}) == (200, {"outputs": [4.0]})
    assert server.ask("POST", "/v1/models/HALF:predict", {"inputs": [2]})[0] == 404


def test_several_inputs_and_outputs(server):
    rows = [
        {"numbers": [1, 2], "text": "ä"},
        {"text": b64(b"\xff\x00"), "numbers": [3, 4]},
    ]
    predictions = [
        {"same_bytes": b64("ä".encode()), "sum": 3, "upper": "ä"},
        {"same_bytes": b64(b"\xff\x00"), "sum": 7, "upper": "\ufffd\0"},
    ]
    body = {"signature_name": "two", "instances": rows}
    assert server.ask("POST", f"{HALF}:predict", body) == (200, {"predictions": predictions})
    columns = {name: [row[name] for row in rows] for name in ("numbers", "text")}
    outputs = {name: [row[name] for row in predictions] for name in predictions[0]}
    body = {"signature_name": "two", "inputs": columns}
    assert server.ask("POST", f"{HALF}:predict", body) == (200, {"outputs": outputs})


def test_numbers_that_json_has_not(server):
    code, answer = server.ask("POST", f"{HALF}:predict", '{"inputs": [NaN, Infinity, -Infinity]}')
    assert code == 200
    assert math.isnan(answer["outputs"][0])
    assert answer["outputs"][1:] == [math.inf, -math.inf]


def test_classify(server):
    examples = [{"x": 20.0}, {"x": [1.0], "more": [True, 2]}]
    body = {"signature_name": "classify_x", "examples": examples}
    results = [[["half", 13.0], ["whole", 20.0]], [["half", 3.5], ["whole", 1.0]]]
    assert server.ask("POST", f"{HALF}:classify", body) == (200, {"results": results})
    stable = [[["half", 12.0], ["whole", 20.0]]]
    body["examples"] = [{}]
    body["context"] = {"x": 20.0}
    assert server.ask("POST", f"{HALF}/labels/stable:classify", body) == (200, {"results": stable})


def test_regress(server):
    body = {"signature_name": "regress_x", "examples": [{"x": 80.0}]}
    assert server.ask("POST", f"{HALF}/versions/1:regress", body) == (200, {"results": [42.0]})
    body["signature_name"] = "classify_x"
    code, answer = server.ask("POST", f"{HALF}:regress", body)
    assert (code, answer["error"]) == (400, "Expected one output Tensor.")
    body["signature_name"] = "regress_total"
    code, answer = server.ask("POST", f"{HALF}:regress", body)
    assert code == 400
    assert answer["error"] == "Expected outputs Tensor shape: [1] or [1, 1] but got []"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"examples": [{"x": 1.0}]}, "No classification inputs found in SignatureDef"),
        ({"signature_name": "two", "examples": [{}]}, "Expected one input Tensor."),
        ({"signature_name": "no", "examples": [{}]}, "No signature was found with the name: no"),
        ({}, "key 'examples' is expected and was not found"),
        ({"examples": 1}, "Expecting 'examples' value to be an list/array"),
        ({"examples": []}, "'examples' value is an empty array"),
        ({"examples": [1]}, "Example must be JSON object but got JSON Number"),
        ({"examples": [{"x": None}]}, "Feature: x has element with unexpected JSON type: Null"),
        ({"examples": [{"x": [[1]]}]}, "Feature: x has element with unexpected JSON type: Array"),
        ({"examples": [{"x": [{"b": 1}]}]}, "unexpected JSON type: Object"),
        ({"examples": [{"x": [1, "a"]}]}, "Unexpected element type in feature: x"),
        ({"examples": [{"x": 2**63}]}, "Only int64_t is supported."),
        ({"signature_name": "classify_x", "examples": [{"y": 1.0}]}, "Feature: x"),
    ],
)
def test_classify_errors(server, body, message):
    code, answer = server.ask("POST", f"{HALF}:classify", body)
    assert code == 400
    assert message in answer["error"]


def status(version: str) -> dict:
    fine = {"error_code": "OK", "error_message": ""}
    return {"version": version, "state": "AVAILABLE", "status": fine}


def test_status(server):
    both = {"model_version_status": [status("2"), status("1")]}
    for path in ("", "/labels/stable", "/labels/none", "/METADATA"):
        assert server.ask("GET", HALF + path) == (200, both)
    code, one = server.ask("GET", f"{HALF}/versions/1")
    assert (code, one) == (200, {"model_version_status": [status("1")]})
    json_format.ParseDict(one, get_model_status_pb2.GetModelStatusResponse())
    assert server.ask("GET", f"{HALF}/versions/9") == (
        404,
        {"error": "Could not find version 9 of model half"},
    )
    assert server.ask("GET", "/v1/models/none") == (
        404,
        {"error": "Could not find any versions of model none"},
    )


def test_metadata(server):
    code, answer = server.ask("GET", f"{HALF}/labels/stable/metadata")
    assert code == 200
    assert answer["model_spec"] == {"name": "half", "signature_name": "", "version": "1"}
    signatures = answer["metadata"]["signature_def"]["signature_def"]
    assert signatures["serving_default"]["inputs"] == {
        "x": {
            "name": "serving_default_x:0",
            "dtype": "DT_FLOAT",
            "tensor_shape": {"dim": [{"size": "-1", "name": ""}], "unknown_rank": False},
        }
    }
    assert signatures["serving_default"]["method_name"] == "tensorflow/serving/predict"
    assert signatures["serving_default"]["defaults"] == {}
    parsed = json_format.ParseDict(
        answer["metadata"]["signature_def"], get_model_metadata_pb2.SignatureDefMap()
    )
    assert isinstance(parsed.signature_def["two"], meta_graph_pb2.SignatureDef)
    assert server.ask("GET", "/v1/models/none/metadata")[0] == 404


def test_preflight(server):
    with contextlib.closing(server.connect()) as connection:
        connection.request("OPTIONS", f"{HALF}:predict", headers={"Origin": "http://a.example"})
        answer = connection.getresponse()
        assert (answer.status, answer.read()) == (200, b"")


def test_what_is_no_http(server):
    for request in (b"\0" * 100, b"GET\r\n\r\n", b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n"):
        answer = raw(server, request)
        assert not answer or answer.startswith(b"HTTP/1.1 400")
    assert server.ask("GET", HALF)[0] == 200


def test_pages_beside_the_api(server):
    assert server.get("/healthz") == (200, "ok\n")
    assert server.get("/readyz") == (200, "ok\n")
    other = {"explains": False, "digits": False}
    changing, *models = server.ask("GET", "/models")[1]["models"]
    assert changing["name"] == "changing"  # other tests add versions of it
    assert models == [
        {"name": "half", "version": 2, **other},
        {"name": "lenet", "version": 1, "explains": True, "digits": True},
    ]
    code, answer = server.ask("GET", "/statuspage")
    assert (code, answer) == (404, {"error": "Not Found: /statuspage"})
    for path in ("/../../etc/passwd", "/page.js/..%2f..%2fsetup.cfg", "/%2e%2e/setup.cfg"):
        assert server.get(path)[0] == 404
    assert server.ask("POST", "/healthz", {})[0] == 404


def test_metrics(server):
    from prometheus_client.parser import text_string_to_metric_families

    server.ask("POST", f"{HALF}:predict", {"inputs": [1]})
    server.ask("POST", f"{HALF}/labels/stable:predict", {"inputs": [1]})
    server.ask("POST", f"{HALF}:predict", {"inputs": ["a"]})
    server.ask("GET", '/v1/models/un"known')
    server.ask("GET", f"{HALF}/versions/1")
    code, page = server.get("/monitoring/prometheus/metrics")
    assert code == 200
    families = {family.name: family for family in text_string_to_metric_families(page)}
    labels = ("model_name", "version", "label", "status")
    requests = {
        tuple(sample.labels[name] for name in labels): sample.value
        for sample in families[":tensorflow:serving:request_count"].samples
    }
    assert requests["half", "1", "stable", "OK"] >= 1
    assert requests["half", "", "", "OK"] >= 1
    assert requests["half", "2", "", "OK"] >= 1
    assert requests["half", "2", "", "INVALID_ARGUMENT"] >= 1
    assert requests["", "", "", "NOT_FOUND"] >= 1
    assert {model for model, *_ in requests} <= {"", "half", "lenet", "changing"}
    latencies = families[":tensorflow:serving:request_latency"].samples
    predicts = [s for s in latencies if s.labels["API"] == "predict"]
    assert any(sample.labels.get("le") == "+Inf" for sample in predicts)
    queued = families["kerasnets:serving:queued_images"].samples
    assert {sample.labels["model_name"] for sample in queued} == {"half", "lenet", "changing"}
