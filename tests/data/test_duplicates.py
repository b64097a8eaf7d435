"""Copies that are found, and different images that are not taken for copies."""

import csv
import io
import itertools

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageEnhance, ImageOps

from kerasnets.data import check, from_arrays, load, write_tfrecords
from kerasnets.data.checks import write_pairs
from kerasnets.data.duplicates import COMPARED, HASHED, find_pairs, fingerprint, looks


def photograph(seed, width=320, height=240):
    """Soft shapes of many sizes and colours, and fine grain, as photographs have."""
    rng = np.random.default_rng(seed)
    image = Image.fromarray(rng.integers(40, 200, (3, 4, 3), np.uint8)).resize((width, height), 3)
    draw = ImageDraw.Draw(image)
    for _ in range(40):
        x, y, radius = rng.uniform((0, 0, 0.02), (1, 1, 0.15)) * (width, height, height)
        colour = tuple(rng.integers(0, 256, 3).tolist())
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)
    grain = rng.normal(0, 6, (height, width, 1))
    return Image.fromarray(np.clip(np.asarray(image) + grain, 0, 255).astype(np.uint8))


def encoded(image, form, **options):
    file = io.BytesIO()
    image.save(file, form, **options)
    return Image.open(file)


def scaled(image, times):
    return image.resize((round(image.width * times), round(image.height * times)))


def brightened(image, times):
    return ImageEnhance.Brightness(image).enhance(times)


def pairs_of(*images):
    """(first, second) of the pairs among images that are each in one split of its own."""
    prints = [
        fingerprint(np.asarray(each.convert("RGB").resize((HASHED, HASHED), Image.Resampling.BOX)))
        for each in images
    ]
    order = np.arange(len(images))
    found = find_pairs(looks(prints), order, order, np.zeros_like(order))
    return [tuple(pair) for pair in found.images.tolist()]


COPIES = {
    "JPEG of quality 50": lambda image: encoded(image, "JPEG", quality=50),
    "JPEG of quality 70": lambda image: encoded(image, "JPEG", quality=70),
    "JPEG of quality 95": lambda image: encoded(image, "JPEG", quality=95),
    "progressive JPEG": lambda image: encoded(image, "JPEG", progressive=True),
    "PNG": lambda image: encoded(image, "PNG"),
    "WebP": lambda image: encoded(image, "WEBP", quality=75),
    "lossless WebP": lambda image: encoded(image, "WEBP", lossless=True),
    "half the sides": lambda image: scaled(image, 0.5),
    "twice the sides": lambda image: scaled(image, 2),
    "a third of the sides": lambda image: scaled(image, 1 / 3),
    "half the sides, JPEG of quality 50": lambda image: encoded(
        scaled(image, 0.5), "JPEG", quality=50
    ),
    "sides not in proportion": lambda image: image.resize((256, 256)),
    "brighter by a tenth": lambda image: brightened(image, 1.1),
    "darker by a tenth": lambda image: brightened(image, 0.9),
    "more contrast": lambda image: ImageEnhance.Contrast(image).enhance(1.1),
    "brighter, JPEG of quality 70": lambda image: encoded(
        brightened(image, 1.05), "JPEG", quality=70
    ),
    "256 colours": lambda image: image.quantize(256),
}


@pytest.mark.parametrize("kind", COPIES)
def test_a_copy_is_found_among_others(kind):
    originals = [photograph(seed) for seed in range(3)]
    copies = [COPIES[kind](image) for image in originals]
    assert sorted(pairs_of(*originals, *copies)) == [(0, 3), (1, 4), (2, 5)]


def canvas(level):
    return Image.new("RGB", (200, 150), (level,) * 3)


def faint(seed):
    """The same squares, a few gray levels from the ground, which is brighter each time."""
    rows, columns = np.indices((150, 200)) // 25
    return Image.fromarray((100 + seed + 4 * ((rows + columns) % 2)).astype(np.uint8))


def sky(seed):
    """A gradient with nothing in it, each from another brightness."""
    pixels = np.linspace(60 + 20 * seed, 240, 120)[:, None, None] * np.array([0.6, 0.8, 1.0])
    return Image.fromarray(np.repeat(pixels, 160, axis=1).astype(np.uint8))


