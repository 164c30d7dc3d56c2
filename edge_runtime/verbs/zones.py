"""The verb `edge-runtime zones`: a picture of a camera to draw zones and lines on."""

from __future__ import annotations

import difflib
import itertools
import json
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edge_runtime.config import Settings
from edge_runtime.errors import InputError
from edge_runtime.verbs import output
from edge_runtime.watch_sections import CameraSettings, LineSettings, PlaceSettings, ZoneSettings

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from edge_runtime.types import Frame

_EXAMPLE_ZONE = ZoneSettings(name="example", polygon=((0.1, 0.5), (0.9, 0.5), (0.9, 0.95), (0.1, 0.95)))
_EXAMPLE_LINE = LineSettings(name="example-line", start=(0.1, 0.3), end=(0.9, 0.3))
_WARM_UP = 10


def zones(
    camera: Annotated[str, typer.Argument(metavar="CAMERA", help="A camera's name, its address, or a file.")],
    config: Annotated[Path | None, typer.Option("--config", metavar="FILE", help="Settings, YAML or TOML.")] = None,
    out: Annotated[Path | None, typer.Option("--out", metavar="PNG", help="Where the picture goes.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON lines on standard output.")] = False,
) -> None:
    """Write a camera's picture with a grid, its zones and lines, and print them as settings to edit."""
    from edge_runtime.sinks.encoding import png, write_picture  # noqa: PLC0415 - help and errors come faster without
    from edge_runtime.sinks.plan import draw_plan  # noqa: PLC0415
    from edge_runtime.wiring.drawn_zones import DrawnZones  # noqa: PLC0415
    from edge_runtime.wiring.watching import with_drawn  # noqa: PLC0415

    settings = Settings.load(config)
    chosen = _camera(camera, settings)
    known = with_drawn(chosen, DrawnZones(settings.device.data_dir.expanduser()).of(chosen.name))
    lines = chosen.lines
    if not known and not lines:
        known, lines = (_EXAMPLE_ZONE,), (_EXAMPLE_LINE,)
    frame = _picture(chosen)
    path = out or Path("run-output") / f"zones-{chosen.name}.png"
    write_picture(path, png(draw_plan(frame.image, known, lines)))
    height, width = frame.image.shape[:2]
    record = {"camera": chosen.name, "picture": str(path), "size": [width, height], "settings": as_yaml(known, lines)}
    output.emit(record, as_json=as_json, words=_words)


def as_yaml(zones: Sequence[ZoneSettings], lines: Sequence[LineSettings]) -> str:
    """Return zones and lines as the settings file of a camera has them, without what is as it is anyway."""
    rows: list[str] = []
    for kind, places in (("zones", zones), ("lines", lines)):
        if places:
            rows += [f"    {kind}:", *(row for place in places for row in _rows(place))]
    return "\n".join(rows)


def _rows(place: PlaceSettings) -> Iterator[str]:
    changed = place.model_dump(mode="json", exclude_defaults=True)
    for number, (key, value) in enumerate(changed.items()):
        # JSON is YAML too, and keeps a polygon on one line.
        yield f"      {'-' if number == 0 else ' '} {key}: {json.dumps(value, ensure_ascii=False)}"


def _camera(wanted: str, settings: Settings) -> CameraSettings:
    """Return the camera of that name, or one made of an address or a file.

    Raises:
        InputError: it is neither.
    """
    names = {camera.name: camera for camera in settings.cameras}
    if wanted in names:
        return names[wanted]
    if any(mark in wanted for mark in "/.!") or wanted.isdigit():
        from edge_runtime.app import with_sources  # noqa: PLC0415 - few ask for it

        return with_sources(Settings(), [wanted]).cameras[0]
    close = difflib.get_close_matches(wanted, names, n=1)
    hint = f"did you mean {close[0]!r}?" if close else f"known are {', '.join(names) or 'none'}"
    raise InputError(f"no camera is called {wanted!r}; {hint}; or give an address, or a picture or video file")


def _picture(camera: CameraSettings) -> Frame:
    """Return one picture; of a live camera a later one, as many need a moment to find their exposure.

    Raises:
        InputError: the address cannot be used.
        SourceError: the camera delivers nothing.
    """
    from edge_runtime.sources.opening import open_camera  # noqa: PLC0415 - help and errors come faster without it

    source = open_camera(camera)
    with closing(source):
        few = list(itertools.islice(source.frames(), _WARM_UP if source.live else 1))
    if not few:
        raise InputError(f"camera {camera.name}: the file holds no picture")
    return few[-1]


def _words(record: output.Record) -> str:
    width, height = record["size"]
    return (
        f"{record['picture']} shows camera {record['camera']} ({width}x{height}) under a grid in fractions of it.\n"
        f"Read corners off it and put them under the camera in the settings:\n\n{record['settings']}"
    )
