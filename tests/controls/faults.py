"""Faults found in other projects, and what would notice each here; test_faults.py holds the names.

A control is that fault written again, caught by the battery or by a closed form. Where a fault is
one of a training loop or of an interface that ganloss does not have, a test of ours says so, or a
reason.
"""

#: Project and fault; then controls (``module.name``), tests (``file::name``), or why there is none.
FAULTS: dict[str, tuple[str, ...] | str] = {
    # Wrong mathematics.
    "torchgan: the norm of GP and DRAGAN runs over the whole batch": (
        "peers.norm_of_the_whole_batch",
        "peers.dragan_of_the_whole_batch",
    ),
    "torchgan: InfoGAN's penalty has no graph": ("test_term_bugs.information_without_a_graph",),
    "torchgan: pulling away over the batch, with the diagonal": (
        "test_generator_bugs.normalised_over_the_batch",
    ),
    "PyTorch-GAN: pulling away without its square": ("test_generator_bugs.without_the_square",),
    "BasicSR, mmgeneration, PyTorch-GAN: a norm for each pixel": (
        "peers.norm_over_channels",
        "peers.dragan_over_channels",
    ),
    "kornia: one channel's luminance stands in for all": ("peers.blue_is_all",),
    "MONAI: hinge of tanh, LeakyReLU before least squares": (
        "peers.HingeOfTanh",
        "peers.LeakyLeastSquares",
    ),
    "mimicry: log(sigmoid + 1e-8) saturates": ("peers.SaturatingAgain",),
    "PyTorch-GAN: relativistic G loss overwritten, or half of it": (
        "peers.OverwrittenRelativistic",
        "peers.HalfOfRelativisticAverage",
    ),
    "PyTorch-GAN: DRAGAN's loss of D is never back-propagated": (
        "tests/test_objective.py::test_a_missing_term_is_named",
    ),
    "PyTorch-GAN: D is stepped between two backward passes of one graph": (
        "tests/penalties/test_critic.py::test_a_stale_critic_raises_instead_of_using_an_old_graph",
        "tests/parity/test_recurrences.py::test_the_alternating_loop_follows_its_recurrence",
    ),
    "PyTorch-GAN: EBGAN's target is detached": (
        "the autoencoder is the discriminator's own (AutoencoderDiscriminator), and no loss of "
        "ours sees its target"
    ),
    "StudioGAN: LOGAN returns inside its loop": (
        "latent_step is one step, as in the paper, and says so; the caller loops"
    ),
    "StudioGAN: gathered losses get the gradient of their own process alone": (
        "tests/losses/test_across_processes.py::"
        "test_control_a_gradient_that_stays_in_its_process_is_another",
    ),
    "all: the mean of a relativistic average is local": (
        "tests/parity/test_two_processes.py::test_two_processes_equal_one_to_1e_8_and_mistakes_do_not",
    ),
    "GAN_stability, mmgeneration: R1 without its half": ("peers.r1_without_its_half",),
    "mmgeneration, lightweight-gan: a lazy penalty without its interval": (
        "tests/test_objective.py::test_lazy_regularisation_keeps_the_mean_over_time",
    ),
    "all: a loss of D at another scale": (
        "tests/conformance/test_other_projects.py::test_ours_is_the_factor_times_theirs",
    ),
    "GAN_stability, lightweight-gan: real scores are trained to be low": ("peers.RealIsLow",),
    "TF-GAN: labels smoothed by default, half way": ("peers.SmoothedByDefault",),
    "TF-GAN: negated losses are registered un-negated": "nothing is registered anywhere",
    "torchgan: feature matching of unpaired samples": ("peers.unpaired_elementwise",),
    "MONAI: an MMD that is a distance of means": ("peers.MeansOfFeatures",),
    "StudioGAN: interpolates are judged with real labels": (
        "tests/cli/test_layouts.py::test_classes_are_learnt_and_sampled",
    ),
    # Numerical traps.
    "lpips, piq, MONAI: the constant is outside the root": (
        "test_term_bugs.constant_outside_the_root",
    ),
    "GAN_stability, piq, StudioGAN and more: a root at exactly 0": (
        "peers.root_of_squares",
        "peers.root_of_total_variation",
        "test_generator_bugs.root_of_a_sum",
    ),
    "CUT: a constant added to the gradient": ("peers.epsilon_in_the_norm",),
    "StudioGAN: penalties in half precision": ("peers.r1_in_autocast",),
    "pytorch-msssim: a data range of 255 by default": (
        "peers.ssim_of_bytes",
        "tests/terms/test_pixel.py::test_data_range_has_no_default",
    ),
    "pytorch-msssim: powers of small numbers": (
        "tests/terms/test_structural.py::test_negative_terms_count_as_zero_with_finite_gradients",
    ),
    "pytorch-msssim: five scales asked for where two are wanted": (
        "tests/terms/test_structural.py::test_ms_ssim_names_the_scales_that_are_possible",
    ),
    "pytorch-msssim: the window is no buffer, and unit sides are squeezed": (
        "windows are made for the tensor's own device, and no shape is guessed"
    ),
    "all SSIMs: E x^2 - mu^2 in the input's precision": ("peers.cancelling_moments",),
    "torchmetrics: the data range is the batch's": ("peers.range_of_the_batch",),
    "piq: images are made smaller without being asked": "no term resizes its input",
    "piq: values outside [0, 1] end the run": ("peers.asserts_a_range",),
    "auraloss: scale invariance fails beyond one sound": ("peers.scaled_to_the_target",),
    "auraloss: spectral convergence of the whole batch": ("test_term_bugs.batch_ratio",),
    "hifi-gan: filters are kept under a key that two configurations share": (
        "tests/terms/test_audio.py::test_filters_are_kept_for_each_configuration",
    ),
    "hifi-gan: real maps get gradients": ("peers.both_sides_learn",),
    "StudioGAN: LeCam's averages begin at 7777, and wrong signs do not count": (
        "peers.ClippedLeCam",
        "tests/penalties/test_scores.py::test_the_averages_follow_the_papers_recurrence",
    ),
    # State and interfaces.
    "torchgan: ncritic counts loss objects": (
        "tests/engine/test_loop.py::test_critic_steps_see_fresh_batches",
    ),
    "torchgan: training operations with or without self": "losses run no training",
    "torchgan: one epsilon for a batch, generated samples not detached": (
        "peers.shared_epsilon",
        "peers.fake_not_detached",
    ),
    "MONAI: labels are integers": ("peers.IntegerLabels",),
    "MONAI: the caller's image is written to": ("peers.normalised_in_place",),
    "lpips: weights can be trained, dropout comes back": (
        "tests/conformance/test_terms.py::test_terms_with_a_network_are_frozen",
    ),
    "piq: the network takes on the input's precision": (
        "tests/terms/test_perceptual.py::test_half_precision_network_and_images",
    ),
    "BasicSR: [-1, 1] images are normalised as if in [0, 1]": "value_range must be given",
    "mmgeneration: a direct call drops settings": "a value has no second way to be called",
    "mmgeneration: whatever is named loss is back-propagated": (
        "tests/test_objective.py::test_a_missing_term_is_named",
    ),
    "fused-ssim: a gradient for one side, no double backward, silently": (
        "tests/terms/test_structural.py::test_first_and_second_derivatives_are_those_of_finite_differences",
    ),
    "IQA-PyTorch: higher is better stays so as a loss": ("peers.quality_for_loss",),
    "torchmetrics: bytes wrap around": ("peers.wrapped_bytes",),
    "BasicSR, GAN_stability: the moving average forgets buffers": (
        "tests/engine/test_loop.py::test_the_moving_average_has_the_buffers_of_now",
    ),
    "StudioGAN, TF-GAN: (N, 1) against (N,) broadcasts": ("peers.BroadcastRelativistic",),
    "CUT: negatives by the option batch_size, filled before the temperature": (
        "test_term_bugs.negatives_of_the_batch",
        "peers.filled_before_the_temperature",
    ),
    "StudioGAN: names in the documents that do not exist": (
        "tests/test_cards.py::test_other_libraries_have_nothing_that_is_missing_here",
    ),
    "several: .cuda() and copies through NumPy in each step": (
        "masks are made where the scores are; tensors follow their device"
    ),
    "all: torch.compile of a D that is differentiated twice": (
        "tests/penalties/test_scores.py::test_a_compiled_critic_is_taken_where_nothing_is_differentiated",
    ),
}
