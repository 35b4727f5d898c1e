"""Overhead of training, sampling and the workflow: `python benchmarks/speed.py`.

Ratios to the network alone, on the GPU if there is one: what is compared runs in turn, round by
round, and the median of the rounds counts. Exits with status 1 if a bound is missed.
"""

import contextlib
import io
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

import numpy as np
import torch
from bounds import report

from micro3diff import config
from micro3diff.denoisers import Denoiser, choose_device
from micro3diff.planes import Alternate, Evidence
from micro3diff.samplers import sample
from micro3diff.training import Trainer

ROOT = Path(__file__).resolve().parents[1]
PATCH = 64
TRAIN = {
    "channels": [32, 64, 64],
    "attention": [False, False, False],
    "layers": 1,
    "pixel_block": 2,
    "batch": 32,
}
ROUNDS = 15
RATIO, DRY_RUN_SECONDS = 1.1, 5


def seconds(work: Callable[[], object], device: torch.device) -> float:
    """Wall time of one call."""
    start = time.perf_counter()
    work()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - start


def ratio(work: Callable, bare: Callable, device: torch.device) -> tuple[float, float]:
    """Median of the time of ``work`` over that of ``bare``, and the median time of ``bare``."""
    work(), bare()  # memory, kernels
    rounds = []
    for turn in range(ROUNDS):
        first, second = (work, bare) if turn % 2 else (bare, work)
        times = seconds(first, device), seconds(second, device)
        rounds.append(times if turn % 2 else times[::-1])
    return statistics.median(a / b for a, b in rounds), statistics.median(b for _, b in rounds)


def small_trainer(device: torch.device) -> Trainer:
    """A network for a CPU, with all else as the configuration has it by default."""
    toy = {"source": {"generator": "spheres"}, "slices": {"patch": PATCH}, "train": TRAIN}
    loaded = config.load({"run": {"materials": ["toy"]}, "materials": {"toy": toy}})
    images = np.random.default_rng(0).integers(0, 2, (500, PATCH, PATCH), dtype=np.uint8)
    return Trainer(images, 2, loaded["materials"]["toy"]["train"], device)


def training_step(device: torch.device) -> tuple[float, float]:
    """A step of the trainer over forward, backward and optimizer step of its network."""
    trainer = small_trainer(device)
    noisy, timesteps, _, target = trainer.batch()

    def bare() -> None:
        with torch.autocast(device.type, torch.bfloat16, enabled=trainer.bf16):
            output = trainer.network(noisy, timesteps).sample
        loss = torch.nn.functional.mse_loss(output.float(), target)
        trainer.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        trainer.optimizer.step()

    return ratio(trainer.update, bare, device)


def sampler_steps(rule: str, device: torch.device) -> tuple[float, float]:
    """Three network passes' worth of sampler steps over the network passes."""
    trainer = small_trainer(device)
    denoiser = Denoiser(trainer.unet, trainer.scheduler, TRAIN["pixel_block"])
    if rule == "alternate":
        denoise, sigmas = Alternate(denoiser, PATCH), [5.0, 4.0, 3.0]
    else:
        denoise, sigmas = Evidence(denoiser, PATCH, fractions=[0.7, 0.3]), [5.0]
    blocks = torch.randn(PATCH, denoiser.channels * 4, PATCH // 2, PATCH // 2, device=device)
    blocks = blocks.contiguous(memory_format=denoiser.memory_format)
    timesteps = torch.full((PATCH,), 500.0, device=device)

    @torch.no_grad()
    def bare() -> None:
        for _ in range(3):
            with torch.autocast(device.type, torch.bfloat16, enabled=denoiser.bf16):
                denoiser.unet(blocks, timesteps)

    def steps() -> None:
        with contextlib.redirect_stderr(io.StringIO()):  # no progress bar
            sample(denoise, sigmas, (1, *[PATCH] * 3), torch.Generator(device).manual_seed(0))

    return ratio(steps, bare, device)


def dry_run() -> float:
    """Median seconds of ``snakemake -n`` with the default configuration."""
    command = [str(Path(sys.executable).with_name("snakemake")), "-n"]
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    times = []
    for _ in range(3):
        start = time.perf_counter()
        subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True)
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def main() -> int:
    device = choose_device({"run": {"device": "auto"}})
    rows = []
    for what, work in [
        ("training step / bare step", lambda: training_step(device)),
        ("alternate, steps / passes", lambda: sampler_steps("alternate", device)),
        ("evidence, step / passes", lambda: sampler_steps("evidence", device)),
    ]:
        found, bare = work()
        rows.append((f"{what} ({bare:.2f} s)", found, RATIO))
    rows.append(("snakemake -n, s", dry_run(), DRY_RUN_SECONDS))
    return report(f"{device.type}, medians of {ROUNDS} rounds", rows)


if __name__ == "__main__":
    sys.exit(main())
