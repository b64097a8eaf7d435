"""Where weights of these networks are published, how good they are, and what input they need.

A row for each file whose network is one of ours, tensor for tensor: those of keras.applications, of
torchvision, of timm (on the Hugging Face hub), and of akamaster/pytorch_resnet_cifar10. Accuracies
are those that the publisher states, in %, top-1 and top-5: on the validation images of ImageNet,
one centre crop, or on CIFAR-10's test images.
"""

from __future__ import annotations

import math
from typing import Any

from kerasnets.inputs import Preprocessing
from kerasnets.registry import WeightSource, register_weights

IMAGENET = "ImageNet-1k"
# By network: what a project's function, such as `_keras`, makes a source of.
Table = dict[str, list[tuple[Any, ...]]]


def published(network: str) -> tuple[WeightSource, ...]:
    """The sources of weights of a network, the best first.

    First come those that load without PyTorch, of these such as were trained on ImageNet (or
    CIFAR-10) alone, and of these the most accurate.
    """
    tables = (
        (KERAS, _keras),
        (TORCHVISION, _torchvision),
        (TIMM, _timm),
        (AKAMASTER, _akamaster),
    )
    rows = [source(network, *row) for table, source in tables for row in table.get(network, ())]
    return tuple(sorted(rows, key=lambda row: (row.needs_torch, "," in row.data, -row.top1)))


def _square(size: int, resize: int, **values) -> Preprocessing:
    """A centre crop of `size` pixels from an image whose short side has `resize`."""
    return Preprocessing(size=(size, size), resize=resize, **values)


HALF = {"mean": (0.5,) * 3, "std": (0.5,) * 3}
# Scaling as the modes of keras.applications are called. "caffe" takes the mean in 0 to 255 alone.
SCALING = {
    "caffe": {
        "mean": (103.939 / 255, 116.779 / 255, 123.68 / 255),
        "std": (1 / 255,) * 3,
        "channel_order": "bgr",
    },
    "tf": HALF,
    "torch": {},
}

# keras.applications: file without its end, MD5 with and without top, scaling, licence, accuracies.
# Those tell no crop; the usual 87.5 % is taken.
KERAS: Table = {
    "vgg16": [(
        "vgg16/vgg16", "64373286793e3c8b2b4e3219cbf3544b", "6d6bbae143d832006294945121d1f1fc",
        "caffe", "CC-BY-4.0", 71.3, 90.1,
    )],
    "vgg19": [(
        "vgg19/vgg19", "cbe5617147190e668d6c5d5026f83318", "253f8cb515780f3b799900260a226db6",
        "caffe", "CC-BY-4.0", 71.3, 90.0,
    )],
    "resnet50": [(
        "resnet/resnet50", "2cb95161c43110f7111970584f804107", "4d473c1dd8becc155b73f8504c6f6626",
        "caffe", "MIT", 74.9, 92.1,
    )],
    "resnet101": [(
        "resnet/resnet101", "f1aeb4b969a6efcfb50fad2f0c20cfc5", "88cf7a10940856eca736dc7b7e228a21",
        "caffe", "MIT", 76.4, 92.8,
    )],
    "resnet152": [(
        "resnet/resnet152", "100835be76be38e30d865e96f2aaae62", "ee4c566cf9a93f14d82f913c2dc6dd0c",
        "caffe", "MIT", 76.6, 93.1,
    )],
    # Keras' documentation names Facebook's BSD licence; the scaling is TF-slim's (Apache-2.0).
    "resnet50_v2": [(
        "resnet/resnet50v2", "3ef43a0b657b3be2300d5770ece849e0", "fac2f116257151a9d068a22e544a4917",
        "tf", "BSD-3-Clause", 76.0, 93.0,
    )],
    "resnet101_v2": [(
        "resnet/resnet101v2",
        "6343647c601c52e1368623803854d971", "c0ed64b8031c3730f411d2eb4eea35b5",
        "tf", "BSD-3-Clause", 77.2, 93.8,
    )],
    "resnet152_v2": [(
        "resnet/resnet152v2",
        "a49b44d1979771252814e80f8ec446f9", "ed17cf2e0169df9d443503ef94b23b33",
        "tf", "BSD-3-Clause", 78.0, 94.2,
    )],
    "inception_v3": [(
        "inception_v3/inception_v3",
        "9a0d58056eeedaa3f26cb7ebd46da564", "bcbd6486424b2319ff4ef7d526e38f63",
        "tf", "Apache-2.0", 77.9, 93.7,
    )],
    "inception_resnet_v2": [(
        "inception_resnet_v2/inception_resnet_v2",
        "e693bd0210a403b3192acc6073ad2e96", "d19885ff4a710c122648d3b5c3b684e4",
        "tf", "Apache-2.0", 80.3, 95.3,
    )],
    # No checksum of these is published.
    "mobilenet_v1": [(
        "mobilenet/mobilenet_1_0_224", "", "", "tf", "Apache-2.0", 70.4, 89.5,
    )],
    "densenet121": [(
        "densenet/densenet121",
        "9d60b8095a5708f2dcce2bca79d332c7", "30ee3e1110167f948a6b9946edeeb738",
        "torch", "BSD-3-Clause", 75.0, 92.3,
    )],
    "densenet169": [(
        "densenet/densenet169",
        "d699b8f76981ab1b30698df4c175e90b", "b8c4d4c20dd625c148057b9ff1c1176b",
        "torch", "BSD-3-Clause", 76.2, 93.2,
    )],
    "densenet201": [(
        "densenet/densenet201",
        "1ceb130c1ea1b78c3bf6114dbdfd8807", "c13680b51ded0fb44dff2d8f86ac8bb1",
        "torch", "BSD-3-Clause", 77.3, 93.6,
    )],
}  # fmt: skip


