"""Deeper plain networks train worse; residual ones do not.

Claim: A plain network of 56 layers has a higher error on its training images than one of 20, so
    what it lacks is not generalisation; with shortcuts the deeper one is no worse.
Source: He, Zhang, Ren, Sun 2015, arXiv 1512.03385, section 4.2, figure 6, table 6.
Published: CIFAR-10 test error of ResNet-20 8.75 %, ResNet-32 7.51 %, ResNet-44 7.17 %, ResNet-56
    6.97 %; the plain networks' errors, training and test, rise with depth (figure 6, left).
Expected: Training error of plain 56 above plain 20 by a point or more; of residual 56 above
    residual 20 by less than a point.
Simplifications: The digits of scikit-learn, 8x8, so that stages have sides 8, 4 and 2; half the
    width; 10 epochs of cosine in the place of 64,000 steps; no augmentation. `full` is CIFAR-10 at
    16x16, also at half of the width, in 10 epochs of cosine after one of warm-up, without
    augmentation: what two cores do in an hour, with a sixteenth of the paper's steps.
"""

from kerasnets.lab.cells import Measured
from kerasnets.lab.design import Experiment, Scale, Trained, Trial
from kerasnets.lab.figure import Curves
from kerasnets.lab.measures import TRAINING_ERROR, errors
from kerasnets.lab.verdict import Claim

VARIANTS = {
    "plain, 20 layers": Trained("plain20_cifar"),
    "plain, 56 layers": Trained("plain56_cifar"),
    "residual, 20 layers": Trained("resnet20_cifar"),
    "residual, 56 layers": Trained("resnet56_cifar"),
}


def measure(trial: Trial) -> Measured:
    """Error of each epoch while it trains, in training mode, and of the test images at the end."""
    return errors(trial.train())


EXPERIMENT = Experiment(
    group="architecture",
    variants=VARIANTS,
    measure=measure,
    claims=(
        Claim(measure=TRAINING_ERROR, of="plain, 56 layers", minus="plain, 20 layers", above=1),
        Claim(
            measure=TRAINING_ERROR, of="residual, 56 layers", minus="residual, 20 layers", below=1
        ),
    ),
    plot=Curves(TRAINING_ERROR, x="epoch"),
    small=Scale(
        minutes=10,
        data="digits",
        options={"width": "0.5", "input_shape": "[8,8,1]"},
        base="resnet_cifar",
        recipe={
            "epochs": 10,
            "batch_size": 64,
            "base_batch_size": None,
            "learning_rate": 0.05,
            "schedule": "cosine",
            "augment": "none",
            "validation_fraction": 0.0,
        },
    ),
    full=Scale(
        minutes=60,
        data="cifar10",
        options={"width": "0.5", "input_shape": "[16,16,3]"},
        base="resnet_cifar",
        recipe={
            "epochs": 10,
            "schedule": "cosine",
            "warmup_epochs": 1,
            "augment": "none",
            "validation_fraction": 0.0,
        },
    ),
)
