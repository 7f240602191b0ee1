"""The options that commands share, and how their texts are read. Names of parameters are those of the Python API."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click
from click.shell_completion import CompletionItem

from ..config import config, parse_bytes
from ..exceptions import InputError, NgffError
from ..inputs import parse_axes, parse_factors, parse_lengths, parse_region, parse_sizes, parse_units
from .errors import GOES_ON, VERBOSITY, verbosity_wanted

F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")


class Parsed(click.ParamType):  # type: ignore[type-arg,unused-ignore]  # generic from click 8.4 on
    """Read an option with a function; what it raises becomes the message."""

    def __init__(self, metavar: str, parse: Callable[[str], Any]) -> None:
        self.name, self.parse = metavar, parse

    def get_metavar(self, param: click.Parameter, ctx: click.Context | None = None) -> str:
        return self.name

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        try:
            return self.parse(value) if isinstance(value, str) else value
        except (NgffError, ValueError) as error:
            self.fail(str(error), param, ctx)


class Named(Parsed):
    """Read one of the names of a registry, which is asked when it is needed."""

    def __init__(self, metavar: str, names: Callable[[], list[str]], parse: Callable[[str], Any]) -> None:
        super().__init__(metavar, parse)
        self.names = names

    def get_metavar(self, param: click.Parameter, ctx: click.Context | None = None) -> str:
        return f"[{'|'.join(self.names())}]"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        return [CompletionItem(name) for name in self.names() if name.startswith(incomplete)]


def _methods() -> list[str]:
    from ..pixels import Methods

    return [member.value for member in Methods if not member.method.in_memory]


def _methods_of_labels() -> list[str]:
    from ..pixels import Methods

    return [member.value for member in Methods if not member.method.invents]


def _method(text: str) -> str:
    from ..pixels import find_method

    name = find_method(text).name
    if name not in _methods():
        raise ValueError(f"{name!r} works in memory only and cannot be written; choose {', '.join(_methods())}.")
    return name


def _versions() -> list[str]:
    from ..spec import format_implementations

    return sorted(fmt.version for fmt in format_implementations())


def _format(text: str) -> Any:
    from ..spec import format_from_version

    return format_from_version(text)


def _hear(ctx: click.Context, param: click.Parameter, value: int) -> None:
    if value:
        wanted = -1 if param.name == "quiet" else value
        if ctx.meta.get(VERBOSITY, wanted) * wanted < 0:
            raise click.UsageError("--quiet and --verbose contradict each other; give one of them.")
        ctx.meta[VERBOSITY] = wanted


def refuse_both(**given: Any) -> None:
    """Raise for options of which only one can be given."""
    names = [f"--{name}" for name, value in given.items() if value]
    if len(names) > 1:
        raise click.UsageError(f"{' and '.join(names)} exclude each other; give one of them.")


class Renamed(click.Option):
    """An option whose older names still work, and are not shown."""

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """Return what --help shows, with the first name alone."""
        names, self.opts = self.opts, self.opts[:1]
        try:
            return super().get_help_record(ctx)
        finally:
            self.opts = names


_SECTIONS = {
    "Options": (),  # those of one command
    "Input": ("axes", "series", "scale", "translation", "axes_units", "region", "name", "no_omero", "no_labels"),
    "Levels and storage": (
        "method",
        "scale_factors",
        "downscale",
        "max_layer",
        "chunks",
        "shards",
        "compression",
        "fmt",
    ),
    "Writing": ("into", "overwrite", "resume", "join", "verify", "report", "plan"),
    "Machine": ("workers", "scheduler", "memory_target"),
    "Other": ("as_json", "store_option", "verbose", "quiet"),
}


class Command(click.Command):
    """A command whose --help has examples, and, where pixels are written, its options in sections."""

    def __init__(self, *args: Any, examples: Sequence[str] = (), **words: Any) -> None:
        super().__init__(*args, **words)
        self.examples = [f"ome-ngff {self.name} {example}" for example in examples]

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        titles = {name: title for title, names in _SECTIONS.items() for name in names}
        found: dict[str, list[tuple[str, str]]] = {title: [] for title in _SECTIONS}
        grouped = any(param.name == "method" for param in self.params)
        for param in filter(lambda param: isinstance(param, click.Option), self.get_params(ctx)):
            title = titles.get(str(param.name), "Other" if "--help" in param.opts else "Options")
            if record := param.get_help_record(ctx):
                found[title if grouped else "Options"].append(record)
        for title, records in found.items():
            if records:
                with formatter.section(title):
                    formatter.write_dl(records)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Examples"):
            formatter.write("".join(f"  {line}\n" for line in self.examples))


def command(name: str, summary: str, *examples: str) -> Callable[[Callable[..., Any]], Command]:
    """Return a decorator that makes a command, with the arguments of its examples."""
    return click.command(name, cls=Command, short_help=summary, examples=examples)


# The options ---------------------------------------------------------------------------------------------------------


def stack(*options: Callable[[F], F]) -> Callable[[F], F]:
    """Join options into one decorator, in the order in which --help shows them."""

    def decorate(function: F) -> F:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


def _store_options(ctx: click.Context, param: click.Parameter, texts: Sequence[str]) -> None:
    """Let all URLs of a command be opened with options."""
    found = {}
    for text in texts:
        name, sign, value = text.partition("=")
        if not sign or not name:
            raise click.BadParameter(f"{text!r} is not of the form key=value, such as region=eu-west-1.", ctx, param)
        try:
            found[name] = json.loads(value)
        except ValueError:
            found[name] = value
    if found:
        ctx.with_resource(config.set(store_options={**config.store_options, **found}))


PLACE = click.Path(readable=False)  # taken as it is, so that it may be a URL; a shell completes files
SIZES = Parsed("z=0.5,y=0.1,x=0.1", parse_sizes)
UNITS = Parsed("micrometer|t=second,...", parse_units)
LENGTHS = Parsed("N|z=N,y=N,x=N|auto", parse_lengths)
AXES = Parsed("AXES", parse_axes)


class _Stored(click.Path):
    """Take the place of an OME-Zarr, and refuse a file of others by what it is."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        place = super().convert(value, param, ctx)
        from ..inputs import foreign_file

        if isinstance(place, str) and (kind := foreign_file(place)):
            raise InputError(
                f"{place} is {kind}, not an OME-Zarr; ome-ngff info shows what it holds, and ome-ngff write makes an "
                "OME-Zarr of it."
            )
        return place


