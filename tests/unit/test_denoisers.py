"""Any diffusers 2D model is a denoiser here, ours is one elsewhere, and misfits are refused."""

import json
import math
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from diffusers import DDPMPipeline, DDPMScheduler, ScoreSdeVeScheduler, UNet2DModel

from micro3diff import phases
from micro3diff.denoisers import (
    Denoiser,
    adopt_model,
    build_scheduler,
    build_unet,
    choose_device,
    load_denoiser,
    noise_levels,
    save_denoiser,
)
from micro3diff.errors import InputError
from micro3diff.files import read_json


class PerfectNetwork(torch.nn.Module):
    """Stands for a U-Net that has learned one image by heart."""

    def __init__(self, clean, scheduler, channels=1):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(()))
        self.config = SimpleNamespace(
            in_channels=channels, block_out_channels=[8, 8], sample_size=8
        )
        self.clean, self.scheduler = clean, scheduler
        self.times = []

    def forward(self, noisy, time, class_labels=None):
        self.times += time.tolist()
        kept = torch.from_numpy(
            np.interp(time.numpy(), np.arange(1000), self.scheduler.alphas_cumprod.numpy())
        ).view(-1, 1, 1, 1)
        noise = (noisy - kept.sqrt() * self.clean) / (1 - kept).sqrt()
        output = {
            "epsilon": noise,
            "v_prediction": kept.sqrt() * noise - (1 - kept).sqrt() * self.clean,
            "sample": self.clean.expand_as(noisy),
        }[self.scheduler.config.prediction_type]
        return SimpleNamespace(sample=output.to(noisy.dtype))


def labels_to_values(n=3, side=8, phases_=2):
    labels = torch.randint(phases_, (n, side, side), generator=torch.Generator().manual_seed(0))
    return phases.encode(labels, phases_)


@pytest.mark.parametrize("block", [1, 2])
@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction", "sample"])
def test_a_perfect_network_recovers_the_clean_image(prediction, block):
    """Whatever the network predicts, at the time step of the noise level, blocks or not."""
    scheduler = DDPMScheduler(1000, prediction_type=prediction)
    clean = labels_to_values()
    network = PerfectNetwork(
        torch.nn.functional.pixel_unshuffle(clean, block), scheduler, channels=block**2
    )
    denoiser = Denoiser(network, scheduler, pixel_block=block, clip=False, precision="fp32")
    assert denoiser.channels == 1
    for time in (0, 10, 500, 900):
        sigma = float(denoiser.sigmas[time])
        found = denoiser(clean + sigma * torch.randn_like(clean), sigma)
        torch.testing.assert_close(found, clean, rtol=0, atol=1e-5 * max(1, sigma))
        assert network.times[-1] == pytest.approx(time, abs=1e-3)


def test_clipping_is_to_the_data_range():
    """And only where it is asked for."""
    scheduler = DDPMScheduler(1000, prediction_type="sample")
    network = PerfectNetwork(2 * labels_to_values(), scheduler)
    noisy = torch.zeros(3, 1, 8, 8)
    assert Denoiser(network, scheduler, precision="fp32")(noisy, 1.0).abs().max() == 1
    assert Denoiser(network, scheduler, clip=False, precision="fp32")(noisy, 1.0).abs().max() == 2


def test_noise_levels_and_time_steps():
    """sigma^2 = (1 - abar) / abar; a time step for every level, also between and beyond."""
    scheduler = DDPMScheduler(1000, beta_end=0.01)
    sigmas = noise_levels(scheduler)
    kept = np.cumprod(1 - np.linspace(1e-4, 0.01, 1000))
    np.testing.assert_allclose(sigmas, np.sqrt((1 - kept) / kept), rtol=1e-3)
    assert sigmas[-1] == pytest.approx(12.5, abs=0.1)  # 8 % of the signal is left
    denoiser = Denoiser(PerfectNetwork(torch.zeros(1), scheduler), scheduler)
    for time in (0, 400, 999):
        assert denoiser.timestep(sigmas[time]) == pytest.approx(time, abs=1e-6)
    middle = denoiser.timestep(math.sqrt(sigmas[400] * sigmas[401]))
    assert middle == pytest.approx(400.5, abs=1e-6)
    assert denoiser.timestep(1e9) == 999 and denoiser.timestep(1e-9) == 0


