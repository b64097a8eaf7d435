"""docs/learning.md: what the loss of every network does in its first steps."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable, Sequence

import kerasnets
from benchmarks.learning.measure import (
    BATCH,
    BELOW_CHANCE,
    FIRST,
    LAST,
    STEPS,
    Outcome,
    known,
    words,
)
from kerasnets.cli.main import parse
from kerasnets.cli.tables import written
from kerasnets.config import Recipe
from kerasnets.config.training import default_recipe
from kerasnets.runs.run import chosen_recipe

PAGE = "learning.md"
HEADER = (
    "network",
    "pixels",
    "learning rate",
    "limit",
    "steps",
    "logit std",
    "chance",
    "initial",
    "first",
    "last",
    "learns",
    "seconds",
)

# A first loss so many times the initial one was driven up.
DRIVEN = 1.2
# Above this part of the classifier's limit a rate counts as near it, below the other as far from.
NEAR_LIMIT, FAR_FROM_LIMIT = 0.5, 0.1
CIFAR_CLASSES = 10
CIFAR_RESNETS = tuple(f"resnet{depth}_cifar" for depth in (20, 32, 44, 56, 110, 1202))

# A standard deviation of the logits with which the probabilities of five classes differ by about
# a hundredth of what they are.
NEAR = 0.01


def page() -> str:
    """The page, as Markdown."""
    found = known()
    own = [each for each in found if not each.changes]
    changed = [each for each in found if each.changes]
    left = sorted({*kerasnets.list_models()} - {each.network for each in own})
    lines = [
        f"# The first {STEPS[0]} or {STEPS[1]} steps of each network",
        "",
        "Does the training loss of each network fall, from its initial weights and by its own "
        f"recipe? Measured so far: {len(own)} of {len(own) + len(left)} networks.",
        "",
        f"Each network trains with its default recipe (for digits, the data set's), including "
        "augmentation, at a constant learning rate: the recipe's first, scaled to the batch size "
        f"{BATCH} where the recipe gives its own batch size. Warm-up and auxiliary classifiers are "
        "off; the loss is cross-entropy, with smoothed labels where the recipe has them. A "
        f"training ends after {STEPS[0]} steps, or {STEPS[1]} where these do not suffice. Networks "
        "for grey images see scikit-learn's digits, ten classes; all others 1,200 photographs of "
        "five flowers, at about the smallest side that makes sense.",
        "",
        f"`initial` is the loss of {BATCH} training images before the first step, without dropout "
        f"and augmentation; `first` is the mean of the first {FIRST} steps, `last` of the last "
        f"{LAST}; `chance` is the logarithm of the number of classes: the lowest mean loss of a "
        "network that gives every image the same answer. `learns` is yes where `last` is "
        f"{BELOW_CHANCE} or more below `chance`, several times as much as {LAST} batches vary. "
        "**no** does not mean that a network cannot be trained: the recipes were made for more "
        "and larger images, and for many thousands of steps.",
        "",
        "`limit` is the learning rate above which gradient descent on the classifier alone would "
        "diverge, see below; there is none for Adam, or where the classifier is no dense layer. "
        f"`logit std` is the standard deviation of a logit over {BATCH} images before the first "
        "step, without dropout: how far apart the answers for different images start. `seconds` "
        "is processor time, including the building of the network.",
        "",
        "Written by `make docs` from [results.jsonl](../benchmarks/learning/results.jsonl), to "
        "which `python -m benchmarks.learning [NETWORK ...]` adds what is missing. The "
        "photographs, `flowers/train/CLASS/*`, are not distributed.",
        "",
        written("markdown", HEADER, [_row(each) for each in own], left=("network",)),
        "",
    ]
    lines += [_near_and_far(own, changed), "", *_limits(own, changed)] if own else []
    if changed:
        lines += [
            "## With changes",
            "",
            "By `--changes='kernel_initializer he_2015'` and the like; all else is as above.",
            "",
            written(
                "markdown",
                (HEADER[0], "changes", *HEADER[1:]),
                [(_row(each)[0], f"`{each.changes}`", *_row(each)[1:]) for each in changed],
                left=("network", "changes"),
            ),
            "",
        ]
    if left:
        lines += [f"Not run yet: {_names(left)}.", ""]
    return "\n".join([*lines, *_made(found)])


def _near_and_far(own: Sequence[Outcome], changed: Sequence[Outcome]) -> str:
    """How many learn of the networks whose answers start next to each other, and of the others.

    Args:
        own: What networks found by their own recipes.
        changed: What they found with changes.
    """

    def count(some: Sequence[Outcome]) -> str:
        return f"{sum(each.learns for each in some)} of {len(some)}"

    near = [each for each in own if each.apart < NEAR]
    names = {each.network for each in near}
    by_adam = [each for each in (*near, *changed) if each.network in names and _is_of_adam(each)]
    by_others = [each for each in near if not _is_of_adam(each)]
    learned = _names(each.network for each in by_adam if each.learns)
    far = [each for each in own if each.apart >= NEAR]
    lines = [
        f"Of the networks whose logits start less than {NEAR} apart, {count(near)} learn by their "
        f"own recipes; of the others, {count(far)}. Those that start so close have no batch norm, "
        "and start from their papers' initial weights. The likely reason, not measured: from layer "
        "to layer the difference between two images shrinks, and with it the gradient that would "
        f"tell them apart. By SGD {count(by_others)} learn from there. Adam divides by the size of "
        f"the gradient: by Adam {count(by_adam)} learn{f', {learned}' if learned else ''}."
    ]
    if odd := [each for each in far if not each.learns]:
        names = {each.network for each in odd}
        again = [each for each in changed if each.network in names]
        helped = (f"`{each.network}` by `{each.changes}`" for each in again if each.learns)
        fast = [each.network for each in odd if _part_of_limit(each) > NEAR_LIMIT]
        slower = [
            each
            for each in again
            if each.network in fast and 0 < _part_of_limit(each) < FAR_FROM_LIMIT
        ]
        lines += [
            "",
            f"Not explained by that: {_names(each.network for each in odd)} start further apart "
            f"and do not learn either. These learn with a change: {'; '.join(helped) or 'none'}. "
            f"The rate is above {NEAR_LIMIT:.0%} of the classifier's limit (next section), so it "
            f"may be too high, for {_names(fast) or 'none'}. Of {len(slower)} of these that were "
            f"trained again below {FAR_FROM_LIMIT:.0%} of the limit "
            f"{_names(each.network for each in slower if each.learns) or 'none'} learned; the "
            "loss of the others fell, but too slowly.",
        ]
    return "\n".join(lines)


def _limits(own: Sequence[Outcome], changed: Sequence[Outcome]) -> list[str]:
    """What the classifier's limit explains.

    Args:
        own: What networks found by their own recipes.
        changed: What they found with changes.
    """

    def driven(some: Sequence[Outcome], near: bool) -> str:
        counted = [each for each in some if limit(each)]
        counted = [each for each in counted if (_part_of_limit(each) > NEAR_LIMIT) is near]
        up = [each for each in counted if not each.finite or _rise(each) > DRIVEN]
        return f"{len(up)} of {len(counted)}"

    lines = [
        "## The classifier's limit",
        "",
        "Near chance, the loss of C classes curves by about s / C in the direction that the "
        "features of all images share, where s is their mean square in that direction, plus 1 for "
        "the bias. On a parabola of that curvature gradient descent with momentum m diverges above "
        "a rate of 2 (1 + m) C / s, with Nesterov's above 1 / (1 + 2 m) of that. RMSProp with an "
        "epsilon of 1 counts as gradient descent with momentum; that `inception_v3` clips "
        "gradients is not counted. `limit` is this rate for s before the first step. Training "
        "changes s, and far from chance the loss curves less, so above the limit a loss need not "
        "grow for ever; and below it, the first step can still lead farther from the minimum.",
        "",
        "The limit does not depend on the batch size. Recipes for ImageNet were made for 1,000 "
        "classes, for which it is 200 times as high as for five, and most for larger batches; "
        "those for CIFAR-10 for ten, for which it is twice as high.",
        "",
        f"Where the rate is above {NEAR_LIMIT:.0%} of the limit, the first steps drive the loss "
        f"up, to more than {DRIVEN:g} times the initial one, in {driven(own, True)} networks; "
        f"elsewhere in {driven(own, False)}. With the changes below it is {driven(changed, True)} "
        f"and {driven(changed, False)}. {_gaps(own)}",
        "",
    ]
    rows = [each for name in CIFAR_RESNETS for each in own if each.network == name]
    if not rows:
        return lines
    header = (
        *("network", "initial, 5 classes", "s"),
        *(f"limit for {CIFAR_CLASSES} classes", "recipe starts at"),
    )
    cells = [(f"`{each.network}`", *_on_cifar(each)) for each in rows]
    return [
        *lines,
        "In the ResNets of 2015 every block of the last stage adds to the features. In those for "
        "CIFAR that stage grows with depth: s and the initial loss grow, and the limit falls. He "
        'et al. 2015 (section 4.2) warm up 110 layers at 0.01, since a rate of 0.1 is "slightly '
        'too large to start converging", but not 20 to 56. The limit falls below 0.1 in that '
        "range. It does not tell where warm-up is needed: 56 layers are a little above it, 1,202 "
        "are above it even at 0.01. Images are those above, not CIFAR-10's:",
        "",
        written("markdown", header, cells, left=("network",)),
        "",
    ]


def _gaps(own: Sequence[Outcome]) -> str:
    """How much hangs on the two thresholds."""
    parts = sorted(_part_of_limit(each) for each in own if limit(each))
    below = max((part for part in parts if part <= NEAR_LIMIT), default=0)
    above = min((part for part in parts if part > NEAR_LIMIT), default=1)
    most = max(
        (_rise(each) for each in own if limit(each) and _part_of_limit(each) <= NEAR_LIMIT),
        default=1,
    )
    return (
        "Both thresholds were chosen with 65 of the networks in view: no rate is between "
        f"{below:.0%} and {above:.0%} of its limit; of those below, the largest rise is to "
        f"{most:.2f} times the initial loss. The other four were measured afterwards, and are "
        "counted right: `densenet100_k24_cifar`, `densenet_bc190_k40_cifar` and "
        "`densenet_bc250_k24_cifar`, which rise, and `resnet200_v2`."
    )


def _on_cifar(found: Outcome) -> tuple[str, ...]:
    own = default_recipe(found.network, "cifar10")
    rate = own.peak_learning_rate * (own.warmup_from if own.warmup_epochs else 1)
    most = limit(found, CIFAR_CLASSES)
    return f"{found.initial:.3f}", f"{found.shared:g}", f"{most:.2g}", f"{rate:g}"


def limit(found: Outcome, classes: int | None = None) -> float | None:
    """The learning rate above which gradient descent on the classifier alone would diverge.

    At chance, the cross-entropy of C classes curves by s / C in the direction that images share,
    where s is the mean square of their features and of the 1 that a bias is given. Gradient descent
    with momentum m converges on a curvature h below the rate 2 (1 + m) / h, with Nesterov's below
    1 / (1 + 2 m) of that. RMSProp with an epsilon of 1 hardly divides small gradients, and counts
    as the former.

    Args:
        found: What a network makes of images, by which recipe.
        classes: Number of classes; that of `found` by default.

    Returns:
        The rate; ``None`` of other optimizers, and where the classifier is no dense layer.
    """
    by = _trained_by(found.network, found.changes)
    if found.shared is None or by.optimizer not in ("sgd", "nesterov", "rmsprop"):
        return None
    if by.optimizer == "rmsprop" and by.epsilon < 1:
        return None
    curvature = (found.shared + 1) / (classes or round(math.exp(found.chance)))
    ahead = 1 + 2 * by.momentum if by.optimizer == "nesterov" else 1
    return 2 * (1 + by.momentum) / curvature / ahead


def _part_of_limit(found: Outcome) -> float:
    """The rate as a fraction of the limit; 0 where there is none."""
    most = limit(found)
    return found.rate / most if most else 0.0


def _rise(found: Outcome) -> float:
    return (found.first or 0.0) / found.initial


@functools.cache
def _trained_by(network: str, changes: str) -> Recipe:
    return chosen_recipe(parse(words(network, "folder:flowers", changes)).config.resolved())


def _names(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _is_of_adam(found: Outcome) -> bool:
    return _trained_by(found.network, found.changes).optimizer == "adam"


def errata() -> str:
    """The section of errata.md on the networks that stay near chance."""
    found = known()
    lines = [
        "## What does not come clearly below chance",
        "",
        "Written by `make docs` from the [first steps](learning.md) of networks, by their own "
        "recipe on small images, which are not what the recipe was made for. What one might "
        "expect here is nobody's claim. For logits that start less than 0.01 apart, and for rates "
        "above half of the classifier's limit, that page names a possible cause.",
        "",
        "| expectation | what was found |",
        "| --- | --- |",
    ]
    for each in found:
        if not each.changes and not each.learns:
            claim = f"`{each.network}` learns in {each.steps} steps of `{each.recipe}`."
            others = [one for one in found if one.network == each.network and one.changes]
            lines.append(f"| {claim} | {' '.join([_sentence(each), *map(_sentence, others)])} |")
    return "\n".join([*lines, ""])


def _sentence(each: Outcome) -> str:
    given = f"With `{each.changes}` the loss" if each.changes else "The loss"
    if not each.finite:
        return f"{given} became NaN or infinite after {each.steps} steps."
    most = limit(each)
    part = f", the rate {each.rate / most:.2g} times the classifier's limit" if most else ""
    return (
        f"{given} ends at {each.last:.3f}, chance is {each.chance:.3f}; the logits' initial "
        f"standard deviation is {each.apart:.2g}{part}."
    )


def _row(each: Outcome) -> tuple[str | int, ...]:
    first, last = ("–" if loss is None else f"{loss:.3f}" for loss in (each.first, each.last))
    learns = "yes" if each.learns else "**no**"
    most = limit(each)
    rates = (f"{each.rate:.3g}", "–" if most is None else f"{most:.2g}")
    losses = (f"{each.apart:.2g}", f"{each.chance:.3f}", f"{each.initial:.3f}", first, last)
    figures = (each.side, *rates, each.steps, *losses, learns, round(each.seconds))
    return (f"`{each.network}`", *figures)


def _made(found: Sequence[Outcome]) -> list[str]:
    """Where, when and with what the results were made."""

    def of(facts: list[str]) -> str:
        return ", ".join(dict.fromkeys(facts))

    if not found:
        return []
    versions = [f"{name} {version}" for each in found for name, version in each.versions.items()]
    commits = of([each.commit for each in found])
    where = of([each.machine for each in found])
    days = sorted({each.day for each in found})
    when = days[0] if len(days) == 1 else f"{days[0]} to {days[-1]}"
    return [f"{of(versions)}, commit {commits}, {when}; {where}.", ""]
