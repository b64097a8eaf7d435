"""docs/learning.md: what the loss of every network does in its first steps."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import kerasnets
from benchmarks.learning.measure import BATCH, BELOW_CHANCE, FIRST, LAST, STEPS, Outcome, known
from kerasnets.cli.tables import written
from kerasnets.config import recipe
from kerasnets.config.training import default_recipe

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
# A rate above this part of the classifier's limit counts as near it.
NEAR_LIMIT = 0.5
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
        f"off; the loss is cross-entropy. A training ends after {STEPS[0]} steps, or {STEPS[1]} "
        "where these do not suffice. Networks of grey images see scikit-learn's digits, ten "
        "classes; all others 1,200 photographs of five flowers, at about the smallest side that "
        "makes sense.",
        "",
        f"`initial` is the loss of {BATCH} images before the first step, `first` the mean of the "
        f"first {FIRST} steps, `last` that of the last {LAST}; "
        "`chance` is the logarithm of the number of classes: the lowest mean loss of a network "
        "that gives every image the same answer. `learns` is yes where `last` is "
        f"{BELOW_CHANCE} or more below `chance`, several times as much as {LAST} batches vary. "
        "**no** does not mean that a network cannot be trained: the recipes were made for more "
        "and larger images, and for many thousands of steps.",
        "",
        "`limit` is the learning rate above which the classifier cannot settle, see below; of Adam "
        "and of a classifier that is not linear there is none. "
        f"`logit std` is the standard deviation of a logit over {BATCH} images before the first "
        "step, without dropout: how far apart the answers for different images start. `seconds` "
        "are of processor time, with the building of the network.",
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
    learned = _names(each.network for each in by_adam if each.learns)
    far = [each for each in own if each.apart >= NEAR]
    lines = [
        f"Of the networks whose logits start less than {NEAR} apart {count(near)} learn, of the "
        f"others {count(far)}. Those that start so near have no batch norm, and the initial "
        "weights of their papers. The likely reason, not measured: from layer to layer the "
        "difference between two images shrinks, and with it the gradient, so SGD hardly moves away "
        "from there in so few steps. Adam divides by the size of the gradient: by Adam, at its own "
        f"rate, {count(by_adam)} learn from the same starts"
        f"{f', {learned}' if learned else ''}."
    ]
    if odd := [each.network for each in far if not each.learns]:
        helped = "; ".join(
            f"`{each.network}` by `{each.changes}`"
            for each in changed
            if each.network in odd and each.learns
        )
        fast = [each.network for each in far if each.network in odd and _is_near_limit(each)]
        lines += [
            "",
            f"Not explained by that: {_names(odd)} start further apart and do not learn either. "
            f"With a change learn: {helped or 'none'}. Too fast for the classifier, as the next "
            f"section explains, may be the rate of: {_names(fast) or 'none'}.",
        ]
    return "\n".join(lines)


def _limits(own: Sequence[Outcome], changed: Sequence[Outcome]) -> list[str]:
    """What the classifier's limit explains.

    Args:
        own: What networks found by their own recipes.
        changed: What they found with changes.
    """

    def driven(some: Sequence[Outcome], near: bool) -> str:
        counted = [each for each in some if limit(each) and _is_near_limit(each) is near]
        up = sum((each.first or 0) > DRIVEN * each.initial for each in counted)
        return f"{up} of {len(counted)}"

    lines = [
        "## The classifier's limit",
        "",
        "Near chance, the loss of C classes curves by about s / C in the direction that the "
        "features of all images share, where s is their mean square in that direction. On such a "
        "curve gradient descent with momentum m diverges above a rate of 2 (1 + m) C / s, with "
        "Nesterov's above 1 / (1 + 2 m) of that, and overshoots below. `limit` is this rate, with "
        "s as it is before the first step. The recipes were made for 1,000 classes, for which it "
        "is 200 times as high as for five.",
        "",
        f"Where the rate is above {NEAR_LIMIT:.0%} of the limit, the first steps drive the loss "
        f"up, to more than {DRIVEN:g} times the initial one, in {driven(own, True)} networks; "
        f"elsewhere in {driven(own, False)}. With the changes below it is {driven(changed, True)} "
        f"and {driven(changed, False)}.",
        "",
    ]
    rows = [each for name in CIFAR_RESNETS for each in own if each.network == name]
    if not rows:
        return lines
    header = ("network", "initial", "s", f"limit of {CIFAR_CLASSES} classes", "recipe starts at")
    cells = [(f"`{each.network}`", *_on_cifar(each)) for each in rows]
    return [
        *lines,
        "In a ResNet every block of the last stage adds to the features, so with depth s and the "
        "initial loss grow, and the limit falls. This fits what He et al. 2015 (section 4.2) found "
        'of 110 layers, not of 56: that a rate of 0.1 is "slightly too large to start converging", '
        "so they warm up at 0.01. Here are the same features before ten classes, as in CIFAR-10:",
        "",
        written("markdown", header, cells, left=("network",)),
        "",
    ]


def _on_cifar(found: Outcome) -> tuple[str, ...]:
    own = default_recipe(found.network, "cifar10")
    rate = own.peak_learning_rate * (own.warmup_from if own.warmup_epochs else 1)
    most = limit(found, CIFAR_CLASSES)
    return f"{found.initial:.3f}", f"{found.shared:g}", f"{most:.2g}", f"{rate:g}"


def limit(found: Outcome, classes: int | None = None) -> float | None:
    """The learning rate above which the classifier cannot settle.

    At chance, the cross-entropy of C classes curves by s / C in the direction that images share,
    where s is the mean square of their features. Gradient descent with momentum m converges on a
    curvature h below the rate 2 (1 + m) / h, with Nesterov's below 1 / (1 + 2 m) of that. RMSProp
    whose epsilon is 1 or more divides small gradients by little else, and counts as the former.

    Args:
        found: What a network makes of images, by which recipe.
        classes: Number of classes; that of `found` by default.

    Returns:
        The rate; ``None`` of other optimizers, and where the classifier is not linear.
    """
    own = recipe(found.recipe)
    adaptive = own.optimizer == "rmsprop" and own.epsilon < 1
    if found.shared is None or _is_of_adam(found) or adaptive:
        return None
    curvature = found.shared / (classes or round(math.exp(found.chance)))
    ahead = 1 + 2 * own.momentum if own.optimizer == "nesterov" else 1
    return 2 * (1 + own.momentum) / curvature / ahead


def _is_near_limit(found: Outcome) -> bool:
    most = limit(found)
    return most is not None and found.rate > NEAR_LIMIT * most


def _names(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _is_of_adam(each: Outcome) -> bool:
    return recipe(each.recipe).optimizer == "adam" or each.changes.startswith("--optimizer adam")


def errata() -> str:
    """The section of errata.md on the networks that stay near chance."""
    found = known()
    lines = [
        "## What does not come clearly below chance",
        "",
        "Written by `make docs` from the [first steps](learning.md) of networks, by their own "
        "recipe on small images, which are not what the recipe was made for. What one might "
        "expect here is nobody's claim. Where logits start less than 0.01 apart, or the rate is "
        "above half of the classifier's limit, that page says why.",
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
    part = f", the rate {each.rate / most:.0%} of the limit" if (most := limit(each)) else ""
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
