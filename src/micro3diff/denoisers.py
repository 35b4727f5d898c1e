"""A 2D denoiser D(x, sigma, plane): what is left when the noise is taken out of an image.

Throughout, a noisy image is ``clean + sigma * noise`` and a denoiser is the expectation of the
clean image given the noisy one. A DDPM (equations 5 and 15 of the paper) is that with
sigma^2 = (1 - abar_t) / abar_t and its input scaled by sqrt(abar_t); a score model is it by
equation 16. Samplers and plane rules know of nothing else. The plane matters where a material is
anisotropic: then one network knows three of them.
"""

import logging
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from diffusers import DDPMPipeline, DDPMScheduler, UNet2DModel

from micro3diff import phases
from micro3diff.errors import InputError
from micro3diff.files import atomic_folder, read_json, write_json
from micro3diff.phases import channels_of

logger = logging.getLogger(__name__)

DESCRIPTION = "denoiser.json"
CHOICE = "evidence.json"  # settings of the rule evidence that were chosen for a model
LARGEST_SIGMA = 4096.0  # stands for the infinite noise of a zero terminal SNR schedule


class Denoiser:
    """A diffusers U-Net behind one function of (noisy, sigma, plane).

    Parameters
    ----------
    unet : an epsilon-, v- or sample-predicting `UNet2DModel`.
    scheduler : the noise schedule that it was trained with; only ``alphas_cumprod`` and
        ``prediction_type`` are used.
    pixel_block : the network sees blocks of this many pixels squared as channels.
    fractions : phase fractions of the training slices, one per phase; None if not known.
    planes : the planes that the network tells apart, in the order of its classes; none if it
        doesn't.
    patch : side of the training slices in pixels; None takes the network's own, the lesser of two.
    grey : of a denoiser of grey values 0..255, their ``mean`` and the ``threshold`` above which is
        phase 1; None for labels.
    clip : clip the denoised image to the data range [-1, 1].
    precision : "fp32", "bf16" or "auto" (bf16 where the device computes it natively).
    """

    def __init__(
        self,
        unet: UNet2DModel,
        scheduler: DDPMScheduler,
        pixel_block: int = 1,
        fractions: list[float] | None = None,
        planes: Sequence[str] = (),
        patch: int | None = None,
        grey: dict | None = None,
        clip: bool = True,
        precision: str = "auto",
    ):
        self.device = next(unet.parameters()).device
        self.memory_format = memory_format(self.device)
        self.unet = unet.eval().requires_grad_(False).to(memory_format=self.memory_format)
        self.scheduler = scheduler
        self.prediction = scheduler.config.prediction_type
        self.pixel_block = pixel_block
        self.fractions = fractions
        self.planes = tuple(planes)
        self.grey = grey
        self.patch = patch or int(np.min(unet.config.sample_size)) * pixel_block
        self.clip = clip
        self.bf16 = wants_bf16(precision, self.device)
        self.sigmas = noise_levels(scheduler)
        self.channels = unet.config.in_channels // pixel_block**2

    def encode(self, labels: torch.Tensor) -> torch.Tensor:
        """Labels, or greys, (n, ...) as the values (n, channels, ...) that it denoises."""
        two = phases.GREY if self.grey else 2
        return phases.encode(labels, two if self.channels == 1 else self.channels)

    def decode(self, values: torch.Tensor) -> torch.Tensor:
        """Denoised values (channels, ...) as uint8 labels, or greys."""
        return phases.decode(values, grey=bool(self.grey))

    @property
    def threshold(self) -> float | None:
        """The grey value above which is phase 1; None where there are labels."""
        return self.grey["threshold"] if self.grey else None

    @property
    def convolutional(self) -> bool:
        """Whether an image of any size is denoised as its parts would be: there is no attention."""
        config = self.unet.config
        blocks = [*config.down_block_types, *config.up_block_types]
        return not config.add_attention and not any("Attn" in block for block in blocks)

    @property
    def multiple(self) -> int:
        """Sides of an image must be multiples of this."""
        return self.pixel_block * 2 ** (len(self.unet.config.block_out_channels) - 1)

    def timestep(self, sigma: np.ndarray) -> np.ndarray:
        """The training time step of noise levels, interpolated between the discrete ones."""
        return np.interp(np.log(sigma), np.log(self.sigmas), np.arange(len(self.sigmas)))

    @torch.no_grad()
    def __call__(
        self, noisy: torch.Tensor, sigma: float | torch.Tensor, plane: str | None = None
    ) -> torch.Tensor:
        """Denoise images (n, channels, height, width) of noise level ``sigma``, one or (n,).

        All are of the same ``plane``, which only a network needs that tells planes apart. The
        sides may differ from the training size; `InputError` if they are no multiple of `multiple`.
        """
        if any(side % self.multiple for side in noisy.shape[-2:]):
            raise InputError(
                f"reconstruct.shape: slices of {tuple(noisy.shape[-2:])} do not fit the network, "
                f"whose sides must be multiples of {self.multiple}"
            )
        levels = torch.as_tensor(sigma, dtype=torch.float64).cpu().expand(len(noisy))
        time = torch.from_numpy(self.timestep(levels.numpy())).to(noisy)
        sigma = levels.to(noisy).view(-1, 1, 1, 1)
        signal = 1 / (1 + sigma**2).sqrt()
        scaled = noisy * signal
        blocks = torch.nn.functional.pixel_unshuffle(scaled, self.pixel_block)
        blocks = blocks.contiguous(memory_format=self.memory_format)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16):
            output = self.unet(blocks, time, class_labels=self._classes(plane, len(noisy))).sample
        output = torch.nn.functional.pixel_shuffle(output.float(), self.pixel_block)
        if self.prediction == "epsilon":
            denoised = noisy - sigma * output
        elif self.prediction == "v_prediction":
            denoised = signal * scaled - sigma * signal * output
        else:
            denoised = output
        return denoised.clamp(-1, 1) if self.clip else denoised

    def _classes(self, plane: str | None, count: int) -> torch.Tensor | None:
        if not self.planes:
            return None
        return torch.full((count,), self.planes.index(plane), device=self.device)