def page(seed):
    """Lines of words of different lengths, in the same place on each page."""
    rng = np.random.default_rng(seed)
    image = Image.new("L", (300, 400), 255)
    draw = ImageDraw.Draw(image)
    for top in range(30, 370, 9):
        left = 25
        while left < 260:
            length = int(rng.integers(6, 30))
            draw.rectangle((left, top, min(left + length, 275), top + 4), fill=40)
            left += length + 5
    return image


def stroke(seed):
    """A digit 1 of 28 x 28 pixels, of another slant, place and length each."""
    rng = np.random.default_rng(seed)
    image = Image.new("L", (112, 112))
    slant, shift, top = rng.uniform((-14, -4, 14), (14, 4, 30))
    line = (56 + shift + slant, top, 56 + shift - slant, 112 - top)
    ImageDraw.Draw(image).line(line, fill=255, width=int(rng.integers(7, 12)))
    return image.resize((28, 28), Image.Resampling.BOX)


def small_object(seed):
    """The same sky with another small thing in it."""
    image = sky(1)
    rng = np.random.default_rng(seed)
    x, y = rng.uniform(60, 100), rng.uniform(40, 80)
    draw = ImageDraw.Draw(image)
    width, height = rng.uniform(6, 25, 2)
    draw.ellipse((x - width, y - height, x + width, y + height), fill=(60, 60, 70))
    return image


def recoloured(seed):
    """The same shapes in other colours of the same brightness."""
    red, green, blue = photograph(7).split()
    return Image.merge("RGB", ((red, green, blue), (blue, green, red), (green, red, blue))[seed])


def cropped(seed):
    """Parts of one photograph, which show different things."""
    return photograph(9).crop((20 * seed, 10 * seed, 220 + 20 * seed, 160 + 10 * seed))


DIFFERENT = {
    "photographs": lambda: [photograph(seed) for seed in range(30)],
    "photographs of 32 pixels": lambda: [photograph(seed, 32, 32) for seed in range(40)],
    "plain canvases": lambda: [canvas(level) for level in (0, 128, 254, 255)],
    "JPEGs of a white canvas": lambda: [
        encoded(canvas(255), "JPEG", quality=q) for q in (50, 75, 95)
    ],
    "faint patterns": lambda: [faint(seed) for seed in range(3)],
    "skies": lambda: [sky(seed) for seed in range(6)],
    "printed pages": lambda: [page(seed) for seed in range(20)],
    "strokes": lambda: [stroke(seed) for seed in range(40)],
    "small objects": lambda: [small_object(seed) for seed in range(6)],
    "other colours": lambda: [recoloured(seed) for seed in range(3)],
    "crops": lambda: [cropped(seed) for seed in range(3)],
    "a negative": lambda: [photograph(0), ImageOps.invert(photograph(0))],
    "a mirror image": lambda: [photograph(0), ImageOps.mirror(photograph(0))],
    "one image": lambda: [photograph(0)],
    "no image": lambda: [],
}


@pytest.mark.parametrize("kind", DIFFERENT)
def test_different_images_are_no_copies(kind):
    assert pairs_of(*DIFFERENT[kind]()) == []


def test_handwritten_digits_are_no_copies():
    """1,797 images of 8 x 8 pixels."""
    from sklearn.datasets import load_digits

    digits = (load_digits().images * 15).astype(np.uint8)
    assert len(pairs_of(*map(Image.fromarray, digits))) <= 3


def prints_of(seeds):
    return looks([fingerprint(np.asarray(photograph(seed, HASHED, HASHED))) for seed in seeds])


def test_serious_pairs_come_first():
    prints = prints_of([1, 1, 2, 2, 3, 3, 4, 4])
    splits = np.array([0, 0, 0, 0, 0, 1, 0, 1])
    labels = np.array([0, 0, 0, 1, 0, 0, 0, 1])
    found = find_pairs(prints, np.arange(8), splits, labels)
    assert found.images.tolist() == [[6, 7], [4, 5], [2, 3], [0, 1]]
    assert found.bits.tolist() == [0] * 4
    np.testing.assert_allclose(found.differences, 0, atol=1e-3)


