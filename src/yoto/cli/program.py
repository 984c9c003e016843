"""The program: its commands, and how errors become one line and an exit code."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Sequence
from typing import Annotated, Any, NoReturn, cast

import typer
from typer.core import TyperGroup

from yoto import __version__
from yoto.cli import compare, demo, models, new_task, polishing, selecting, sweep, training
from yoto.cli.checks import DiskError, UsageError, of_system
from yoto.cli.output import complete_streams, drop_output, note, settle, spell_out
from yoto.errors import YotoError
from yoto.registry import applications, imported, package_folders
from yoto.support.extras import needed

DONE, FAILED, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130

# The base classes of typer's own errors moved between its versions; this one stays public.
FrameworkUsageError, FrameworkError = cast("list[type[Exception]]", typer.BadParameter.__mro__[1:3])


class Interrupted(Exception):  # noqa: N818 - the user wanted it
    """Ctrl-C during a command."""


class Commands(TyperGroup):
    """Commands whose Ctrl-C reaches `run`: typer would end the program without a word."""

    def invoke(self, ctx: Any) -> Any:
        """Carry out the command that was asked for."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise Interrupted from None


app = typer.Typer(
    cls=Commands,
    name="yoto",
    help="Loss-conditional training: one network for every trade-off of its loss.",
    epilog="YOTO_DATA, YOTO_MODELS: folders of data sets and of models. YOTO_DEBUG=1: tracebacks.",
    rich_markup_mode=None,  # plain help: no second library at start-up, the same text in a pipe
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
for group in (training, sweep, selecting, polishing, compare, models, new_task):
    group.register(app)
for name, application in applications(lambda refusal: note(f"yoto: {refusal}")).items():
    if application.commands is not None:
        try:
            imported(application.commands, "Commands")(app)
        except YotoError as error:
            note(f"yoto: the commands of {name!r} are left out: {error}")
demo.register(app)


def show_version(wanted: bool) -> None:
    """Print the version and stop."""
    if wanted:
        print(f"yoto {__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def root(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=show_version, is_eager=True, help="Print the version.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Print the traceback of an error.")] = False,
) -> None:
    """Options of the program as a whole."""
    if debug:
        os.environ["YOTO_DEBUG"] = "1"
    if context.invoked_subcommand is None:
        print(context.get_help())


def report(arguments: Sequence[str], message: str, *, usage: bool = False) -> None:
    """Print one line on stderr, with the command that it is about."""
    commands = {command.name for command in app.registered_commands}
    command = " ".join(["yoto", *[a for a in arguments if a in commands][:1]])
    hint = f"; see {command} --help" if usage else ""
    text = " ".join(message.split())
    print(f"{command}: {text.rstrip('.') if usage else text}{hint}", file=sys.stderr)


def run(arguments: Sequence[str] | None = None) -> int:
    """Carry out a command line and return its exit code: 0 done, 2 bad input, 1 anything else, 130 interrupted."""
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # threads that spin slow training five times on a busy machine
    given = list(sys.argv[1:] if arguments is None else arguments)
    spell_out()
    if "" in given:  # would be taken for a setting that is missing, or for the folder one is in
        report(given, "an argument is empty. Usually: a variable of the shell that is not set", usage=True)
        return BAD_INPUT
    try:
        try:
            with needed("This command"):
                result = app(args=given, prog_name="yoto", standalone_mode=False)
        finally:
            settle()
        sys.stdout.flush()
    except (FrameworkError, YotoError) as error:
        trace()
        causes = getattr(error, "failed", [error])
        for each in causes:
            message = each.message if isinstance(each, YotoError) else each.format_message()
            report(given, message, usage=isinstance(each, (FrameworkUsageError, UsageError)))
        return FAILED if all(isinstance(each, DiskError) for each in causes) else BAD_INPUT
    except (KeyboardInterrupt, Interrupted, typer.Abort):
        report(given, "interrupted")
        return INTERRUPTED
    except BrokenPipeError:
        drop_output()  # the reader left (`yoto models | head`)
        return FAILED
    except Exception as error:  # noqa: BLE001 - whatever it is, the user gets one line
        trace()
        return unforeseen(given, error)
    return result if isinstance(result, int) else DONE


def unforeseen(given: Sequence[str], error: Exception) -> int:
    """Report an error that nobody raised on purpose, or the Ctrl-C behind it, and return its exit code."""
    from yoto.cli.interrupts import PRESSED
    from yoto.support.whose import blamed

    if PRESSED.is_set():
        report(given, "interrupted")
        return INTERRUPTED
    if (told := blamed(error, package_folders())) is not None:
        report(given, f"{told}; YOTO_DEBUG=1 prints the traceback")
        return BAD_INPUT
    if isinstance(error, OSError):
        report(given, of_system(error))
        return BAD_INPUT if error.errno == errno.ENAMETOOLONG else FAILED
    else:
        report([], f"internal error: {type(error).__name__}: {error}; YOTO_DEBUG=1 prints the traceback")
    return FAILED


def trace() -> None:
    """Print the traceback of the error being handled if the user asked for it."""
    if os.environ.get("YOTO_DEBUG", "0") not in ("", "0"):
        import traceback

        traceback.print_exc()


def main() -> NoReturn:
    """Entry point of the `yoto` script."""
    from yoto.cli import interrupts

    complete_streams()
    try:
        with interrupts.prompt(lambda: report(sys.argv[1:], "interrupted")):
            code = run()
    except KeyboardInterrupt:  # on the way out of `run`
        code = INTERRUPTED
    try:
        sys.stdout.flush()
    except OSError:  # which `run` has told
        drop_output()
    if code == INTERRUPTED:
        interrupts.leave(code)
    sys.exit(code)