def _keras(
    network: str,
    file: str,
    md5: str,
    md5_without_top: str,
    scaling: str,
    licence: str,
    top1: float,
    top5: float,
) -> WeightSource:
    size = 299 if network.startswith("inception") else 224
    url = f"https://storage.googleapis.com/tensorflow/keras-applications/{file}"
    ends = "_tf.h5", "_tf_no_top.h5"
    if network != "mobilenet_v1":
        ends = (
            "_weights_tf_dim_ordering_tf_kernels.h5",
            "_weights_tf_dim_ordering_tf_kernels_notop.h5",
        )
    return WeightSource(
        tag="keras",
        location=url + ends[0],
        checksum=md5 and f"md5:{md5}",
        location_without_top=url + ends[1],
        checksum_without_top=md5_without_top and f"md5:{md5_without_top}",
        licence=licence,
        top1=top1,
        top5=top5,
        data=IMAGENET,
        training_size=size,
        preprocessing=_square(size, round(size / 0.875), **SCALING[scaling]),
        layout="keras",
    )


# torchvision: file, accuracies, and what differs from most. The name has the start of its SHA-256.
TORCHVISION: Table = {
    "alexnet_owt": [("alexnet-owt-7be5be79.pth", 56.522, 79.066)],
    "vgg11": [("vgg11-8a719046.pth", 69.020, 88.628)],
    "vgg13": [("vgg13-19584684.pth", 69.928, 89.246)],
    "vgg16": [("vgg16-397923af.pth", 71.592, 90.382)],
    "vgg19": [("vgg19-dcbb9e9d.pth", 72.376, 90.876)],
    "vgg11_bn": [("vgg11_bn-6002323d.pth", 70.370, 89.810)],
    "vgg13_bn": [("vgg13_bn-abd245e5.pth", 71.586, 90.374)],
    "vgg16_bn": [("vgg16_bn-6c64b313.pth", 73.360, 91.516)],
    "vgg19_bn": [("vgg19_bn-c79401a0.pth", 74.218, 91.842)],
    "googlenet_bn": [("googlenet-1378be20.pth", 69.778, 89.530, HALF)],
    "inception_v3": [("inception_v3_google-0cc3c7bd.pth", 77.294, 93.450, HALF)],
    "resnet18": [("resnet18-f37072fd.pth", 69.758, 89.078)],
    "resnet34": [("resnet34-b627a593.pth", 73.314, 91.420)],
    "resnet50_v1_5": [
        ("resnet50-11ad3fa6.pth", 80.858, 95.434),
        ("resnet50-0676ba61.pth", 76.130, 92.862),
    ],
    "resnet101_v1_5": [
        ("resnet101-cd907fc2.pth", 81.886, 95.780),
        ("resnet101-63fe2227.pth", 77.374, 93.546),
    ],
    "resnet152_v1_5": [
        ("resnet152-f82ba261.pth", 82.284, 96.002),
        ("resnet152-394f9c45.pth", 78.312, 94.046),
    ],
    "densenet121": [("densenet121-a639ec97.pth", 74.434, 91.972)],
    "densenet161": [("densenet161-8d451a50.pth", 77.138, 93.560)],
    "densenet169": [("densenet169-b2777c0a.pth", 75.600, 92.806)],
    "densenet201": [("densenet201-c1103571.pth", 76.896, 93.370)],
}
# Those of torchvision's second recipe, IMAGENET1K_V2 there.
V2 = {"resnet50-11ad3fa6.pth", "resnet101-cd907fc2.pth", "resnet152-f82ba261.pth"}


