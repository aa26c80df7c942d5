"""The page of a dataset as the model sees it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from django.conf import LazySettings
from django.core.cache import cache
from django.core.files.storage import default_storage
from django.template.loader import render_to_string
from django.test import Client
from django.urls import reverse
from django.utils import translation

from accounts.models import User
from datasets_app.models import Dataset
from datasets_app.preview.tokens import PreviewSettings, first_examples
from datasets_app.selectors import latest_version
from datasets_app.tests.factories import INSTRUCTION, make_dataset
from datasets_app.tests.tiny_models import REFUSES_LONG_ONES, ready_model, write_tiny_model
from engine.config import TrainingHyperparameters
from llmlora_site.home import Home

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true", "HX-Target": "preview"}
LONG = {"instruction": "question " * 40, "output": "kept"}


@pytest.fixture
def home(settings: LazySettings, tmp_path: Path) -> Home:
    settings.LLMLORA_HOME = Home(tmp_path / "home")
    settings.LLMLORA_HOME.create()
    write_tiny_model(settings.LLMLORA_HOME.local_models / "tiny")
    cache.clear()
    return settings.LLMLORA_HOME


@pytest.fixture
def signed_in(student: User, client_of: Callable[[User], Client]) -> Client:
    return client_of(student)


def address(dataset: Dataset) -> str:
    return reverse("datasets:dataset_preview", args=[dataset.pk])


@pytest.mark.usefixtures("home")
def test_page_shows_tokens_and_lengths(signed_in: Client, student: User) -> None:
    response = signed_in.get(address(make_dataset(student, records=[INSTRUCTION, INSTRUCTION])))
    page = response.content.decode()
    assert response.status_code == 200
    assert "<html" in page
    assert page.count("&lt;|im_start|&gt;") == 4
    assert '<mark class="tokens__span tokens__span--trained"><span class="token">C</span>' in page
    assert 'role="img"' in page
    assert "With at most 512 tokens: 2 fit whole" in page


@pytest.mark.usefixtures("home")
def test_defaults_and_range_are_those_of_the_engine(signed_in: Client, student: User) -> None:
    form = signed_in.get(address(make_dataset(student))).context["form"]
    parameter = TrainingHyperparameters.parameters()["max_length"]
    field = form.fields["max_length"]
    assert (field.min_value, field.max_value) == (parameter.minimum, parameter.maximum)
    assert form.cleaned_data["max_length"] == TrainingHyperparameters().max_length
    assert [value for value, _ in form.fields["overlong"].choices] == list(
        TrainingHyperparameters.parameters()["overlong"].choices
    )


@pytest.mark.usefixtures("home")
def test_page_speaks_japanese(signed_in: Client, student: User) -> None:
    dataset = make_dataset(student, records=[LONG])
    response = signed_in.get(
        address(dataset), {"max_length": 64}, headers={"Accept-Language": "ja"}
    )
    page = response.content.decode()
    assert 'lang="ja"' in page
    assert "最大64トークン" in page
    assert "切り取られ" in page


@pytest.mark.usefixtures("home")
def test_cut_tokens_and_left_out_examples_are_marked(signed_in: Client, student: User) -> None:
    dataset = make_dataset(student, records=[LONG, INSTRUCTION])
    page = signed_in.get(address(dataset), {"max_length": 80}).content.decode()
    assert "<del " in page
    assert "1 fit whole, 1 are shortened with a whole answer" in page
    dropped = signed_in.get(address(dataset), {"max_length": 80, "overlong": "drop"})
    assert "Left out: too long" in dropped.content.decode()
    assert dropped.context["outcome"].left_out == 1


@pytest.mark.usefixtures("home")
def test_htmx_gets_the_fragment(signed_in: Client, student: User) -> None:
    dataset = make_dataset(student)
    page = signed_in.get(address(dataset), {"max_length": 100}, headers=HTMX).content.decode()
    assert page.lstrip().startswith('<div class="stack stack--loose" id="preview">')
    assert "<html" not in page
    assert "Maximum length 100" in page


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize("headers", [{}, HTMX])
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("max_length", "63"),
        ("max_length", "4097"),
        ("max_length", "many"),
        ("max_length", ""),
        ("max_length", "9" * 5000),
        ("overlong", "burn"),
        ("base_model", "../../etc"),
        ("base_model", "\x00"),
    ],
)
def test_bad_values_are_told_at_their_field(
    signed_in: Client, student: User, headers: dict[str, str], name: str, value: str
) -> None:
    dataset = make_dataset(student)
    response = signed_in.get(address(dataset), {name: value}, headers=headers)
    page = response.content.decode()
    assert response.status_code == 422
    assert ("<html" in page) is (not headers)
    assert page.count('aria-invalid="true"') == 1
    assert f'id="id_{name}_error"' in page
    assert 'id="preview-show"' in page
    assert "histogram" not in page


@pytest.mark.usefixtures("home")
def test_pages_keep_what_was_asked(signed_in: Client, student: User) -> None:
    records = [INSTRUCTION | {"output": f"Answer number {number}."} for number in range(1, 13)]
    dataset = make_dataset(student, records=records)
    first = signed_in.get(address(dataset), {"max_length": 300}).content.decode()
    assert "?max_length=300&amp;page=2" in first
    second = signed_in.get(address(dataset), {"max_length": 300, "page": 2})
    assert [example.number for example in second.context["page"]] == [11, 12]
    for page in ("99", "x"):
        assert signed_in.get(address(dataset), {"page": page}).status_code == 200


def test_a_refusing_template_is_told_at_its_example(
    home: Home, signed_in: Client, student: User
) -> None:
    write_tiny_model(home.local_models / "strict", REFUSES_LONG_ONES)
    dataset = make_dataset(
        student, records=[INSTRUCTION, INSTRUCTION | {"history": [["Who?", "We."]]}]
    )
    response = signed_in.get(address(dataset), {"base_model": "strict"})
    page = response.content.decode()
    assert page.count("Too many turns") == 1
    assert "1 fit whole" in page
    assert "1 are refused by the chat template" in page


def test_a_model_with_unusable_files_is_told(home: Home, signed_in: Client, student: User) -> None:
    (home.local_models / "tiny" / "tokenizer.json").write_text("{}", encoding="utf-8")
    response = signed_in.get(address(make_dataset(student)))
    assert response.status_code == 200
    assert "can not be used, so nothing can be shown" in response.content.decode()


def test_without_a_base_model_the_page_says_what_to_do(
    settings: LazySettings, tmp_path: Path, signed_in: Client, student: User
) -> None:
    dataset = make_dataset(student)
    settings.LLMLORA_HOME = Home(tmp_path / "empty")
    settings.LLMLORA_HOME.create()
    response = signed_in.get(address(dataset))
    assert response.status_code == 200
    assert "No base model is ready yet" in response.content.decode()


@pytest.mark.usefixtures("home")
def test_a_lost_file_is_told(signed_in: Client, student: User) -> None:
    dataset = make_dataset(student)
    default_storage.delete(latest_version(dataset).file)
    response = signed_in.get(address(dataset))
    assert response.status_code == 200
    assert "missing on the server" in response.content.decode()


@pytest.mark.usefixtures("home")
def test_examples_are_shown_as_text_never_as_markup(signed_in: Client, student: User) -> None:
    dataset = make_dataset(student, records=[{"text": "<img src=x onerror=alert(1)>" * 20}])
    assert "<img src=x" not in signed_in.get(address(dataset)).content.decode()


@pytest.mark.usefixtures("home")
def test_who_may_read_a_dataset_may_preview_it(
    signed_in: Client, client: Client, other_student: User
) -> None:
    dataset = make_dataset(other_student)
    assert signed_in.get(address(dataset)).status_code == 404
    assert client.get(address(dataset))["Location"].startswith(reverse("account_login"))
    Dataset.objects.filter(pk=dataset.pk).update(visibility=Dataset.Visibility.COURSE)
    response = signed_in.get(address(dataset))
    assert response.status_code == 200
    assert not response.context["can_edit"]
    assert signed_in.post(address(dataset)).status_code == 405


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize("language", ["en", "ja"])
def test_other_pages_can_show_the_first_rows(student: User, language: str) -> None:
    version = latest_version(make_dataset(student, records=[INSTRUCTION, LONG, INSTRUCTION, LONG]))
    settings = PreviewSettings(ready_model("tiny"), 64, "keep_answer")
    with translation.override(language):
        rows = first_examples(version, settings)
        page = render_to_string("datasets_app/token_rows.html", {"examples": rows})
    assert page.count('card token-row"') == 3
    assert "tokens__span--cut" in page
