"""A depthwise separable convolution costs 1/N + 1/k^2 of a full one and loses little.

Claim: A kxk convolution of each map and a 1x1 convolution to N maps take 1/N + 1/k^2 of the
    multiply-adds of one kxk convolution to N maps, and the network errs little more.
Source: Howard, Zhu, Chen, Kalenichenko, Wang, Weyand, Andreetto, Adam 2017, arXiv 1704.04861,
    section 3.1, table 4.
Published: Top-1 accuracy of MobileNet on ImageNet 70.6 %, with full convolutions 71.7 %.
Expected: The blocks' multiply-adds as the formula has them; a test error less than 2 points above
    that of full convolutions, about twice what the paper lost.
Simplifications: The digits of scikit-learn, 8x8; MobileNet's blocks, four of 16 to 32 maps, where
    it has thirteen of up to 1024; 10 epochs, no augmentation. In
    one trial with another seed, MobileNet itself at a quarter of its width, whose maps shrink to
    one pixel, lost 2.7 points: the verdict is on the blocks where maps are larger than a pixel.
"""

from kerasnets.lab.cells import Measured
from kerasnets.lab.costs import MULTIPLY_ADDS
from kerasnets.lab.design import Experiment, Scale, Trial
from kerasnets.lab.figure import Bars
from kerasnets.lab.measures import TEST_ERROR
from kerasnets.lab.networks import stacked
from kerasnets.lab.verdict import Claim

OFF = "multiply-adds off the formula, %"


def build(shape, classes, separable):
    """One form of a network, of MobileNet's blocks."""
    from kerasnets.models.mobilenet import STYLE, full_block, separable_block

    def blocks(x, maps, stage):
        for number in (1, 2):
            block = separable_block if separable else full_block
            name = f"stage{stage}_block{number}"
            x = block(x, STYLE, maps, 1, padding="symmetric", name=name)
        return x

    def first(x):
        return blocks(STYLE.conv_norm_act(x, 16, 3, padding=1, name="stem_conv"), 16, 1)

    return stacked(shape, classes, [first, lambda x: blocks(x, 32, 2)])


def blocks(network) -> list:
    """The layers of the blocks in the network's table of layers."""
    from kerasnets.inspection import layer_table

    return [row for row in layer_table(network) if row.multiply_adds and "block" in row.name]


def measure(trial: Trial) -> Measured:
    """Test error; multiply-adds of the blocks, and how far they are from the formula's."""
    fitted = trial.fit(lambda shape, classes: build(shape, classes, trial.variant))
    spent = sum(row.multiply_adds for row in blocks(fitted.network))
    full = blocks(build(fitted.sets.shape, fitted.sets.classes, separable=False))
    formula = sum(row.multiply_adds * (1 / row.output_shape[-1] + 1 / 3**2) for row in full)
    return Measured(
        {
            TEST_ERROR: fitted.error(fitted.sets.test),
            MULTIPLY_ADDS: spent,
            OFF: 100 * abs(spent / formula - 1),
        }
    )


EXPERIMENT = Experiment(
    group="architecture",
    variants={"full 3x3": False, "depthwise separable": True},
    measure=measure,
    claims=(
        Claim(measure=OFF, of="depthwise separable", below=0.01),
        Claim(measure=TEST_ERROR, of="depthwise separable", minus="full 3x3", below=2),
    ),
    plot=Bars((TEST_ERROR,)),
    small=Scale(minutes=2, recipe={"epochs": 10, "learning_rate": 0.05}),
)