def _torchvision(
    network: str, file: str, top1: float, top5: float, scaling: dict | None = None
) -> WeightSource:
    size = 299 if network == "inception_v3" else 224
    recipe = (":v2" if file in V2 else ":v1") if len(TORCHVISION[network]) > 1 else ""
    resize = 232 if file in V2 else round(size / 0.875)
    return WeightSource(
        tag=f"torchvision{recipe}",
        location=f"https://download.pytorch.org/models/{file}",
        checksum=f"sha256:{file.rpartition('-')[2].removesuffix('.pth')}",
        licence="BSD-3-Clause",
        top1=top1,
        top5=top5,
        data=IMAGENET,
        training_size=176 if file in V2 else size,
        preprocessing=_square(size, resize, **(scaling or {})),
        layout="torchvision",
    )


TV = {"interpolation": "bilinear", "licence": "BSD-3-Clause"}
TV2 = {**TV, "crop": 0.965, "training_size": 176}
# "ResNet strikes back", arXiv 2110.00476.
RSB = {"crop": 0.95}
RSB_A3 = {**RSB, "training_size": 160}
SEMI = {"interpolation": "bilinear", "licence": "CC-BY-NC-4.0", "data": f"YFCC-100M, {IMAGENET}"}
WEAK = {**SEMI, "data": f"Instagram-1B, {IMAGENET}"}
NO_SCALING = {"scaling": {}}

