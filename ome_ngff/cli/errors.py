"""Errors and warnings: one line on stderr each, in the words of the command line."""

from __future__ import annotations

import errno
import logging
import os
import re
import sys
import traceback
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

import click

from ..exceptions import NgffError
from ..text import printable

VERBOSITY = "ome_ngff.verbosity"
GOES_ON = "ome_ngff.goes_on"  # of the context: whether the same command finishes what was interrupted
_HELP = getattr(click.exceptions, "NoArgsIsHelpError", ())


class Refused(click.ClickException):
    """Print in one line what cannot be done, and exit with 2."""

    exit_code = 2


class Failed(click.ClickException):
    """Print in one line what went wrong unexpectedly, and exit with 1."""


class _Log(logging.Handler):
    """Print what a library logs, for those who want to hear more; its own way would be stderr at all times."""

    def emit(self, record: logging.LogRecord) -> None:
        if verbosity_wanted() > 0:
            click.echo(f"{record.name}: {_in_one_line(record.getMessage())}", err=True)


@contextmanager
def reported() -> Iterator[None]:
    """Turn the errors of what runs inside into `Refused` and `Failed`, and warnings into lines on stderr."""
    try:
        with warnings.catch_warnings(), _overheard("tifffile"):
            warnings.showwarning = _warner()
            yield
    except click.UsageError as error:
        if isinstance(error, _HELP):
            raise
        raise Refused(f"{_in_one_line(_hinted(error))} See '{_command_of(error)} --help'.") from None
    except (NgffError, OSError) as error:
        if getattr(error, "errno", None) == errno.EPIPE:
            raise
        _trace()
        raise Refused(_in_options(_message(error))) from None
    except (click.ClickException, click.exceptions.Exit, click.Abort):
        raise
    except KeyboardInterrupt:
        context, options = click.get_current_context(silent=True), _options(_parameters())
        goes_on = "join" in options and ("resume" not in options or (context is not None and context.meta.get(GOES_ON)))
        way_out = "the same command" if goes_on else "--resume" if "resume" in options else ""
        _say_last(Failed(f"Interrupted{f'; {way_out} goes on where it stopped' if way_out else ''}."))
        raise click.exceptions.Exit(Failed.exit_code) from None
    except Exception as error:
        _trace()
        raise Failed(f"{type(error).__name__}: {_in_one_line(str(error))} (-vv shows where)") from None


#: options of other tools, and what they are here
_MEANT = {
    **dict.fromkeys(("--pixel-size", "--voxel-size", "--pixelsize", "--spacing", "--resolution"), "--scale"),
    **dict.fromkeys(
        ("--levels", "--factors", "--n-levels", "--num-levels", "--downscale", "--pyramid"), "--scale-factors"
    ),
    **dict.fromkeys(("--chunk", "--chunk-size", "--tile-size", "--tiles", "--chunkshape"), "--chunks"),
    **dict.fromkeys(("--force", "--clobber"), "--overwrite"),
    **dict.fromkeys(("--units", "--axes-units"), "--unit"),
    **dict.fromkeys(("--compressor", "--codec"), "--compression"),
    **dict.fromkeys(("--out", "--output-file"), "--output"),
    **dict.fromkeys(("--jobs", "--threads", "--processes", "--nproc"), "--workers"),
    **dict.fromkeys(("--version", "--ngff-version", "--to"), "--format"),
    **dict.fromkeys(("--anon", "--storage-options"), "--store-option"),
}


def _command_of(error: click.UsageError) -> str:
    """Return the command that a usage error is of; the error itself does not know where an option lacks its value."""
    context = error.ctx or click.get_current_context(silent=True)
    name = context.find_root().invoked_subcommand if context is not None and context.parent is None else None
    return " ".join(filter(None, [context.command_path if context is not None else "ome-ngff", name]))


