"""Implements ``tabard completion``."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from tabard_sidecar.operating.terminal import echo


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the completion script of a shell.

    bash: add `eval "$(tabard completion bash)"` to ~/.bashrc. zsh: the same with zsh and ~/.zshrc. fish: write the output
    to ~/.config/fish/completions/tabard.fish.
    """
    from tabard_sidecar.cli.root import command  # noqa: PLC0415 - the root imports this module by name

    generator = get_completion_class(shell)
    if generator is not None:
        echo(generator(command, {}, "tabard", "_TABARD_COMPLETE").source().expandtabs(), lines=True)
