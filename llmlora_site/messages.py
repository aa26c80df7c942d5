"""Translations without the gettext program: compile the catalogues, bring them up to date, check that they are whole.

`python -m llmlora_site.messages compile | update | check`
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import polib

from llmlora_site.message_ids import MessageId, collect

PROJECT_ROOT = Path(__file__).resolve().parent.parent
LOCALE_DIR = PROJECT_ROOT / "locale"
# English is written in the code; Japanese has one plural form.
TRANSLATED = {"ja": "nplurals=1; plural=0;"}
PLACEHOLDER = re.compile(r"%\(\w+\)[-#0 +]*\d*(?:\.\d+)?[a-zA-Z]|\{\w+\}|%[sd]")


def compile_catalogues(locale_dir: Path = LOCALE_DIR) -> list[Path]:
    """Write the .mo file of every .po file that is newer; returns the .po files compiled."""
    compiled = []
    for source in sorted(locale_dir.glob("*/LC_MESSAGES/*.po")):
        target = source.with_suffix(".mo")
        if target.exists() and target.stat().st_mtime >= source.stat().st_mtime:
            continue
        draft = target.with_suffix(".mo.draft")
        polib.pofile(str(source)).save_as_mofile(str(draft))
        draft.replace(target)
        compiled.append(source)
    return compiled


def update_catalogues(root: Path = PROJECT_ROOT) -> None:
    """Add the sentences that the code gained and drop those that it lost; translations stay."""
    wanted = collect(root)
    for language, plural_forms in TRANSLATED.items():
        path = root / "locale" / language / "LC_MESSAGES" / "django.po"
        old = _read(path)
        new = polib.POFile(wrapwidth=78)
        new.metadata = {
            "Project-Id-Version": "llmlora",
            "Language": language,
            "MIME-Version": "1.0",
            "Content-Type": "text/plain; charset=UTF-8",
            "Content-Transfer-Encoding": "8bit",
            "Plural-Forms": plural_forms,
        }
        new.extend(_entry(message, old) for message in wanted)
        path.parent.mkdir(parents=True, exist_ok=True)
        new.save(str(path))


def _entry(message: MessageId, old: polib.POFile) -> polib.POEntry:
    known = old.find(message.text, msgctxt=message.context or False)
    # Without line numbers: they would change every catalogue with every edit.
    files = sorted({place.rpartition(":")[0] for place in message.places})
    entry = polib.POEntry(
        msgid=message.text, msgctxt=message.context, occurrences=[(file, "") for file in files]
    )
    if message.plural:
        entry.msgid_plural = message.plural
        entry.msgstr_plural = known.msgstr_plural if known and known.msgstr_plural else {0: ""}
    elif known:
        entry.msgstr = known.msgstr
    return entry


def faults(root: Path = PROJECT_ROOT) -> Iterator[str]:
    """What is missing or wrong in the catalogues, one line each."""
    wanted = collect(root)
    for language in TRANSLATED:
        catalogue = _read(root / "locale" / language / "LC_MESSAGES" / "django.po")
        for message in wanted:
            entry = catalogue.find(message.text, msgctxt=message.context or False)
            if (
                entry is None
                or not entry.translated()
                or (message.plural and not entry.msgid_plural)
            ):
                yield f"{language}: not translated: {message.text!r} ({message.places[0]})"
            else:
                yield from _placeholder_faults(language, entry)


def _placeholder_faults(language: str, entry: polib.POEntry) -> Iterator[str]:
    wanted = set(PLACEHOLDER.findall(entry.msgid_plural or entry.msgid))
    for text in entry.msgstr_plural.values() if entry.msgid_plural else [entry.msgstr]:
        if set(PLACEHOLDER.findall(text)) != wanted:
            yield f"{language}: placeholders differ: {entry.msgid!r}"


def _read(path: Path) -> polib.POFile:
    return polib.pofile(str(path)) if path.exists() else polib.POFile()


def main(arguments: list[str]) -> int:
    match arguments:
        case ["compile"]:
            for path in compile_catalogues():
                sys.stdout.write(f"compiled {path.relative_to(PROJECT_ROOT)}\n")
            return 0
        case ["update"]:
            update_catalogues()
            return 0
        case ["check"]:
            found = list(faults())
            sys.stderr.writelines(f"{line}\n" for line in found)
            return 1 if found else 0
    sys.stderr.write(f"{__doc__}\n")
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
