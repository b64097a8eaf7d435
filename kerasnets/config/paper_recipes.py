"""Training recipes of the papers after LeNet-5, each with the section it follows.

Errors are quoted as top-1 / top-5 in per cent on ILSVRC-2012's validation images, one crop and one
network, where nothing else is said. What a paper leaves open is named in the recipe's source.
"""

from __future__ import annotations

import dataclasses

from kerasnets.config.recipe_fields import Recipe

_BEFORE_BATCH_NORM = (
    Recipe(
        name="alexnet2012",
        source=(
            "Krizhevsky et al. 2012, section 5: 90 passes, divided by ten three times, each when "
            "the validation error stopped improving; how long that takes is ours. Section 4.1 "
            "measures 10 crops (--crops ten)"
        ),
        reported="40.7 / 18.2 with 10 crops",
        epochs=90,
        batch_size=128,
        base_batch_size=128,
        learning_rate=0.01,
        weight_decay=5e-4,
        schedule="plateau",
        patience=4,
        augment="alexnet",
    ),
    Recipe(
        name="alexnet_owt2014",
        source=(
            "Krizhevsky 2014, arXiv 1404.5997: alexnet2012 as the Caffe zoo trains it, 450,000 "
            "steps of 256, divided by ten every 100,000"
        ),
        reported="42.9 / 19.8 (Caffe zoo's AlexNet)",
        epochs=90,
        batch_size=256,
        base_batch_size=256,
        learning_rate=0.01,
        weight_decay=5e-4,
        schedule="step",
        milestones=(2 / 9, 4 / 9, 6 / 9, 8 / 9),
        augment="alexnet",
    ),
    Recipe(
        name="vgg2014",
        source=(
            "Simonyan, Zisserman 2014, arXiv 1409.1556, section 3.1: 74 epochs, divided by ten "
            "three times, each when the validation accuracy stopped improving; how long that takes "
            "is ours. Its deep networks start from configuration A (--init-from); A and B saw "
            "images of a side of 256 alone, and those that saw sides of 256 to 512 had been "
            "trained at 384 before"
        ),
        reported=(
            "table 3, whole images and their mirror images (--crops dense): A 29.6 / 10.4, "
            "B 28.7 / 9.9; trained at sides of 256 to 512: C 27.3 / 8.8, D 25.6 / 8.1, "
            "E 25.5 / 8.0"
        ),
        epochs=74,
        batch_size=256,
        base_batch_size=256,
        learning_rate=0.01,
        weight_decay=5e-4,
        schedule="plateau",
        patience=4,
        augment="vgg",
    ),
    Recipe(
        name="nin2013",
        source=(
            "Lin, Chen, Yan 2013, arXiv 1312.4400, section 4, with the numbers of the Caffe zoo's "
            "CIFAR-10 solver: divided by ten at 100,000 of 120,000 steps of 128, here of 45,000 "
            "images, since a tenth is held out"
        ),
        reported="CIFAR-10 error 10.41 %, 8.81 % with shifts and flips; CIFAR-100 35.68 %",
        epochs=341,
        batch_size=128,
        base_batch_size=128,
        learning_rate=0.1,
        weight_decay=1e-4,
        schedule="step",
        milestones=(5 / 6,),
    ),
    Recipe(
        name="nin_imagenet2014",
        source=(
            "Caffe zoo's NIN-Imagenet solver: 450,000 steps of 64, divided by ten every 200,000"
        ),
        reported="top-1 error 40.64",
        epochs=22,
        batch_size=64,
        base_batch_size=64,
        learning_rate=0.01,
        weight_decay=5e-4,
        schedule="step",
        milestones=(4 / 9, 8 / 9),
        augment="alexnet",
    ),
    Recipe(
        name="googlenet2014",
        source=(
            "Szegedy et al. 2014, arXiv 1409.4842, sections 5 and 6: 4 % less every 8 epochs, "
            "auxiliary losses of 0.3, Polyak averaging; the paper gives neither batch, first rate, "
            "decay nor length: those of the Caffe zoo's solver, 10,000,000 steps of 32"
        ),
        reported="top-5 error 10.07; 10 crops 9.15, 144 crops 7.89",
        epochs=250,
        batch_size=32,
        base_batch_size=32,
        learning_rate=0.01,
        weight_decay=2e-4,
        schedule="exponential",
        decay_rate=0.96,
        decay_epochs=8,
        auxiliary_loss=0.3,
        ema=0.9999,
        augment="inception_colour",
    ),
    Recipe(
        name="googlenet_quick2014",
        source=(
            "Caffe zoo's quick solver for GoogLeNet: the rate falls with the root of the steps "
            "left, 2,400,000 steps of 32"
        ),
        reported="31.3 / 11.1",
        epochs=60,
        batch_size=32,
        base_batch_size=32,
        learning_rate=0.01,
        weight_decay=2e-4,
        schedule="polynomial",
        decay_power=0.5,
        auxiliary_loss=0.3,
        augment="alexnet",
    ),
)

