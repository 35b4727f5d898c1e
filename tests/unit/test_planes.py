"""The plane rules denoise the slices that they name and combine them as they say."""

from collections import Counter

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from micro3diff import phases
from micro3diff.planes import Alternate, Average, Evidence, Stack, best_slab, hold_fractions

# A volume axis for each letter of a plane's name.
AXIS = {"z": 0, "y": 1, "x": 2}
SHAPE = (6, 7, 8)


def lopsided(noisy, sigma, plane=None):
    """A 2D denoiser that tells rows from columns and an image from its mirror image."""
    ramp = torch.linspace(-1, 1, noisy.shape[-1])
    return torch.tanh(noisy.cumsum(-2) / 5 + ramp + 0.1 * noisy.roll(1, -1) * sigma)


class Recorder:
    """A 2D denoiser that keeps the shapes of what it is given."""

    def __init__(self):
        self.shapes = []

    def __call__(self, noisy, sigma, plane=None):
        self.shapes.append(tuple(noisy.shape))
        return lopsided(noisy, sigma)


def by_hand(volume, sigma, plane, denoiser=lopsided):
    """Each slice of a plane family on its own, rows and columns in the order z, y, x."""
    result = torch.empty_like(volume)
    (normal,) = set("zyx") - set(plane)
    for i in range(volume.shape[1 + AXIS[normal]]):
        where = [slice(None)] * 4
        where[1 + AXIS[normal]] = i
        result[tuple(where)] = denoiser(volume[tuple(where)][None], sigma)[0]
    return result


def random_volume(channels=1, seed=0):
    return torch.randn(channels, *SHAPE, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("channels", [1, 3])
def test_alternate_denoises_the_named_planes_in_the_papers_order(channels):
    """yz, xz, xy in turn, each slice as an image, nothing else touched."""
    volume = random_volume(channels)
    rule = Alternate(lopsided)
    for turn, plane in enumerate(["yz", "xz", "xy", "yz"]):
        assert rule.plane(1.0, turn) == plane
        expected = by_hand(volume, 1.0, plane)
        torch.testing.assert_close(rule(volume, 1.0, turn), expected, rtol=0, atol=1e-6)
    assert rule.network_passes == 4


def test_random_order():
    """Reproducible from the seed, every plane about equally often, another order by the seed."""
    planes = [Alternate(lopsided, order="random", seed=1).plane(1, turn) for turn in range(300)]
    again = Alternate(lopsided, order="random", seed=1)
    assert planes == [again.plane(1, turn) for turn in range(300)]
    other = Alternate(lopsided, order="random", seed=2)
    assert planes != [other.plane(1, turn) for turn in range(300)]
    assert min(planes.count(plane) for plane in ("yz", "xz", "xy")) > 70
    volume = random_volume()
    expected = by_hand(volume, 1.0, planes[5])
    torch.testing.assert_close(again(volume, 1.0, 5), expected, rtol=0, atol=1e-6)


def test_random_planes_do_not_follow_the_shifts_of_a_periodic_volume():
    """Each plane sees a side that is a multiple of 3 shifted by all remainders alike."""
    rule = Alternate(lopsided, order="random", seed=1, periodic=(True,) * 3)
    marked = torch.zeros(1, 12, 4, 4)
    marked[:, 0] = 1
    seen = Counter()

    def watch(volume, sigma, turn):
        seen[rule.plane(sigma, turn), int(volume[0, :, 0, 0].argmax()) % 3] += 1
        return volume

    rule.denoise = watch
    for turn in range(900):
        rule(marked, 1.0, turn)
    assert len(seen) == 9 and min(seen.values()) > 70


@pytest.mark.parametrize("chunk", [1, 4, 100])
def test_slices_per_pass_bounds_the_batch_and_nothing_else(chunk):
    """The same volume, one network pass, never more slices at once."""
    volume, recorder = random_volume(), Recorder()
    rule = Alternate(recorder, chunk)
    found = rule(volume, 0.7, 0)
    expected = Alternate(lopsided, 64)(volume, 0.7, 0)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)
    assert rule.network_passes == 1
    assert max(n for n, *_ in recorder.shapes) == min(chunk, 8)
    assert sum(n for n, *_ in recorder.shapes) == 8
    assert {shape[1:] for shape in recorder.shapes} == {(1, 6, 7)}