def _hinted(error: click.UsageError) -> str:
    """Return what a usage error says; with what an option of others is called here."""
    options = {word for each in _parameters() for word in each.opts}
    if isinstance(error, click.NoSuchOption) and (meant := _MEANT.get(error.option_name)) in options:
        return f"No such option: {error.option_name}. Did you mean {meant}?"
    said = error.format_message()
    extra = re.fullmatch(r"Got unexpected extra argument \((.*)\)", said)
    if extra and "-o" in options:
        return f"Got unexpected extra argument ({extra[1]}). Did you mean -o {extra[1]}?"
    return said if said.endswith((".", "?")) else f"{said}."


def _trace() -> None:
    if verbosity_wanted() > 1:
        traceback.print_exc()


def _say_last(error: click.ClickException) -> None:
    """Show an error, and nothing more: libraries complain when their threads are stopped."""
    error.show()
    with suppress(OSError, ValueError):  # stderr of a test has no file
        if sys.stderr.fileno() == 2:
            sys.stderr.flush()
            os.dup2(os.open(os.devnull, os.O_WRONLY), 2)


@contextmanager
def _overheard(name: str) -> Iterator[None]:
    logger, handler = logging.getLogger(name), _Log()
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)


def verbosity_wanted() -> int:
    """Return what the user wants to hear: -1 only errors, 0 results, 1 more, 2 tracebacks too."""
    context = click.get_current_context(silent=True)
    return 0 if context is None else int(context.meta.get(VERBOSITY, 0))


def _warner() -> Callable[..., None]:
    """Return a function that shows each warning once."""
    shown = set()

    def show(message: Warning | str, *rest: Any, **more: Any) -> None:
        text = str(message)
        if text not in shown:
            shown.add(text)
            warn(text)

    return show


def warn(text: str) -> None:
    """Print a warning, unless the user wants to hear only of errors."""
    if verbosity_wanted() >= 0:
        click.echo(f"Warning: {_in_options(text)}", err=True)


def note(text: str, *, always: bool = False) -> None:
    """Print a line about what goes on, unless the user wants to hear only of errors; `always` for an error."""
    if always or verbosity_wanted() >= 0:
        click.echo(_in_options(text), err=True)


def _message(error: Exception) -> str:
    """Return what an error says; those of the operating system without their number."""
    if isinstance(error, OSError) and not isinstance(error, NgffError) and error.strerror:
        return ": ".join(str(part) for part in (error.filename, error.strerror) if part is not None)
    return str(error) or type(error).__name__


#: what the Python API calls things, and what the command line calls them; options are found by their names
_WORDS = {
    r"the `?convert`? or `?open_input`?|`convert` or `open_input`": "'ome-ngff write'",
    r"\bopen_image reads images": "'ome-ngff info' shows what is there",
    r"\bopen it with open_plate, or say which image": "say which image",
    r"\bwrite_labels\b": "'ome-ngff labels'",
    r"\bwrite_label_metadata\b": "'ome-ngff labels'",
    r"\bcreate_plate\b": "'ome-ngff plate'",
    r"\blet to_ngff_zarr write\b": "let 'ome-ngff write' write",
    r"; go on by stream_image or append_image": "",
    r"; undo brings it back": "; --undo brings it back",
    r"\bstore_options\b": "--store-option",
    r"\banon=True\b": "anon=true",
    r"\bprofile='name'": "profile=name",
    r"\bscale_factors\b": "--scale-factors",
    r"\ban empty list writes\b": "none writes",
    r"\bmemory_target\b": "--memory-target",
    r" and scaler\b| or a scaler\b": "",
}
_AT_ONCE = ("axes", "chunks", "scale", "shards", "translation")  # words of their own only where a message begins
_NUMBERS = re.compile(r"(?:(?<=\(got )|(?<=halvings are ))\[(-?\d[\d.e-]*(?:, -?\d[\d.e-]*)*)\]")
_PYTHON = re.compile(
    r"\b[a-z]\w*=(?:True\b|False\b|None\b|['\"\[(]|(?=[\s.,;)]|$))|[a-z]\w*\([^)]*\)|\b[a-z]+_[a-z_]+\("
)
_NONE_HERE = (
    r"(?<=pass )\w+=True to [^.;]*?(?:,| or) (?=--)",
    r",? or \w+=True to [^.;]+",
    r", or \w+=True\b",
    r", \w+=True to [^.;,]+(?= or --)",
    r"; pass \w+=True to [^.;]+",
)


