"""The real TensorFlow Serving, where there is one, beside ``kerasnets serve``."""

import contextlib
import dataclasses
import shutil
import socket
import subprocess
import time

import numpy as np
import pytest

from kerasnets.prediction import predict, predict_grpc, predict_rest
from tests.serving.server import Server, image_bytes
from tests.serving.test_rest import HALF, PREDICT_ERRORS

pytestmark = pytest.mark.tensorflow_serving


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def command(folder, rest: int, grpc: int) -> list[str]:
    """What starts TensorFlow Serving; skips where neither it nor Docker is there."""
    flags = ["--model_config_file=/models/models.config", "--file_system_poll_wait_seconds=1"]
    if shutil.which("tensorflow_model_server"):
        flags[0] = f"--model_config_file={folder}/models.config"
        return ["tensorflow_model_server", f"--port={grpc}", f"--rest_api_port={rest}", *flags]
    docker = shutil.which("docker")
    if docker and subprocess.run([docker, "info"], capture_output=True).returncode == 0:
        ports = ["-p", f"127.0.0.1:{rest}:8501", "-p", f"127.0.0.1:{grpc}:8500"]
        mount = ["-v", f"{folder}:/models:ro", "--entrypoint", "tensorflow_model_server"]
        image = ["tensorflow/serving", "--port=8500", "--rest_api_port=8501"]
        return [docker, "run", "--rm", *ports, *mount, *image, *flags]
    pytest.skip("neither tensorflow_model_server nor a running Docker")


@dataclasses.dataclass
class Real(Server):
    grpc: int = 0


@pytest.fixture(scope="module")
def real(models_folder, tmp_path_factory):
    rest, grpc = free_port(), free_port()
    folder = tmp_path_factory.mktemp("real")
    start = command(folder, rest, grpc)
    base = "/models" if start[0].endswith("docker") else str(folder)
    for name in ("half", "lenet", "changing"):
        shutil.copytree(models_folder / name, folder / name)
    config = (models_folder / "models.config").read_text()
    # Labels come before their versions are loaded, and not at all for what is not there.
    config = config.replace('base_path: "', f'base_path: "{base}/')
    lines = [line for line in config.splitlines() if "version_labels" not in line]
    (folder / "models.config").write_text("\n".join(lines))
    process = subprocess.Popen(start)
    server = Real(process, rest, folder, [], grpc)
    try:
        end = time.monotonic() + 300
        while time.monotonic() < end and process.poll() is None:
            with contextlib.suppress(OSError):
                if server.get("/v1/models/lenet")[0] == 200:
                    break
            time.sleep(0.5)
        assert process.poll() is None
        yield server
    finally:
        process.terminate()
        process.wait(60)


def test_the_same_client_gets_the_same_answers(real, tmp_path):
    paths = [tmp_path / f"{number}.png" for number in range(4)]
    for number, path in enumerate(paths):
        path.write_bytes(image_bytes((20 + number, 30), (60 * number, 40, 200), "PNG"))
    here = predict(real.folder / "lenet", paths)
    rest = predict_rest(f"{real.url}/v1/models/lenet", paths)
    grpc = predict_grpc(f"127.0.0.1:{real.grpc}", "lenet", paths)
    for one, other, third in zip(here, rest, grpc, strict=True):
        np.testing.assert_allclose(one.probabilities, other.probabilities, atol=1e-5)
        np.testing.assert_allclose(one.probabilities, third.probabilities, atol=1e-5)


@pytest.mark.parametrize("body", [body for body, _ in PREDICT_ERRORS])
def test_both_refuse_the_same(real, server, body):
    assert real.ask("POST", f"{HALF}:predict", body)[0] == 400
    assert server.ask("POST", f"{HALF}:predict", body)[0] == 400
