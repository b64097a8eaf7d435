"""What the server answers, for programs (OpenAPI) and for people (a page that loads no script)."""

from __future__ import annotations

import json
import pathlib
import shlex
from typing import Any, NamedTuple

import jinja2

import kerasnets

FOLDER = pathlib.Path(__file__).with_name("description")
MODEL = "/v1/models/{model}"
# Other paths to what stands under a model's own, and the parameter in each.
FORMS = {"version": f"{MODEL}/versions/{{version}}", "label": f"{MODEL}/labels/{{label}}"}
REST = """(printf '{"instances": [{"b64": "'; base64 < photo.jpg | tr -d '\\n'; printf '"}]}') | """


class Example(NamedTuple):
    """The model that the commands on the page ask.

    Attributes:
        name: Its name.
        images: Whether its default signature takes image files.
    """

    name: str
    images: bool


def description(url: str, example: Example) -> dict[str, Any]:
    """The OpenAPI document.

    Args:
        url: Where the server was asked, such as ``http://localhost:8501``.
        example: The model that the commands ask.
    """
    document = json.loads((FOLDER / "openapi.json").read_text(encoding="utf-8"))
    document["info"]["version"] = kerasnets.__version__
    paths = document["paths"]
    for path in [path for path in paths if path.startswith(MODEL)]:
        for parameter, form in FORMS.items():
            parameters = [*paths[path]["parameters"], _parameter(parameter)]
            paths[path.replace(MODEL, form)] = {**paths[path], "parameters": parameters}
    commands = _commands(url, example)
    for path, item in paths.items():
        (method,) = item.keys() - {"parameters"}
        samples = [{"lang": "Shell", "source": each} for each in commands.get(path, [])]
        words = f"{method}{path}".translate(str.maketrans("/:.", "___", "{}")).rstrip("_")
        item[method] = {**item[method], "operationId": words, "x-codeSamples": samples}
    return document


def page(document: dict[str, Any]) -> str:
    """The document as HTML."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    responses = document["components"]["responses"]

    def resolved(response: dict[str, Any]) -> dict[str, Any]:
        name = response.get("$ref", "").rpartition("/")[2]
        return responses[name] if name else response

    template = environment.get_template("docs.html")
    return template.render(document=document, forms=FORMS, resolved=resolved)


def _parameter(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/parameters/{name}"}


def _commands(url: str, example: Example) -> dict[str, list[str]]:
    """Commands that get an answer, by path."""
    model = f"{url}/v1/models/{example.name}"
    predict = shlex.quote(f"{model}:predict")
    if example.images:
        asked = [
            f"curl -F file=@photo.jpg {predict}",
            f"curl -F file=@photo.jpg -F file=@other.png {predict}",
            f"curl --data-binary @photo.jpg -H 'Content-Type: image/jpeg' {predict}",
            f"{REST}curl -d @- {predict}",
        ]
    else:
        asked = [f"""curl -d '{{"instances": [...]}}' {predict}"""]
    plain = ("/models", "/healthz", "/readyz", "/monitoring/prometheus/metrics", "/openapi.json")
    return {
        f"{MODEL}:predict": asked,
        MODEL: [f"curl {shlex.quote(model)}"],
        f"{MODEL}/metadata": [f"curl {shlex.quote(model + '/metadata')}"],
        **{path: [f"curl {shlex.quote(url + path)}"] for path in plain},
    }
