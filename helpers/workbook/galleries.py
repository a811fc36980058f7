"""People enrolled and recognised from the command line, in a gallery that notebook 11 founds."""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from helpers import datasets, recognition
from helpers.workbook.notebooks import Refused


def enrol(gallery: str, name: str, pictures: Sequence[str]) -> str:
    """Write an entry for a person by pictures, files or folders; what was done. Refused where that fails."""
    if Path(name).exists():
        raise Refused(f"{name} is a file or a folder: give the name of the person before the pictures")
    if folders := [path for picture in pictures for path in _folders(picture)]:
        raise Refused(f"{folders[0]} lies in a folder of pictures: give the pictures of one person at a time")
    with _refusing():
        opened = recognition.Gallery(gallery)
        images = datasets.read_pictures(pictures, opened.image_size, opened.fit)
        opened.enrol({name: images})
    return f"{name} is enrolled with {len(images)} images; {len(opened.names)} in {gallery}"


def remove(gallery: str, name: str) -> str:
    """Delete a person's entry; what was done. Refused where there is none."""
    with _refusing():
        opened = recognition.Gallery(gallery)
        opened.remove(name)
    return f"{name} is removed; {len(opened.names)} in {gallery}"


def identify(gallery: str, pictures: Sequence[str]) -> str:
    """Whom the pictures show, all of one person: an answer, and the nearest entries below it."""
    with _refusing():
        opened = recognition.Gallery(gallery)
        frames = datasets.read_pictures(pictures, opened.image_size, opened.fit)
        with warnings.catch_warnings(record=True) as damaged:
            warnings.simplefilter("always")
            found = opened.index().identify(frames)
    remarks = [f"warning: {warning.message}" for warning in damaged if warning.category is UserWarning]
    best = found.iloc[0]
    answer = f"{best['name']}, grade {best['grade']:.1f} of 10" if best["named"] else "nobody in this gallery"
    shown = found.drop(columns="named").head(5).to_string(index=False, float_format="{:.2f}".format)
    return "\n".join([*remarks, f"{len(frames)} pictures: {answer}", shown])


def _folders(place: str) -> list[Path]:
    """Folders in a folder."""
    return [path for path in sorted(Path(place).glob("*")) if path.is_dir()]


@contextmanager
def _refusing() -> Iterator[None]:
    try:
        yield
    except (ValueError, OSError, FloatingPointError) as error:  # of galleries, pictures, networks
        raise Refused(str(error)) from error
