"""What docs/serving.md has the reader type."""

import json
import re
import subprocess

from tests.conftest import ROOT


def test_the_curl_command_gets_an_answer(server):
    page = (ROOT / "docs" / "serving.md").read_text()
    (block, *_) = re.findall(r"```sh\n(.*?)```", page, re.DOTALL)
    train, serve, curl = block.strip().split("\n")
    assert (train, serve) == ("make train", "make serve")
    assert "localhost:8501/v1/models/lenet5" in curl
    there = curl.replace(
        "localhost:8501/v1/models/lenet5", f"127.0.0.1:{server.port}/v1/models/lenet"
    )
    result = subprocess.run(["bash", "-c", there], cwd=ROOT, capture_output=True, check=True)
    (found,) = json.loads(result.stdout)["predictions"]
    assert sum(found["probabilities"]) > 0.99
