"""The files of a deployment, read by what will read them; the probe asks a server."""

import http.server
import json
import pathlib
import re
import shutil
import subprocess
import threading

import pytest
import yaml

import kerasnets
from kerasnets import UserError
from kerasnets.cli.main import parse
from kerasnets.deployment.plan import plan
from kerasnets.serving import ServerConfig
from kerasnets.serving.repository import read_models_config

kubernetes_validate = pytest.importorskip("kubernetes_validate")
DOCKER_ENTRY = ["python", "-m", "kerasnets.cli.main", "serve"]


@pytest.fixture
def models(tmp_path) -> pathlib.Path:
    """Two models: one of three versions, one of one version."""
    for name in ("lenet5/1", "lenet5/2", "lenet5/3", "res-net.18/7"):
        folder = tmp_path / "savedmodels" / name
        folder.mkdir(parents=True)
        (folder / "saved_model.pb").write_bytes(b"\0" * 2**20)
        # What is no version, and what is in one beside the model.
        for place in (folder, folder.parent):
            (place / "README.md").write_text("# lenet5\n")
    return tmp_path / "savedmodels"


def deploy(models: pathlib.Path, *flags: str) -> pathlib.Path:
    to = models.parent / "deployed"
    folders = [str(models / "lenet5"), str(models / "res-net.18")]
    parse(["deploy", *folders, "--to", str(to), *flags]).run()
    return to


def versions(folder: pathlib.Path) -> dict[str, tuple[list[int], dict[str, int]]]:
    """Loaded versions and labels by model, as a server reads them."""
    text = (folder / "models.config").read_text()
    (folder.parent / "here.config").write_text(text.replace("/models/", "savedmodels/"))
    return {
        name: (list(model.model_version_policy.specific.versions), dict(model.version_labels))
        for name, model in read_models_config(folder.parent / "here.config").items()
    }


def test_the_newest_is_stable_and_the_one_before_stays_loaded(models):
    assert versions(deploy(models)) == {
        "lenet5": ([2, 3], {"stable": 3}),
        "res-net.18": ([7], {"stable": 7}),
    }


def test_a_canary_runs_beside_the_stable_version(models):
    assert versions(deploy(models, "--canary")) == {
        "lenet5": ([2, 3], {"stable": 2, "canary": 3}),
        "res-net.18": ([7], {"stable": 7}),
    }


def test_the_way_back_is_one_command(models):
    deploy(models)
    with pytest.raises(UserError, match=r"models.config' is there already; --overwrite"):
        deploy(models, "--stable", "lenet5", "2")
    found = versions(deploy(models, "--stable", "lenet5", "2", "--overwrite"))
    # Requests without a label go to the newest that is loaded.
    assert found["lenet5"] == ([1, 2], {"stable": 2})


def test_compose_has_all_that_its_server_reads(models):
    folder = deploy(models)
    services = yaml.safe_load((folder / "compose.yaml").read_text())["services"]
    service = services["serving"]
    for flag in service["command"]:
        name, _, path = flag.partition("=")
        if name.endswith("_file"):
            assert (folder / pathlib.PurePosixPath(path).name).is_file()
    mounted = dict(each.split(":")[:2] for each in service["volumes"])
    assert mounted.pop(".") == "/config"
    assert {(folder / source).resolve(): to for source, to in mounted.items()} == {
        models / name: f"/models/{name}" for name in ("lenet5", "res-net.18")
    }
    assert all(":latest" not in each["image"] for each in services.values())


def served(arguments: list[str]) -> ServerConfig:
    """What the embedded server makes of the arguments in its files."""
    *command, subcommand = DOCKER_ENTRY
    assert command == ["python", "-m", "kerasnets.cli.main"]
    return parse([subcommand, "--host=0.0.0.0", *arguments]).server


def test_the_embedded_server_is_built_and_asked_as_its_files_say(models):
    folder = deploy(models, "--server", "embedded")
    names = {path.name for path in folder.iterdir()}
    compose = yaml.safe_load((folder / "compose.yaml").read_text())["services"]
    service = compose["serving"]
    assert (service["build"], service["image"]) == (".", f"kerasnets-serve:{kerasnets.__version__}")
    assert (folder / "Dockerfile").is_file()
    copied = re.findall(r"^(?:COPY|ADD) (\S+)", (folder / "Dockerfile").read_text(), re.M)
    assert names == {*copied, "Dockerfile", "models.config", "prometheus.yml", "compose.yaml"}
    config = served(service["command"])
    assert config.config == pathlib.Path("/config/models.config")
    (scraped,) = yaml.safe_load((folder / "prometheus.yml").read_text())["scrape_configs"]
    ((asked,),) = (each["targets"] for each in scraped["static_configs"])
    assert config.allowed_hosts == (asked.partition(":")[0],)
    assert asked.endswith(f":{config.port}")
    assert versions(folder) == versions(deploy(models, "--overwrite"))


def test_the_image_runs_without_rights(models):
    folder = deploy(models, "--server", "embedded", "--target", "kubernetes")
    lines = (folder / "Dockerfile").read_text().replace("\\\n", "").splitlines()
    found = dict(line.split(" ", 1) for line in lines if re.match("[A-Z]", line))
    assert re.fullmatch(r"python:3\.\d+\.\d+-slim", found["FROM"])
    assert json.loads(found["ENTRYPOINT"]) == [*DOCKER_ENTRY, "--host=0.0.0.0"]
    assert served(json.loads(found["CMD"])).config == pathlib.Path("/config/models.config")
    check = json.loads(found["HEALTHCHECK"].partition("CMD ")[2])
    assert "/readyz" in check[-1]
    compile(check[-1], "", "exec")
    documents = list(yaml.safe_load_all((folder / "kubernetes.yaml").read_text()))
    for document in documents:
        kubernetes_validate.validate(document, "1.31", strict=True)
    kinds = {document["kind"]: document for document in documents}
    (container,) = kinds["Deployment"]["spec"]["template"]["spec"]["containers"]
    assert container["securityContext"]["runAsNonRoot"]
    assert f"{container['securityContext']['runAsUser']}:" in found["USER"]
    assert served(container["args"]).allowed_hosts == ("*",)
    assert container["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": "rest"}
    assert kinds["ConfigMap"]["data"].keys() == {"models.config"}
    assert [port["name"] for port in kinds["Service"]["spec"]["ports"]] == ["rest"]


