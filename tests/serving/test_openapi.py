"""The description of the routes against what the server answers, and the page made from it."""

from __future__ import annotations

import contextlib
import html
import json
import pathlib
import re
import subprocess

import jsonschema
import openapi_spec_validator
import pytest

from kerasnets.serving import app
from tests.serving.server import Server, image_bytes
from tests.serving.test_body import FORM, form

JSON = "application/json"
X = {"x": 1.0}
# What is asked, by the end of a path: a model, a body and its type.
ASKED = {
    "predict": [
        ("half", b'{"inputs": [1]}', JSON),
        ("half", b'{"instances": [1]}', JSON),
        ("lenet", image_bytes(), "image/jpeg"),
        ("lenet", form(image_bytes()), FORM),
    ],
    "classify": [("half", json.dumps({"signature_name": "classify_x", "examples": [X]}), JSON)],
    "regress": [("half", json.dumps({"signature_name": "regress_x", "examples": [X]}), JSON)],
}


@pytest.fixture
def document(server) -> dict:
    return server.ask("GET", "/openapi.json")[1]


def ask(server: Server, method: str, path: str, body: object, kind: str) -> tuple[int, str, str]:
    """The code, the type and the text of an answer."""
    with contextlib.closing(server.connect()) as connection:
        connection.request(method, path, body, {"Content-Type": kind} if kind else {})
        answer = connection.getresponse()
        return answer.status, answer.headers.get_content_type(), answer.read().decode()


def check(document: dict, responses: dict, answer: tuple[int, str, str]) -> None:
    """Fails unless an answer is one of those that an operation describes."""
    code, kind, text = answer
    response = responses.get(str(code), responses.get("default"))
    name = response.get("$ref", "").rpartition("/")[2]
    response = document["components"]["responses"][name] if name else response
    ((described, content),) = response["content"].items()
    assert kind == described
    if kind == JSON:
        schema = {**content["schema"], "components": document["components"]}
        jsonschema.validate(json.loads(text), schema, jsonschema.Draft202012Validator)


def test_the_document_is_valid_and_complete(document):
    openapi_spec_validator.validate(document)
    source = pathlib.Path(app.__file__).read_text(encoding="utf-8")
    assert set(re.findall(r'@app\.get\("(.*)"\)', source)) < document["paths"].keys()


def test_every_route_answers_as_described(server, document):
    for path, item in document["paths"].items():
        (method,) = item.keys() - {"parameters"}
        operation = item[method]
        asked = ASKED.get(path.rpartition(":")[2], [("half", None, "")])
        kinds = operation.get("requestBody", {"content": {"": None}})["content"]
        assert len({kind.partition("/")[0] for _, _, kind in asked}) == len(kinds)
        for model, body, kind in asked:
            place = path.format(model=model, version=1, label="stable")
            answer = ask(server, method.upper(), place, body, kind)
            # Of these models half alone has labels.
            assert answer[0] == (400 if model == "lenet" and "{label}" in path else 200), place
            check(document, operation["responses"], answer)
            wrong = path.format(model="none", version=9, label="none")
            if wrong != path:
                answer = ask(server, method.upper(), wrong, body, kind)
                assert answer[0] in (400, 404)
                check(document, operation["responses"], answer)


def test_the_page_needs_nothing_from_elsewhere_and_its_commands_work(server, tmp_path):
    code, kind, page = ask(server, "GET", "/docs", None, "")
    assert (code, kind) == (200, "text/html")
    links = re.findall(r'(?:href|src|action)="(.*?)"', page)
    for link in links:
        assert server.get("/" + link.removeprefix("."))[0] == 200
    assert "<script" not in page
    for name, form_of in (("photo.jpg", "JPEG"), ("other.png", "PNG")):
        (tmp_path / name).write_bytes(image_bytes(kind=form_of))
    commands = [html.unescape(each) for each in re.findall(r"<pre>(.*?)</pre>", page, re.DOTALL)]
    assert len(commands) > 8
    rows = []
    for command in commands:
        run = ["bash", "-c", command.replace("curl", "curl --fail --silent", 1)]
        result = subprocess.run(run, cwd=tmp_path, capture_output=True, text=True)
        assert result.returncode == 0, command
        if ":predict" in command:
            rows.append(len(json.loads(result.stdout)["predictions"]))
    assert rows == [1, 2, 1, 1]
