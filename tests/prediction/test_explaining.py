import io

import numpy as np
import pytest
from PIL import Image

from kerasnets import UserError
from kerasnets.cli.main import parse
from kerasnets.prediction import Answer
from kerasnets.prediction.explaining import occlusion
from kerasnets.prediction.pixels import upright
from tests.prediction.made import Brightness, busy_server, photographs


class Corner(Brightness):
    """Whether the upper left quarter of an image is bright; the second class says the opposite."""

    class_names = ("bright", "dark")

    def _answer(self, image: bytes):
        pixels = np.array(Image.open(io.BytesIO(image)))
        height, width = pixels.shape[:2]
        bright = pixels[: height // 2, : width // 2].mean() / 255
        return Answer.of(np.float32([bright, 1 - bright]), self.class_names)


def test_the_map_is_bright_where_the_class_is_lost():
    pixels = np.zeros((40, 60, 3), np.uint8)
    pixels[:20, :30] = 240
    bright, dark = occlusion(Corner(), pixels, [0, 1])
    assert bright.shape == (40, 60)
    # Elsewhere nothing is lost; squares reach 5 pixels over the edge.
    assert np.abs(bright[26:]).max() == np.abs(bright[:, 36:]).max() == 0
    assert bright[:18, :28].min() > 0
    np.testing.assert_allclose(dark, -bright, atol=1e-6)
    # One square of 6 x 6 of 600 pixels, all 240, becomes the mean colour, a quarter of that.
    assert bright.max() == pytest.approx(36 / 600 * 180 / 255, rel=0.01)


def test_images_are_upright_and_reduced_where_they_are_large():
    image = Image.new("RGB", (80, 40), "red")
    image.putpixel((0, 0), (0, 0, 255))
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise by 90 degrees
    file = io.BytesIO()
    image.save(file, "PNG", exif=exif)
    whole = upright(file.getvalue(), 100)
    assert whole.shape == (80, 40, 3)
    assert tuple(whole[0, 39]) == (0, 0, 255)
    assert upright(file.getvalue(), 10).shape == (20, 10, 3)


def test_a_server_is_explained_as_far_as_it_names_its_classes(tmp_path, capsys):
    folder, out = photographs(tmp_path / "photos", 1), tmp_path / "a.png"
    with busy_server(refusals=0) as running:
        url = f"http://127.0.0.1:{running.server_port}/v1/models/a"
        words = ["explain", url, str(folder / "0000 ä.png"), "--out", str(out)]
        parse(words).run()
        assert capsys.readouterr().out.startswith(f"{folder / '0000 ä.png'}: a 75.00%\n")
        parse([*words, "--class", "1"]).run()
        with pytest.raises(UserError, match="Unknown class 'b'. Known: 1, a"):
            parse([*words, "--class", "b"]).run()
    assert out.exists()


@pytest.mark.parametrize(
    ("answer", "task"),
    [
        ({"names": ["height"], "values": [1.5]}, "regression"),
        (
            {"probabilities": [0.7], "top_classes": ["a"], "top_scores": [0.7],
             "top_present": [True]},
            "multilabel",
        ),
    ],
)  # fmt: skip
def test_a_server_of_another_task_is_told(answer, task, tmp_path):
    folder = photographs(tmp_path / "photos", 1)
    with busy_server(refusals=0, answer=answer) as running:
        url = f"http://127.0.0.1:{running.server_port}/v1/models/a"
        words = ["explain", url, str(folder / "0000 ä.png"), "--out", str(tmp_path / "a.png")]
        with pytest.raises(UserError, match=f"The task {task} takes no explain"):
            parse(words).run()
