"""Fit a 2D denoiser to the slices of one material (equation 15 of the paper)."""

import hashlib
import json
import logging
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from diffusers.training_utils import EMAModel

from micro3diff import IDLE, OF_THE_START, phases
from micro3diff.denoisers import (
    Denoiser,
    adapt_unet,
    build_scheduler,
    build_unet,
    check_usable,
    load_denoiser,
    memory_format,
    save_denoiser,
    wants_bf16,
)
from micro3diff.errors import InputError
from micro3diff.files import atomic_path
from micro3diff.interruption import load_state, save_state, stop, stop_noticed, summary
from micro3diff.logs import progress
from micro3diff.slices import PLANES

logger = logging.getLogger(__name__)

CHECKPOINTS_KEPT = 2
LOSS_INTERVAL = 20  # steps per row of the loss curve


class Trainer:
    """The state of one training: network, EMA, optimizer, step and loss curve.

    What a step draws depends on the seed and the number of the step alone, so a resumed training
    continues as if it had never stopped.

    Parameters
    ----------
    images : uint8 labels (n, height, width), augmented.
    n_phases : number of phases that the labels code.
    settings : the ``train`` section of a material's configuration.
    planes : for each image the number of its plane in `micro3diff.slices.PLANES`; None if all
        planes are alike.
    start : a denoiser to train on from, with its network (`denoisers.adapt_unet`), noise schedule
        and prediction in place of those of the settings; None begins with random weights.
    """

    def __init__(
        self,
        images: np.ndarray,
        n_phases: int,
        settings: dict,
        device: torch.device,
        planes: np.ndarray | None = None,
        start: Denoiser | None = None,
    ):
        self.settings = settings
        self.device = device
        self.n_phases = n_phases
        self.images = torch.from_numpy(images).to(device)
        self.planes = None if planes is None else torch.from_numpy(planes).to(device)
        torch.manual_seed(settings["seed"])
        known = 0 if planes is None else len(PLANES)
        if start:
            self.scheduler, self.pixel_block = start.scheduler, start.pixel_block
            channels = phases.channels_of(n_phases) * self.pixel_block**2
            self.unet = adapt_unet(start.unet, channels, known).train().requires_grad_(True)
            self.unet.register_to_config(sample_size=images.shape[-1] // self.pixel_block)
        else:
            self.scheduler, self.pixel_block = build_scheduler(settings), settings["pixel_block"]
            self.unet = build_unet(settings, images.shape[-1], n_phases, known)
        self.unet.to(device, memory_format=memory_format(device))
        self.fingerprint = fingerprint(settings, images, planes, start)
        self.network = torch.compile(self.unet) if settings["compile"] else self.unet
        self.optimizer = torch.optim.Adam(
            self.unet.parameters(), lr=settings["learning_rate"], fused=True
        )
        self.ema = None
        if settings["ema"]:
            self.ema = EMAModel(self.unet.parameters(), decay=settings["ema"], foreach=True)
        self.bf16 = wants_bf16(settings["precision"], device)
        kept = self.scheduler.alphas_cumprod.to(device)
        self.signal, self.noise = kept.sqrt(), (1 - kept).sqrt()
        self.generator = torch.Generator(device)
        self.step = 0
        self.losses: list[tuple[int, float]] = []
        self.loss_sum = torch.zeros((), device=device)  # since the last row of losses

    def batch(self) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor | None, torch.Tensor]:
        """Noisy images, time steps, planes and regression targets of the current step."""
        self.generator.manual_seed(self.settings["seed"] * 1_000_000_007 + self.step)
        draw = {"generator": self.generator, "device": self.device}
        size = (self.settings["batch"],)
        chosen = torch.randint(len(self.images), size, **draw)
        clean = phases.encode(self.images[chosen], self.n_phases)
        planes = None if self.planes is None else self.planes[chosen]
        time = torch.randint(len(self.signal), size, **draw)
        noise = torch.randn(clean.shape, **draw)
        signal, sigma = (a[time].view(-1, 1, 1, 1) for a in (self.signal, self.noise))
        noisy = signal * clean + sigma * noise
        target = {
            "epsilon": lambda: noise,
            "v_prediction": lambda: signal * noise - sigma * clean,
            "sample": lambda: clean,
        }[self.scheduler.config.prediction_type]()
        return self._blocks(noisy), time, planes, self._blocks(target)

    def _blocks(self, images: torch.Tensor) -> torch.Tensor:
        blocks = torch.nn.functional.pixel_unshuffle(images, self.pixel_block)
        return blocks.contiguous(memory_format=memory_format(self.device))

    def learning_rate(self) -> float:
        """The learning rate of the current step: constant, or cosine decay after a warm-up."""
        rate, steps = self.settings["learning_rate"], self.settings["steps"]
        if self.settings["decay"] == "constant":
            return rate
        warm_up = min(100, max(1, steps // 10))
        if self.step < warm_up:
            return rate * (self.step + 1) / warm_up
        done = (self.step - warm_up) / max(1, steps - warm_up)
        return rate * (0.01 + 0.99 * (1 + math.cos(math.pi * done)) / 2)

    def update(self) -> torch.Tensor:
        """One training step; returns the loss (still on the device)."""
        noisy, time, planes, target = self.batch()
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16):
            output = self.network(noisy, time, class_labels=planes).sample
        loss = torch.nn.functional.mse_loss(output.float(), target)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        for group in self.optimizer.param_groups:
            group["lr"] = self.learning_rate()
        self.optimizer.step()
        if self.ema:
            self.ema.step(self.unet.parameters())
        self.step += 1
        return loss.detach()

    def state(self) -> dict:
        """All that `restore` needs."""
        return {
            "settings": self.fingerprint,
            "step": self.step,
            "unet": self.unet.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "ema": self.ema.state_dict() if self.ema else None,
            "losses": self.losses,
            "loss_sum": self.loss_sum,
        }

    def restore(self, state: dict) -> None:
        """Continue from what `state` gave."""
        self.unet.load_state_dict(state["unet"])
        self.optimizer.load_state_dict(state["optimizer"])
        if self.ema:
            self.ema.load_state_dict(state["ema"])
            self.ema.to(self.device)
        self.losses = [tuple(row) for row in state["losses"]]
        self.loss_sum = state["loss_sum"]
        self.step = state["step"]

    def finish(self):
        """The trained U-Net: the EMA of the weights where there is one."""
        if self.ema:
            self.ema.copy_to(self.unet.parameters())
        return self.unet


def idle_settings(config: dict, material: str) -> dict:
    """The settings `IDLE` of a material, taken from the configuration as `choose_device` is."""
    settings = config["materials"][material]["train"]
    return {key: settings[key] for key in IDLE}


def fingerprint(
    settings: dict,
    images: np.ndarray,
    planes: np.ndarray | None = None,
    start: Denoiser | None = None,
) -> str:
    """Hash of all that decides the weights; a checkpoint of another training is not resumed."""
    # what the start is counts, not its place
    decisive = {key: value for key, value in settings.items() if key not in (*IDLE, "start")}
    text = json.dumps(decisive, sort_keys=True).encode()
    digest = hashlib.sha256(text + images.tobytes())
    if planes is not None:
        digest.update(planes.tobytes())
    if start:
        parts = [dict(part.config) for part in (start.scheduler, start.unet)]
        told = [{k: v for k, v in part.items() if not k.startswith("_")} for part in parts]
        told.append({"pixel_block": start.pixel_block})
        digest.update(json.dumps(told, sort_keys=True, default=str).encode())
        for weights in start.unet.state_dict().values():
            digest.update(weights.cpu().numpy().tobytes())
    return digest.hexdigest()


def checkpoints(folder: Path) -> list[Path]:
    """Checkpoint files of a folder, newest first."""
    return sorted(folder.glob("step_*.pt"), reverse=True)


def save_checkpoint(trainer: Trainer, folder: Path) -> Path:
    """Write ``folder/step_<step>.pt`` atomically and drop all but the newest few; its path.

    Those of later steps are of another training, and none of the few.
    """
    path = folder / f"step_{trainer.step:08d}.pt"
    save_state(path, trainer.state())
    reached = [other for other in checkpoints(folder) if other.name <= path.name]
    for old in reached[CHECKPOINTS_KEPT:]:
        old.unlink(missing_ok=True)
    return path


def resume(trainer: Trainer, folder: Path) -> None:
    """Continue from the newest checkpoint that is whole and of this very training."""
    for path in checkpoints(folder):
        try:
            state = load_state(path, trainer.device)
            found = state["settings"]
        except Exception as error:  # a truncated file fails in many ways
            logger.warning("checkpoint %s can't be read and is ignored (%s)", path, summary(error))
            continue
        if found != trainer.fingerprint:
            logger.warning("checkpoint %s is of other settings or slices and is ignored", path)
            continue
        trainer.restore(state)
        logger.info("resuming at step %d from %s", trainer.step, path)
        return


def train(
    images: np.ndarray,
    n_phases: int,
    settings: dict,
    *,
    planes: np.ndarray | None = None,
    threshold: float | None = None,
    start: str | Path | None = None,
    model: str | Path,
    loss_table: str | Path,
    checkpoint_folder: str | Path,
    device: torch.device,
) -> None:
    """Train on augmented slices and write the model folder and the loss curve.

    A checkpoint is written every ``settings["checkpoint_every"]`` steps and after SIGTERM or
    Ctrl-C, which end in `interruption.Interrupted`; if ``checkpoint_folder`` holds one of the same
    training, it is resumed, the last one included, which is kept. `InputError` if the loss is not
    finite, or if ``start`` is a model that can't be trained on.

    Parameters
    ----------
    images : uint8 labels (n, height, width), augmented; planes : see `Trainer`.
    threshold : of grey values, with ``n_phases`` `phases.GREY`: above it is phase 1.
    start : folder of a model to train on from, see `Trainer`.
    model : folder to write, in diffusers layout, see `micro3diff.denoisers.save_denoiser`.
    loss_table : CSV file to write, columns step, loss (mean over `LOSS_INTERVAL` steps).
    """
    folder = Path(checkpoint_folder)
    begin = load_denoiser(start, device) if start else None
    if begin:
        check_usable(begin, start)
        settings = {key: value for key, value in settings.items() if key not in OF_THE_START}
        settings["start"] = "/".join(Path(start).parts[-2:])  # a name for people
    trainer = Trainer(images, n_phases, settings, device, planes, begin)
    resume(trainer, folder)
    with stop_noticed() as asked:
        for _ in _training_steps(trainer, folder):
            if asked() and trainer.step < settings["steps"]:
                save_checkpoint(trainer, folder)
                stop(f"the checkpoint of step {trainer.step} in {folder}")
    grey = None
    if threshold is not None:
        grey = {"mean": float(images.mean()), "threshold": threshold}
    labels = images if threshold is None else (images > threshold).astype(np.uint8)
    fractions = np.bincount(labels.ravel(), minlength=n_phases) / labels.size
    with atomic_path(loss_table) as temporary:
        pd.DataFrame(trainer.losses, columns=["step", "loss"]).to_csv(temporary, index=False)
    description = {
        "pixel_block": trainer.pixel_block,
        "fractions": fractions.tolist(),
        "patch": images.shape[-1],
        "planes": [] if planes is None else list(PLANES),
        "grey": grey,
        # volumes are made again where this file is another
        "train": {key: value for key, value in settings.items() if key not in IDLE},
    }
    last = save_checkpoint(trainer, folder)
    save_denoiser(model, trainer.finish(), trainer.scheduler, description)
    for path in checkpoints(folder):
        if path != last:
            path.unlink()
    for left in folder.glob(".writing-step_*"):  # of jobs that were killed at other steps
        left.unlink(missing_ok=True)


def _training_steps(trainer: Trainer, folder: Path) -> Iterator[None]:
    settings = trainer.settings
    last = settings["steps"]
    for step in progress(range(trainer.step + 1, last + 1), last - trainer.step, "training"):
        trainer.loss_sum += trainer.update()
        checkpoint = step % settings["checkpoint_every"] == 0 and step < last
        row = step % LOSS_INTERVAL == 0 or step == last
        if checkpoint or row:  # the only times that the device is waited for
            mean = float(trainer.loss_sum) / ((step - 1) % LOSS_INTERVAL + 1)
            if not math.isfinite(mean):
                raise InputError(
                    f"train.learning_rate: the loss is {mean} at step {step} with "
                    f"{settings['learning_rate']}; lower it, or set train.precision to fp32"
                )
        if row:
            trainer.losses.append((step, mean))
            trainer.loss_sum.zero_()
        if checkpoint:
            save_checkpoint(trainer, folder)
        yield