def noise_levels(scheduler: DDPMScheduler) -> np.ndarray:
    """Sigma of each training time step, rising."""
    kept = scheduler.alphas_cumprod.double().numpy().clip(1 / (1 + LARGEST_SIGMA**2))
    return np.sqrt((1 - kept) / kept)


def memory_format(device: torch.device) -> torch.memory_format:
    """The fastest memory layout: bf16 convolutions on a CPU lose with channels_last."""
    return torch.channels_last if device.type == "cuda" else torch.contiguous_format


def wants_bf16(precision: str, device: torch.device) -> bool:
    """Whether to compute in bfloat16; "auto" asks the device."""
    if precision != "auto":
        return precision == "bf16"
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.ops.mkldnn._is_mkldnn_bf16_supported() and _has_native_bf16()


def _has_native_bf16() -> bool:
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


def choose_device(config: dict) -> torch.device:
    """The torch device of the setting ``run.device`` (auto, cpu or cuda) of a configuration.

    Scripts take it from the configuration and not from their parameters, since a volume need not
    be made again when it could be made elsewhere.
    """
    name = config["run"]["device"]
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
        if name == "cpu" and (given := os.environ.get("SLURM_GPUS_ON_NODE")):
            logger.warning(
                "run.device: auto finds no GPU, of which this job was given %s, and takes the CPU: "
                "is the driver too old for torch %s, or a container without --nv?",
                given, torch.__version__,
            )  # fmt: skip
    if name == "cuda" and not torch.cuda.is_available():
        raise InputError("run.device: cuda was asked for but torch finds no GPU; use auto or cpu")
    return torch.device(name)


def slices_per_pass(config: dict, material: str) -> int:
    """The setting ``reconstruct.slices_per_pass`` of a material, taken as `choose_device` is."""
    return config["materials"][material]["reconstruct"]["slices_per_pass"]


