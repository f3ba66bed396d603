"""The battery catches every fault it is pointed at, each by the check that should."""

import pytest

from controls import article, declarations, peers
from ganloss.check import check

#: What is wrong, with what it is compared (None where its properties are wrong), and the check
#: that must fail.
CONTROLS = [
    (article.Adversarial(), None, "Steps of D bring real scores above fake ones"),
    (article.Probabilities(), "non-saturating", "Values and gradients"),
    (article.kl, "kl", "Values and gradients"),
    (article.gradient_penalty, None, "The batch size does not matter"),
    (article.LeastSquares(), "least-squares", "Values and gradients"),
    (article.pixel, None, "Misuse raises"),
    (article.perceptual, None, "A batch written twice"),
    (article.feature_matching, "feature-matching", "Values and gradients"),
    (article.psnr, None, "The loss is least where"),
    (article.psnr, "psnr", "Values and gradients"),
    (article.cosine, "cosine", "Batches of images or of vectors are accepted"),
    (article.cosine_of_rows, None, "Degenerate inputs"),
    (article.ssim, "ssim", "Values and gradients"),
    (peers.norm_of_the_whole_batch, None, "The batch size does not matter"),
    (peers.norm_over_channels, None, "The shape of a sample does not matter"),
    (peers.shared_epsilon, None, "Points between real and fake lie on the line"),
    (peers.fake_not_detached, None, "The caller's tensors are left alone"),
    (peers.graph_on_the_callers_batch, None, "The caller's tensors are left alone"),
    (peers.root_of_squares, None, "A critic of zero gradient"),
    (peers.epsilon_in_the_norm, "gp", "Values and gradients"),
    (peers.r1_without_its_half, "r1", "Values and gradients"),
    (peers.r1_in_autocast, None, "Under bf16 and fp16 autocast"),
    (peers.without_a_graph, None, "The penalty is one finite number that teaches"),
    (peers.HingeOfTanh(), "hinge", "Values and gradients"),
    (peers.LeakyLeastSquares(), "least-squares", "Values and gradients"),
    (peers.SaturatingAgain(), "non-saturating", "Values and gradients"),
    (peers.RealIsLow(), None, "Steps of D bring real scores above fake ones"),
    (peers.GeneratorIsDiscriminator(), None, "Steps of D bring real scores above fake ones"),
    (peers.IntegerLabels(), None, "Steps of D bring real scores above fake ones"),
    (peers.BroadcastRelativistic(), None, "Misuse raises"),
    (peers.TruncatedScales(), None, "Misuse raises"),
    (peers.normalised_in_place, None, "The tensors passed in are left as they were"),
    (peers.unpaired_elementwise, "mean-feature-matching", "Values and gradients"),
    (peers.ssim_of_bytes, "ssim", "Values and gradients"),
    (peers.root_of_total_variation, None, "Degenerate inputs"),
    (peers.quality_for_loss, None, "The loss is least where"),
    (peers.wrapped_bytes, None, "The loss of a batch is one finite number with a gradient"),
    (peers.cancelling_moments, None, "fp16 and bf16 inputs"),
    (peers.dragan_of_the_whole_batch, None, "The batch size does not matter"),
    (peers.dragan_over_channels, None, "The shape of a sample does not matter"),
    (peers.HalfOfRelativisticAverage(), "relativistic-average", "Values and gradients"),
    (peers.OverwrittenRelativistic(), None, "G's loss looks at real scores only if declared"),
    (peers.SmoothedByDefault(), "non-saturating", "Values and gradients"),
    (peers.MeansOfFeatures(), 'MaximumMeanDiscrepancy("gaussian")', "Values and gradients"),
    (peers.ClippedLeCam(), "lecam", "Values and gradients"),
    (peers.blue_is_all, "ssim", "Values and gradients"),
    (peers.range_of_the_batch, None, "The loss of a batch is the mean over its samples"),
    (peers.asserts_a_range, None, "Degenerate inputs"),
    (peers.both_sides_learn, "feature-matching", "The real side gets no gradient"),
    (peers.scaled_to_the_target, None, "Batches of images or of vectors are accepted"),
    (peers.filled_before_the_temperature, "patch-nce", "Values and gradients"),
    (declarations.SizeMatters(), None, "A batch written twice"),
    (declarations.Statistic(), None, "The loss of a batch is the mean over its samples"),
    (declarations.Energies(), None, "Steps of D bring real scores above fake ones"),
    (declarations.Features(), None, "Steps of D bring real scores above fake ones"),
    (declarations.NeedsThree(), None, "The loss of a batch is the mean over its samples"),
    (declarations.ScoresOnly(), None, "Misuse raises"),
    (declarations.PenaltyStatistic(), None, "The penalty of a batch is the mean"),
    (declarations.Noisy(), None, "Points between real and fake lie on the line"),
    (declarations.WeightsOnly(), None, "Only weights count"),
]


def name_of(control: object) -> str:
    return getattr(control, "__name__", type(control).__name__)


@pytest.mark.parametrize(
    ("control", "like", "sentence"),
    CONTROLS,
    ids=[f"{name_of(c)}-{like or 'alone'}" for c, like, _ in CONTROLS],
)
def test_the_battery_catches(control: object, like: str | None, sentence: str):
    report = check(control, like)
    assert any(finding.check.startswith(sentence) for finding in report.failed), str(report)


def test_every_control_of_the_files_is_tried():
    written = {
        name
        for module in (article, declarations, peers)
        for name, value in vars(module).items()
        if getattr(value, "__module__", "") == module.__name__ and not name.startswith("_")
    }
    assert written - {"Pair"} - {name_of(control) for control, _, _ in CONTROLS} == set()
