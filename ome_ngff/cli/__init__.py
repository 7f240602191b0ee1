"""The command line: one command per file, loaded when it is used. A new one is a file and a word in `GROUPS`."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import click

from .. import __version__
from ..text import nearest_word
from .errors import reported
from .options import verbosity

GROUPS = {
    "Write": ("create", "write", "labels", "scale", "plate"),
    "Change": ("edit", "upgrade"),
    "Look and check": ("info", "validate", "preview", "view"),
    "Give away": ("export",),
}
COMMANDS = tuple(name for names in GROUPS.values() for name in names)
_MEANT = {
    **dict.fromkeys(("convert", "import", "to-zarr"), "write"),
    **dict.fromkeys(("open", "show", "serve", "browse", "napari"), "view"),
    **dict.fromkeys(("ls", "list", "inspect", "describe", "metadata"), "info"),
    **dict.fromkeys(("check", "lint", "verify"), "validate"),
    **dict.fromkeys(("thumbnail", "picture", "report"), "preview"),
    **dict.fromkeys(("downsample", "pyramid"), "scale"),
}
_EXAMPLES = (
    "ome-ngff write tissue.tif tissue.ome.zarr",
    "ome-ngff labels nuclei.tif tissue.ome.zarr --colors auto",
    "ome-ngff view tissue.ome.zarr",
)


class Commands(click.Group):
    """Load each command from the module of its name, and report what goes wrong in one line."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """Load a command; return None if the name is unknown."""
        if name not in COMMANDS:
            return None
        command: click.Command = import_module(f".{name}", __name__).command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands in groups, and show how a first image is made."""
        for title, names in GROUPS.items():
            with formatter.section(title):
                commands = [(name, self.get_command(ctx, name)) for name in names]
                formatter.write_dl([(f"{name:<8}", each.get_short_help_str(80)) for name, each in commands if each])
        with formatter.section("Examples"):
            formatter.write("".join(f"  {line}\n" for line in _EXAMPLES))

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        """Find the command that the arguments start with."""
        if args[0] not in COMMANDS:
            meant = _MEANT.get(args[0])
            hint = f" Did you mean {meant!r}?" if meant else nearest_word(args[0], COMMANDS)
            ctx.fail(f"There is no command {args[0]!r}.{hint} Known: {', '.join(COMMANDS)}.")
        return super().resolve_command(ctx, args)

    def make_context(self, info_name: str | None, args: list[str], *rest: Any, **extra: Any) -> click.Context:
        """Parse what stands before the command."""
        with reported():
            return super().make_context(info_name, args, *rest, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        """Parse what stands behind the command, and run it."""
        with reported():
            return super().invoke(ctx)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="ome-ngff")
@verbosity
def main() -> None:
    """Turn arrays and image files into OME-Zarr images and labels that can be trusted."""