def build_unet(settings: dict, patch: int, phases: int, planes: int = 0) -> UNet2DModel:
    """A new U-Net from a material's ``train`` settings, for images of ``patch`` pixels.

    ``planes`` is how many it tells apart.
    """
    block = settings["pixel_block"]
    channels = list(settings["channels"])
    attention = settings["attention"]
    attended = [width for width, a in zip(channels, attention, strict=True) if a]
    down = ["AttnDownBlock2D" if a else "DownBlock2D" for a in attention]
    up = ["AttnUpBlock2D" if a else "UpBlock2D" for a in reversed(attention)]
    width = channels_of(phases) * block**2
    return UNet2DModel(
        sample_size=patch // block,
        in_channels=width,
        out_channels=width,
        block_out_channels=channels,
        layers_per_block=settings["layers"],
        down_block_types=down,
        up_block_types=up,
        add_attention=any(attention),
        attention_head_dim=min(32, channels[-1], *attended),
        norm_num_groups=_groups(channels),
        num_class_embeds=planes or None,
    )


def adapt_unet(unet: UNet2DModel, channels: int, planes: int = 0) -> UNet2DModel:
    """A trained U-Net for images of other ``channels`` (blocks counted in), or of other planes.

    What fits is kept. The layers at both ends, where the channels are others, have random weights.
    Planes that are to be told apart start alike; where they no longer are, what is told of them is
    their mean.
    """
    config = unet.config
    if (config.in_channels, config.num_class_embeds or 0) == (channels, planes):
        return unet
    how = {"in_channels": channels, "out_channels": channels, "num_class_embeds": planes or None}
    adapted = UNet2DModel.from_config({**config, **how}).to(unet.device)
    weights, new = unet.state_dict(), adapted.state_dict()
    told = weights.pop("class_embedding.weight", None)
    if told is not None and not planes:
        bias = "time_embedding.linear_2.bias"  # to which a class is added
        weights[bias] = weights[bias] + told.mean(0)
    if planes:
        embedding = new["class_embedding.weight"]
        fits = told is not None and told.shape == embedding.shape
        weights["class_embedding.weight"] = told if fits else torch.zeros_like(embedding)
    ends = {k: v for k, v in new.items() if k in weights and v.shape != weights[k].shape}
    adapted.load_state_dict(weights | ends)
    if ends:
        logger.info("the layers at both ends start from random weights: other phases")
    return adapted


def _groups(channels: Sequence[int]) -> int:
    """Groups of the normalisation, of at least 4 channels each where that divides them.

    A group of one channel would take out what a block adds to tell the time step and the plane.
    """
    return next(
        g for g in (8, 4, 2, 1) if g == 1 or all(c % g == 0 and c >= 4 * g for c in channels)
    )


def build_scheduler(settings: dict) -> DDPMScheduler:
    """The noise schedule of a material's ``train`` settings."""
    schedule = {"linear": "linear", "cosine": "squaredcos_cap_v2"}[settings["schedule"]]
    return DDPMScheduler(
        num_train_timesteps=settings["timesteps"],
        beta_schedule=schedule,
        beta_start=settings["beta_start"],
        beta_end=settings["beta_end"],
        variance_type="fixed_large",
        prediction_type=settings["prediction"],
        rescale_betas_zero_snr=settings["zero_terminal_snr"],
        timestep_spacing="trailing" if settings["zero_terminal_snr"] else "leading",
    )


def save_denoiser(
    folder: str | Path, unet, scheduler, description: dict, choice: dict | None = None
) -> None:
    """Write a diffusers pipeline folder plus ``denoiser.json`` (pixel_block, fractions, ...).

    ``choice`` is what `micro3diff.choice` wrote for the model, if anything.
    """
    with atomic_folder(folder) as temporary:
        DDPMPipeline(unet, scheduler).save_pretrained(temporary, safe_serialization=True)
        for path in temporary.glob("*/*.json"):  # where a model was is no part of what it is
            write_json(path, {k: v for k, v in read_json(path).items() if k != "_name_or_path"})
        write_json(temporary / DESCRIPTION, description)
        if choice:
            write_json(temporary / CHOICE, choice)