_INCEPTION_V3 = Recipe(
    name="inception_v3_2015",
    source=(
        "Szegedy et al. 2015, arXiv 1512.00567, sections 7 and 8: RMSProp with epsilon 1.0, "
        "clipping at 2.0, label smoothing 0.1, averaged weights; momentum, weight decay and "
        "the auxiliary loss of 0.4 from the released code. Each of its 50 replicas had 32 images"
    ),
    reported="21.2 / 5.6; 12 crops 19.47 / 4.48, 144 crops 18.77 / 4.2",
    epochs=100,
    batch_size=32,
    optimizer="rmsprop",
    epsilon=1.0,
    learning_rate=0.045,
    weight_decay=4e-5,
    clip_norm=2.0,
    schedule="exponential",
    decay_rate=0.94,
    decay_epochs=2,
    label_smoothing=0.1,
    auxiliary_loss=0.4,
    ema=0.9999,
    augment="inception",
)

_INCEPTION = (
    Recipe(
        name="inception_bn2015",
        source=(
            "Ioffe, Szegedy 2015, arXiv 1502.03167, section 4.2: BN-x30, first rate 0.045, a decay "
            "six times as fast and a fifth of the weight decay of googlenet2014, 6,000,000 steps "
            "of 32"
        ),
        reported="25.2 / 7.82",
        epochs=150,
        batch_size=32,
        base_batch_size=32,
        learning_rate=0.045,
        weight_decay=4e-5,
        schedule="exponential",
        decay_rate=0.96,
        decay_epochs=8 / 6,
        ema=0.9999,
        augment="inception",
    ),
    _INCEPTION_V3,
    dataclasses.replace(
        _INCEPTION_V3,
        name="inception_v4_2016",
        source=(
            "Szegedy et al. 2016, arXiv 1602.07261, section 4: the optimizer and the "
            "schedule of inception_v3_2015, with 20 replicas; of clipping it says nothing, nor of "
            "label smoothing, decay and auxiliary losses, which are those of v3; the length is ours"
        ),
        reported=(
            "Inception v4 20.0 / 5.0, Inception-ResNet-v1 21.3 / 5.5, v2 19.9 / 4.9; "
            "144 crops 17.7 / 3.8, 18.8 / 4.3, 17.8 / 3.7"
        ),
        epochs=160,
        clip_norm=None,
    ),
    Recipe(
        name="mobilenet2017",
        source=(
            "Howard et al. 2017, arXiv 1704.04861, section 3.2: RMSProp as for Inception v3, no "
            "label smoothing, no auxiliary classifiers, no weight decay on depthwise kernels; it "
            "limits how small crops are, and does not say to what; the length is ours"
        ),
        reported="top-1 error 29.4 at width 1.0 and 224 pixels",
        epochs=100,
        batch_size=32,
        optimizer="rmsprop",
        epsilon=1.0,
        learning_rate=0.045,
        weight_decay=4e-5,
        decay_on="not_depthwise",
        schedule="exponential",
        decay_rate=0.94,
        decay_epochs=2,
        ema=0.9999,
        augment="inception",
    ),
    Recipe(
        name="shufflenet2017",
        source=(
            "Zhang et al. 2017, arXiv 1707.01083, section 4: 300,000 steps of 1024, the rate falls "
            "in a line from 0.5 to zero; its scale augmentation is less aggressive, by how much it "
            "does not say"
        ),
        reported="top-1 error 32.6 (1x, 3 groups), 32.4 (1x, 8 groups)",
        epochs=240,
        batch_size=1024,
        base_batch_size=1024,
        learning_rate=0.5,
        weight_decay=4e-5,
        schedule="polynomial",
        augment="inception",
    ),
)

_RESNET_CIFAR = Recipe(
    name="resnet_cifar",
    source=(
        "He et al. 2015, arXiv 1512.03385, section 4.2: 64,000 steps of 128, divided by ten "
        "at 32,000 and 48,000, 5,000 images held out, pad 4, crop, flip"
    ),
    reported="CIFAR-10 error: 20 8.75 %, 32 7.51 %, 44 7.17 %, 56 6.97 %, 110 6.43 %",
    epochs=182,
    batch_size=128,
    base_batch_size=128,
    learning_rate=0.1,
    weight_decay=1e-4,
    schedule="step",
    milestones=(0.5, 0.75),
    augment="pad_crop_flip",
)

