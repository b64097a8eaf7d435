"""What tests of runs, exports and publications do not reach: networks of which little is known."""

from __future__ import annotations

import dataclasses

from kerasnets.cards import Card, export_readme
from kerasnets.cards.text import Signature
from kerasnets.inputs import Preprocessing
from kerasnets.tasks import TASKS

CARD = Card(
    network="of my own",
    task=TASKS["classification"],
    class_names=tuple(f"class {number}" for number in range(30)),
    input_shape=(64, 48, 3),
    preprocessing=Preprocessing(size=(64, 48), fit="pad", resize=60, channel_order="bgr"),
)


def test_a_network_of_somebodys_own_has_a_readme(tmp_path):
    asked = {
        "tensor": Signature({"tensor": "float32 (N, 64, 48, 3)"}, {"logits": "float32 (N, 30)"})
    }
    export_readme(tmp_path, tmp_path.parent / "my models", CARD, asked)
    text = (tmp_path / "README.md").read_text()
    assert text.startswith("# of my own, a SavedModel\n\nThe network `of my own`, exported")
    assert "It names one of 30 classes: class 0, " in text
    assert "class 19 and 10 more." in text
    assert "Results" not in text
    assert f"kerasnets evaluate '{tmp_path.parent}/my models' --data DATA" in text
    assert "| `tensor` | `tensor` float32 (N, 64, 48, 3) | `logits` float32 (N, 30) |\n" in text
    assert "resized to 60 pixels (bilinear), and centred on black of 64x48." in text
    assert "BGR in 0 to 255, the mean (123.7 116.3 103.5) is subtracted" in text


def test_a_number_is_no_class():
    card = dataclasses.replace(CARD, task=TASKS["regression"], class_names=("age",))
    assert card.says == "It gives a number of an image: age."
    found = dataclasses.replace(card, metrics={"split": "test", "mae": 3.14159, "r2": None}).figures
    assert [(each.kind.shown, str(each)) for each in found] == [("mean absolute error", "3.142")]
