"""What is given of the volumes: slices that they must contain, and their volume fractions.

Checked before anything is trained, since a request that can't be met is cheap to mend then.
"""

import itertools
import math
import os
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from micro3diff.errors import InputError
from micro3diff.files import atomic_path
from micro3diff.slices import AXES, PLANES
from micro3diff.sources import labels_like

REACH = 2.5  # change of the log-odds of a phase up to which shapes stay what they are
WITHIN = 0.01  # how near the fraction of a volume is to the one that was asked for


def check_asked(config: dict, material: str, source: dict) -> None:
    """InputError if a source can't meet what is asked of its volumes and of their evaluation.

    config : a loaded configuration, taken as `denoisers.choose_device` is.
    source : what is known of the source (source.json).
    """
    settings = config["materials"][material]
    requested(settings["reconstruct"], source)
    check_phase(settings["evaluate"]["phase"], np.flatnonzero(source["fractions"]))


def check_phase(phase: int, known: Iterable[int]) -> None:
    """InputError if the setting ``evaluate.phase`` is none of the labels of a material."""
    if phase not in (known := list(known)):
        raise InputError(
            f"evaluate.phase: found {phase}, but the labels of the material are "
            f"{', '.join(map(str, known))}; choose one of them"
        )


def requested(settings: dict, source: dict) -> dict[tuple[int, int], np.ndarray]:
    """The given slices (`read_anchors`) of the settings ``reconstruct``.

    source : what is known of the source (source.json). InputError if what they ask of the volumes
    can't be met.
    """
    check_fraction(settings["volume_fraction"], source["fractions"])
    anchors = read_anchors(settings["anchors"], settings["shape"], source["origin"])
    check_room(settings["volume_fraction"], anchors, settings["shape"])
    return anchors


def read_anchors(
    anchors: Sequence[dict], shape: Sequence[int], origin: dict
) -> dict[tuple[int, int], np.ndarray]:
    """Given slices as labels by (axis, index), from the setting ``reconstruct.anchors``.

    Each has the keys axis (z, y or x), index, and image, the path of a label image whose rows and
    columns are what is left of z, y, x. They get the labels of the source, whose ``origin`` tells
    how it was segmented and coarsened.

    InputError if one does not fit the shape, has labels that the source lacks, or disagrees with
    another one where they cross. (`config.load` has seen to it that each place is in the volume and
    there once.)
    """
    found: dict[tuple[int, int], np.ndarray] = {}
    names: dict[tuple[int, int], str] = {}
    for number, anchor in enumerate(anchors):
        key = f"reconstruct.anchors[{number}]"
        axis, index = AXES[anchor["axis"]], anchor["index"]
        plane = next(name for name, normal in PLANES.items() if normal == axis)
        labels = labels_like(anchor["image"], origin, plane, f"{key}.image")
        expected = tuple(side for k, side in enumerate(shape) if k != axis)
        if labels.shape != expected:
            raise InputError(
                f"{key}.image: {anchor['image']} is of shape {labels.shape}"
                f"{', coarsened as the source is' if 'coarsen' in origin else ''}, expected "
                f"{expected}, the slices normal to {anchor['axis']} of a volume of {tuple(shape)}"
            )
        found[axis, index], names[axis, index] = labels, f"{anchor['image']} ({key})"
    for one, other in itertools.combinations(found, 2):
        if one[0] == other[0]:
            continue
        differ = _line(found[one], one, other) != _line(found[other], other, one)
        if differ.any():
            raise InputError(
                f"reconstruct.anchors: {names[one]} and {names[other]} cross in a line of "
                f"{differ.size} voxels and disagree in {np.count_nonzero(differ)} of them, "
                "expected the same labels; correct an image or its index"
            )
    return found


def _line(labels: np.ndarray, own: tuple[int, int], other: tuple[int, int]) -> np.ndarray:
    """The line of a slice that lies in another slice too."""
    axes = [axis for axis in range(3) if axis != own[0]]
    return labels.take(other[1], axis=axes.index(other[0]))


def check_fraction(wanted: float | Sequence[float] | None, fractions: Sequence[float]) -> None:
    """InputError if the setting ``volume_fraction`` is out of reach for a material's fractions."""
    if wanted is None:
        return
    key = "reconstruct.volume_fraction"
    if isinstance(wanted, float) and len(fractions) != 2:
        raise InputError(
            f"{key}: found one number, {wanted}, but the material has {len(fractions)} phases; "
            "expected a list with the fraction of each"
        )
    asked = of_each(wanted)
    if len(asked) != len(fractions):
        raise InputError(
            f"{key}: found {len(asked)} fractions, expected {len(fractions)}, one for each phase"
        )
    pairs = list(enumerate(zip(asked, fractions, strict=True)))
    for phase, (new, own) in pairs[1:] if isinstance(wanted, float) else pairs:
        low, high = (1 / (1 + math.exp(-_odds(own) + step)) for step in (REACH, -REACH))
        if not low <= new <= high:
            raise InputError(
                f"{key}: found {new:.3g} of phase {phase}, of which the material has {own:.3g}; "
                f"expected {low:.2g} to {high:.2g}, since shapes would not stay what they are"
            )


def check_room(
    wanted: float | Sequence[float] | None,
    anchors: Mapping[tuple[int, int], np.ndarray],
    shape: Sequence[int],
) -> None:
    """InputError if given slices alone hold more of a phase than ``volume_fraction`` asks for.

    anchors : labels, see `read_anchors`.
    """
    if wanted is None:
        return
    fractions = of_each(wanted)
    voxels = np.zeros(len(fractions))
    for number, ((axis, _), labels) in enumerate(anchors.items()):
        axes = [other for other in range(3) if other != axis]
        uncounted = np.ones(labels.shape, bool)
        for other, index in list(anchors)[:number]:
            if other != axis:  # the line where they cross
                np.moveaxis(uncounted, axes.index(other), 0)[index] = False
        voxels += np.bincount(labels[uncounted], minlength=len(fractions))
    for phase, (asked, count) in enumerate(zip(fractions, voxels, strict=True)):
        held = count / math.prod(shape)
        if held > asked + WITHIN:
            raise InputError(
                f"reconstruct.volume_fraction: found {asked:.3g} of phase {phase}, but the given "
                f"slices alone, reconstruct.anchors, are {held:.3g} of the volume in that phase; "
                "ask for at least as much, give fewer of them, or enlarge reconstruct.shape"
            )


def of_each(wanted: float | Sequence[float]) -> list[float]:
    """The fraction of each phase, from the setting ``volume_fraction``: one number is phase 1's."""
    return [1 - wanted, wanted] if isinstance(wanted, float) else list(wanted)


def _odds(fraction: float) -> float:
    return math.log(fraction / (1 - fraction))


def write_given(path: str | os.PathLike, anchors: Mapping[tuple[int, int], np.ndarray]) -> None:
    """Write given slices as .npz, an array each; see `read_given`."""
    named = {f"{axis}_{index}": labels for (axis, index), labels in anchors.items()}
    with atomic_path(path) as temporary:
        np.savez_compressed(temporary, **named)


def read_given(path: str | os.PathLike) -> dict[tuple[int, int], np.ndarray]:
    """What `write_given` wrote."""
    with np.load(path, allow_pickle=False) as file:
        return {tuple(map(int, name.split("_"))): file[name] for name in file}