@pytest.mark.parametrize("schedule", ["linear", "cosine"])
def test_schedules(train_settings, schedule):
    """Levels are finite and rise; zero terminal SNR leaves no signal at the last time step."""
    settings = train_settings | {"schedule": schedule, "timesteps": 1000, "beta_end": 0.01}
    sigmas = noise_levels(build_scheduler(settings))
    assert np.isfinite(sigmas).all() and (np.diff(sigmas) > 0).all()
    settings |= {"zero_terminal_snr": True, "prediction": "v_prediction"}
    scheduler = build_scheduler(settings)
    assert float(scheduler.alphas_cumprod[-1]) == pytest.approx(0, abs=1e-6)
    sigmas = noise_levels(scheduler)
    assert np.isfinite(sigmas).all() and (np.diff(sigmas) > 0).all() and sigmas[-1] > 1000
    clean = labels_to_values()
    denoiser = Denoiser(PerfectNetwork(clean, scheduler), scheduler, precision="fp32")
    noisy = clean + float(sigmas[-1]) * torch.randn_like(clean)
    assert torch.isfinite(denoiser(noisy, float(sigmas[-1]))).all()


def test_ours_loads_elsewhere(model_folder):
    """diffusers itself reads and runs the folder; weights are safetensors, never pickles."""
    pipeline = DDPMPipeline.from_pretrained(model_folder)
    pipeline.set_progress_bar_config(disable=True)
    images = pipeline(num_inference_steps=2, output_type="np").images
    assert images.shape[:3] == (1, 16, 16)
    unet = UNet2DModel.from_pretrained(model_folder, subfolder="unet")
    ours = load_denoiser(model_folder).unet
    for one, other in zip(unet.parameters(), ours.parameters(), strict=True):
        assert torch.equal(one, other)
    suffixes = {path.suffix for path in model_folder.rglob("*") if path.is_file()}
    assert suffixes == {".json", ".safetensors"}


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
def test_any_diffusers_folder_loads(tmp_path, prediction):
    """Without denoiser.json, with blocks that we never build, on pixels, fractions unknown."""
    unet = UNet2DModel(
        sample_size=16,
        in_channels=3,
        out_channels=3,
        block_out_channels=(8, 8, 8),
        down_block_types=("DownBlock2D", "AttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "AttnUpBlock2D", "UpBlock2D"),
        norm_num_groups=4,
    )
    scheduler = DDPMScheduler(100, beta_schedule="scaled_linear", prediction_type=prediction)
    DDPMPipeline(unet, scheduler).save_pretrained(tmp_path / "theirs")
    denoiser = load_denoiser(tmp_path / "theirs", precision="fp32", clip=False)
    assert (denoiser.channels, denoiser.pixel_block, denoiser.fractions) == (3, 1, None)
    assert denoiser.multiple == 4
    clean, noise = labels_to_values(2, 16, 3), torch.randn(2, 3, 16, 16)
    time, sigma = 60, float(denoiser.sigmas[60])
    x = scheduler.add_noise(clean, noise, torch.tensor([time]))
    with torch.no_grad():
        output = unet.eval()(x, time).sample
    expected = scheduler.step(output, time, x).pred_original_sample
    clipped = denoiser(clean + sigma * noise, sigma).clamp(-1, 1)
    torch.testing.assert_close(clipped, expected, rtol=0, atol=1e-3)


@pytest.mark.parametrize("block", [1, 2])
def test_other_sizes_than_the_training_size(tmp_path, train_settings, block):
    """Fully convolutional: any multiple of what the network shrinks by, others in one line."""
    unet = build_unet(train_settings | {"pixel_block": block}, 16, 2)
    save_denoiser(tmp_path / "m", unet, build_scheduler(train_settings), {"pixel_block": block})
    denoiser = load_denoiser(tmp_path / "m")
    assert denoiser.multiple == 2 * block
    found = denoiser(torch.randn(2, 1, 24, 8), 1.0)
    assert found.shape == (2, 1, 24, 8) and found.abs().max() <= 1
    with pytest.raises(InputError, match=f"(?s)16, 17.*multiples of {2 * block}") as error:
        denoiser(torch.randn(2, 1, 16, 17), 1.0)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("attention", [[False, True], [True, False], [True, True]])
def test_attention_and_uneven_channels_build(train_settings, attention):
    """Whatever the settings allow gives a network of the material's phases that computes."""
    settings = train_settings | {"channels": [6, 10], "attention": attention, "pixel_block": 2}
    unet = build_unet(settings, 16, 3)
    assert unet.config.in_channels == 3 * 4
    assert unet(torch.randn(1, 12, 8, 8), 3).sample.shape == (1, 12, 8, 8)


def test_a_model_is_adopted(tmp_path, model_folder):
    """What it computes stays the same; the material's fractions serve if it has none."""
    (model_folder / "evidence.json").write_text('{"settings": {"weight": 0.5}}')
    adopt_model(model_folder, tmp_path / "adopted", [0.6, 0.4])
    adopted, original = load_denoiser(tmp_path / "adopted"), load_denoiser(model_folder)
    assert adopted.fractions == original.fractions == [0.7, 0.3]
    assert read_json(tmp_path / "adopted" / "evidence.json") == {"settings": {"weight": 0.5}}
    assert str(model_folder) not in (tmp_path / "adopted" / "unet" / "config.json").read_text()
    noisy = torch.randn(1, 1, 16, 16)
    assert torch.equal(adopted(noisy, 1.0), original(noisy, 1.0))
    (model_folder / "denoiser.json").unlink()
    adopt_model(model_folder, tmp_path / "adopted", [0.6, 0.4])
    assert load_denoiser(tmp_path / "adopted").fractions == [0.6, 0.4]


def test_a_grey_model_takes_the_threshold_of_the_material(tmp_path, train_settings):
    """Its greys are split as the source's are, whatever they were where it was trained."""
    description = {"pixel_block": 1, "grey": {"mean": 90.0, "threshold": 100.0}, "patch": 16}
    unet = build_unet(train_settings, 16, 2)
    save_denoiser(tmp_path / "grey", unet, build_scheduler(train_settings), description)
    adopt_model(tmp_path / "grey", tmp_path / "adopted", [0.6, 0.4], threshold=140.5)
    assert load_denoiser(tmp_path / "adopted").grey == {"mean": 90.0, "threshold": 140.5}
    with pytest.raises(InputError, match="makes grey values, but"):
        adopt_model(tmp_path / "grey", tmp_path / "no", [0.6, 0.4])


def test_each_image_may_have_its_own_noise(model_folder):
    """A batch with a noise level for each image is denoised as each by itself."""
    denoiser = load_denoiser(model_folder, precision="fp32")
    noisy, sigmas = torch.randn(3, 1, 16, 16), [0.3, 2.0, 20.0]
    together = denoiser(noisy, torch.tensor(sigmas))
    apart = torch.cat([denoiser(noisy[k : k + 1], s) for k, s in enumerate(sigmas)])
    torch.testing.assert_close(together, apart, rtol=0, atol=1e-4)


def test_a_model_of_other_channels_is_refused(tmp_path, model_folder):
    """In one line, with both numbers, and nothing is written."""
    with pytest.raises(InputError, match="has 1 image channels, expected 3 for 3 phases"):
        adopt_model(model_folder, tmp_path / "adopted", [0.5, 0.3, 0.2])
    assert not (tmp_path / "adopted").exists()


def test_models_of_others(tmp_path, train_settings):
    """Sides as a pair are taken, classes that nothing here could tell the network are not."""
    scheduler = build_scheduler(train_settings)
    unet = build_unet(train_settings, 16, 2)
    unet.register_to_config(sample_size=[16, 16])
    save_denoiser(tmp_path / "pair", unet, scheduler, {})
    assert load_denoiser(tmp_path / "pair").patch == 16
    save_denoiser(tmp_path / "classes", build_unet(train_settings, 16, 2, 10), scheduler, {})
    with pytest.raises(InputError, match="was trained with 10 classes, which nothing here tells"):
        adopt_model(tmp_path / "classes", tmp_path / "no", [0.7, 0.3])


def break_nothing_there(folder):
    for path in sorted(folder.rglob("*"), reverse=True):
        path.unlink() if path.is_file() else path.rmdir()


def break_scheduler(folder):
    (folder / "scheduler" / "scheduler_config.json").unlink()


def break_config(folder):
    (folder / "unet" / "config.json").write_text("{not json")


def break_weights(folder):
    weights = folder / "unet" / "diffusion_pytorch_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:5000])


def break_shapes(folder):
    path = folder / "unet" / "config.json"
    config = json.loads(path.read_text())
    path.write_text(json.dumps(config | {"block_out_channels": [16, 16]}))


def tell_no_size(folder):
    path = folder / "unet" / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"sample_size": None}))


