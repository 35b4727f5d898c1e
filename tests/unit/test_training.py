"""Training learns, resumes as if never stopped, and stops in time when it diverges."""

import logging
import os
import pickle
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from diffusers import UNet2DModel

from micro3diff import phases, training
from micro3diff.denoisers import load_denoiser
from micro3diff.errors import InputError, Interrupted
from micro3diff.phases import GREY
from micro3diff.training import LOSS_INTERVAL, Trainer, checkpoints, train

CPU = torch.device("cpu")


class Killed(Exception):
    """What a test throws in the middle of a training."""


@pytest.fixture
def run(tmp_path, toy_slices, train_settings, monkeypatch):
    """Train into a folder of tmp_path; killed before the given step if one is given."""

    def run_training(
        name, kill_at=None, images=toy_slices, n_phases=2, start=None, planes=None, **settings
    ):
        update = Trainer.update

        def update_or_die(self):
            if self.step == kill_at:
                raise Killed
            return update(self)

        with monkeypatch.context() as patch:
            patch.setattr(Trainer, "update", update_or_die)
            train(
                images,
                n_phases,
                train_settings | settings,
                planes=planes,
                start=start,
                model=tmp_path / name / "model",
                loss_table=tmp_path / name / "loss.csv",
                checkpoint_folder=tmp_path / name / "checkpoints",
                device=CPU,
            )

    return run_training


def weights(folder):
    path = folder / "model" / "unet" / "diffusion_pytorch_model.safetensors"
    return path.read_bytes()


def kept_steps(folder):
    """The steps of the checkpoints that are there."""
    return [int(path.stem[-8:]) for path in checkpoints(folder / "checkpoints")]


def same(one, other):
    """Weights and loss table are the same to the last bit."""
    return (
        weights(one) == weights(other)
        and (one / "loss.csv").read_bytes() == (other / "loss.csv").read_bytes()
    )


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"ema": 0},
        {"checkpoint_every": 7, "steps": 45},  # in the middle of a row of the loss table
        {"decay": "cosine", "prediction": "v_prediction", "pixel_block": 2},
    ],
)
def test_a_resumed_training_is_the_uninterrupted_one(run, tmp_path, caplog, settings):
    """Killed twice, once before any checkpoint: same weights, same loss table."""
    caplog.set_level(logging.INFO)
    run("whole", **settings)
    for kill_at in (5, 25):
        with pytest.raises(Killed):
            run("resumed", kill_at=kill_at, **settings)
        assert not (tmp_path / "resumed" / "model").exists()
        assert not (tmp_path / "resumed" / "loss.csv").exists()
    run("resumed", **settings)
    assert "resuming at step 2" in caplog.text
    assert same(tmp_path / "whole", tmp_path / "resumed")
    assert kept_steps(tmp_path / "resumed") == [settings.get("steps", 30)]


def test_sigterm_writes_a_checkpoint(run, tmp_path, monkeypatch):
    """The training ends at once, and goes on to the same weights."""
    run("whole")
    update = Trainer.update

    def update_and_signal(self):
        if self.step == 16:
            os.kill(os.getpid(), signal.SIGTERM)
        return update(self)

    with monkeypatch.context() as patch, pytest.raises(Interrupted, match="checkpoint of step 17"):
        patch.setattr(Trainer, "update", update_and_signal)
        run("resumed")
    folder = tmp_path / "resumed" / "checkpoints"
    assert [p.name for p in checkpoints(folder)] == ["step_00000017.pt", "step_00000010.pt"]
    run("resumed")
    assert same(tmp_path / "whole", tmp_path / "resumed")


KILLED_WHILE_WRITING = """
import os, pickle, signal, sys
import torch
from micro3diff import training
from pathlib import Path

arguments, how = pickle.load(open(sys.argv[1], "rb")), sys.argv[2]
save, replace = torch.save, os.replace

def save_half(state, file):
    save(state, file)
    if state["step"] == 20 and how == "half":
        file.truncate(file.tell() // 2)
        file.flush()
        os.kill(os.getpid(), signal.SIGKILL)

def replace_never(here, there):
    if "step_00000020" in str(there) and how == "unnamed":
        os.kill(os.getpid(), signal.SIGKILL)
    replace(here, there)

torch.save, os.replace = save_half, replace_never
training.train(*arguments["data"], **arguments["places"], device=torch.device("cpu"))
"""


