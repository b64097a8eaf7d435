"""What Prometheus reads."""

import itertools

from prometheus_client.parser import text_string_to_metric_families

from kerasnets.serving.metrics import BUCKETS, Metrics


def read(page: bytes) -> dict[str, list]:
    families = text_string_to_metric_families(page.decode())
    return {family.name: family.samples for family in families}


def counts(page: bytes) -> dict[tuple[str, ...], float]:
    samples = read(page)[":tensorflow:serving:request_count"]
    labels = ("model_name", "version", "label", "status")
    return {tuple(sample.labels[name] for name in labels): sample.value for sample in samples}


def test_a_photograph_falls_into_a_narrow_bucket():
    ends = [end for end in BUCKETS if 10e3 <= end <= 5e6]
    assert ends[0] == 10e3
    assert all(low < high <= 1.6 * low for low, high in itertools.pairwise(ends))
    assert sorted(BUCKETS) == BUCKETS
    assert BUCKETS[-1] == 30e6


def test_versions_and_labels_are_told_apart():
    metrics = Metrics()
    for version, label in (("1", "stable"), ("2", "canary"), ("2", "canary")):
        metrics.record(("net", version, label), "predict", "OK", 12e3)
    metrics.record(("net", "2", "canary"), "predict", "INTERNAL", 3e3)
    page = metrics.page({"net": 3}, {("net", "1", "stable"), ("net", "2", "canary")})
    assert counts(page) == {
        ("net", "1", "stable", "OK"): 1,
        ("net", "2", "canary", "OK"): 2,
        ("net", "2", "canary", "INTERNAL"): 1,
    }
    buckets = {
        float(sample.labels["le"]): sample.value
        for sample in read(page)[":tensorflow:serving:request_latency"]
        if sample.name.endswith("_bucket") and sample.labels["label"] == "canary"
    }
    assert (buckets[10e3], buckets[15e3]) == (0, 2)


def test_a_version_that_is_gone_is_on_the_page_once_more():
    metrics = Metrics()
    for version in ("1", "2"):
        metrics.record(("net", version, ""), "predict", "OK", 1e3)
    metrics.record(("", "", ""), "predict", "NOT_FOUND", 1e3)
    served = {("net", "2", "")}
    first, second = metrics.page({}, served), metrics.page({}, served)
    assert {version for _, version, *_ in counts(first)} == {"", "1", "2"}
    assert {version for _, version, *_ in counts(second)} == {"", "2"}
    assert b'version="1"' not in second