# timm: its tag, accuracies at the size given here, and what differs from most.
TIMM: Table = {
    "vgg11": [("vgg11.tv_in1k", 69.050, 88.630, TV)],
    "vgg13": [("vgg13.tv_in1k", 69.950, 89.262, TV)],
    "vgg16": [("vgg16.tv_in1k", 71.594, 90.398, TV)],
    "vgg19": [("vgg19.tv_in1k", 72.400, 90.878, TV)],
    "vgg11_bn": [("vgg11_bn.tv_in1k", 70.374, 89.802, TV)],
    "vgg13_bn": [("vgg13_bn.tv_in1k", 71.560, 90.372, TV)],
    "vgg16_bn": [("vgg16_bn.tv_in1k", 73.354, 91.490, TV)],
    "vgg19_bn": [("vgg19_bn.tv_in1k", 74.230, 91.848, TV)],
    "inception_v3": [
        ("inception_v3.tf_in1k", 77.866, 93.644),
        ("inception_v3.tf_adv_in1k", 77.598, 93.726),
        ("inception_v3.tv_in1k", 77.472, 93.468),
        ("inception_v3.gluon_in1k", 78.806, 94.372, NO_SCALING),
    ],
    "inception_v4": [("inception_v4.tf_in1k", 80.144, 94.982)],
    "inception_resnet_v2": [
        ("inception_resnet_v2.tf_in1k", 80.434, 95.312, {"crop": 0.8975}),
        ("inception_resnet_v2.tf_ens_adv_in1k", 79.998, 94.940, {"crop": 0.8975}),
    ],
    "mobilenet_v1": [("mobilenetv1_100.ra4_e3600_r224_in1k", 75.388, 92.310)],
    "resnet18": [
        ("resnet18.a1_in1k", 71.504, 90.086, RSB),
        ("resnet18.a2_in1k", 70.634, 89.486, RSB),
        ("resnet18.a3_in1k", 68.250, 88.172, RSB_A3),
        ("resnet18.tv_in1k", 69.752, 89.082, TV),
        ("resnet18.gluon_in1k", 70.844, 89.750),
        ("resnet18.fb_ssl_yfcc100m_ft_in1k", 72.636, 91.416, SEMI),
        ("resnet18.fb_swsl_ig1b_ft_in1k", 73.286, 91.754, WEAK),
    ],
    "resnet34": [
        ("resnet34.a1_in1k", 76.420, 92.896, RSB),
        ("resnet34.a2_in1k", 75.520, 92.454, RSB),
        ("resnet34.a3_in1k", 72.996, 91.116, RSB_A3),
        ("resnet34.bt_in1k", 75.176, 92.166),
        ("resnet34.ra4_e3600_r224_in1k", 77.492, 93.498, {"crop": 0.9, "scaling": HALF}),
        ("resnet34.tv_in1k", 73.298, 91.422, TV),
        ("resnet34.gluon_in1k", 74.574, 91.988),
    ],
    "resnet50_v1_5": [
        ("resnet50.a1_in1k", 80.382, 94.598, RSB),
        ("resnet50.a1h_in1k", 80.654, 95.312, {"crop": 1.0, "training_size": 176}),
        ("resnet50.a2_in1k", 79.828, 94.560, RSB),
        ("resnet50.a3_in1k", 78.052, 93.780, RSB_A3),
        ("resnet50.b1k_in1k", 79.564, 94.622, RSB),
        ("resnet50.b2k_in1k", 79.388, 94.580, RSB),
        ("resnet50.c1_in1k", 79.766, 94.954, RSB),
        ("resnet50.c2_in1k", 79.868, 94.862, RSB),
        ("resnet50.d_in1k", 79.904, 94.666, RSB),
        ("resnet50.ram_in1k", 79.034, 94.386),
        ("resnet50.am_in1k", 79.004, 94.392),
        ("resnet50.ra_in1k", 78.820, 94.314),
        ("resnet50.bt_in1k", 78.444, 94.274),
        ("resnet50.tv_in1k", 76.156, 92.866, TV),
        ("resnet50.tv2_in1k", 80.846, 95.430, TV2),
        ("resnet50.gluon_in1k", 77.580, 93.704),
        ("resnet50.fb_ssl_yfcc100m_ft_in1k", 79.252, 94.826, SEMI),
        ("resnet50.fb_swsl_ig1b_ft_in1k", 81.146, 95.980, WEAK),
    ],
    "resnet101_v1_5": [
        ("resnet101.a1h_in1k", 81.950, 95.760, RSB),
        ("resnet101.a1_in1k", 81.494, 95.164, RSB),
        ("resnet101.a2_in1k", 81.344, 95.198, RSB),
        ("resnet101.a3_in1k", 79.836, 94.608, RSB_A3),
        ("resnet101.tv_in1k", 77.404, 93.552, TV),
        ("resnet101.tv2_in1k", 81.906, 95.768, TV2),
        ("resnet101.gluon_in1k", 79.306, 94.538),
    ],
    "resnet152_v1_5": [
        ("resnet152.a1h_in1k", 82.818, 96.124, RSB),
        ("resnet152.a1_in1k", 81.998, 95.294, RSB),
        ("resnet152.a2_in1k", 81.764, 95.270, RSB),
        ("resnet152.a3_in1k", 80.548, 95.004, RSB_A3),
        ("resnet152.tv_in1k", 78.330, 94.046, TV),
        ("resnet152.tv2_in1k", 82.294, 96.000, TV2),
        ("resnet152.gluon_in1k", 79.712, 94.720),
    ],
    "resnet18_v2": [("resnetv2_18.ra4_e3600_r224_in1k", 73.572, 91.356, {"crop": 0.9})],
    "resnet34_v2": [("resnetv2_34.ra4_e3600_r224_in1k", 77.626, 93.518, {"crop": 0.9})],
    "resnet50_v2": [("resnetv2_50.a1h_in1k", 80.410, 95.090, RSB)],
    "resnet101_v2": [("resnetv2_101.a1h_in1k", 82.042, 95.866, RSB)],
    "densenet121": [
        ("densenet121.ra_in1k", 75.574, 92.648),
        ("densenet121.tv_in1k", 74.750, 92.158),
    ],
    "densenet161": [("densenet161.tv_in1k", 77.384, 93.656)],
    "densenet169": [("densenet169.tv_in1k", 75.922, 92.976)],
    "densenet201": [("densenet201.tv_in1k", 77.284, 93.480)],
}