@pytest.mark.parametrize("how", ["half", "unnamed"])
def test_sigkill_in_the_middle_of_a_checkpoint(run, tmp_path, toy_slices, train_settings, how):
    """Half of it is on the disk, or all of it without its name: the one before counts."""
    run("whole")
    folder = tmp_path / "killed"
    places = {"model": "model", "loss_table": "loss.csv", "checkpoint_folder": "checkpoints"}
    places = {key: folder / name for key, name in places.items()}
    arguments = {"data": (toy_slices, 2, train_settings), "places": places}
    (tmp_path / "arguments").write_bytes(pickle.dumps(arguments))
    (tmp_path / "killed.py").write_text(KILLED_WHILE_WRITING)
    command = [sys.executable, tmp_path / "killed.py", tmp_path / "arguments", how]
    source = Path(training.__file__).parents[1]
    done = subprocess.run(command, env=os.environ | {"PYTHONPATH": str(source)}, check=False)
    assert done.returncode == -signal.SIGKILL
    assert kept_steps(folder) == [10]
    [left] = (folder / "checkpoints").glob(".writing-*")
    size = (folder / "checkpoints" / "step_00000010.pt").stat().st_size
    assert left.stat().st_size < 0.6 * size if how == "half" else left.stat().st_size > 0.9 * size
    run("killed")
    assert same(tmp_path / "whole", folder)
    assert kept_steps(folder) == [30] and not list(folder.rglob(".writing-*"))


def test_a_lost_model_is_no_lost_training(run, tmp_path, caplog):
    """Snakemake removes the outputs of a job whose end it has not seen: no step is made again."""
    caplog.set_level(logging.INFO)
    run("whole")
    shutil.copytree(tmp_path / "whole", tmp_path / "resumed")
    shutil.rmtree(tmp_path / "resumed" / "model")
    (tmp_path / "resumed" / "loss.csv").unlink()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Trainer, "update", None)
        run("resumed")
    assert "resuming at step 30" in caplog.text
    assert same(tmp_path / "whole", tmp_path / "resumed")


