"""What docs/serving.md has the reader type."""

import json
import re
import subprocess

from tests.conftest import ROOT


def test_the_curl_commands_get_answers(server):
    page = (ROOT / "docs" / "serving.md").read_text()
    blocks = re.findall(r"```sh\n(.*?)```", page, re.DOTALL)
    train, serve, _ = blocks[0].strip().split("\n")
    assert (train, serve) == ("make train", "make serve")
    commands = [line for block in blocks for line in block.split("\n") if "curl" in line]
    rows = []
    for command in commands:
        there = command.replace(
            "localhost:8501/v1/models/lenet5", f"127.0.0.1:{server.port}/v1/models/lenet"
        )
        assert there != command
        result = subprocess.run(["bash", "-c", there], cwd=ROOT, capture_output=True, check=True)
        found = json.loads(result.stdout)["predictions"]
        rows.append(len(found))
        assert found[0].keys() & {"probabilities", "map"}, found[0].keys()
    assert rows == [1, 1, 2, 1, 1, 1]
