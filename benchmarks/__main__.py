"""Run the benchmarks: one command each, all of them when none is named."""

from __future__ import annotations

import importlib

import click

# name -> module of this package that has a click command `main`; a new benchmark is a module and a line here
COMMANDS = {
    "kernels": "kernels",
    "write": "speed",
    "copy": "copying",
    "join": "joining",
    "read": "reading",
    "memory": "memory",
    "plan": "planning",
    "upgrade": "upgrades",
    "stream": "streams",
    "paint": "painting",
    "plate": "plates",
    "cloud": "cloud",
    "paper": "paper",
    "all": "everything",
}


class Benchmarks(click.Group):
    """Import a benchmark when it is asked for, so that one works without the packages of another."""

    def list_commands(self, context: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"benchmarks.{COMMANDS[name]}").main
        return command


@click.group(cls=Benchmarks, invoke_without_command=True)
@click.pass_context
def main(context: click.Context) -> None:
    """Measure ome_ngff on this machine. Without a command: everything, which takes about a quarter of an hour."""
    if context.invoked_subcommand is None:
        command = main.get_command(context, "all")
        assert command is not None
        context.invoke(command)


main(prog_name="python -m benchmarks")
