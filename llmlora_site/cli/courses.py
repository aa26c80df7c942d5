"""`llmlora course`: what is wrong with the files of the courses, and which translations are behind."""

from __future__ import annotations

from pathlib import Path

from llmlora_site.cli.console import CommandFailure, say
from llmlora_site.cli.language import _
from llmlora_site.cli.preparation import set_up_django


def check_courses(folder: Path | None) -> None:
    """Read every course, and every text for its translation.

    Raises:
        CommandFailure: a file is faulty, or a translation was made of an older text.
    """
    set_up_django()
    from courses.catalogue.reading import ContentError, read_course

    faults: list[str] = []
    for path in _course_files(folder):
        try:
            content = read_course(path.parent)
        except ContentError as error:
            faults += map(str, error.faults)
            continue
        faults += [
            _("%(file)s: the English text is newer than this translation")
            % {"file": path.parent / "steps" / f"{step.key}.{language}.md"}
            for step in content.steps
            for language, text in step.texts.items()
            if text.is_outdated
        ]
        say(
            _("%(course)s: %(steps)d steps, %(minutes)d minutes")
            % {
                "course": content.about.slug,
                "steps": len(content.steps),
                "minutes": content.about.minutes,
            }
        )
    if faults:
        raise CommandFailure("\n".join(faults))


def stamp_courses(folder: Path | None) -> None:
    """Write into every translation which text it was made of: after it was brought up to date."""
    set_up_django()
    from courses.catalogue.reading import SOURCE_MARK, source_digest
    from courses.catalogue.schema import LANGUAGES, SOURCE_LANGUAGE

    for course in _course_files(folder):
        for source in sorted((course.parent / "steps").glob(f"*.{SOURCE_LANGUAGE}.md")):
            mark = f"<!-- source: {source_digest(source.read_text(encoding='utf-8'))} -->\n"
            for language in LANGUAGES:
                path = source.with_name(
                    source.name.removesuffix(f"{SOURCE_LANGUAGE}.md") + f"{language}.md"
                )
                if language == SOURCE_LANGUAGE or not path.is_file():
                    continue
                text = path.read_text(encoding="utf-8")
                stamped = mark + SOURCE_MARK.sub("", text)
                if stamped != text:
                    path.write_text(stamped, encoding="utf-8")
                    say(str(path))


def _course_files(folder: Path | None) -> list[Path]:
    from courses.starter import CONTENT_FOLDER

    found = sorted((folder or CONTENT_FOLDER).glob("*/course.yml"))
    if not found:
        raise CommandFailure(
            _("There is no course in %(folder)s. Name the folder that holds the courses' folders.")
            % {"folder": folder or CONTENT_FOLDER}
        )
    return found
