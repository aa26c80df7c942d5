"""The subcommands and their options; every option can also come from the environment."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import click

from common.errors import DomainError
from llmlora_site.cli.console import CommandFailure, StopRequested, tell_failure
from llmlora_site.cli.language import _

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 8000
Command = Callable[..., Any]


def tells_failures(command: Command) -> Command:
    """Expected failures end the command with a sentence and exit status 1."""

    @wraps(command)
    def told(*args: Any, **options: Any) -> Any:
        try:
            return command(*args, **options)
        except CommandFailure as failure:
            tell_failure(failure)
        except StopRequested:
            sys.exit(130)
        except DomainError as error:
            tell_failure(CommandFailure(str(error.message)))
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            tell_failure(CommandFailure(_("The disk is full. Make room and start again.")))
        sys.exit(1)

    return told


def _put_home(
    context: click.Context, parameter: click.Parameter, value: Path | None
) -> Path | None:
    # Settings and child processes read it from the environment.
    if value is not None:
        os.environ["LLMLORA_HOME"] = str(value.expanduser().absolute())
    return value


def _put(name: str) -> Callable[[click.Context, click.Parameter, Any], Any]:
    def put(context: click.Context, parameter: click.Parameter, value: Any) -> Any:
        if value is not None:
            os.environ[name] = str(value)
        return value

    return put


home_option = click.option(
    "--home",
    type=click.Path(path_type=Path, file_okay=False),
    envvar="LLMLORA_HOME",
    expose_value=False,
    is_eager=True,
    callback=_put_home,
    help=_("Folder for all data [default: ~/.llmlora]."),
)
host_option = click.option(
    "--host",
    envvar="LLMLORA_HOST",
    default=DEFAULT_HOST,
    show_default=True,
    callback=_put("LLMLORA_HOST"),
    help=_("Address to listen at; 0.0.0.0 for every network."),
)
port_option = click.option(
    "--port",
    type=click.IntRange(1, 65535),
    envvar="LLMLORA_PORT",
    default=DEFAULT_PORT,
    show_default=True,
    callback=_put("LLMLORA_PORT"),
    help=_("Port to listen at."),
)


@click.group(
    context_settings={"help_option_names": ["-h", "--help"]},
    help=_("A classroom for LoRA fine-tuning."),
)
@click.version_option(package_name="llmlora")
def main() -> None:
    """Every command of llmlora."""


@main.command("up", help=_("Start everything on this machine; Ctrl-C stops it."))
@host_option
@port_option
@home_option
@click.option(
    "--no-browser", is_flag=True, envvar="LLMLORA_NO_BROWSER", help=_("Do not open a browser.")
)
@tells_failures
def up_command(host: str, port: int, no_browser: bool) -> None:  # noqa: FBT001 - click passes it by name
    from llmlora_site.cli.up import UpOptions, up

    up(UpOptions(host=host, port=port, opens_browser=not no_browser))


@main.command(
    "web", help=_("Start the web server alone; something else supervises it and the workers.")
)
@host_option
@port_option
@home_option
@tells_failures
def web_command(host: str, port: int) -> None:
    from llmlora_site.cli.web import web

    web(host, port)


@main.command("worker", help=_("Start one more worker, on this machine or on another."))
@home_option
@click.option(
    "--name",
    envvar="LLMLORA_WORKER_NAME",
    callback=_put("LLMLORA_WORKER_NAME"),
    expose_value=False,
    help=_("Name of the worker [default: the name of this machine]."),
)
@tells_failures
def worker_command() -> None:
    from llmlora_site.cli.worker import worker

    worker()


@main.command(
    "health", help=_("Exit with 0 when the web server, or this machine's worker, does its work.")
)
@host_option
@port_option
@home_option
@click.option("--worker", "of_worker", is_flag=True, help=_("Ask about the worker."))
@tells_failures
def health_command(host: str, port: int, of_worker: bool) -> None:  # noqa: FBT001 - click passes it by name
    from llmlora_site.cli.health import check_web, check_worker

    if of_worker:
        check_worker()
    else:
        check_web(host, port)


@main.command(
    "doctor",
    help=_("Look at this machine and say what to mend. Exit status: 0 fine, 1 warnings, 2 faults."),
)
@home_option
@click.option("--json", "as_json", is_flag=True, help=_("Print the findings as JSON."))
@tells_failures
def doctor_command(as_json: bool) -> None:  # noqa: FBT001 - click passes it by name
    from llmlora_site.cli.doctor import doctor

    sys.exit(doctor(as_json=as_json))


@main.command(
    "backup",
    help=_("Write all data into one archive, while the system runs; it replaces no file."),
)
@click.argument("target", required=False, type=click.Path(path_type=Path, dir_okay=False))
@home_option
@click.option(
    "--no-models",
    is_flag=True,
    help=_("Leave out base models that were put into the data folder by hand."),
)
@tells_failures
def backup_command(target: Path | None, no_models: bool) -> None:  # noqa: FBT001 - click passes it by name
    from llmlora_site.cli.backup import backup, default_target

    backup(target or default_target(), has_models=not no_models)


@main.command("restore", help=_("Bring the data of a backup into an empty data folder."))
@click.argument("archive", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@home_option
@tells_failures
def restore_command(archive: Path) -> None:
    from llmlora_site.cli.backup_restore import restore

    restore(archive)


@main.command(
    "validate",
    help=_(
        "Check dataset files like the upload page. Exit status: 0 ready, 1 ready with warnings, 2 not usable."
    ),
)
@click.argument(
    "paths", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True, dir_okay=False)
)
@click.option(
    "--type",
    "dataset_type",
    type=click.Choice(["instruction", "chat", "completion"]),
    help=_("Only this type of examples [default: found in the data]."),
)
@click.option("--json", "as_json", is_flag=True, help=_("Print the reports as JSON."))
@tells_failures
def validate_command(paths: tuple[Path, ...], dataset_type: str | None, as_json: bool) -> None:  # noqa: FBT001 - click passes it by name
    from llmlora_site.cli.validate import validate

    sys.exit(validate(paths, dataset_type=dataset_type, as_json=as_json))


@main.group("course", help=_("Check the files of the courses."))
def course_group() -> None:
    pass


@course_group.command(
    "check", help=_("Tell all that is wrong with the courses, each with file and line.")
)
@click.argument("folder", required=False, type=click.Path(path_type=Path, file_okay=False))
@tells_failures
def course_check_command(folder: Path | None) -> None:
    from llmlora_site.cli.courses import check_courses

    check_courses(folder)


@course_group.command(
    "play",
    help=_(
        "Take the courses as their reference solutions say, with real training, and tell how each step went."
    ),
)
@click.argument("slugs", nargs=-1)
@click.option(
    "--language",
    "languages",
    multiple=True,
    type=click.Choice(["en", "ja"]),
    help=_("In these languages only."),
)
@click.option(
    "--seed",
    "seeds",
    multiple=True,
    type=int,
    help=_("Seeds of the training, each a play of its own."),
)
@click.option("--model", help=_("The base model [default: the bundled one]."))
@click.option(
    "--rate-factor",
    type=float,
    default=1.0,
    help=_("Multiply the learning rates by this, as a stand-in for the base model needs it."),
)
@click.option(
    "--home",
    "root",
    type=click.Path(path_type=Path, file_okay=False),
    help=_("Data folder [default: a temporary one]."),
)
@click.option(
    "--report",
    type=click.Path(path_type=Path, dir_okay=False),
    help=_("Write what happened to this file, as JSON."),
)
@tells_failures
def course_play_command(
    slugs: tuple[str, ...],
    languages: tuple[str, ...],
    seeds: tuple[int, ...],
    model: str | None,
    rate_factor: float,
    root: Path | None,
    report: Path | None,
) -> None:
    from llmlora_site.cli.course_playing import PlayOptions, play_courses

    sys.exit(
        play_courses(
            PlayOptions(slugs, languages, seeds, model, rate_factor), root=root, report=report
        )
    )


@course_group.command(
    "stamp", help=_("Note in each translation that it is up to date with the English text.")
)
@click.argument("folder", required=False, type=click.Path(path_type=Path, file_okay=False))
@tells_failures
def course_stamp_command(folder: Path | None) -> None:
    from llmlora_site.cli.courses import stamp_courses

    stamp_courses(folder)


@main.command(
    "demo",
    help=_("Train the first course's adapter here and compare the answers before and after."),
)
@click.option(
    "--home",
    type=click.Path(path_type=Path, file_okay=False),
    envvar="LLMLORA_HOME",
    help=_("Data folder to use [default: a temporary one]."),
)
@tells_failures
def demo_command(home: Path | None) -> None:
    from llmlora_site.cli.demo import demo

    sys.exit(demo(home))