STORE = _Stored(readable=False)
verbosity = stack(
    click.option("-v", "--verbose", count=True, callback=_hear, expose_value=False, help="Say more; -vv: tracebacks."),
    click.option("-q", "--quiet", is_flag=True, callback=_hear, expose_value=False, help="Say nothing but errors."),
)
store_option = click.option(
    "--store-option",
    metavar="KEY=VALUE",
    multiple=True,
    callback=_store_options,
    expose_value=False,
    help="Option of the store behind a URL, such as anon=true; may be repeated.",
)


def source(*, of_image: bool = False) -> Callable[[F], F]:
    """Return the options of INPUT; `of_image` for labels, whose pixel sizes are those of their image."""
    sizes, places = ("that of IMAGE", "") if of_image else ("taken from INPUT, or 1", ", or 0")
    units = "that of IMAGE" if of_image else "taken from INPUT"
    return stack(
        click.option("--axes", type=AXES, help="What the dimensions of INPUT are, such as zyx; s is colour."),
        click.option("--series", metavar="N|NAME", help="Which image of INPUT, where it holds several."),
        click.option("--scale", type=SIZES, help=f"Pixel size per axis; what is left out is {sizes}."),
        click.option("--translation", type=SIZES, help=f"Position of the first pixel per axis, likewise{places}."),
        click.option("--unit", "axes_units", type=UNITS, help=f"Unit per axis; what is left out is {units}."),
    )