@pytest.mark.parametrize("fits", [1, 3, 8])
def test_as_many_slices_as_fit(fits, caplog):
    """Of a GPU that is too small for a pass, until one is too large even for one slice."""

    def small(noisy, sigma, plane):
        if len(noisy) > fits:
            raise torch.OutOfMemoryError
        return recorder(noisy, sigma)

    volume, recorder = random_volume(), Recorder()
    rule = Alternate(small, 64)
    found = rule(volume, 0.7, 0)
    torch.testing.assert_close(found, by_hand(volume, 0.7, "zy"), rtol=0, atol=1e-6)
    assert rule.slices_per_pass == {1: 1, 3: 2, 8: 64}[fits] and rule.network_passes == 1
    assert sum(n for n, *_ in recorder.shapes) == 8, "none twice"
    assert ("out of GPU memory" in caplog.text) == (fits < 8)
    fits = 0
    with pytest.raises(torch.OutOfMemoryError):
        rule(volume, 0.7, 0)


def test_stack_and_average():
    """A stack is slices along z alone; the average is the mean over the three families."""
    volume = random_volume()
    by_plane = {plane: by_hand(volume, 1.0, plane) for plane in ("yz", "xz", "xy")}
    for turn in range(2):
        torch.testing.assert_close(Stack(lopsided)(volume, 1.0, turn), by_plane["xy"])
    rule = Average(lopsided)
    torch.testing.assert_close(rule(volume, 1.0, 0), sum(by_plane.values()) / 3)
    assert rule.network_passes == 3