def _in_options(message: str) -> str:
    """Spell the words of the Python API as those of the command that runs: "resume=True" as "--resume".

    Ways out that the command line does not have are left out, as long as it has not come to that what went wrong.
    """
    alone = "into" not in (each.name for each in _parameters())
    message = message.replace(", or series='all' in convert" if alone else " in convert", "")
    message = _spelled(message, _options(_parameters()))
    message = _NUMBERS.sub(lambda found: re.sub(r"\.0(?=,|$)", "", found[1].replace(", ", ",")), message)
    for word, spelled in _WORDS.items():
        message = re.sub(word, spelled, message)
    for away in _NONE_HERE:
        message = re.sub(away, "", message)
    first, *others = re.split(r"(?<=[;.])\s+(?=\S)", _in_one_line(message))
    first, *others = (_spelled(part, _options_of_others()) for part in (first, *others))
    kept = " ".join([first, *(part for part in others if not _PYTHON.search(part))])
    return kept[:-1] + "." if kept.endswith(";") else kept


#: how parameters are found in messages, what of it stands behind the option, and of which names it is true
_SPELLED: tuple[tuple[str, str, Callable[[str], bool]], ...] = (
    (r"\b({})=True\b", "", bool),
    (r"\b({})=(['\"])(.*?)\2( or )\2(.*?)\2", r" \3\4\5", bool),
    (r"\b({})=(['\"])(.*?)\2", r" \3", bool),
    (r"\b({})=(?=\w)", " ", bool),
    (r"\b({})=(?=[\s.,;)]|$)", "", bool),
    (r"^({})(?= is | are | names? | must )", "", _AT_ONCE.__contains__),
    (r"\b({})\b", "", lambda name: "_" in name),
)


def _spelled(message: str, options: Mapping[str, str]) -> str:
    """Spell parameters as options."""
    for pattern, behind, holds in _SPELLED:
        if names := "|".join(filter(holds, options)):
            found = re.compile(pattern.replace("{}", names))
            message = found.sub(lambda at, behind=behind: options[at[1]] + at.expand(behind), message)  # type: ignore[misc]
    return message


def _options(parameters: Iterable[click.Parameter]) -> dict[str, str]:
    options = [each for each in parameters if isinstance(each, click.Option)]
    return {option.name: max(option.opts, key=len) for option in options if option.name is not None}


def _options_of_others() -> dict[str, str]:
    """Return the options of all commands: what is unfinished is finished by the command that began it."""
    context = click.get_current_context(silent=True)
    group = context.find_root() if context is not None else None
    if group is None or not isinstance(group.command, click.Group):
        return {}
    commands = [group.command.get_command(group, name) for name in group.command.list_commands(group)]
    return {name: option for each in commands if each is not None for name, option in _options(each.params).items()} | {
        "resume": "--resume"
    }


def _parameters() -> list[click.Parameter]:
    context = click.get_current_context(silent=True)
    group = context.find_root() if context is not None else None
    name = group.invoked_subcommand if group is not None else None
    if group is None or name is None or not isinstance(group.command, click.Group):
        return []
    command = group.command.get_command(group, "write" if name == "info" else name)  # which info is asked before
    return list(command.params) if command is not None else []


def say(text: str) -> None:
    """Print a line with what comes from outside: names, units, paths."""
    click.echo(printable(text))


def _in_one_line(text: str) -> str:
    return printable(" ".join(text.split()))