_RESNET = (
    Recipe(
        name="resnet2015",
        source=(
            "He et al. 2015, arXiv 1512.03385, section 3.4: up to 600,000 steps of 256, divided by "
            "ten when the error plateaus; how long that takes is ours"
        ),
        reported=(
            "10 crops: 18 27.88 top-1, 34 24.52 / 7.46 (B), 50 22.85 / 6.71, 101 21.75 / 6.05, "
            "152 21.43 / 5.71"
        ),
        epochs=120,
        batch_size=256,
        base_batch_size=256,
        learning_rate=0.1,
        weight_decay=1e-4,
        schedule="plateau",
        patience=5,
        augment="resnet",
    ),
    Recipe(
        name="resnet_torch2016",
        source=(
            "fb.resnet.torch: 90 epochs of 256, Nesterov, divided by ten every 30 epochs, weight "
            "decay on all weights"
        ),
        reported="18 30.43 / 10.76, 34 26.73 / 8.74, 50 24.01 / 7.02, 101 22.44 / 6.21",
        epochs=90,
        batch_size=256,
        base_batch_size=256,
        optimizer="nesterov",
        learning_rate=0.1,
        weight_decay=1e-4,
        decay_on="all",
        schedule="step",
        milestones=(1 / 3, 2 / 3),
        augment="inception_colour",
    ),
    Recipe(
        name="resnet_v2_2016",
        source=(
            "He et al. 2016, arXiv 1603.05027, section 5: as resnet2015, divided by ten at epochs "
            "30 and 60; its code is fb.resnet.torch's, which decays all weights"
        ),
        reported="one crop of 320 pixels: 152 21.1 / 5.5, 200 20.7 / 5.3",
        epochs=90,
        batch_size=256,
        base_batch_size=256,
        optimizer="nesterov",
        learning_rate=0.1,
        weight_decay=1e-4,
        decay_on="all",
        schedule="step",
        milestones=(1 / 3, 2 / 3),
        augment="resnet",
    ),
    _RESNET_CIFAR,
    dataclasses.replace(
        _RESNET_CIFAR,
        name="resnet110_cifar",
        source=(
            "As resnet_cifar, at a tenth of the rate for the first 400 steps: He et al. 2015, "
            "section 4.2, for 110 layers; He et al. 2016, arXiv 1603.05027, appendix, for all"
        ),
        reported="CIFAR-10 error: 110 6.43 %; v2: 110 6.37 %, 164 5.46 %, 1001 4.92 %",
        # 400 steps of 128 images, of 45,000.
        warmup_epochs=400 * 128 / 45_000,
        warmup="constant",
        warmup_from=0.1,
    ),
    Recipe(
        name="stochastic_depth",
        source=(
            "Huang et al. 2016, arXiv 1603.09382, section 4: 500 epochs of 128, Nesterov, divided "
            "by ten at 50 % and 75 %; its code decays all weights"
        ),
        reported="CIFAR-10 error 5.23 % (110 layers), CIFAR-100 24.58 %",
        epochs=500,
        batch_size=128,
        base_batch_size=128,
        optimizer="nesterov",
        learning_rate=0.1,
        weight_decay=1e-4,
        decay_on="all",
        schedule="step",
        milestones=(0.5, 0.75),
        augment="pad_crop_flip",
    ),
)

_DENSENET_2016 = Recipe(
    name="densenet2016",
    source=(
        "Huang et al. 2016, arXiv 1608.06993, section 4.2: 90 epochs of 256, Nesterov, divided "
        "by ten at 30 and 60; its code decays all weights"
    ),
    reported="121 25.02 / 7.71, 169 23.80 / 6.85, 201 22.58 / 6.34, 264 22.15 / 6.12",
    epochs=90,
    batch_size=256,
    base_batch_size=256,
    optimizer="nesterov",
    learning_rate=0.1,
    weight_decay=1e-4,
    decay_on="all",
    schedule="step",
    milestones=(1 / 3, 2 / 3),
    augment="inception_colour",
)

_DENSENET = (
    Recipe(
        name="densenet_cifar",
        source=(
            "Huang et al. 2016, arXiv 1608.06993, section 4.2: 300 epochs of 64, Nesterov, divided "
            "by ten at 50 % and 75 %; its code decays all weights. Without augmentation the paper "
            "drops 0.2 (--augment none --dropout 0.2). Its final runs have all 50,000 training "
            "images (--validation-fraction 0)"
        ),
        reported=(
            "CIFAR-10+ error: L40 k12 5.24 %, L100 k12 4.10 %, L100 k24 3.74 %; "
            "BC: L100 k12 4.51 %, L250 k24 3.62 %, L190 k40 3.46 %"
        ),
        epochs=300,
        batch_size=64,
        base_batch_size=64,
        optimizer="nesterov",
        learning_rate=0.1,
        weight_decay=1e-4,
        decay_on="all",
        schedule="step",
        milestones=(0.5, 0.75),
        augment="pad_crop_flip",
    ),
    _DENSENET_2016,
    dataclasses.replace(
        _DENSENET_2016,
        name="densenet161_2016",
        source="As densenet2016, 100 epochs of 128, divided by ten at 90 too",
        reported="161 top-1 error 22.2",
        epochs=100,
        batch_size=128,
        base_batch_size=128,
        milestones=(0.3, 0.6, 0.9),
    ),
)

PAPERS = (*_BEFORE_BATCH_NORM, *_INCEPTION, *_RESNET, *_DENSENET)
