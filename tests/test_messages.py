"""Translations are found, kept, compiled and checked without the gettext program."""

from __future__ import annotations

import gettext
import os
from pathlib import Path

import polib
import pytest

from llmlora_site import messages
from llmlora_site.message_ids import MessageId, collect


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "chat").mkdir()
    (tmp_path / "chat" / "views.py").write_text(
        'a = _("Send")\nb = ngettext("%(count)d reply", "%(count)d replies", n)\n'
        'c = pgettext("verb", "Train")\nd = _(name)\n'
    )
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates" / "page.html").write_text(
        '<p>{% trans "Stop (now)" %}</p>\n'
        "{% blocktrans trimmed count n=n %}\n  {{ n }} job\n{% plural %}\n  {{ n }} jobs\n{% endblocktrans %}\n"
        "{% include 'x' with label=_('Close') only %}"
    )
    (tmp_path / "chat" / "tests").mkdir()
    (tmp_path / "chat" / "tests" / "test_x.py").write_text('_("Not shown")')
    return tmp_path


def test_sentences_of_code_and_templates_are_found_with_plural_and_context(project: Path) -> None:
    assert collect(project) == [
        MessageId("Send"),
        MessageId("%(count)d reply", plural="%(count)d replies"),
        MessageId("Train", context="verb"),
        MessageId("Stop (now)"),
        MessageId("%(n)s job", plural="%(n)s jobs"),
        MessageId("Close"),
    ]


def test_an_update_keeps_translations_and_drops_lost_sentences(project: Path) -> None:
    path = project / "locale" / "ja" / "LC_MESSAGES" / "django.po"
    messages.update_catalogues(project)
    catalogue = polib.pofile(str(path))
    catalogue.find("Send").msgstr = "送信"
    catalogue.append(polib.POEntry(msgid="Gone", msgstr="なし"))
    catalogue.save()

    messages.update_catalogues(project)

    catalogue = polib.pofile(str(path))
    assert catalogue.find("Send").msgstr == "送信"
    assert catalogue.find("Gone") is None
    assert catalogue.find("Train", msgctxt="verb") is not None


def test_missing_translations_and_wrong_placeholders_are_told(project: Path) -> None:
    messages.update_catalogues(project)
    path = project / "locale" / "ja" / "LC_MESSAGES" / "django.po"
    catalogue = polib.pofile(str(path))
    catalogue.find("Send").msgstr = "送信"
    catalogue.find("%(count)d reply").msgstr_plural = {0: "返信 %(number)d 件"}
    catalogue.save()

    found = list(messages.faults(project))

    assert "ja: placeholders differ: '%(count)d reply'" in found
    assert not any("'Send'" in line for line in found)
    assert any("'Stop (now)'" in line for line in found)


def test_a_catalogue_is_compiled_once_and_again_when_it_changes(tmp_path: Path) -> None:
    folder = tmp_path / "ja" / "LC_MESSAGES"
    folder.mkdir(parents=True)
    catalogue = polib.POFile()
    catalogue.metadata = {"Content-Type": "text/plain; charset=UTF-8", "Language": "ja"}
    catalogue.append(polib.POEntry(msgid="Send", msgstr="送信"))
    source = folder / "django.po"
    catalogue.save(str(source))

    assert messages.compile_catalogues(tmp_path) == [source]
    assert messages.compile_catalogues(tmp_path) == []
    assert gettext.translation("django", tmp_path, ["ja"]).gettext("Send") == "送信"

    newer = folder.joinpath("django.mo").stat().st_mtime + 10
    os.utime(source, (newer, newer))
    assert messages.compile_catalogues(tmp_path) == [source]
