"""Dense layers hold most of the parameters, and do next to none of the work.

Claim: In networks that flatten their last map, the dense layers hold most parameters and do few of
    the multiply-adds; with a global average in their place the convolutions hold most.
Source: The lectures; Lin, Chen, Yan 2013, arXiv 1312.4400, section 3.2.
Published: The lectures: the first dense layer of LeNet has 48 thousand weights, of VGG 102 million.
Expected: Shares above 50 % of the parameters and below 10 % of the multiply-adds in AlexNet and
    VGG; below half of the parameters with a global average.
Simplifications: None. LeNet is the modern form, whose first dense layer reads 5x5x16 values.
"""

from kerasnets.lab.cells import Measured
from kerasnets.lab.design import Experiment, Scale, Trial
from kerasnets.lab.figure import Bars
from kerasnets.lab.verdict import Claim

PARAMETERS = "share of parameters in dense layers, %"
WORK = "share of multiply-adds in dense layers, %"
FIRST = "weights of the first dense layer"
FLATTEN = ("lenet5_modern", "alexnet", "vgg11", "vgg16", "vgg19")
AVERAGE = ("nin", "googlenet", "inception_v3", "resnet50", "densenet121", "mobilenet_v1")


def measure(trial: Trial) -> Measured:
    """Shares of the dense layers in the network's table of layers."""
    # They load Keras.
    from kerasnets.inspection import layer_table
    from kerasnets.models.build import unweighted

    rows = layer_table(unweighted(trial.variant))
    dense = [row for row in rows if row.kind == "Dense"]
    return Measured(
        {
            PARAMETERS: 100 * _share(dense, rows, "trainable"),
            WORK: 100 * _share(dense, rows, "multiply_adds"),
            FIRST: dense[0].trainable - dense[0].biases if dense else 0,
        }
    )


def _share(part: list, whole: list, of: str) -> float:
    return sum(getattr(row, of) for row in part) / sum(getattr(row, of) for row in whole)


EXPERIMENT = Experiment(
    group="costs",
    variants={name: name for name in (*FLATTEN, *AVERAGE)},
    measure=measure,
    claims=(
        Claim(measure=FIRST, of="lenet5_modern", equals=48_000),
        Claim(measure=FIRST, of="vgg16", equals=102_760_448),
        *(Claim(measure=PARAMETERS, of=name, above=50) for name in FLATTEN),
        *(Claim(measure=WORK, of=name, below=10) for name in FLATTEN if name != "lenet5_modern"),
        *(Claim(measure=PARAMETERS, of=name, below=50) for name in AVERAGE),
    ),
    plot=Bars((PARAMETERS, WORK)),
    small=Scale(minutes=1),
    exact=True,
)