def test_kubernetes_files_fit_the_schemas(models):
    folder = deploy(models, "--target", "kubernetes", "--replicas", "3")
    assert [path.name for path in folder.iterdir()] == ["kubernetes.yaml"]
    documents = list(yaml.safe_load_all((folder / "kubernetes.yaml").read_text()))
    for document in documents:
        kubernetes_validate.validate(document, "1.31", strict=True)
    kinds = {document["kind"]: document for document in documents}
    pod = kinds["Deployment"]["spec"]["template"]
    (container,) = pod["spec"]["containers"]
    for flag in container["args"]:
        name, _, path = flag.partition("=")
        if name.endswith("_file"):
            assert pathlib.PurePosixPath(path).name in kinds["ConfigMap"]["data"]
    # 4 MiB of models: three times that, and the server, in steps of 256.
    assert container["resources"]["limits"]["memory"] == "1280Mi"
    assert kinds["Service"]["spec"]["selector"] == pod["metadata"]["labels"]
    scaled = kinds["HorizontalPodAutoscaler"]["spec"]
    assert scaled["maxReplicas"] == 3
    assert scaled["scaleTargetRef"]["name"] == kinds["Deployment"]["metadata"]["name"]
    broken = {**kinds["Service"], "spec": {"port": 1}}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(broken, "1.31", strict=True)


def test_both_targets_have_one_configuration(models):
    compose = deploy(models)
    data = list(
        yaml.safe_load_all(
            (deploy(models, "--target", "kubernetes") / "kubernetes.yaml").read_text()
        )
    )[1]["data"]
    assert data
    for name, text in data.items():
        assert text.strip() == (compose / name).read_text().strip()


class Status(http.server.BaseHTTPRequestHandler):
    """Answers as TensorFlow Serving does when it is asked for a model's state."""

    def do_GET(self) -> None:
        state = self.server.states.get(self.path.rpartition("/")[2])
        answer = {"model_version_status": [{"version": "1", "state": state}]}
        self.send_response(200 if state else 404)
        self.end_headers()
        self.wfile.write(json.dumps(answer if state else {"error": "not found"}).encode())

    def log_message(self, *arguments: object) -> None:
        """Keeps the tests' output clean."""


@pytest.mark.skipif(not shutil.which("bash"), reason="the server's image has bash, this has not")
def test_the_probe_waits_for_every_model(models):
    script = deploy(models) / "probe.sh"
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Status) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()

        def code(lenet5: str | None, resnet: str | None) -> int:
            server.states = {"lenet5": lenet5, "res-net.18": resnet}
            port = str(server.server_port)
            return subprocess.run(["bash", script, port], capture_output=True).returncode

        assert code("AVAILABLE", "AVAILABLE") == 0
        assert code("AVAILABLE", "LOADING") == 1
        assert code(None, "AVAILABLE") == 1
        server.shutdown()
    assert subprocess.run(["bash", script, "9"], capture_output=True).returncode == 1


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["none"], "'none' holds no versions of a SavedModel"),
        (["lenet5", "lenet5"], "Two models would be called 'lenet5'"),
        (["lenet5", "--stable", "lenet5", "9"], "lenet5 has no version 9. It has: 1, 2, 3"),
        (["lenet5", "--stable", "lenet5", "x"], "must be the number of a version. Received: 'x'"),
        (["lenet5", "--stable", "vgg", "1"], "--stable names no model that is deployed: 'vgg'"),
        (["res-net.18", "--canary"], "--canary needs a version before the newest"),
        (["lenet5", "--serving", "latest"], "--serving must be a release of tensorflow/serving"),
        (["lenet5", "--replicas", "0"], "--replicas must be at least 1. Received: 0"),
        (["lenet5", "--target", "swarm"], "invalid choice 'swarm'"),
        (["lenet5", "--server", "flask"], "invalid choice 'flask'"),
        (["lenet5", "--server", "embedded", "--serving", "2.21.0"], "--serving is a release of"),
        (["lenet5", "--image", "x"], "--image goes with --server embedded"),
        (["lenet5", "--server", "embedded", "--image", "a b"], "--image must be like"),
    ],
)
def test_what_cannot_be_deployed_is_refused(models, monkeypatch, flags, message):
    monkeypatch.chdir(models)
    with pytest.raises(UserError, match=message):
        parse(["deploy", *flags, "--to", "deployed"]).run()
    assert not (models / "deployed").exists()


def test_a_server_older_than_the_model_is_refused(models):
    extras = models / "lenet5" / "3" / "assets.extra"
    extras.mkdir()
    (extras / "model.json").write_text(json.dumps({"versions": {"tensorflow": "2.30.1"}}))
    with pytest.raises(UserError, match=r"lenet5/3 was written by TensorFlow 2.30; .* --serving"):
        plan([models / "lenet5"])
    assert plan([models / "lenet5"], serving="2.30.0").image == "tensorflow/serving:2.30.0"
    with pytest.raises(
        UserError, match=r"TensorFlow 2\..* installed here, is older. Install 2.30 or"
    ):
        plan([models / "lenet5"], server="embedded")