def test_a_truncated_checkpoint_is_ignored_with_a_warning(run, tmp_path, caplog):
    """The previous one is used and the result is the same."""
    caplog.set_level(logging.INFO)
    run("whole")
    with pytest.raises(Killed):
        run("resumed", kill_at=25)
    newest, previous = checkpoints(tmp_path / "resumed" / "checkpoints")
    newest.write_bytes(newest.read_bytes()[: newest.stat().st_size // 2])
    run("resumed")
    assert f"checkpoint {newest} can't be read and is ignored" in caplog.text
    assert f"resuming at step 10 from {previous}" in caplog.text
    assert same(tmp_path / "whole", tmp_path / "resumed")


@pytest.mark.parametrize("change", ["settings", "slices"])
def test_a_checkpoint_of_another_training_is_ignored(run, tmp_path, caplog, toy_slices, change):
    """It neither changes the result nor keeps the new training from being resumed."""
    caplog.set_level(logging.INFO)
    run("new", steps=24, checkpoint_every=5)
    other = {"learning_rate": 1e-3} if change == "settings" else {"images": 1 - toy_slices}
    with pytest.raises(Killed):
        run("resumed", kill_at=29, checkpoint_every=5, **other)
    with pytest.raises(Killed):
        run("resumed", kill_at=18, steps=24, checkpoint_every=5)
    assert caplog.text.count("is of other settings or slices and is ignored") == 2
    assert "resuming" not in caplog.text
    run("resumed", steps=24, checkpoint_every=5)
    assert "resuming at step 15" in caplog.text
    assert same(tmp_path / "new", tmp_path / "resumed")
    assert kept_steps(tmp_path / "resumed") == [24], "neither those of other trainings"


def test_a_training_of_each_plane_is_another_one(toy_slices, train_settings):
    """Also where the slices are the same: its network has weights that the other lacks."""
    alike = Trainer(toy_slices, 2, train_settings, CPU)
    apart = Trainer(toy_slices, 2, train_settings, CPU, np.arange(len(toy_slices)) % 3)
    assert alike.fingerprint != apart.fingerprint


def test_what_does_not_decide_the_weights_may_change(run, tmp_path, caplog):
    """More frequent checkpoints are no other training."""
    caplog.set_level(logging.INFO)
    with pytest.raises(Killed):
        run("one", kill_at=25)
    run("one", checkpoint_every=3)
    assert "resuming at step 20" in caplog.text
    told = (tmp_path / "one" / "model" / "denoiser.json").read_text()
    run("two")
    # it is among what decides on the volumes
    assert told == (tmp_path / "two" / "model" / "denoiser.json").read_text()


def test_nothing_half_written_stays(run, tmp_path):
    """Of a job that was killed while it wrote the state of a step that no other job reaches."""
    left = tmp_path / "one" / "checkpoints" / ".writing-step_00000017.pt-abc.pt"
    left.parent.mkdir(parents=True)
    left.touch()
    run("one")
    assert not left.exists()


def test_checkpoints_are_few_whole_and_no_pickles(run, tmp_path):
    """Two are kept; they load without running anybody's code; no temporary file stays."""
    with pytest.raises(Killed):
        run("one", kill_at=28, checkpoint_every=5)
    folder = tmp_path / "one" / "checkpoints"
    assert [path.name for path in checkpoints(folder)] == ["step_00000025.pt", "step_00000020.pt"]
    assert len(list(folder.iterdir())) == 2
    assert torch.load(checkpoints(folder)[0], weights_only=True)["step"] == 25


@pytest.mark.parametrize("steps", [30, 33])
def test_a_diverged_training_stops_with_advice(run, tmp_path, monkeypatch, steps):
    """NaN loss: one line that names the key; no model, no loss table."""
    real = torch.nn.functional.mse_loss

    def bad_loss(*args):
        return real(*args) * float("nan")

    monkeypatch.setattr(torch.nn.functional, "mse_loss", bad_loss)
    with pytest.raises(InputError, match="train.learning_rate.*nan.*lower it"):
        run("one", steps=steps)
    assert not (tmp_path / "one" / "model").exists()
    assert not (tmp_path / "one" / "loss.csv").exists()


def test_a_learning_rate_too_high(run, tmp_path):
    """A training that really diverges is noticed."""
    with pytest.raises(InputError, match="train.learning_rate"):
        run("one", learning_rate=1e18)
    assert not (tmp_path / "one" / "model").exists()


def test_it_learns(run, tmp_path, toy_slices):
    """The loss falls, and the model beats the best denoiser that sees each pixel alone."""
    run("one", steps=300, batch=16, learning_rate=3e-3, decay="cosine", ema=0.99)
    losses = pd.read_csv(tmp_path / "one" / "loss.csv")
    assert list(losses.columns) == ["step", "loss"]
    assert losses.step.tolist() == [*range(LOSS_INTERVAL, 301, LOSS_INTERVAL)]
    assert losses.loss.iloc[-3:].mean() < 0.5 * losses.loss.iloc[0]
    denoiser = load_denoiser(tmp_path / "one" / "model", precision="fp32")
    assert denoiser.fractions == pytest.approx([0.7, 0.3], abs=1e-3)
    clean = phases.encode(torch.from_numpy(toy_slices), 2)
    generator = torch.Generator().manual_seed(0)
    for sigma in (0.7, 1.5):
        noisy = clean + sigma * torch.randn(clean.shape, generator=generator)
        own = torch.tanh(np.log(0.3 / 0.7) / 2 + noisy / sigma**2)
        error = float(((denoiser(noisy, sigma) - clean) ** 2).mean())
        assert error < 0.8 * float(((own - clean) ** 2).mean())


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
@pytest.mark.parametrize("n_phases, block", [(2, 1), (2, 2), (3, 1)])
def test_what_the_network_is_asked_for(toy_slices, train_settings, prediction, n_phases, block):
    """Noisy image and target together give back one of the training images."""
    settings = train_settings | {"prediction": prediction, "pixel_block": block, "batch": 16}
    images = toy_slices.copy()
    if n_phases == 3:
        images[:, :5] = 2
    trainer = Trainer(images, n_phases, settings, CPU)
    noisy, time, _, target = trainer.batch()
    kept = trainer.scheduler.alphas_cumprod[time].view(-1, 1, 1, 1)
    signal, sigma = kept.sqrt(), (1 - kept).sqrt()
    clean = {
        "epsilon": lambda: (noisy - sigma * target) / signal,
        "v_prediction": lambda: signal * noisy - sigma * target,
    }[prediction]()
    clean = torch.nn.functional.pixel_shuffle(clean, block)
    torch.testing.assert_close(clean.abs(), torch.ones_like(clean), rtol=0, atol=1e-3)
    known = {image.tobytes() for image in images}
    assert all(image.numpy().tobytes() in known for image in phases.decode(clean, dim=1))
    assert 0 <= time.min() and time.max() < 50 and len(set(time.tolist())) > 5


def test_batches_differ_by_step_and_seed_alone(toy_slices, train_settings):
    """Nothing else decides what a step draws, so that a resumed training can go on."""
    trainers = [Trainer(toy_slices, 2, train_settings | {"seed": seed}, CPU) for seed in (0, 0, 1)]
    trainers[0].update()
    trainers[1].step = 1
    one, same_step, other_seed = (trainer.batch()[0] for trainer in trainers)
    assert torch.equal(one, same_step)
    assert not torch.equal(one, other_seed)
    trainers[0].step = 2
    assert not torch.equal(one, trainers[0].batch()[0])


def test_ema_is_what_is_saved(toy_slices, train_settings):
    """The moving average where there is one, else the last weights."""
    for ema in (0.999, 0):
        trainer = Trainer(toy_slices, 2, train_settings | {"ema": ema}, CPU)
        for _ in range(3):
            trainer.update()
        last = [weight.detach().clone() for weight in trainer.unet.parameters()]
        final = list(trainer.finish().parameters())
        assert all(torch.equal(*pair) for pair in zip(last, final, strict=True)) == (ema == 0)


def test_learning_rates(toy_slices, train_settings):
    """Constant as in the paper; cosine warms up and ends near 1 %."""
    settings = train_settings | {"steps": 1000}
    trainer = Trainer(toy_slices, 2, settings, CPU)
    for trainer.step in (0, 500, 999):
        assert trainer.learning_rate() == settings["learning_rate"]
    trainer = Trainer(toy_slices, 2, settings | {"decay": "cosine"}, CPU)
    rates = []
    for trainer.step in range(1000):
        rates.append(trainer.learning_rate() / settings["learning_rate"])
    assert rates[0] == pytest.approx(0.01) and max(rates) == pytest.approx(1)
    assert np.argmax(rates) in (99, 100)
    assert rates[-1] == pytest.approx(0.01, abs=1e-3)


def test_more_phases(run, tmp_path, toy_slices):
    """Three phases train and know their fractions."""
    images = toy_slices.copy()
    images[:, :4] = 2
    run("one", images=images, n_phases=3, steps=2)
    denoiser = load_denoiser(tmp_path / "one" / "model")
    assert denoiser.channels == 3
    assert denoiser.fractions == pytest.approx((np.bincount(images.ravel()) / images.size).tolist())


def test_a_checkpoint_that_fails_leaves_nothing(run, tmp_path, monkeypatch):
    """A full disk during a checkpoint keeps the one before it."""
    real, folder = torch.save, tmp_path / "one" / "checkpoints"

    def save(state, file):
        if state["step"] == 20:
            file.write(b"half")
            raise OSError(28, "No space left on device")
        real(state, file)

    monkeypatch.setattr(torch, "save", save)
    with pytest.raises(OSError):
        run("one")
    assert [path.name for path in folder.iterdir()] == ["step_00000010.pt"]


def test_a_network_learns_each_plane(tmp_path, train_settings):
    """Two planes that are each other's opposite: told which one, it knows the fraction."""
    dark, light = np.zeros((8, 16, 16), np.uint8), np.ones((8, 16, 16), np.uint8)
    images, planes = np.concatenate([dark, light]), np.repeat([0, 2], 8)
    train(
        images,
        2,
        train_settings
        # with as many groups as channels, the norm takes out what tells the planes apart
        | {"steps": 80, "learning_rate": 3e-3, "ema": 0, "channels": [16, 48]}
        | {"prediction": "v_prediction"},
        planes=planes,
        model=tmp_path / "model",
        loss_table=tmp_path / "loss.csv",
        checkpoint_folder=tmp_path / "checkpoints",
        device=torch.device("cpu"),
    )
    denoiser = load_denoiser(tmp_path / "model")
    noisy = 6 * torch.randn(8, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    means = {plane: denoiser(noisy, 6.0, plane).mean() for plane in ("yz", "xy")}
    low, high = float(means["yz"]), float(means["xy"])
    assert high > low + 0.3


def test_a_network_of_greys(tmp_path, train_settings):
    """It keeps their mean, to start from, and the threshold of the source."""
    images = np.random.default_rng(0).integers(60, 200, (8, 16, 16)).astype(np.uint8)
    train(
        images,
        GREY,
        train_settings | {"steps": 2},
        threshold=130.0,
        model=tmp_path / "model",
        loss_table=tmp_path / "loss.csv",
        checkpoint_folder=tmp_path / "checkpoints",
        device=torch.device("cpu"),
    )
    denoiser = load_denoiser(tmp_path / "model")
    assert denoiser.threshold == 130 and denoiser.grey["mean"] == pytest.approx(images.mean())
    above = (images > 130).mean()
    assert denoiser.fractions == pytest.approx([1 - above, above])


def test_all_time_steps_are_drawn(toy_slices, train_settings):
    """The first and the last too, from which sampling starts."""
    trainer = Trainer(toy_slices, 2, train_settings | {"batch": 500}, CPU)
    assert set(trainer.batch()[1].tolist()) == set(range(50))


def test_a_row_of_losses_is_the_mean_over_its_steps(run, tmp_path, monkeypatch):
    """Also the last, which may have fewer."""

    def update(self):
        self.step += 1
        return torch.ones(())

    monkeypatch.setattr(Trainer, "update", update)
    run("one", steps=LOSS_INTERVAL + 10)
    rows = pd.read_csv(tmp_path / "one" / "loss.csv").values.tolist()
    assert rows == [[LOSS_INTERVAL, 1], [LOSS_INTERVAL + 10, 1]]


def test_a_model_to_start_from_is_gone_on_from(run, tmp_path):
    """After hardly a step the weights are the start's, and more steps move them.

    The network and the noise are the start's too, whatever the settings say.
    """
    run("one", pixel_block=2, timesteps=40, ema=0)
    start = load_denoiser(tmp_path / "one" / "model", precision="fp32")
    again = {"steps": 1, "learning_rate": 1e-9, "channels": [4], "prediction": "epsilon", "ema": 0}
    run("two", start=tmp_path / "one" / "model", **again)
    two = load_denoiser(tmp_path / "two" / "model", precision="fp32")
    noisy = torch.randn(2, 1, 16, 16)
    torch.testing.assert_close(two(noisy, 1.0), start(noisy, 1.0), rtol=0, atol=1e-4)
    assert (two.pixel_block, len(two.sigmas)) == (2, 40)
    run("three", start=tmp_path / "one" / "model", **again | {"steps": 20, "learning_rate": 1e-2})
    three = load_denoiser(tmp_path / "three" / "model", precision="fp32")
    assert (three(noisy, 1.0) - start(noisy, 1.0)).abs().max() > 0.01


def test_a_checkpoint_from_another_start_is_ignored(run, tmp_path, caplog):
    """The start decides the weights; the place where it lies doesn't."""
    run("one", ema=0)
    run("other", ema=0, seed=1)
    moved = shutil.copytree(tmp_path / "one" / "model", tmp_path / "moved")
    with pytest.raises(Killed):
        run("two", kill_at=15, checkpoint_every=5, start=tmp_path / "one" / "model")
    with caplog.at_level(logging.INFO), pytest.raises(Killed):
        run("two", kill_at=15, checkpoint_every=5, start=moved)
    assert "resuming at step" in caplog.text
    caplog.clear()
    run("two", start=tmp_path / "other" / "model")
    assert "is of other settings or slices and is ignored" in caplog.text


def test_a_start_that_was_corrected_is_another_start(run, tmp_path, caplog):
    """What its weights are to predict stands beside them."""
    run("one", ema=0)
    with pytest.raises(Killed):
        run("two", kill_at=15, checkpoint_every=5, start=tmp_path / "one" / "model")
    about = tmp_path / "one" / "model" / "scheduler" / "scheduler_config.json"
    assert '"epsilon"' in about.read_text()
    about.write_text(about.read_text().replace('"epsilon"', '"v_prediction"'))
    run("two", start=tmp_path / "one" / "model")
    assert "is of other settings or slices and is ignored" in caplog.text


@pytest.mark.parametrize("told_apart", [False, True])
def test_a_start_that_knows_other_planes(run, tmp_path, toy_slices, told_apart):
    """Its images are what it makes of any plane, or the mean of what it is told of each."""
    planes = np.arange(len(toy_slices)) % 3
    run("one", ema=0, steps=30, learning_rate=1e-2, planes=planes if told_apart else None)
    start = load_denoiser(tmp_path / "one" / "model", precision="fp32")
    again = {"steps": 1, "learning_rate": 1e-9, "ema": 0}
    planes = None if told_apart else planes
    run("two", start=tmp_path / "one" / "model", planes=planes, **again)
    two = load_denoiser(tmp_path / "two" / "model", precision="fp32")
    assert list(two.planes) == ([] if told_apart else ["yz", "xz", "xy"])
    if told_apart:
        told = start.unet.class_embedding.weight
        assert told.std(0).max() > 0.1  # planes differ
        told.data[:] = told.mean(0)
    noisy = torch.randn(2, 1, 16, 16)
    for plane in ("yz", "xy"):
        expected = start(noisy, 1.0, plane)
        torch.testing.assert_close(two(noisy, 1.0, plane), expected, rtol=0, atol=1e-4)


def test_a_start_of_other_phases(run, tmp_path, toy_slices, caplog):
    """All but the layers at both ends is the start's, and can be trained on."""
    run("one", steps=20, ema=0, learning_rate=1e-2)
    three = toy_slices.copy()
    three[:, :5] = 2
    again = {"steps": 1, "learning_rate": 1e-9, "ema": 0}
    with caplog.at_level(logging.INFO):
        run("two", images=three, n_phases=3, start=tmp_path / "one" / "model", **again)
    assert "the layers at both ends start from random weights" in caplog.text
    one, two = (load_denoiser(tmp_path / n / "model", precision="fp32") for n in ("one", "two"))
    assert (one.channels, two.channels) == (1, 3)
    others = two.unet.state_dict()
    differ = {k for k, v in one.unet.state_dict().items() if v.shape != others[k].shape}
    assert differ == {"conv_in.weight", "conv_out.weight", "conv_out.bias"}
    for name in set(others) - differ:
        torch.testing.assert_close(one.unet.state_dict()[name], others[name], rtol=0, atol=1e-6)


def test_a_start_that_cannot_be_trained_on(run, tmp_path, toy_slices):
    """One line, before the first step."""
    run("one", steps=1)
    network = UNet2DModel.from_pretrained(tmp_path / "one" / "model" / "unet")
    network = UNet2DModel.from_config({**network.config, "out_channels": 2})
    network.save_pretrained(tmp_path / "one" / "model" / "unet")
    with pytest.raises(InputError, match="has 1 channels in and 2 out, expected as many"):
        run("two", start=tmp_path / "one" / "model")
    assert not (tmp_path / "two").exists()