def load_denoiser(folder: str | Path, device="cpu", **options) -> Denoiser:
    """Load a diffusers 2D model folder, ours or anybody's.

    The folder holds ``unet/`` and ``scheduler/``. ``denoiser.json`` is optional: without it the
    model is taken to work on pixels and to have no known phase fractions. ``options`` go to
    `Denoiser`.
    """
    folder = Path(folder)
    parts = {"unet": "config.json", "scheduler": "scheduler_config.json"}
    # older pipelines have all files in one folder
    places = {part: folder / part if (folder / part).is_dir() else folder for part in parts}
    for part, file in parts.items():
        if not (places[part] / file).is_file():
            raise InputError(
                f"model {folder}: no {part}/{file} in it, expected a diffusers model folder with "
                "unet/ and scheduler/, as save_pretrained writes it"
            )
    try:
        if "beta_schedule" not in read_json(places["scheduler"] / parts["scheduler"]):
            raise ValueError("its scheduler has no betas, expected a DDPM or a relative of it")
        unet = UNet2DModel.from_pretrained(
            places["unet"], local_files_only=True, low_cpu_mem_usage=False
        )
        scheduler = DDPMScheduler.from_pretrained(places["scheduler"], local_files_only=True)
        ours = (folder / DESCRIPTION).exists()
        description = read_json(folder / DESCRIPTION) if ours else {}
        if not (description.get("patch") or unet.config.sample_size):
            raise ValueError("tells no size of its images; add `patch` to its denoiser.json")
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"model {folder}: is no readable diffusers 2D model ({reason})") from error
    return Denoiser(
        unet.to(device),
        scheduler,
        pixel_block=description.get("pixel_block", 1),
        fractions=description.get("fractions"),
        planes=description.get("planes", ()),
        patch=description.get("patch"),
        grey=description.get("grey"),
        **options,
    )


def adopt_model(
    source: str | Path,
    folder: str | Path,
    fractions: list[float],
    isotropic: bool | Sequence[str] = True,
    threshold: float | None = None,
) -> None:
    """Copy a pretrained model to ``folder`` after checking that it fits a material.

    ``fractions`` are the material's; those that the model was trained on go first. ``isotropic`` is
    that of its source. ``threshold``: above it greys are phase 1, of the material and so of what
    the model makes; None where labels are wanted. `InputError` as of `check_fit`.
    """
    denoiser = load_denoiser(source)
    check_fit(denoiser, source, len(fractions), isotropic is True, threshold is not None)
    description = {
        "pixel_block": denoiser.pixel_block,
        "fractions": denoiser.fractions or fractions,
        "planes": list(denoiser.planes),
        "patch": denoiser.patch,
        "grey": denoiser.grey and denoiser.grey | {"threshold": threshold},
        "adopted": True,
    }
    extra = Path(source) / CHOICE
    choice = read_json(extra) if extra.exists() else None
    save_denoiser(folder, denoiser.unet, denoiser.scheduler, description, choice)


def check_fit(
    denoiser: Denoiser, source: str | Path, phases: int, planes_alike: bool, grey: bool
) -> None:
    """Whether the denoiser of the folder ``source`` is one of a material's slices, or of its greys.

    `InputError` if its channels do not code the material's phases, or if it tells planes apart
    where they are alike, or the other way round.
    """
    check_usable(denoiser, source)
    if denoiser.channels != channels_of(phases):
        raise InputError(
            f"model {source}: has {denoiser.channels} image channels, expected "
            f"{channels_of(phases)} for {phases} phases; use a model trained on such images"
        )
    if bool(denoiser.grey) != grey:
        raise InputError(
            f"model {source}: makes {'grey values' if denoiser.grey else 'labels'}, but "
            f"reconstruct.output is {'grey' if grey else 'labels'}; change it, or the model"
        )
    if bool(denoiser.planes) == planes_alike:
        knows = "tells planes apart" if denoiser.planes else "knows one plane only"
        alike = "are alike" if planes_alike else "differ"
        raise InputError(
            f"model {source}: {knows}, but those of the material {alike} (source.isotropic); use a "
            "model that was trained on such a material, or train on from it (train.start)"
        )


def check_usable(denoiser: Denoiser, source: str | Path) -> None:
    """`InputError` if nothing here can work with the network of the folder ``source``."""
    config = denoiser.unet.config
    if config.out_channels != config.in_channels:
        raise InputError(
            f"model {source}: has {config.in_channels} channels in and {config.out_channels} out, "
            "expected as many; models that learn their variance are not supported"
        )
    if config.num_class_embeds and not denoiser.planes:
        raise InputError(
            f"model {source}: was trained with {config.num_class_embeds} classes, which nothing "
            "here tells it, expected a model without classes"
        )