def break_description(folder):
    (folder / "denoiser.json").write_text("{not json")


@pytest.mark.parametrize(
    "damage",
    [
        break_nothing_there,
        break_scheduler,
        break_config,
        break_weights,
        break_shapes,
        tell_no_size,
        break_description,
    ],
)
def test_what_is_no_model_is_refused_in_one_line(model_folder, damage):
    """The folder is named and the reason given."""
    damage(model_folder)
    with pytest.raises(InputError) as error:
        load_denoiser(model_folder)
    assert str(model_folder) in str(error.value) and "\n" not in str(error.value)


def test_a_failed_save_leaves_the_old_model(model_folder, train_settings):
    """A model folder is replaced whole or not at all."""
    before = (model_folder / "denoiser.json").read_bytes()
    unet = build_unet(train_settings, 16, 2)
    with pytest.raises(TypeError):
        save_denoiser(model_folder, unet, build_scheduler(train_settings), {"bad": object()})
    assert (model_folder / "denoiser.json").read_bytes() == before
    assert [path.name for path in model_folder.parent.iterdir()] == [model_folder.name]


def test_devices():
    """cuda is not silently replaced."""
    assert choose_device({"run": {"device": "cpu"}}).type == "cpu"
    assert choose_device({"run": {"device": "auto"}}).type in ("cpu", "cuda")
    if not torch.cuda.is_available():
        with pytest.raises(InputError, match="run.device"):
            choose_device({"run": {"device": "cuda"}})


