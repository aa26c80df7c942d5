"""The Japanese catalogue is whole, and the pages speak Japanese to the last button."""

from __future__ import annotations

import gettext
import re
from collections.abc import Callable, Iterator
from html.parser import HTMLParser

import polib
import pytest
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse
from django.utils import translation

from accounts.models import User
from chat.tests.factories import make_tuned_session
from llmlora_site import messages
from training.tests.factories import make_completed_job

CATALOGUE = messages.LOCALE_DIR / "ja" / "LC_MESSAGES" / "django.po"
JAPANESE = re.compile(r"[\u3041-\u30ff\u4e00-\u9fff]")
# Words of buttons and headings; those of Django and allauth are none of our message ids.
ENGLISH_WORD = re.compile(
    r"\b(?:Add|Cancel|Change|Chats?|Choose|Close|Confirm|Copy|Create|Datasets?|Delete|Download|Edit|Email|Error|"
    r"Home|Jobs?|Language|Log|Loss|Name|New|Next|Password|Please|Previous|Remove|Required|Save|Search|Send|Settings|"
    r"Sign|Start|Steps?|Stop|Submit|Theme|Training|Upload|Username|Waiting|Warning|the|your?)\b"
)
SPOKEN_ATTRIBUTES = ("alt", "aria-label", "placeholder", "title")
# Names, words of the JSON format, other languages.
UNSPOKEN_TAGS = ("code", "pre", "script", "style", "textarea")
PUBLIC_PAGES = ("home", "account_login", "account_signup")
PERSONAL_PAGES = (
    *("home", "datasets:dataset_list", "datasets:dataset_new", "training:job_list"),
    *("training:job_new", "chat:session_list", "chat:session_new", "accounts:settings"),
    *("account_email", "account_change_password", "account_logout"),
)


class _SpokenTexts(HTMLParser):
    """What a person reads or hears on a page, apart from what is said in another language."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.language = ""
        self._silent_tag = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        if tag == "html":
            self.language = attributes.get("lang") or ""
        elif not self._silent_tag:
            self.texts += [value for name, value in attrs if name in SPOKEN_ATTRIBUTES and value]
            # JavaScript says these; other data is for machines.
            self.texts += [
                value for name, value in attrs if name[:5] == "data-" and " " in (value or "")
            ]
            if tag in UNSPOKEN_TAGS or "lang" in attributes:
                self._silent_tag = tag

    def handle_endtag(self, tag: str) -> None:
        if tag == self._silent_tag:
            self._silent_tag = ""

    def handle_data(self, data: str) -> None:
        if not self._silent_tag and data.strip():
            self.texts.append(" ".join(data.split()))


@pytest.fixture(scope="module")
def catalogue() -> polib.POFile:
    return polib.pofile(str(CATALOGUE))


@pytest.fixture
def japanese_client(student: User, client_of: Callable[[User], Client]) -> Client:
    client = client_of(student)
    client.post(reverse("set_language"), {"language": "ja"})
    return client


def _assert_japanese(response: HttpResponse, catalogue: polib.POFile) -> None:
    page = _SpokenTexts(response.content.decode())
    english = {entry.msgid for entry in catalogue if entry.msgstr and entry.msgstr != entry.msgid}
    assert page.language == "ja"
    assert sum(bool(JAPANESE.search(text)) for text in page.texts) >= 5
    assert [text for text in page.texts if text in english] == []
    assert [text for text in page.texts if ENGLISH_WORD.search(text)] == []


def test_every_sentence_has_a_translation_with_the_same_placeholders() -> None:
    assert list(messages.faults()) == []


def test_the_catalogue_holds_nothing_doubtful_or_given_up(catalogue: polib.POFile) -> None:
    assert [entry.msgid for entry in catalogue if entry.fuzzy or entry.obsolete] == []
    assert catalogue.percent_translated() == 100


def test_japanese_sentences_keep_full_width_punctuation(catalogue: polib.POFile) -> None:
    def translations() -> Iterator[str]:
        for entry in catalogue:
            yield from entry.msgstr_plural.values() if entry.msgid_plural else [entry.msgstr]

    half_width = re.compile(r"[\u3041-\u30ff\u4e00-\u9fff][,.!?:;()]")
    assert [text for text in translations() if half_width.search(text) or "“" in text] == []


def test_django_and_the_command_line_answer_in_japanese() -> None:
    with translation.override("ja"):
        assert (
            translation.gettext("Training job was not a sentence")
            == "Training job was not a sentence"
        )
        assert translation.gettext("Start training") == "学習を開始"
        assert translation.ngettext("%(count)d token", "%(count)d tokens", 3) == "%(count)dトークン"
    terminal = gettext.translation("django", messages.LOCALE_DIR, ["ja"])
    assert terminal.gettext("Data folder") == "データフォルダー"


@pytest.mark.django_db
@pytest.mark.parametrize("name", PUBLIC_PAGES)
def test_a_page_for_strangers_is_japanese_for_a_japanese_browser(
    name: str, catalogue: polib.POFile
) -> None:
    response = Client(headers={"Accept-Language": "ja-JP,ja;q=0.9,en;q=0.5"}).get(reverse(name))
    _assert_japanese(response, catalogue)


@pytest.mark.parametrize("name", PERSONAL_PAGES)
def test_a_page_is_japanese_for_a_person_who_chose_it(
    name: str, japanese_client: Client, catalogue: polib.POFile
) -> None:
    _assert_japanese(japanese_client.get(reverse(name), follow=True), catalogue)


def test_the_pages_of_a_tuned_model_are_japanese(
    student: User, japanese_client: Client, catalogue: polib.POFile
) -> None:
    # The person's own words are not translated.
    job = make_completed_job(student, name="庭の回答")
    job.dataset_version.dataset.name = "庭"
    job.dataset_version.dataset.save()
    session = make_tuned_session(student, job=job)
    for address in (
        reverse("home"),
        reverse("training:job_list"),
        reverse("training:job_detail", args=[job.pk]),
        reverse("training:job_delete", args=[job.pk]),
        reverse("datasets:dataset_detail", args=[job.dataset_version.dataset_id]),
        reverse("datasets:dataset_delete", args=[job.dataset_version.dataset_id]),
        reverse("chat:session_detail", args=[session.pk]),
        reverse("chat:session_delete", args=[session.pk]),
    ):
        _assert_japanese(japanese_client.get(address), catalogue)


def test_a_refused_form_explains_itself_in_japanese(
    japanese_client: Client, catalogue: polib.POFile
) -> None:
    response = japanese_client.post(reverse("training:job_new"), {"name": ""})
    assert response.status_code == 422
    _assert_japanese(response, catalogue)