def test_periodic_axes_have_no_border():
    """What the network makes of a border is spread evenly over the periodic axes, in the end."""
    flat = torch.zeros(1, *SHAPE)
    rule = Alternate(lopsided, periodic=(False, False, True))
    turns = [rule(flat, 1.0, turn) for turn in range(1, 900, 3)]  # xz: the ramp lies along x
    along_x = sum(turns).mean(dim=(0, 1, 2)) / len(turns)
    assert along_x.std() < 0.06 and lopsided(flat, 1.0).mean(dim=(0, 1, 2)).std() > 0.3
    single = turns[0][0, 0, 0].diff()
    assert (single < -0.5).sum() == 1 and (single > 0).sum() == SHAPE[2] - 2  # a shifted ramp
    again = Alternate(lopsided, periodic=(False, False, True))
    assert torch.equal(again(flat, 1.0, 1), turns[0])
    other = Alternate(lopsided, periodic=(False, False, True), seed=1)
    assert any(not torch.equal(other(flat, 1.0, turn), turns[turn // 3]) for turn in (1, 4, 7))


@pytest.mark.parametrize("rule", [Alternate, Average, Stack])
def test_shifts_are_taken_back(rule):
    """A denoiser to which all places are alike denoises as if nothing had been shifted."""

    def alike(noisy, sigma, plane=None):
        return torch.tanh(noisy + noisy.roll(1, -1) - 0.5 * noisy.roll(2, -2))

    volume = random_volume()
    expected = rule(alike)(volume, 1.0, 4)
    torch.testing.assert_close(rule(alike, periodic=[True] * 3)(volume, 1.0, 4), expected)


def test_periodic_slabs_go_on_at_the_opposite_face():
    """All slabs are alike, up to their place."""
    weights, sigmas = best_slab(9.0, 16, 0.9 ** np.arange(16), 50.0, periodic=True)
    for k in range(16):
        torch.testing.assert_close(weights[k], weights[0].roll(k))
    assert weights[0, 15] == weights[0, 1] > 0
    torch.testing.assert_close(sigmas, sigmas[:1].expand(16))


def evidence(denoiser=lopsided, fractions=(0.7, 0.3), **settings):
    settings = {"blend": 1e-3, "alternate_below": 0.0} | settings
    return Evidence(denoiser, fractions=list(fractions), **settings)


@pytest.mark.parametrize("weight", [1.0, 0.8, 1 / 3])
def test_evidence_is_the_sum_of_log_odds(weight):
    """own + w * sum(L_a - own), each cut to +-clamp, as odds of the two phases.

    A witness that is less sure than the voxel itself is not held against it: own is cut to what
    the witness dares to say, or to log-odds of 2.
    """
    volume, sigma, clamp, fraction = random_volume(), 1.3, 4.0, 0.3
    own = np.log(fraction / (1 - fraction)) + 2 * volume.double().numpy() / sigma**2
    own = own.clip(-clamp, clamp)
    witnesses = []
    for plane in ("yz", "xz", "xy"):
        denoised = by_hand(volume, sigma, plane).double().numpy()
        witnesses.append(np.log((1 + denoised) / (1 - denoised)).clip(-clamp, clamp))
    bounds = [np.maximum(abs(witness), 2) for witness in witnesses]
    news = [w - own.clip(-bound, bound) for w, bound in zip(witnesses, bounds, strict=True)]
    total = (own + weight * sum(news)).clip(-clamp, clamp)
    expected = (np.tanh(total / 2) / np.tanh(clamp / 2)).clip(-1, 1)
    rule = evidence(weight=weight, clamp=clamp)
    np.testing.assert_allclose(rule(volume, sigma, 0), expected, atol=1e-4)
    assert rule.network_passes == 3


@pytest.mark.parametrize("periodic", [False, True])
def test_evidence_is_sharpened(periodic):
    """By an unsharp mask of what the planes add, as wide as features are along each axis, around
    corners if periodic, at high noise only."""
    volume, sigma = torch.randn(1, 16, 18, 20, generator=torch.Generator().manual_seed(0)), 6.0
    lengths = np.array([2.0, 5.0, 8.0])
    known = {"covariances": [np.exp(np.log(1 - 1 / a) * np.arange(12)) for a in lengths]}

    def log_odds(sharpen, sigma=sigma):
        known["periodic"] = [periodic] * 3
        rule = evidence(weight=0.1, clamp=12.0, sharpen=sharpen, **known)
        probability = phases.probabilities(rule.denoise(volume, sigma, 0)).double().numpy()
        return np.log(probability[1] / probability[0])

    def smooth(values):
        std = np.maximum(0.5, 0.135 * lengths) * sigma**0.4
        how = {"sigma": std, "mode": "wrap" if periodic else "constant"}
        how["radius"] = np.ceil(3 * std).astype(int)
        return gaussian_filter(values, **how) / gaussian_filter(np.ones_like(values), **how)

    own = np.log(0.3 / 0.7) + 2 * volume[0].double().numpy() / sigma**2
    added = log_odds(0.0) - own
    np.testing.assert_allclose(log_odds(0.5) - own, 1.5 * added - 0.5 * smooth(added), atol=2e-3)
    np.testing.assert_array_equal(log_odds(0.5, sigma=2.9), log_odds(0.0, sigma=2.9))


@pytest.mark.parametrize("fractions", [(0.7, 0.3), (0.5, 0.3, 0.2)])
def test_own_posterior(fractions):
    """The prior times the Gaussian likelihood of the voxel's noisy value, normalised."""
    count, sigma = len(fractions), 1.7
    volume = random_volume(phases.channels_of(count)).double()
    codes = phases.encode(torch.arange(count), count).double()
    weights = [
        fraction * torch.exp(-((volume - code.view(-1, 1, 1, 1)) ** 2).sum(0) / (2 * sigma**2))
        for fraction, code in zip(fractions, codes, strict=True)
    ]
    expected = torch.stack(weights) / sum(weights)
    torch.testing.assert_close(evidence(fractions=fractions).own_posterior(volume, sigma), expected)


@pytest.mark.parametrize("weight", [1.0, 0.5])
@pytest.mark.parametrize("fractions", [(0.7, 0.3), (0.5, 0.3, 0.2)])
def test_planes_that_know_nothing_add_nothing(fractions, weight):
    """What all planes have seen, the voxel itself, is counted once, whatever the weight."""
    volume = random_volume(phases.channels_of(len(fractions)))
    rule = evidence(fractions=fractions, weight=weight, clamp=12.0)
    own = rule.own_posterior(volume, 2.0)

    def witness(noisy, sigma, plane=None):
        posterior = rule.own_posterior(noisy.movedim(1, 0), sigma)
        return phases.expectation(posterior).movedim(0, 1)

    rule.denoiser = witness
    torch.testing.assert_close(phases.probabilities(rule(volume, 2.0, 0)), own, rtol=0, atol=1e-4)


@pytest.mark.parametrize("fractions", [(0.7, 0.3), (0.5, 0.3, 0.2)])
def test_independent_witnesses_give_the_posterior_of_bayes(fractions):
    """Three planes that each add an independent observation: the product of all likelihoods."""
    count, sigma = len(fractions), 2.0
    volume = random_volume(phases.channels_of(count))
    generator = torch.Generator().manual_seed(3)
    likelihoods = [torch.rand(count, *SHAPE, generator=generator) + 0.2 for _ in range(3)]
    rule = evidence(fractions=fractions, clamp=15.0)
    rule.CERTAIN = 30.0  # these witnesses make no errors
    own = rule.own_posterior(volume, sigma)
    planes = iter(zip(likelihoods, (2, 1, 0), strict=True))  # in the order yz, xz, xy

    def witness(noisy, sigma, plane=None):
        likelihood, axis = next(planes)
        posterior = own * likelihood
        return phases.expectation(posterior / posterior.sum(0)).movedim(axis + 1, 0)

    rule.denoiser = witness
    expected = own * likelihoods[0] * likelihoods[1] * likelihoods[2]
    expected /= expected.sum(0)
    found = phases.probabilities(rule(volume, sigma, 0))
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize("fractions", [(0.7, 0.3), (0.5, 0.3, 0.2)])
def test_certain_planes_give_certain_phases(fractions):
    """The clamp bounds the odds of a witness, not what comes out: a code, for any K."""
    count = len(fractions)
    labels = torch.randint(count, SHAPE, generator=torch.Generator().manual_seed(0))
    code = phases.encode(labels[None], count)[0]
    axes = iter((2, 1, 0))
    rule = evidence(
        lambda noisy, sigma, plane: code.movedim(next(axes) + 1, 0), fractions, clamp=4.0
    )
    torch.testing.assert_close(rule(code, 1.0, 0), code, rtol=0, atol=1e-3)


def test_three_phases_stay_a_distribution():
    """One-hot channels that came from probabilities sum to what probabilities do."""
    rule = evidence(fractions=(0.5, 0.3, 0.2))
    share = (rule(random_volume(3), 1.5, 0) + 1) / 2
    assert share.min() >= 0
    torch.testing.assert_close(share.sum(0), torch.ones(SHAPE))


@pytest.mark.parametrize("side", [16, 48, 70])
@pytest.mark.parametrize("axis", [1, 2, 3])
def test_a_fraction_is_held_in_layers(axis, side):
    """Of any period and along any axis: the voxels that are counted are no layers themselves."""
    for period in (2, 4, 5):
        layers = torch.arange(side) % period == 0
        one = torch.where(layers, 0.9, 0.1).view([side if a == axis else 1 for a in range(4)])
        one = one.expand(1, side, side, side)
        held = hold_fractions(torch.cat([1 - one, one]), [0.7, 0.3])
        assert held[1].mean().item() == pytest.approx(0.3, abs=0.01)


def test_far_fractions_of_three_phases_are_held():
    """The shift of each phase depends on those of the others, so they are repeated."""
    logits = 0.3 * torch.randn(3, 16, 16, 16, generator=torch.Generator().manual_seed(0))
    logits += torch.tensor([0.4, 0.5, 0.1]).log().view(-1, 1, 1, 1)
    target = [0.3, 0.3, 0.4]
    mean = hold_fractions(logits.softmax(0), target).mean((1, 2, 3))
    torch.testing.assert_close(mean, torch.tensor(target), atol=1.5e-3, rtol=0)


@pytest.mark.parametrize("rare", [0, 1, 2])
def test_a_rare_phase_is_held_whatever_its_number(rare):
    """What it lacks comes from the phase that has the most, not from those that are shifted too."""
    target = [0.49, 0.49]
    target.insert(rare, 0.02)
    logits = torch.randn(3, 16, 16, 16, generator=torch.Generator().manual_seed(0))
    logits = logits.roll(rare, 0)  # the same field, phases in another order
    mean = hold_fractions(logits.softmax(0), target).mean((1, 2, 3))
    torch.testing.assert_close(mean, torch.tensor(target), atol=2e-3, rtol=0)


def test_any_seed_gives_turns_their_random_numbers():
    """Also the largest of the configuration, whose product with a prime is beyond 64 bits."""
    rule = Alternate(lopsided, order="random", periodic=(True,) * 3, seed=2**31 * 1_000_000)
    assert rule(random_volume(1), 1.0, 3).isfinite().all()


@pytest.mark.parametrize("sigma", [3.0, 0.4])
@pytest.mark.parametrize("target", [(0.8, 0.2), (0.4, 0.6), (0.5, 0.2, 0.3)])
def test_a_target_is_held(target, sigma):
    """The phase fractions of what is denoised, and its order of voxels, whatever the planes say."""
    fractions = {2: (0.7, 0.3), 3: (0.5, 0.3, 0.2)}[len(target)]
    volume = random_volume(phases.channels_of(len(target))).repeat(1, 4, 4, 4)

    def denoised(**settings):
        rule = evidence(lambda noisy, sigma, plane: torch.tanh(noisy / 6), fractions, **settings)
        return phases.probabilities(rule(volume, sigma, 0))

    free, held = denoised(), denoised(target=list(target))
    sharpness = 1 + (0.5 / sigma) ** 2
    sharp = held**sharpness / (held**sharpness).sum(0)
    found = sharp.flatten(1).mean(1)
    torch.testing.assert_close(found, torch.tensor(target), rtol=0, atol=0.01)
    if len(target) == 2:  # one shift for all voxels
        inside = (free[1] > 0.01) & (free[1] < 0.99)
        shift = (torch.logit(held[1]) - torch.logit(free[1]))[inside]
        torch.testing.assert_close(shift, shift.mean().expand(shift.shape), rtol=0, atol=0.02)


@pytest.mark.parametrize("tilt", [(0.0, 0.3), (0.2, 0.0), (0.1, 0.0, 0.4)])
def test_tilted_as_if_the_phases_had_other_odds(tilt):
    """Of a few images each is as likely as Bayes says; exp(tilt) a pixel more so with the tilt."""
    count, sigma = len(tilt), 2.0
    images = torch.from_numpy(np.random.default_rng(0).integers(0, count, (6, *SHAPE[1:])))
    codes = phases.encode(images, count)
    more = sum((images == k).sum((1, 2)) * tilt[k] for k in range(count))

    def denoiser(prior):
        def denoise(noisy, sigma, plane):
            squares = ((noisy[:, None] - codes) ** 2).flatten(2).sum(2)
            share = (prior - squares / (2 * sigma**2)).softmax(1)
            return torch.einsum("ni,ichw->nchw", share, codes)

        return denoise

    volume = random_volume(phases.channels_of(count)) * sigma
    found = Stack(denoiser(torch.zeros(6)), tilt=tilt)(volume, sigma, 0)
    expected = Stack(denoiser(more))(volume, sigma, 0)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-4)


def markov_lines(n, count, stay=0.9, seed=0):
    """Lines of +-1 whose autocovariance is (2 stay - 1)^lag."""
    generator = torch.Generator().manual_seed(seed)
    flips = 1 - 2 * (torch.rand(n, count, generator=generator) > stay).double()
    flips[0] = 1 - 2 * (torch.rand(count, generator=generator) > 0.5).double()
    return flips.cumprod(0)


@pytest.mark.parametrize("sigma", [0.5, 2.0, 8.0])
def test_slab_tells_its_noise(sigma):
    """The mean square difference of a slab from its slice is the noise level that it states."""
    n, covariance = 24, 0.8 ** np.arange(24)
    clean = markov_lines(n, 40_000)
    noisy = clean + sigma * torch.randn(clean.shape, generator=torch.Generator().manual_seed(1))
    weights, sigmas = best_slab(sigma, n, covariance, 10.0) or (torch.eye(n).double(), None)
    torch.testing.assert_close(weights.sum(1), torch.ones(n).double())
    error = ((weights @ noisy - clean) ** 2).mean(1).sqrt()
    expected = sigma if sigmas is None else sigmas
    torch.testing.assert_close(error / expected, torch.ones(n).double(), rtol=0, atol=0.03)


def test_slabs_are_thick_at_high_noise_only():
    """Thicker with more noise, thinner the more pixels are pooled, none at low noise."""
    covariance = 0.9 ** np.arange(40)

    def width(sigma, pooled):
        found = best_slab(sigma, 64, covariance, pooled)
        return 1.0 if found is None else float(1 / (found[0][32] ** 2).sum())

    assert width(0.1, 100) == 1
    assert width(3, 100) < width(10, 100) < width(30, 100)
    assert width(10, 1000) < width(10, 100)


def test_slabs_reach_the_denoiser():
    """The averaged slices with the noise of each, on every plane family; none without `slab`."""
    seen = []

    def witness(noisy, sigma, plane=None):
        seen.append((noisy, sigma))
        return torch.tanh(noisy)

    volume = 9 * torch.randn(1, 16, 16, 16, generator=torch.Generator().manual_seed(0))
    covariance = 0.9 ** np.arange(16)
    evidence(witness, slab=50.0, covariances=[covariance] * 3)(volume, 9.0, 0)
    weights, sigmas = best_slab(9.0, 16, covariance, 50.0)
    for (noisy, sigma), axis in zip(seen, (2, 1, 0), strict=True):
        slices = volume.double().movedim(axis + 1, 0)
        expected = torch.einsum("ij,jcyx->icyx", weights, slices)
        torch.testing.assert_close(noisy.double(), expected, rtol=0, atol=1e-5)
        torch.testing.assert_close(sigma.double(), sigmas, rtol=1e-5, atol=0)
    seen.clear()
    evidence(witness, covariances=[covariance] * 3)(volume, 9.0, 0)
    assert [sigma for _, sigma in seen] == [9.0] * 3


def test_blend_into_the_average():
    """At sigma = blend half of the result is the average of the planes, far below all of it."""
    volume = random_volume()
    average = Average(lopsided)
    pure = evidence()(volume, 0.5, 0)
    half = evidence(blend=0.5)(volume, 0.5, 0)
    torch.testing.assert_close(half, (pure + average(volume, 0.5, 0)) / 2)
    low = evidence(blend=0.5)(volume, 0.02, 0)
    torch.testing.assert_close(low, average(volume, 0.02, 0), rtol=0, atol=1e-4)


def test_alternate_below():
    """Where little noise is left the planes take turns, one pass each."""
    volume = random_volume()
    rule = evidence(alternate_below=1.0)
    assert rule.plane(1.0, 0) == "all" and rule.plane(0.99, 1) == "xz"
    torch.testing.assert_close(rule(volume, 0.99, 1), Alternate(lopsided)(volume, 0.99, 1))
    assert rule.network_passes == 1
    torch.testing.assert_close(rule(volume, 1.0, 1), evidence()(volume, 1.0, 1))
    assert rule.network_passes == 4


def test_given_slices_are_kept_and_stand_out():
    """No denoised volume differs from them, and the network sees them above the noise."""
    seen = []

    def blind(noisy, sigma, plane):
        seen.append(noisy)
        return torch.zeros_like(noisy)

    volume = random_volume()
    codes = {
        (0, 2): torch.ones(1, *SHAPE[1:]),
        (2, 0): -torch.ones(1, *SHAPE[:2]),
    }
    codes[2, 0][:, 2] = 1  # they agree where they cross
    denoised = Alternate(blind, anchors=codes)(volume.clone(), 4.0, 2)
    assert (denoised[:, 2] == 1).all() and (denoised[:, :2, :, 0] == -1).all()
    assert (denoised[:, 3:, :, 1:] == 0).all()
    assert (seen[0][2] == Alternate.LIFT * 4).all(), "the third plane of a turn is xy"
    torch.testing.assert_close(seen[0][4, :, :, 1:], volume[:, 4, :, 1:])
    Alternate(blind, anchors=codes)(volume.clone(), 0.2, 2)
    assert (seen[1][2] == 1).all(), "never fainter than they are"


def test_given_slices_stay_in_place_where_the_volume_is_shifted():
    codes = {(1, 3): torch.ones(1, SHAPE[0], SHAPE[2])}
    rule = Alternate(lopsided, anchors=codes, periodic=(True, True, True))
    for turn in range(4):
        assert (rule(random_volume(), 1.0, turn)[:, :, 3] == 1).all()


def test_the_network_is_told_which_plane_it_sees():
    """Slices of a plane by its own name, in the paper's order; of a stack by the one shown."""
    told = []

    def denoiser(noisy, sigma, plane):
        told.append((plane, tuple(noisy.shape[2:])))
        return noisy

    Average(denoiser)(random_volume(), 1.0, 0)
    Stack(denoiser, shown="xz")(random_volume(), 1.0, 0)
    z, y, x = SHAPE
    assert told == [("yz", (z, y)), ("xz", (z, x)), ("xy", (y, x)), ("xz", (y, x))]


def test_slabs_follow_the_axis():
    """An anisotropic material has another correlation, and other slabs, along each axis."""
    covariances = [0.5 ** np.arange(8), 0.8 ** np.arange(8), 0.95 ** np.arange(8)]
    rule = evidence(lopsided, slab=30.0, covariances=covariances)
    thickness = [(rule.slabs(6.0, axis, 40)[0][20] > 0.01).sum() for axis in range(3)]
    assert thickness[0] < thickness[1] < thickness[2]
    wraps = evidence(slab=30.0, covariances=covariances, periodic=(False, True, False))
    assert [wraps.slabs(6.0, axis, 40)[0][0, -1] > 0 for axis in (1, 2)] == [True, False]


def test_slabs_that_pass_in_parts_keep_their_noise_levels():
    """Each slab has its own, whatever part of the volume it goes through the network with."""

    def witness(noisy, sigma, plane):
        return torch.tanh(noisy / sigma.view(-1, 1, 1, 1))

    settings = {"slab": 50.0, "covariances": [0.9 ** np.arange(16)] * 3}
    volume = 9 * torch.randn(1, 16, 16, 16, generator=torch.Generator().manual_seed(0))
    whole, parts = (
        evidence(witness, slices_per_pass=n, **settings)(volume, 9.0, 0) for n in (16, 5)
    )
    torch.testing.assert_close(parts, whole)