_REGION = Parsed("z=0:10,y=:300,c=DAPI", parse_region)
region = click.option("--region", type=_REGION, help="Part of it: from and to, or a number, or a channel, by axis.")
unit = click.option(
    "--unit",
    type=Parsed("pixel|micrometer|...", parse_units),
    default="pixel",
    show_default=True,
    help="What --region counts or measures in.",
)


def scale_factors(default: str = "auto") -> Callable[[F], F]:
    """Return the option --scale-factors; `default` is what --help says of it."""
    return click.option(
        "--scale-factors",
        type=Parsed('"2,4,8"|"z=1,y=2,x=2;..."|auto|none', parse_factors),
        help=f"Factors of the levels, relative to level 0; numbers hold for y and x.  [default: {default}]",
    )


def storage(chunks: str = "128 for volumes, 1024 for planes") -> Callable[[F], F]:
    """Return the options of chunks, shards and compression; `chunks` is what --help says of their default."""
    return stack(
        click.option("--chunks", type=LENGTHS, help=f"Pixels per chunk.  [default: {chunks}]"),
        click.option("--shards", type=LENGTHS, help="Pixels per shard (from 0.5); auto: about 64 MiB."),
        click.option("--compression", metavar="NAME[:LEVEL]", help="blosc-zstd, blosc-lz4, zstd, gzip or none."),
    )


VERSION = Named("VERSION", _versions, _format)
fmt = click.option("--format", "fmt", type=VERSION, help="Version of OME-NGFF.  [default: that of OUTPUT, or 0.5]")
version = click.option("--format", "--version", "fmt", type=VERSION, help="Version of OME-NGFF.  [default: as stated]")
overwrite = click.option("--overwrite", is_flag=True, help="Replace what is there.")


def _goes_on(context: click.Context, parameter: click.Parameter, value: Any) -> Any:
    if value:
        context.meta[GOES_ON] = True
    return value


resume = click.option("--resume", is_flag=True, help="Finish a write that was interrupted.")
join = click.option(
    "--join",
    is_flag=True,
    callback=_goes_on,
    help="Share the work with all processes that run the same command, whenever they come.",
)
plan = click.option(
    "--dry-run", "--plan", "plan", cls=Renamed, is_flag=True, help="Show what would be written and how; write nothing."
)
into = click.option(
    "--into", metavar="DIR", type=PLACE, callback=_goes_on, help="Write each INPUT as DIR/<name>.ome.zarr."
)
verify = click.option(
    "--verify", is_flag=True, help="Read both again and compare each pixel; leaves a digest per level."
)


def report_of(what: str) -> Callable[[F], F]:
    """Return the option --report of many images."""
    return click.option("--report", metavar="FILE", help=f"What became of {what}, as .csv or .json.")


report = report_of("each INPUT (with --into)")
memory_target = click.option(
    "--memory-target", type=Parsed("SIZE", parse_bytes), help="Memory for all tasks at once.  [default: 512MiB]"
)
machine = stack(
    click.option("--workers", type=click.IntRange(1), metavar="N", help="Write with N processes."),
    click.option("--scheduler", metavar="ADDRESS", help="Write on a dask cluster, such as tcp://10.0.0.1:8786."),
    memory_target,
)


def method(default: str, *, labels: bool = False) -> Callable[[F], F]:
    """Return the option --method with a default; of labels, with the methods that they can be made by."""
    kind = Named("METHOD", _methods_of_labels if labels else _methods, _method)
    return click.option("--method", type=kind, default=default, show_default=True, help="How levels are made.")


def as_json(text: str) -> Callable[[F], F]:
    """Return the option --json with a help text."""
    return click.option("--json", "as_json", is_flag=True, help=text)


def progress() -> bool | None:
    """Return whether to show progress: a bar on a terminal, lines in a log, nothing with --quiet."""
    return True if verbosity_wanted() >= 0 else None
