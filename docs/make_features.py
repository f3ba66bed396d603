"""The page of what other libraries have, and what ganloss calls it; a missing name is a "no"."""

import re
from dataclasses import dataclass
from functools import reduce
from inspect import signature
from pathlib import Path

import ganloss

#: Libraries in the order of the columns: TF-GAN, torchgan, PyTorch-StudioGAN.
LIBRARIES = ("TF-GAN", "torchgan", "StudioGAN")


@dataclass(frozen=True)
class Feature:
    """A capability, who has it, and our names for it.

    Args:
        what: in words.
        theirs: a letter for each library that has it: T, G, S.
        ours: public names, or ``task:``, ``flag:`` for what training does.
    """

    what: str
    theirs: str
    ours: tuple[str, ...]

    @property
    def exists(self) -> bool:
        """Whether every public name is there, with the arguments that are named."""
        return all(_is_there(name) for name in self.ours if not name.startswith("--"))


def _is_there(name: str) -> bool:
    path, _, arguments = name.partition("(")
    public, *attributes = path.split(".")
    if public not in ganloss.PUBLIC_NAMES:
        return False
    found = reduce(getattr, attributes, getattr(ganloss, public))
    taken = {*signature(found).parameters, *signature(found.__call__).parameters}
    return set(re.findall(r"(\w+)=", arguments)) <= taken


PAIRS = (
    Feature("minimax, saturating generator", "TG", ("Minimax",)),
    Feature("non-saturating, cross-entropy on logits", "TGS", ("NonSaturating",)),
    Feature("label smoothing of D's real labels", "TG", ("NonSaturating(real_label=0.9)",)),
    Feature("of G's labels", "T", ("NonSaturating(generator_label=0.9)",)),
    Feature("weights of samples", "T", ("GANLoss.discriminator(real_weight=)",)),
    Feature("one value for each sample", "TG", ("GANLoss.discriminator(reduction=)",)),
    Feature("least squares", "TGS", ("LeastSquares",)),
    Feature("least squares with codes a, b, c", "G", ("LeastSquares",)),
    Feature("Wasserstein", "TGS", ("Wasserstein",)),
    Feature("hinge", "TS", ("Hinge",)),
    Feature("hinge with a margin for each side", "T", ("Hinge(1.0, fake_margin=0.5)",)),
    Feature("multi-hinge (Crammer-Singer)", "S", ("MultiHinge",)),
    Feature("relativistic average", "T", ("RelativisticAverage",)),
    Feature("energy-based, pulling away", "G", ("EnergyBased", "PullingAway")),
    Feature(
        "boundary equilibrium, with its k", "G",
        ("BoundaryEquilibrium", "BoundaryEquilibriumControl"),
    ),
    Feature("auxiliary classifier", "TGS", ("AuxiliaryClassifier",)),
    Feature(
        "TAC-GAN, ADC-GAN", "S",
        ("TwinAuxiliaryClassifier", "AuxiliaryDiscriminativeClassifier"),
    ),
    Feature(
        "ContraGAN 2C, ReACGAN D2D-CE", "S", ("ConditionalContrastive", "DataToDataCrossEntropy")
    ),
    Feature("projection discriminator", "S", ("--cond",)),
    Feature(
        "StarGAN: class, reconstruction, penalty", "T",
        ("AuxiliaryClassifier", "L1", "GradientPenalty"),
    ),
    Feature("InfoGAN's mutual information", "TGS", ("MutualInformation",)),
    Feature("of any distributions", "T", ("MutualInformation(distributions=)",)),
    Feature("latent optimisation (LOGAN)", "S", ("latent_step",)),
    Feature("top-k of the generator's samples", "S", ("top_k",)),
    Feature("relativistic, in pairs", "", ("Relativistic",)),
    Feature("relativistic over any base", "", ("Relativistic", "RelativisticAverage")),
    Feature("f-divergences", "", ("FDivergence",)),
    Feature("dual contrastive", "", ("DualContrastive",)),
    Feature("softmax, boundary-seeking", "", ("SoftmaxGAN", "BoundarySeeking")),
    Feature(
        "MMD, sphere, realness", "", ("MaximumMeanDiscrepancy", "Sphere", "Realness")
    ),
)  # fmt: skip
PENALTIES = (
    Feature("gradient penalty, two-sided", "TGS", ("GradientPenalty",)),
    Feature("one-sided", "T", ("GradientPenalty(one_sided=True)",)),
    Feature("another target", "TG", ("GradientPenalty(center=0.0)",)),
    Feature("DRAGAN", "GS", ("DRAGAN",)),
    Feature("largest gradient (LGAN)", "S", ("MaxGradientPenalty",)),
    Feature("R1", "S", ("R1",)),
    Feature("lazy interval", "S", ("every", "--penalty-every")),
    Feature("LeCam, with its averages", "S", ("LeCam", "LeCamAverages")),
    Feature("CR, bCR, zCR", "S", ("Consistency", "LatentConsistency")),
    Feature("spectral normalisation", "TGS", ("SpectralNorm",)),
    Feature("spectral norm as a loss", "T", ("Spectral",)),
    Feature("weight clipping", "TGS", ("ClipWeights",)),
    Feature("path length, with its mean", "S", ("PathLength", "PathLengthMean")),
    Feature("historical averages", "G", ("HistoricalAverages",)),
    Feature("gradient ratio of two losses", "T", ("adaptive_weight",)),
    Feature("R2, and R1 + R2", "", ("R2",)),
    Feature("penalty at real, generated or mixed points", "", ('GradientPenalty(points="real")',)),
    Feature("approximate R1, R2 for compiled networks", "", ("ApproximateR1", "ApproximateR2")),
    Feature("WGAN-div, drift", "", ("WGANDiv", "Drift")),
    Feature("mode seeking, orthogonal filters", "", ("ModeSeeking", "Orthogonal")),
)
TERMS = (
    Feature("feature matching", "GS", ("FeatureMatching", "MeanFeatureMatching")),
    Feature("cycle consistency", "T", ("CycleConsistency", "Identity")),
    Feature("image pool", "T", ("ImagePool",)),
    Feature("absolute difference", "T", ("L1",)),
    Feature("differentiable augmentation", "S", ("DiffAugment",)),
    Feature(
        "adaptive augmentation, with its p", "S", ("AdaptiveAugment", "AugmentStrength", "--aug")
    ),
    Feature("perceptual, style, LPIPS", "", ("Perceptual", "Style", "LPIPS")),
    Feature("contextual", "", ("Contextual",)),
    Feature("SSIM, MS-SSIM, PSNR", "", ("SSIM", "MultiScaleSSIM", "PSNR")),
    Feature("focal frequency, PatchNCE", "", ("FocalFrequency", "PatchNCE")),
    Feature("sounds", "", ("MultiResolutionSTFT", "MelSpectrogram")),
)  # fmt: skip
TABLES = {"Pairs and classes": PAIRS, "Penalties": PENALTIES, "Terms and aids": TERMS}