def test_an_idle_gpu_is_told(monkeypatch, caplog):
    """A job that SLURM gave a GPU which torch can't use would be slow for days without a word."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.delenv("SLURM_GPUS_ON_NODE", raising=False)
    assert choose_device({"run": {"device": "auto"}}).type == "cpu" and not caplog.text
    monkeypatch.setenv("SLURM_GPUS_ON_NODE", "1")
    assert choose_device({"run": {"device": "auto"}}).type == "cpu"
    assert "finds no GPU, of which this job was given 1, and takes the CPU" in caplog.text


def test_a_flat_folder_loads(tmp_path, model_folder):
    """Older diffusers pipelines have all files in one folder."""
    for part in ("unet", "scheduler"):
        shutil.copytree(model_folder / part, tmp_path / "flat", dirs_exist_ok=True)
    assert load_denoiser(tmp_path / "flat").channels == load_denoiser(model_folder).channels


def test_a_model_of_another_kind_of_noise_is_refused(tmp_path, model_folder):
    """Noise levels can't be made up: its volumes would be garbage."""
    shutil.copytree(model_folder, tmp_path / "theirs")
    ScoreSdeVeScheduler().save_pretrained(tmp_path / "theirs" / "scheduler")
    with pytest.raises(InputError, match="its scheduler has no betas"):
        load_denoiser(tmp_path / "theirs")


def test_planes_are_told_apart(tmp_path, train_settings):
    """One network, three planes, also from the disk; it fits no isotropic material."""
    torch.manual_seed(0)
    unet = build_unet(train_settings, 16, 2, planes=3)
    description = {"pixel_block": 1, "fractions": [0.7, 0.3], "planes": ["yz", "xz", "xy"]}
    save_denoiser(tmp_path / "model", unet, build_scheduler(train_settings), description)
    denoiser = load_denoiser(tmp_path / "model")
    noisy = torch.randn(1, 1, 16, 16)
    found = [denoiser(noisy, 1.0, plane) for plane in ("yz", "xz", "xy")]
    assert denoiser.patch == 16 and not torch.equal(found[0], found[1])
    assert torch.equal(found[2], load_denoiser(tmp_path / "model")(noisy, 1.0, "xy"))
    with pytest.raises(InputError, match="tells planes apart, but those of the material are alike"):
        adopt_model(tmp_path / "model", tmp_path / "no", [0.7, 0.3])
    adopt_model(tmp_path / "model", tmp_path / "copy", [0.7, 0.3], isotropic=["xy"])
    assert load_denoiser(tmp_path / "copy").planes == ("yz", "xz", "xy")
