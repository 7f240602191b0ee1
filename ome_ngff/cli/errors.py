"""Errors and warnings: one line on stderr each, in the words of the command line."""

from __future__ import annotations

import errno
import re
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import click

from ..exceptions import NgffError

VERBOSITY = "ome_ngff.verbosity"
_HELP = getattr(click.exceptions, "NoArgsIsHelpError", ())


class Refused(click.ClickException):
    """Say in one line what cannot be done, and leave with 2."""

    exit_code = 2


@contextmanager
def reported() -> Iterator[None]:
    """Turn the errors of what runs inside into `Refused`, and warnings into lines on stderr."""
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _warner()
            yield
    except click.UsageError as error:
        if isinstance(error, _HELP):
            raise
        command = error.ctx.command_path if error.ctx is not None else "ome-ngff"
        raise Refused(f"{_in_one_line(error.format_message())} See '{command} --help'.") from None
    except (NgffError, OSError) as error:
        if getattr(error, "errno", None) == errno.EPIPE:
            raise
        if verbosity_wanted() > 1:
            traceback.print_exc()
        raise Refused(_in_options(_message(error))) from None


def verbosity_wanted() -> int:
    """Give what the user wants to hear: -1 errors alone, 0 results, 1 more, 2 tracebacks too."""
    context = click.get_current_context(silent=True)
    return 0 if context is None else int(context.meta.get(VERBOSITY, 0))


def _warner() -> Callable[..., None]:
    """Give a function that shows each warning once."""
    shown = set()

    def show(message: Warning | str, *rest: Any, **more: Any) -> None:
        text = _in_options(str(message))
        if text not in shown and verbosity_wanted() >= 0:
            shown.add(text)
            click.echo(f"Warning: {text}", err=True)

    return show


def _message(error: Exception) -> str:
    """Return what an error says; those of the operating system without their number."""
    if isinstance(error, OSError) and not isinstance(error, NgffError) and error.strerror:
        return ": ".join(str(part) for part in (error.filename, error.strerror) if part is not None)
    return str(error) or type(error).__name__


def _in_options(message: str) -> str:
    """Spell the words of the Python API as the options of the command that runs: "resume=True" as "--resume"."""
    context = click.get_current_context(silent=True)
    group = context.find_root() if context is not None else None
    name = group.invoked_subcommand if group is not None else None
    if group is None or name is None or not isinstance(group.command, click.Group):
        return _in_one_line(message)
    command = group.command.get_command(group, name)
    for option in command.params if command is not None else ():
        if isinstance(option, click.Option) and option.name is not None:
            spelled = max(option.opts, key=len)
            message = re.sub(rf"\b{option.name}=True\b", spelled, message)
            message = re.sub(rf"\b{option.name}=(['\"])(.*?)\1", rf"{spelled} \2", message)
            message = re.sub(rf"\b{option.name}=(?=\w)", f"{spelled} ", message)
            if "_" in option.name:
                message = re.sub(rf"\b{option.name}\b", spelled, message)
    for away in (r"(?<=pass )\w+=True to [^.;]*? or (?=--)", r" or \w+=True to [^.;]+", r"; pass \w+=True to [^.;]+"):
        message = re.sub(away, "", message)  # ways out that this command does not have
    return _in_one_line(message)


def _in_one_line(text: str) -> str:
    return " ".join(text.split())