def write(path: Path) -> None:
    parts = [
        "# Beside other libraries",
        "",
        "Every loss and penalty of TF-GAN, torchgan and PyTorch-StudioGAN, and what none of them",
        "has. The column *here* says yes where every name of the row exists; the page is made from",
        "the library itself. [](names.md) has the exact factors.",
    ]
    for title, features in TABLES.items():
        shared = [f for f in features if f.theirs]
        parts += ["", f"## {title}", "", _header(), *map(_row, shared)]
        parts += ["", "None of the three has:", "", "| | here | name |", "|---|---|---|"]
        parts += [f"| {f.what} | {_here(f)} | {_names(f)} |" for f in features if not f.theirs]
    parts += [
        "",
        "Not losses, and so not here: virtual batch normalisation, minibatch discrimination and",
        "minibatch deviations, which are layers of a discriminator.",
    ]
    path.write_text("\n".join(parts) + "\n", encoding="utf-8")


def _header() -> str:
    return f"| | {' | '.join(LIBRARIES)} | here | name |\n|{'---|' * (len(LIBRARIES) + 3)}"


def _row(feature: Feature) -> str:
    theirs = " | ".join("yes" if letter in feature.theirs else "" for letter in "TGS")
    return f"| {feature.what} | {theirs} | {_here(feature)} | {_names(feature)} |"


def _here(feature: Feature) -> str:
    return "yes" if feature.exists else "**no**"


def _names(feature: Feature) -> str:
    return ", ".join(f"`{name}`" for name in feature.ours)