def _timm(
    network: str, tag: str, top1: float, top5: float, differs: dict | None = None
) -> WeightSource:
    size, scaling = 224, {}
    if network.startswith(("inception", "mobilenet")) or network.endswith("_v2"):
        size, scaling = 299 if network.startswith("inception") else 224, HALF
    row = {
        "crop": 0.875,
        "interpolation": "bicubic",
        "licence": "Apache-2.0",
        "data": IMAGENET,
        "training_size": size,
        "scaling": scaling,
        **(differs or {}),
    }
    v1 = network.startswith("resnet") and not network.endswith("_v2")
    as_torchvision = v1 or network.startswith(("densenet", "inception_v3"))
    return WeightSource(
        tag=f"timm:{tag}",
        location=f"hf:timm/{tag}/model.safetensors",
        licence=row["licence"],
        top1=top1,
        top5=top5,
        data=row["data"],
        training_size=row["training_size"],
        preprocessing=_square(
            size,
            math.floor(size / row["crop"]),
            interpolation=row["interpolation"],
            **row["scaling"],
        ),
        layout="torchvision" if as_torchvision else "timm",
    )


# akamaster/pytorch_resnet_cifar10: file, accuracy. The name has the start of its SHA-256.
AKAMASTER: Table = {
    "resnet20_cifar": [("resnet20-12fca82f.th", 91.73)],
    "resnet32_cifar": [("resnet32-d509ac18.th", 92.63)],
    "resnet44_cifar": [("resnet44-014dd654.th", 93.10)],
    "resnet56_cifar": [("resnet56-4bfd9763.th", 93.39)],
    "resnet110_cifar": [("resnet110-1d1ed7c2.th", 93.68)],
    "resnet1202_cifar": [("resnet1202-f3b1deed.th", 93.82)],
}


def _akamaster(network: str, file: str, top1: float) -> WeightSource:
    return WeightSource(
        tag="akamaster",
        location="https://github.com/akamaster/pytorch_resnet_cifar10/raw/master/"
        f"pretrained_models/{file}",
        checksum=f"sha256:{file.rpartition('-')[2].removesuffix('.th')}",
        licence="BSD-2-Clause",
        top1=top1,
        data="CIFAR-10",
        training_size=32,
        preprocessing=Preprocessing(size=(32, 32)),
        layout="akamaster",
    )


for network in dict.fromkeys([*KERAS, *TORCHVISION, *TIMM, *AKAMASTER]):
    register_weights(network, published(network))
