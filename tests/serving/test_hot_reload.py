"""Versions that come, go and are broken, in a server under load."""

import concurrent.futures
import contextlib
import json
import shutil
import time

from tests.serving.saved_models import half_plus

CHANGING = "/v1/models/changing"


def wait_for(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.1)


def state(server, version):
    code, answer = server.ask("GET", f"{CHANGING}/versions/{version}")
    return answer["model_version_status"][0] if code == 200 else None


def available(server, version):
    found = state(server, version)
    return found is not None and found["state"] == "AVAILABLE"


def test_no_request_fails_while_versions_change(server):
    stop = False
    body = json.dumps({"inputs": [0]}).encode()
    answers = [[] for _ in range(4)]

    def client(answers: list[tuple[int, list[float]]]) -> None:
        with contextlib.closing(server.connect()) as connection:
            while not stop:
                connection.request("POST", f"{CHANGING}:predict", body)
                answer = connection.getresponse()
                answers.append((answer.status, json.loads(answer.read()).get("outputs")))

    def all_see(version: int) -> bool:
        return all(found and found[-1][1] == [version] for found in answers)

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        clients = [pool.submit(client, found) for found in answers]
        try:
            for version in (2, 3):
                half_plus(float(version), server.folder / "changing" / str(version))
                wait_for(lambda version=version: available(server, version))
                wait_for(
                    lambda version=version: state(server, version - 1)["state"] == "END",
                )
                wait_for(lambda version=version: all_see(version))
        finally:
            stop = True
        for each in clients:
            each.result()
    for found in answers:
        assert {code for code, _ in found} == {200}
        values = [outputs[0] for _, outputs in found]
        assert values == sorted(values)  # a client never sees an older version again
        assert set(values) <= {0.0, 2.0, 3.0}
    assert {outputs[0] for found in answers for _, outputs in found} == {0.0, 2.0, 3.0}
    assert server.ask("POST", f"{CHANGING}/versions/2:predict", {"inputs": [0]})[0] == 404


def test_a_broken_version_leaves_the_good_one_up_until_it_is_mended(server):
    folder = server.folder / "changing"
    broken = folder / "10"
    broken.mkdir()
    (broken / "saved_model.pb").write_bytes(b"\x00" * 100)
    (folder / "11").mkdir()
    wait_for(lambda: (state(server, 11) or {}).get("state") == "END")
    wait_for(lambda: (state(server, 10) or {}).get("state") == "END")
    assert "Could not parse" in state(server, 10)["status"]["error_message"]
    assert state(server, 10)["status"]["error_code"] == "INTERNAL"
    code, answer = server.ask("POST", f"{CHANGING}:predict", {"inputs": [0]})
    assert (code, answer) in ((200, {"outputs": [0.0]}), (200, {"outputs": [3.0]}))
    assert server.get("/readyz")[0] == 200

    shutil.rmtree(folder / "11")
    mended = half_plus(10.0, server.folder / "mended")
    for path in sorted(mended.rglob("*"), reverse=True):  # file by file, the graph before the rest
        if path.is_file():
            target = broken / path.relative_to(mended)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, target)
    shutil.rmtree(mended)
    wait_for(lambda: available(server, 10))
    assert server.ask("POST", f"{CHANGING}:predict", {"inputs": [0]}) == (200, {"outputs": [10.0]})
