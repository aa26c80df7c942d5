"""The dataset pages: allowed, another person's, signed out, bad input, full page and fragment."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.conf import LazySettings
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from accounts.models import User
from datasets_app.models import Dataset
from datasets_app.selectors import latest_version
from datasets_app.tests.factories import CHAT, COMPLETION, INSTRUCTION, json_lines, make_dataset

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true", "HX-Target": "dataset-form"}
NEW = reverse("datasets:dataset_new")
PASTE = f"{NEW}?source=paste"
LIST = reverse("datasets:dataset_list")


@pytest.fixture
def signed_in(student: User, client_of: Callable[[User], Client]) -> Client:
    return client_of(student)


def page_of(name: str, dataset: Dataset) -> str:
    return reverse(f"datasets:dataset_{name}", args=[dataset.pk])


def test_list_shows_own_datasets_only(
    signed_in: Client, student: User, other_student: User
) -> None:
    make_dataset(student, name="Mine")
    make_dataset(other_student, name="Theirs")
    page = signed_in.get(LIST).content.decode()
    assert "Mine" in page
    assert "Theirs" not in page


def test_empty_list_offers_the_starter_set_and_an_upload(signed_in: Client) -> None:
    page = signed_in.get(LIST).content.decode()
    assert reverse("courses:use_starter_dataset") in page
    assert NEW in page


def test_list_pages_after_24(signed_in: Client, student: User) -> None:
    for number in range(25):
        make_dataset(student, name=f"Set number {number}")
    assert "Set number 0<" not in signed_in.get(LIST).content.decode()
    assert "Set number 0<" in signed_in.get(f"{LIST}?page=2").content.decode()


@pytest.mark.parametrize("name", ["detail", "download", "delete"])
def test_another_persons_dataset_is_not_found(
    name: str, signed_in: Client, other_student: User
) -> None:
    assert signed_in.get(page_of(name, make_dataset(other_student))).status_code == 404


def test_another_persons_dataset_is_not_deleted(signed_in: Client, other_student: User) -> None:
    dataset = make_dataset(other_student)
    assert signed_in.post(page_of("delete", dataset)).status_code == 404
    assert Dataset.objects.filter(pk=dataset.pk).exists()


@pytest.mark.parametrize("name", ["list", "new", "detail", "download", "delete"])
def test_signed_out_people_are_sent_to_sign_in(name: str, client: Client, student: User) -> None:
    address = (
        reverse(f"datasets:dataset_{name}")
        if name in ("list", "new")
        else page_of(name, make_dataset(student))
    )
    for method in (client.get, client.post):
        response = method(address)
        assert response.status_code in (302, 405)
        assert response.status_code == 405 or response["Location"].startswith(
            reverse("account_login")
        )


def test_uploaded_file_leads_to_its_page(signed_in: Client) -> None:
    response = signed_in.post(
        NEW, {"file": SimpleUploadedFile("garden.jsonl", json_lines(INSTRUCTION))}, follow=True
    )
    assert response.redirect_chain == [(page_of("detail", Dataset.objects.get()), 302)]
    page = response.content.decode()
    assert "“garden” is saved with 1 example." in page
    assert INSTRUCTION["output"] in page


def test_htmx_upload_is_redirected_by_its_header(signed_in: Client) -> None:
    response = signed_in.post(
        NEW, {"file": SimpleUploadedFile("a.jsonl", json_lines(CHAT))}, headers=HTMX
    )
    assert response["HX-Redirect"] == page_of("detail", Dataset.objects.get())


def test_bad_file_answers_422_with_its_lines(signed_in: Client) -> None:
    bad = SimpleUploadedFile("a.json", b'[{"text": "word"},\n{"text": }]')
    response = signed_in.post(NEW, {"file": bad})
    page = response.content.decode()
    assert response.status_code == 422
    assert "<html" in page
    assert "This is not valid JSON" in page
    assert '<td class="is-number">2</td>' in page
    assert not Dataset.objects.exists()


def test_bad_file_answers_htmx_with_the_form_only(signed_in: Client) -> None:
    response = signed_in.post(
        NEW, {"file": SimpleUploadedFile("a.zip", b"PK\x03\x04")}, headers=HTMX
    )
    page = response.content.decode()
    assert response.status_code == 422
    assert page.lstrip().startswith("<form")
    assert page.count("This is a ZIP file") == 1
    assert 'role="alert"' in page


def test_too_large_a_file_is_413_on_a_page_and_422_for_htmx(
    signed_in: Client, settings: LazySettings
) -> None:
    settings.MAX_UPLOAD_BYTES = 10
    for headers, status in (({}, 413), (HTMX, 422)):
        file = SimpleUploadedFile("a.jsonl", json_lines(INSTRUCTION))
        response = signed_in.post(NEW, {"file": file}, headers=headers)
        assert response.status_code == status
        assert "at most 10" in response.content.decode()


def test_no_file_is_told_at_its_field(signed_in: Client) -> None:
    response = signed_in.post(NEW, {"name": "Empty"})
    assert response.status_code == 422
    assert "Choose a file with your examples." in response.content.decode()


def test_pasted_text_becomes_a_dataset(signed_in: Client) -> None:
    response = signed_in.post(PASTE, {"name": "Pasted", "text": json_lines(COMPLETION).decode()})
    dataset = Dataset.objects.get()
    assert response["Location"] == page_of("detail", dataset)
    assert (dataset.type, dataset.name) == ("completion", "Pasted")


def test_refused_text_is_kept_as_it_was_pasted(signed_in: Client) -> None:
    text = (
        '\n\n{"instruction": "Wer gießt?", "output": 3}\n  </textarea><script>alert(1)</script>\n'
    )
    response = signed_in.post(
        PASTE, {"name": "Pasted", "description": "why", "text": text}, headers=HTMX
    )
    assert response.status_code == 422
    form = response.context["form"]
    assert (form["text"].value(), form["name"].value(), form["description"].value()) == (
        text,
        "Pasted",
        "why",
    )
    assert "<script>" not in response.content.decode()
    assert '<td class="is-number">3</td>' in response.content.decode()


def test_bad_name_is_told_at_its_field_and_the_text_is_kept(signed_in: Client) -> None:
    text = json_lines(INSTRUCTION).decode()
    response = signed_in.post(PASTE, {"name": "bell\x07", "text": text})
    assert response.status_code == 422
    assert response.context["form"].errors["name"]
    assert response.context["form"]["text"].value() == text
    assert not response.context["refusal"]


@pytest.mark.parametrize("kind", ["instruction", "chat", "completion"])
def test_every_sample_can_be_sent_as_it_is(kind: str, signed_in: Client) -> None:
    text = signed_in.get(f"{PASTE}&sample={kind}").context["form"]["text"].value()
    assert signed_in.post(PASTE, {"name": kind, "text": text}).status_code == 302
    assert Dataset.objects.get().type == kind
    assert not latest_version(Dataset.objects.get()).issues


@pytest.mark.parametrize("record", [INSTRUCTION, CHAT, COMPLETION, {"text": "plain"}])
def test_detail_shows_examples_of_every_shape(
    record: dict, signed_in: Client, student: User
) -> None:
    dataset = make_dataset(student, records=[record])
    page = signed_in.get(page_of("detail", dataset)).content.decode()
    assert "turn--trained" in page
    assert f"{reverse('training:job_new')}?dataset={dataset.pk}" in page


def test_detail_pages_through_examples(signed_in: Client, student: User) -> None:
    records = [INSTRUCTION | {"output": f"Answer number {number}."} for number in range(1, 13)]
    address = page_of("detail", make_dataset(student, records=records))
    first, second = (
        signed_in.get(address).content.decode(),
        signed_in.get(f"{address}?page=2").content.decode(),
    )
    assert "Answer number 10." in first
    assert "Answer number 11." not in first
    assert "Answer number 11." in second
    assert signed_in.get(f"{address}?page=99").status_code == 200
    assert signed_in.get(f"{address}?page=x").status_code == 200


def test_examples_are_shown_as_text_never_as_markup(signed_in: Client, student: User) -> None:
    dataset = make_dataset(
        student, name="<b>bold</b>", records=[{"text": "<img src=x onerror=alert(1)>"}]
    )
    for name in ("detail", "delete"):
        page = signed_in.get(page_of(name, dataset)).content.decode()
        assert "<img src=x" not in page
        assert "<b>bold" not in page


def test_detail_of_a_lost_file_says_so(signed_in: Client, student: User) -> None:
    dataset = make_dataset(student)
    default_storage.delete(latest_version(dataset).file)
    response = signed_in.get(page_of("detail", dataset))
    assert response.status_code == 200
    assert "missing on the server" in response.content.decode()
    assert signed_in.get(page_of("download", dataset)).status_code == 404


def test_download_is_the_stored_file_as_an_attachment(signed_in: Client, student: User) -> None:
    response = signed_in.get(page_of("download", make_dataset(student, name='Quote " 庭')))
    assert (
        response.getvalue()
        == b'{"instruction":"Who waters the garden?","output":"Class 2B waters it."}\n'
    )
    assert response["Content-Type"] == "application/octet-stream"
    assert response["Content-Disposition"].startswith("attachment;")
    assert response["X-Content-Type-Options"] == "nosniff"


def test_delete_asks_first_and_then_deletes(signed_in: Client, student: User) -> None:
    dataset = make_dataset(student)
    assert "Delete “Garden”?" in signed_in.get(page_of("delete", dataset)).content.decode()
    assert Dataset.objects.exists()
    assert signed_in.post(page_of("delete", dataset))["Location"] == LIST
    assert not Dataset.objects.exists()


@pytest.mark.parametrize("method", ["post", "put", "delete"])
def test_pages_that_only_read_take_no_other_method(
    method: str, signed_in: Client, student: User
) -> None:
    dataset = make_dataset(student)
    assert getattr(signed_in, method)(LIST).status_code == 405
    assert getattr(signed_in, method)(page_of("detail", dataset)).status_code == 405
