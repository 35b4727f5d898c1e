"""Grey values or stored labels to phases 0..K-1."""

import logging

import numpy as np

from micro3diff.errors import InputError, OtherLabels

logger = logging.getLogger("micro3diff")

MAX_LABELS = 8
MOSTLY_EQUAL = 0.75  # share of neighbours, from which on greys may well be labels
MOST_GREYS = 2**16  # of whole numbers, such as those of a 16-bit image
MOST_LABELS = 100_000  # of which one is selected, such as the grains of a large volume


def to_labels(array: np.ndarray, settings: dict, name: str = "source") -> tuple[np.ndarray, dict]:
    """Phases as uint8 labels 0..K-1, and a record of what was done, ready for JSON.

    ``settings`` (all may be missing):

    - segmentation: auto takes an array for labels if it has at most 8 different values, or if
      ``select`` names a label above 1 or more than two ``phases`` are given, and any other for
      greys; none: labels; otsu, threshold: greys
    - threshold: grey value; greater ones are phase 1. Given alone it means segmentation: threshold.
      With segmentation: as source it is that of another file; an array of two values is segmented
    - select: stored label(s) that become phase 1, all else 0. Of a segmented image, 0 or 1
    - phases: number of phases expected in the result
    - values: the stored labels of another array, by whose ranks these become phases; as many labels
      of other numbers become the same phases

    Stored labels are ranked: 0 and 255 become 0 and 1. Raises InputError for one phase, and for
    another number of phases than declared, OtherLabels for labels that are none of ``values``;
    ``name`` is what the message calls the array.
    """
    values = np.unique(array)
    if len(values) < 2:
        raise InputError(
            f"{name}: every pixel is {values[0]}, expected two or more phases; check the file"
            + (" and source.crop" if settings.get("crop") else "")
        )
    method = _method(values, settings)
    record: dict = {"segmentation": "threshold" if method == "as source" else method}
    if method == "none":
        labels, values = _ranked(array, values, settings, name)
    else:
        if method == "otsu" and settings.get("segmentation") in (None, "auto"):
            _warn_of_labels(array, name)
        threshold = _threshold(array, values, method, settings, name)
        labels, values = (array > threshold).astype(np.uint8), np.array([0, 1])
        record["threshold"] = threshold
        logger.info("%s: grey image, threshold %g (%s)", name, threshold, method)
    record["values"] = values.tolist()
    if settings.get("select") is not None:
        labels = _selected(labels, values, settings["select"], name)
        record["select"] = settings["select"]
    found = int(labels.max()) + 1
    if settings.get("values") is not None and settings.get("select") is None:
        found = len(record["values"])  # one phase of the other array may be missing here
    _check_phases(found, record["values"], settings.get("phases"), name)
    return labels, record


def _method(values: np.ndarray, settings: dict) -> str:
    method = settings.get("segmentation") or "auto"
    if method not in ("auto", "none", "otsu", "threshold", "as source"):
        raise InputError(
            f"source.segmentation: found {method!r}, expected auto, none, otsu or threshold"
        )
    if method != "auto":
        return method
    if settings.get("threshold") is not None:
        return "threshold"
    if len(values) <= MAX_LABELS or (settings.get("phases") or 2) > 2 or _names_labels(settings):
        return "none"
    return "otsu"


def _names_labels(settings: dict) -> bool:
    """Whether ``select`` can't be meant for a segmented image, whose labels are 0 and 1."""
    select = settings.get("select")
    return select is not None and not set(np.atleast_1d(select).tolist()) <= {0, 1}


def _ranked(array, values, settings, name) -> tuple[np.ndarray, np.ndarray]:
    if (known := settings.get("values")) is not None:
        others = sorted(set(values.tolist()) - set(known))
        if others and len(values) != len(known):
            raise OtherLabels(
                f"{name}: has the labels {others[:4]}, expected those of the source, {known}; "
                "correct the file, or choose labels with source.select"
            )
        values = values if others else np.array(known)
    selected = settings.get("select") is not None
    most = MOST_LABELS if selected else max(MAX_LABELS, settings.get("phases") or 0)
    if len(values) > most:
        raise InputError(
            f"{name}: found {len(values)} different values, expected at most {most} labels; "
            "correct source.phases for that many labels; a grey image is split into two phases, by "
            "source.segmentation: otsu or threshold"
        )
    labels = np.searchsorted(values, array)
    if selected and len(values) > MAX_LABELS:
        logger.warning(
            "%s: its %d values are taken for labels, as source.select names one of them; of a grey "
            "image set source.threshold instead", name, len(values),
        )  # fmt: skip
        return labels, values
    labels = labels.astype(np.uint8)
    if values.tolist() != list(range(len(values))):
        logger.info("%s: labels %s become %s", name, values.tolist(), list(range(len(values))))
    return labels, values


def _threshold(array, values, method, settings, name) -> float:
    if method == "otsu":
        from skimage.filters import threshold_otsu

        # integers are counted with a bin for each value between the least and the largest
        wide = array.dtype.kind in "iu" and int(values[-1]) - int(values[0]) >= MOST_GREYS
        return float(threshold_otsu(array.astype(float) if wide else array))
    if method == "as source" and len(values) == 2:
        return float(values.mean())  # between the two of a file that is segmented already
    threshold = settings.get("threshold")
    if threshold is None:
        raise InputError("source.threshold: missing, expected a grey value for this segmentation")
    if not values[0] <= threshold < values[-1]:
        if method == "as source":
            raise InputError(
                f"{name}: its values run from {values[0]} to {values[-1]}, all on one side of the "
                f"source's threshold, {threshold:g}; expected greys on the scale of the source, or "
                "two values, 0 and 1"
            )
        raise InputError(
            f"source.threshold: {threshold:g} leaves one phase in {name}, whose values run from "
            f"{values[0]} to {values[-1]}; choose a threshold between them"
        )
    return float(threshold)


def _warn_of_labels(array, name) -> None:
    """Warn if what is split as greys looks like labels: next to most pixels is an equal one."""
    if array.dtype.kind in "iu" and (array[..., 1:] == array[..., :-1]).mean() > MOSTLY_EQUAL:
        logger.warning(
            "%s: taken for greys, split by Otsu's threshold, though most pixels are equal to their "
            "neighbours; if these are labels, set source.segmentation: none and name those of "
            "phase 1 in source.select",
            name,
        )


def _selected(labels, values, select, name) -> np.ndarray:
    wanted = np.atleast_1d(select)
    missing = [value for value in wanted.tolist() if value not in values]
    if missing:
        raise InputError(
            f"source.select: found {missing}, but the labels of {name} are {values.tolist()}"
        )
    if len(set(wanted.tolist())) == len(values):
        raise InputError(
            f"source.select: {wanted.tolist()} are all the labels of {name}, expected some of "
            "them; leave one out for phase 0"
        )
    return np.isin(values, wanted).astype(np.uint8)[labels]


def _check_phases(found, values, phases, name) -> None:
    if phases is not None and found != phases:
        raise InputError(
            f"{name}: found {found} phases (values {values}), but source.phases is {phases}; "
            f"set it to {found}, or choose labels with source.select"
        )