def test_each_image_with_a_copy_in_another_split_is_in_a_pair_across():
    """Of five images that look the same four pairs are given, not ten."""
    splits = np.array([0, 0, 0, 1, 1])
    found = find_pairs(prints_of([1] * 5), np.arange(5), splits, np.zeros(5, int))
    assert len(found.images) == 4
    assert all(splits[one] != splits[other] for one, other in found.images)
    assert set(found.images.ravel().tolist()) == set(range(5))


def test_files_of_the_same_content_are_no_near_duplicates():
    """Of 0 and 1, the same file twice in a split, the first stands for both."""
    contents, splits = np.array([0, 0, 0, 1]), np.array([0, 0, 1, 0])
    found = find_pairs(prints_of([1] * 4), contents, splits, np.zeros(4, int))
    assert found.images.tolist() == [[2, 3], [0, 3]]


def test_blocks_and_rounds_give_the_same_pairs(monkeypatch):
    seeds = [*range(30), *range(0, 30, 3), 6, 6]
    arguments = prints_of(seeds), np.arange(42), np.arange(42) % 2, np.zeros(42, int)
    at_once = find_pairs(*arguments)
    monkeypatch.setattr("kerasnets.data.duplicates.BLOCK", 8)
    monkeypatch.setattr("kerasnets.data.duplicates.CONFIRMED", 3)
    assert find_pairs(*arguments).images.tolist() == at_once.images.tolist()
    assert len(at_once.images) == 12


def test_what_is_kept_of_an_image_is_small():
    found = prints_of([1, 2])
    assert sum(each.nbytes for each in (found.hashes, found.gray, found.colours)) == 2 * 2048
    assert found.colours.shape[1:] == (COMPARED, COMPARED, 3)


def test_packed_files_are_searched(tmp_path):
    """Turned by a mark in the other split, of another class; what cannot be read ends nothing."""
    root = tmp_path / "images"
    for number, (split, label) in enumerate(itertools.product(("train", "test"), "ab")):
        (root / split / label).mkdir(parents=True)
        photograph(number).save(root / split / label / "0.png")
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = photograph(0).transpose(Image.Transpose.ROTATE_90)
    turned.save(root / "test" / "a" / "turned.jpg", exif=exif)
    photograph(1).save(root / "train" / "a" / "other.webp", quality=80)
    (root / "train" / "a" / "cut.png").write_bytes((root / "train/a/0.png").read_bytes()[:5000])
    manifest = write_tfrecords(load(f"folder:{root}"), tmp_path / "packed")
    report = check(load(f"records:{manifest.parent}"))
    assert [(pair.leaks, pair.disagrees) for pair in report.near] == [(True, False), (False, True)]
    assert len(report.splits["train"].bad) == 1


@pytest.mark.parametrize("channels", [1, 3])
def test_arrays_are_searched(channels):
    pixels = np.stack([np.asarray(photograph(seed, 64, 48)) for seed in (1, 2, 3, 1)])
    pixels[3] = np.clip(pixels[3].astype(int) + 8, 0, 255)
    pixels = pixels[..., :channels]
    dataset = from_arrays({"train": (pixels, np.array([0, 1, 0, 1]))}, ("a", "b"))
    (pair,) = check(dataset, channels).near
    assert (pair.first.index, pair.second.index) == (0, 3)
    assert str(pair).startswith("train, a: 'image 0' ~ train, b: 'image 3' (distance ")


def test_pairs_are_listed_and_drawn(tmp_path):
    from kerasnets.data.pictures import MOST_PAIRS, save_pairs

    pixels = np.stack([np.asarray(photograph(seed % 30, 300, 48)) for seed in range(60)])
    pixels[30:, 0, 0] += 1
    labels = np.arange(60) // 30
    dataset = from_arrays({"train": (pixels, labels)}, ("$a", "b"), name="$x$")
    near = check(dataset).near
    assert len(near) == 30
    write_pairs(tmp_path / "pairs.csv", near, ("distance", "difference"))
    with (tmp_path / "pairs.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 30
    assert list(rows[0]) == [
        "split", "class", "name", "other_split", "other_class", "other_name", "distance", "difference",
    ]  # fmt: skip
    assert (rows[0]["class"], rows[0]["other_class"]) == ("$a", "b")
    save_pairs(tmp_path / "pairs.png", dataset, near, "near duplicates")
    with Image.open(tmp_path / "pairs.png") as picture:
        # Two pairs beside each other.
        assert picture.height > MOST_PAIRS / 2 * 250
