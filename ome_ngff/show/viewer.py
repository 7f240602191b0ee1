"""An image in neuroglancer, whose built client comes with its wheel: on this machine, without a network."""

from __future__ import annotations

import html
import json
import mimetypes
import webbrowser
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import attrs

from ..exceptions import MissingError
from ..spec import decode_colors
from .channels import MOST, Channel, seen_channels
from .contrast import Window, sample, shown, windows_of
from .planes import Plane
from .protocols import PyramidLike
from .served import Served, answers
from .server import PageServer
from .view import labels_named

_SIDES = {"xy": 520, "4panel-alt": 260}  # pixels of the screen that the image is as wide as, at first
_SHADER = "#uicontrol invlerp contrast\n#uicontrol vec3 color color\nvoid main() { emitRGB(color * contrast()); }\n"
# The client in the wheel takes its state from an address behind "#!"; it expects to be at "/v/<token>/", and to hear of
# events from a server of its own, without which it goes on about being disconnected.
_START = b"""if (!location.hash) history.replaceState(null, "", "#!" + new URL("state.json", location.href));
window.EventSource = class { constructor() { setTimeout(() => this.onopen()); } close() {} };
"""


class Viewer:
    """A page with an image, served by this process until `close`; notebooks show it, a browser opens `url`."""

    def __init__(self, server: PageServer, name: str) -> None:
        self._server, self.name = server, name

    @property
    def url(self) -> str:
        """Address of the page on this machine. Whoever knows it can read the image."""
        return self._server.url

    def open(self) -> bool:
        """Show the page in the browser; return whether there is one."""
        return webbrowser.open(self.url)

    def close(self) -> None:
        """Stop to serve."""
        self._server.close()

    def __enter__(self) -> Viewer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<viewer of {self.name!r}: {self.url}>"

    def _repr_html_(self) -> str:
        style = "width: 100%; height: 480px; border: 0"
        return f'<iframe src="{html.escape(self.url)}" style="{style}" title="{html.escape(self.name)}"></iframe>'


def serve(image: PyramidLike, labels: str | Sequence[str] | None = None, port: int = 0) -> Viewer:
    """Serve an image to a browser; `Multiscales.view` says what the arguments are."""
    client = _client()
    names = list(image.labels) if labels is None else [labels] if isinstance(labels, str) else list(labels)
    layers = [*_channels(image), *(_segmentation(labels_named(image, name), name) for name in names)]
    data = answers([layer.served for layer in layers])

    def answer(path: str) -> tuple[str, bytes] | None:
        if path == "state.json":
            return "application/json", json.dumps(_state(layers, server.url)).encode()
        if path.startswith("data/"):
            return data(path.removeprefix("data/"))
        return _of_client(client, path)

    server = PageServer(answer, port)
    return Viewer(server, image.metadata.name)


def _client() -> Mapping[str, Path]:
    """Return the files of the built client by name.

    Raises:
        MissingError: it is not installed.
    """
    found = find_spec("neuroglancer")
    folder = Path(found.origin or "").parent / "static" / "client" if found else Path()
    if found is None or not (folder / "index.html").is_file():
        raise MissingError("To view images install neuroglancer: pip install 'ome-ngff[view]'.")
    return {file.name: file for file in folder.iterdir() if file.is_file()}


def _of_client(client: Mapping[str, Path], name: str) -> tuple[str, bytes] | None:
    if name == "start.js":
        return "text/javascript", _START
    file = client.get(name or "index.html")
    if file is None:
        return None
    body = file.read_bytes()
    if file.name == "index.html":
        body = body.replace(b"<head>", b'<head><script src="start.js"></script>', 1)
    return mimetypes.guess_type(file.name)[0] or "application/octet-stream", body


# What is seen --------------------------------------------------------------------------------------------------------


@attrs.frozen(eq=False)
class _Layer:
    """What is served, and how the client is to show it."""

    served: Served
    shown: dict[str, Any]


def _channels(image: PyramidLike) -> list[_Layer]:
    """Return a layer per channel in its colour and contrast; a label image is one layer of labels."""
    if image.image_label is not None:
        return [_segmentation(image, image.metadata.name)]
    count = Plane.of(image, 0).length("c")
    channels = seen_channels(image, count, range(count))
    layers: list[_Layer] = []
    for channel, window in zip(channels, _windows(image, channels), strict=True):
        contrast = {"range": list(window), "window": sorted(window)}
        look = {
            "type": "image",
            "name": channel.name if count > 1 else image.metadata.name,
            "blend": "additive",
            "opacity": 1,
            "shader": _SHADER,
            "shaderControls": {"contrast": contrast, "color": f"#{channel.color[:6].lower()}"},
            "visible": channel.active and sum(each.shown["visible"] for each in layers) < MOST,
        }
        layers.append(_Layer(Served.of(image, channel.number), look))
    return layers


def _windows(image: PyramidLike, channels: Sequence[Channel]) -> list[Window]:
    """Return what is dark and bright of each channel; where nobody has said it, what the smallest level says."""
    if all(channel.window is not None for channel in channels):
        return [channel.window or (0, 1) for channel in channels]
    plane = Plane.of(image, len(image.images) - 1)

    def pixels(number: int) -> Any:
        at = (plane.at["c"], channels[number].number) if "c" in plane.at else None
        return sample(plane.level.data, at)

    measured = windows_of(pixels, [channel.color for channel in channels], plane.level.data.dtype)
    return [channel.window or shown(own) for channel, own in zip(channels, measured, strict=True)]


def _segmentation(labels: PyramidLike, name: str) -> _Layer:
    """Show labels in the colours that are stored with them; the client has colours of its own for others."""
    colors = {
        str(value): "#" + bytes(max(0, min(255, int(part))) for part in rgba[:3]).hex()
        for value, rgba in decode_colors(labels.image_label).items()
    }
    served = Served.of(labels, labels=True)
    look = {"type": "segmentation", "name": name, "selectedAlpha": 0.4, "segmentColors": colors, "tab": "segments"}
    return _Layer(served, look)


def _state(layers: Sequence[_Layer], url: str) -> dict[str, Any]:
    """Return the state of a client at an address: the whole image in its middle, in physical space."""
    served = layers[0].served
    scale, translation, units = served.geometry(0)
    dims = [served.levels[0].dims[i] for i in served.kept]
    space = [i for i, axis in enumerate(served.kept) if served.axes[axis].type == "space"] or list(range(len(dims)))
    order = [*reversed(space), *(i for i in range(len(dims)) if i not in space)]
    shape = served.shape(0)
    finest = min(scale[i] for i in space)
    widest = max(shape[i] * scale[i] / finest for i in space)
    layout = "4panel-alt" if len(space) > 2 and shape[space[-3]] > 1 else "xy"
    names: set[str] = set()
    for layer in layers:  # which are told apart by their names
        while layer.shown["name"] in names:
            layer.shown["name"] += " "
        names.add(layer.shown["name"])
    return {
        "dimensions": {dims[i]: [scale[i], units[i]] for i in order},
        "position": [translation[i] / scale[i] + (shape[i] // 2 if i in space else 0) + 0.5 for i in order],
        "crossSectionScale": widest / _SIDES[layout],
        "projectionScale": 1.5 * widest,
        "layers": [{"source": f"zarr3://{url}data/{number}/"} | layer.shown for number, layer in enumerate(layers)],
        "layout": layout,
        "crossSectionBackgroundColor": "#000000",
        "showAxisLines": False,
        "showDefaultAnnotations": False,
    }
