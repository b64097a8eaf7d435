"""The files of deploy/ against what reads them."""

import pathlib

import yaml
from google.protobuf import text_format
from tensorflow_serving.config import model_server_config_pb2

from kerasnets.serving.repository import read_models_config
from tests.conftest import ROOT

DEPLOY = ROOT / "deploy"


def test_models_config_is_read_by_both_servers(tmp_path):
    text = (DEPLOY / "models.config").read_text()
    config = text_format.Parse(text, model_server_config_pb2.ModelServerConfig())
    (model,) = config.model_config_list.config
    assert (model.name, model.base_path) == ("lenet5", "/models/lenet5")
    (tmp_path / "lenet5").mkdir()
    (tmp_path / "models.config").write_text(text.replace("/models/", ""))
    ((name, model),) = read_models_config(tmp_path / "models.config").items()
    assert (name, model.model_version_policy.latest.num_versions) == ("lenet5", 2)
    assert model.base_path == str(tmp_path / "lenet5")


def flags(arguments: list[str]) -> dict[str, str]:
    return dict(argument.removeprefix("--").partition("=")[::2] for argument in arguments)


def test_compose_and_kubernetes_start_the_same_server():
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    documents = list(yaml.safe_load_all((DEPLOY / "kubernetes.yaml").read_text()))
    kinds = {document["kind"]: document for document in documents}
    assert kinds.keys() == {"PersistentVolumeClaim", "Deployment", "Service"}
    pod = kinds["Deployment"]["spec"]["template"]
    (container,) = pod["spec"]["containers"]
    service = compose["services"]["serving"]
    assert flags(container["args"]) == flags(service["command"])
    for name, path in flags(service["command"]).items():
        if name.endswith("_file"):
            assert (DEPLOY / pathlib.PurePath(path).name).is_file()
            assert path.startswith("/config/")
    volumes = {volume["name"] for volume in pod["spec"]["volumes"]}
    assert {mount["name"] for mount in container["volumeMounts"]} == volumes
    assert kinds["Service"]["spec"]["selector"] == pod["metadata"]["labels"]
    ports = {port["name"] for port in container["ports"]}
    assert {port["targetPort"] for port in kinds["Service"]["spec"]["ports"]} == ports
    (scraped,) = yaml.safe_load((DEPLOY / "prometheus.yml").read_text())["scrape_configs"]
    assert f'path: "{scraped["metrics_path"]}"' in (DEPLOY / "monitoring.config").read_text()
