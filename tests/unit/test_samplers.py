"""The sampler is the paper's reverse process, and exact where the answer is known."""

import math

import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler, DDPMScheduler

from micro3diff.samplers import added_variance, karras_sigmas, sample, uniform_sigmas

SHAPE = (1, 4, 5, 6)


def ddpm(steps=40, variance="fixed_large"):
    return DDPMScheduler(
        num_train_timesteps=steps,
        beta_start=1e-3,
        beta_end=0.1,
        variance_type=variance,
        clip_sample=False,
    )


def levels_of(scheduler):
    kept = scheduler.alphas_cumprod.double().numpy()
    return np.sqrt((1 - kept) / kept)


def toy_denoiser(volume, sigma, turn=0):
    """Smooth, and different from voxel to voxel."""
    return torch.tanh(volume / (1 + sigma**2) + 0.3 * volume.roll(1, -1) / (1 + sigma))


def noise_of(x, kept):
    """What the toy denoiser amounts to as a noise prediction."""
    sigma = float(((1 - kept) / kept) ** 0.5)
    volume = x / kept**0.5
    return (volume - toy_denoiser(volume, sigma)) / sigma


@pytest.mark.parametrize("steps", [None, 9])
@pytest.mark.parametrize("variance, name", [("beta", "fixed_large"), ("posterior", "fixed_small")])
def test_it_is_the_ddpm_of_diffusers(variance, name, steps):
    """Same noise, same volumes at every step as DDPMScheduler, respaced too."""
    scheduler = ddpm(variance=name)
    levels = levels_of(scheduler)
    sigmas = uniform_sigmas(levels, steps)
    times = np.searchsorted(levels, sigmas)
    scheduler.set_timesteps(timesteps=times.tolist())
    generator = torch.Generator().manual_seed(5)
    x = torch.randn(SHAPE, generator=generator)
    expected = []
    for time in times:
        kept = scheduler.alphas_cumprod[time]
        expected.append(x / kept**0.5)
        x = scheduler.step(noise_of(x, kept), int(time), x, generator=generator).prev_sample
    seen = []
    result = sample(
        toy_denoiser,
        sigmas,
        SHAPE,
        torch.Generator().manual_seed(5),
        variance=variance,
        on_step=lambda step, sigma, volume, denoised, turn: seen.append(volume.clone()),
    )
    assert len(seen) == len(expected) == (steps or 40)
    for one, other in zip(seen, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(result, x, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("eta", [0.0, 0.4, 1.0])
def test_eta_is_that_of_ddim(eta):
    """The same noise gives the same volume as DDIMScheduler; below `eta_above`, as with eta = 1."""
    settings = {"num_train_timesteps": 40, "beta_start": 1e-3, "beta_end": 0.1}
    scheduler = DDIMScheduler(**settings, clip_sample=False, set_alpha_to_one=True)
    scheduler.set_timesteps(40)
    levels = levels_of(ddpm())
    above = levels[20] * 1.0001

    def expected(from_step):
        generator = torch.Generator().manual_seed(5)
        x = torch.randn(SHAPE, generator=generator)
        for time in map(int, scheduler.timesteps):
            used = eta if time > from_step else 1.0
            z = torch.randn(SHAPE, generator=generator) if time > 0 else torch.zeros(SHAPE)
            predicted = noise_of(x, scheduler.alphas_cumprod[time])
            x = scheduler.step(predicted, time, x, eta=used, variance_noise=z).prev_sample
        return x

    for last, eta_above in [(-1, 0.0), (20, above)]:
        result = sample(
            toy_denoiser,
            uniform_sigmas(levels),
            SHAPE,
            torch.Generator().manual_seed(5),
            eta=eta,
            eta_above=eta_above,
        )
        torch.testing.assert_close(result, expected(last), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("n_h", [0, 1, 3])
def test_it_is_equations_9_17_and_21(n_h):
    """The paper's reverse step and renoising, written out in the paper's own variables."""
    scheduler = ddpm(20)
    generator = torch.Generator().manual_seed(2)

    def z():
        return torch.randn(SHAPE, generator=generator)

    x = z()
    for t in reversed(range(20)):
        beta, kept = scheduler.betas[t], scheduler.alphas_cumprod[t]
        for repeat in range(n_h + 1):
            x = (x - beta / (1 - kept).sqrt() * noise_of(x, kept)) / (1 - beta).sqrt()
            if t > 0:
                x = x + beta.sqrt() * z()
            if repeat < n_h:
                x = (1 - beta).sqrt() * x + beta.sqrt() * z()
    result = sample(
        toy_denoiser,
        uniform_sigmas(levels_of(scheduler)),
        SHAPE,
        torch.Generator().manual_seed(2),
        n_h=n_h,
        variance="beta",
    )
    torch.testing.assert_close(result, x, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(
    "plane, turns",
    [("change", [0, 1, 2, 3, 4, 5, 6, 7, 8]), ("stay", [0, 0, 0, 1, 1, 1, 2, 2, 2])],
)
def test_turns_within_the_harmonizing_loop(plane, turns):
    """Each step denoises 1 + n_h times at its noise level; the turn counts passes or steps."""
    calls, steps = [], []

    def denoise(volume, sigma, turn):
        calls.append((sigma, turn))
        return torch.zeros_like(volume)

    def on_step(step, sigma, volume, denoised, turn):
        steps.append((step, sigma, turn))

    sample(
        denoise,
        [4.0, 2.0, 1.0],
        SHAPE,
        torch.Generator().manual_seed(0),
        n_h=2,
        harmonize_plane=plane,
        on_step=on_step,
    )
    assert calls == list(zip(np.repeat([4.0, 2.0, 1.0], 3), turns, strict=True))
    assert steps == [(0, 4.0, turns[0]), (1, 2.0, turns[3]), (2, 1.0, turns[6])]


def test_harmonizing_steps_may_differ():
    """One number for each step."""
    calls = []

    def denoise(volume, sigma, turn):
        calls.append(sigma)
        return torch.zeros_like(volume)

    generator = torch.Generator().manual_seed(0)
    sample(denoise, [4.0, 2.0, 1.0], SHAPE, generator, n_h=[0, 3, 1])
    assert calls == [4.0, *[2.0] * 4, *[1.0] * 2]


def test_noise_lists_fall_within_the_models_range():
    """Both ends are reached, and nothing beyond what the model was trained for."""
    levels = levels_of(ddpm(100))
    assert np.array_equal(uniform_sigmas(levels), levels[::-1])
    short = uniform_sigmas(levels, 7)
    assert len(short) == 7 and set(short) <= set(levels)
    assert short[0] == levels[-1] and short[-1] == levels[0]
    for high, low, ends in [(5.0, 0.1, (5.0, 0.1)), (1e6, 1e-6, (levels[-1], levels[0]))]:
        sigmas = karras_sigmas(levels, 12, high, low)
        assert len(sigmas) == 12 and (np.diff(sigmas) < 0).all()
        np.testing.assert_allclose(sigmas[[0, -1]], ends)
    assert (np.diff(short) < 0).all()


def test_a_single_step():
    """One step gives what the denoiser makes of the noise."""
    levels = levels_of(ddpm())
    assert uniform_sigmas(levels, 1).tolist() == [levels[-1]]
    result = sample(lambda v, s, t: 0 * v + 0.5, [3.0], SHAPE, torch.Generator())
    torch.testing.assert_close(result, torch.full(SHAPE, 0.5))


def test_added_variances():
    """beta_t, and the variance of q(x_{t-1} | x_t, x_0), of DDPM; nothing at the last step."""
    scheduler = ddpm()
    levels = levels_of(scheduler)
    betas, kept = scheduler.betas.double(), scheduler.alphas_cumprod.double()
    for t in (1, 7, 39):
        scale = kept[t - 1]  # V = x / sqrt(abar)
        posterior = (1 - kept[t - 1]) / (1 - kept[t]) * betas[t]
        high, low = levels[t], levels[t - 1]
        assert added_variance(high, low, "beta") * scale == pytest.approx(float(betas[t]), rel=1e-3)
        found = added_variance(high, low, "posterior") * scale
        assert found == pytest.approx(float(posterior), rel=1e-3)
    assert added_variance(2.0, 0.0, "posterior") == 0


GAUSSIAN = (0.4, 0.6)  # mean and standard deviation


def denoise_gaussian(volume, sigma, turn=0):
    """The exact denoiser of independent Gaussian voxels."""
    mean, std = GAUSSIAN
    return (std**2 * volume + sigma**2 * mean) / (std**2 + sigma**2)


def gaussian_variance(sigmas, variance, n_h):
    """What the steps amount to for the variance, which is true only for many steps."""
    found = sigmas[0] ** 2
    for high, low in zip(sigmas, [*sigmas[1:], 0.0], strict=True):
        removed = high**2 - low**2
        kept = 1 - removed / (GAUSSIAN[1] ** 2 + high**2)
        for repeat in range(n_h + 1):
            found = kept**2 * found + (added_variance(high, low, variance) if low else 0)
            found += removed * (repeat < n_h)
    return found


@pytest.mark.parametrize("n_h", [0, 2])
@pytest.mark.parametrize("variance", ["beta", "posterior"])
def test_gaussian_voxels(variance, n_h):
    """With the exact denoiser of Gaussian voxels the samples get their mean and variance."""
    mean, std = GAUSSIAN
    levels = levels_of(DDPMScheduler(1000, beta_end=0.02))
    sigmas = karras_sigmas(levels, 150, 40, 0.02)
    result = sample(
        denoise_gaussian,
        sigmas,
        (1, 32, 32, 32),
        torch.Generator().manual_seed(1),
        variance=variance,
        n_h=n_h,
        start=torch.full((1, 1, 1, 1), mean),
    )
    assert float(result.mean()) == pytest.approx(mean, abs=4 * std / 32**1.5)
    expected = gaussian_variance(sigmas, variance, n_h)
    assert float(result.var()) == pytest.approx(expected, rel=4 * math.sqrt(2 / 32**3))
    many = gaussian_variance(karras_sigmas(levels, 3000, 40, 0.02), variance, n_h)
    assert many == pytest.approx(std**2, rel=0.01)


@pytest.mark.parametrize("fraction", [0.1, 0.3])
@pytest.mark.parametrize("variance", ["beta", "posterior"])
def test_independent_two_valued_voxels(fraction, variance):
    """With the exact denoiser of independent voxels the volume fraction comes out."""
    odds = math.log(fraction / (1 - fraction)) / 2
    levels = levels_of(DDPMScheduler(1000, beta_end=0.02))
    result = sample(
        lambda volume, sigma, turn: torch.tanh(odds + volume / sigma**2),
        karras_sigmas(levels, 150, 40, 0.05),
        (1, 32, 32, 32),
        torch.Generator().manual_seed(1),
        variance=variance,
        start=torch.full((1, 1, 1, 1), 2 * fraction - 1),
    )
    assert float((result.abs() > 0.99).float().mean()) > 0.99
    error = 4 * math.sqrt(fraction * (1 - fraction) / 32**3)
    assert float((result > 0).float().mean()) == pytest.approx(fraction, abs=error + 0.005)


def test_start():
    """Noise around nothing, at the DDPM's variance of one, or around the mean of the data."""
    sigma, seen = 3.0, {}
    for name, start in [("noise", None), ("mean", torch.full((1, 1, 1, 1), -0.55))]:

        def keep(step, sigma, volume, denoised, turn, name=name):
            seen[name] = volume.clone()

        sample(
            denoise_gaussian,
            [sigma],
            (1, 32, 32, 32),
            torch.Generator().manual_seed(1),
            start=start,
            on_step=keep,
        )
    error = 4 * sigma / 32**1.5
    assert float(seen["noise"].mean()) == pytest.approx(0, abs=error)
    assert float(seen["mean"].mean()) == pytest.approx(-0.55, abs=error)
    assert float(seen["noise"].std()) == pytest.approx(math.sqrt(1 + sigma**2), rel=0.02)
    assert float(seen["mean"].std()) == pytest.approx(sigma, rel=0.02)


def test_seeds():
    """The generator decides everything."""
    one, same, other = (
        sample(toy_denoiser, [3.0, 1.0], SHAPE, torch.Generator().manual_seed(seed), n_h=1)
        for seed in (1, 1, 2)
    )
    assert torch.equal(one, same) and not torch.allclose(one, other)
