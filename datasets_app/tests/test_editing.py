"""Changing examples one by one: as a service, as a page, as a fragment, and by two people at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import User
from common.errors import (
    ConflictError,
    ForbiddenError,
    InvalidInputError,
    NotFoundError,
    TooLargeError,
)
from datasets_app.forms.rows import MAX_TURNS
from datasets_app.models import Dataset, DatasetVersion
from datasets_app.selectors import latest_version, read_records
from datasets_app.services import editing
from datasets_app.services.editing import add_row, change_row, delete_row
from datasets_app.services.restoring import restore_version
from datasets_app.tests.classroom import course_audience, share
from datasets_app.tests.factories import CHAT, COMPLETION, INSTRUCTION, make_dataset

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true", "HX-Target": "example-form"}
THREE = [INSTRUCTION | {"output": f"Answer {number}."} for number in (1, 2, 3)]


@pytest.fixture
def signed_in(student: User, client_of: Callable[[User], Client]) -> Client:
    return client_of(student)


@pytest.fixture
def shared(instructor: User) -> Dataset:
    """A dataset that everybody may read."""
    return share(make_dataset(instructor, records=THREE), course_audience())


def newest(dataset: Dataset) -> DatasetVersion:
    return latest_version(Dataset.objects.get(pk=dataset.pk))


def records(dataset: Dataset) -> list[dict[str, Any]]:
    return read_records(newest(dataset), limit=100)


def address(name: str, dataset: Dataset, *numbers: int) -> str:
    return reverse(f"datasets:{name}", args=[dataset.pk, *numbers])


# --- the services -----------------------------------------------------------------------------------


def test_a_changed_row_makes_a_new_version(student: User) -> None:
    dataset = make_dataset(student, records=THREE)
    version = change_row(student, dataset, 2, THREE[1] | {"output": "Changed."}, 1)
    assert (version.number, version.change) == (2, {"code": "row_changed", "row": 2})
    assert version.created_by == student
    assert [record["output"] for record in records(dataset)] == [
        "Answer 1.",
        "Changed.",
        "Answer 3.",
    ]
    assert read_records(dataset.versions.get(number=1), limit=9) == THREE


def test_a_row_is_added_at_the_end_and_deleted_in_the_middle(student: User) -> None:
    dataset = make_dataset(student, records=THREE)
    extra = {"instruction": "New?", "output": "Yes, new."}
    assert add_row(student, dataset, extra, 1).change == {"code": "row_added", "row": 4}
    assert delete_row(student, dataset, 2, 2).change == {"code": "row_deleted", "row": 2}
    assert records(dataset) == [THREE[0], THREE[2], extra]


def test_undo_restores_the_version_before(student: User) -> None:
    dataset = make_dataset(student, records=THREE)
    delete_row(student, dataset, 1, 1)
    restored = restore_version(student, dataset, 1, 2)
    first = dataset.versions.get(number=1)
    assert (restored.number, restored.change) == (3, {"code": "restored", "number": 1})
    assert (restored.file, restored.digest) == (first.file, first.digest)
    assert restored.example_count == 3
    assert records(dataset) == THREE


@pytest.mark.parametrize("base_number", [0, 1, 3])
def test_only_the_newest_version_is_changed(base_number: int, student: User) -> None:
    dataset = make_dataset(student, records=THREE)
    change_row(student, dataset, 1, INSTRUCTION, 1)
    for act in (
        lambda: change_row(student, dataset, 1, INSTRUCTION, base_number),
        lambda: add_row(student, dataset, INSTRUCTION, base_number),
        lambda: delete_row(student, dataset, 1, base_number),
        lambda: restore_version(student, dataset, 1, base_number),
    ):
        with pytest.raises(ConflictError, match="changed elsewhere"):
            act()
    assert newest(dataset).number == 2


@pytest.mark.parametrize("number", [0, -1, 4])
def test_a_row_that_is_not_there_is_not_found(number: int, student: User) -> None:
    dataset = make_dataset(student, records=THREE)
    with pytest.raises(NotFoundError):
        change_row(student, dataset, number, INSTRUCTION, 1)
    with pytest.raises(NotFoundError):
        delete_row(student, dataset, number, 1)


def test_the_only_row_stays(student: User) -> None:
    with pytest.raises(ConflictError, match="only example"):
        delete_row(student, make_dataset(student), 1, 1)


def test_a_bad_record_is_told_by_its_number(student: User) -> None:
    dataset = make_dataset(student, records=THREE)
    with pytest.raises(InvalidInputError) as refused:
        change_row(student, dataset, 2, {"instruction": "Who?"}, 1)
    assert [(fault.line, fault.field) for fault in refused.value.faults] == [(2, "output")]
    assert newest(dataset).number == 1


def test_readers_change_nothing(student: User, shared: Dataset) -> None:
    for act in (
        lambda: change_row(student, shared, 1, INSTRUCTION, 1),
        lambda: add_row(student, shared, INSTRUCTION, 1),
        lambda: delete_row(student, shared, 1, 1),
        lambda: restore_version(student, shared, 1, 1),
    ):
        with pytest.raises(ForbiddenError):
            act()


def test_strangers_find_nothing(student: User, other_student: User) -> None:
    with pytest.raises(NotFoundError):
        change_row(student, make_dataset(other_student), 1, INSTRUCTION, 1)


def test_large_files_are_not_changed_here(student: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(editing, "MAX_EDITED_BYTES", 10)
    with pytest.raises(TooLargeError, match="upload it as a new version"):
        add_row(student, make_dataset(student), INSTRUCTION, 1)


def test_restoring_what_is_there_already_is_refused(student: User) -> None:
    dataset = make_dataset(student, records=THREE)
    delete_row(student, dataset, 3, 1)
    restore_version(student, dataset, 1, 2)
    with pytest.raises(ConflictError, match="nothing to restore"):
        restore_version(student, dataset, 1, 3)


# --- the pages --------------------------------------------------------------------------------------


def test_examples_offer_what_an_owner_may_do(signed_in: Client, student: User) -> None:
    dataset = make_dataset(student, records=THREE)
    page = signed_in.get(address("dataset_detail", dataset)).content.decode()
    for number in (1, 2, 3):
        assert address("example_edit", dataset, number) in page
        assert address("example_delete", dataset, number) in page
    assert address("example_add", dataset) in page


def test_readers_are_offered_a_copy_instead(signed_in: Client, shared: Dataset) -> None:
    page = signed_in.get(address("dataset_detail", shared)).content.decode()
    assert address("example_edit", shared, 1) not in page
    assert address("example_add", shared) not in page
    assert address("dataset_delete", shared) not in page
    assert address("dataset_fork", shared) in page


@pytest.mark.parametrize("name", ["example_edit", "example_add", "example_delete"])
def test_who_may_not_change_it_is_turned_away(
    name: str, signed_in: Client, client: Client, shared: Dataset, other_student: User
) -> None:
    numbers = () if name == "example_add" else (1,)
    private = make_dataset(other_student)
    assert signed_in.post(address(name, private, *numbers)).status_code == 404
    assert signed_in.post(address(name, shared, *numbers), {"base": 1}).status_code == 403
    response = client.post(address(name, shared, *numbers))
    assert response["Location"].startswith(reverse("account_login"))
    assert newest(shared).number == 1


@pytest.mark.parametrize(
    ("record", "field"),
    [(INSTRUCTION, "output"), (COMPLETION, "completion"), ({"text": "plain words"}, "text")],
)
def test_the_form_of_each_shape_saves_what_was_typed(
    record: dict[str, str], field: str, signed_in: Client, student: User
) -> None:
    dataset = make_dataset(student, records=[record, record | {field: "Other words."}])
    edit = address("example_edit", dataset, 1)
    form = signed_in.get(edit).context["form"]
    shown = {name: form[name].value() or "" for name in form.fields}
    assert {name: text for name, text in shown.items() if text} == record
    response = signed_in.post(edit, shown | {"base": 1, field: "Typed\r\nin two lines."})
    assert response["Location"] == (
        f"{address('dataset_detail', dataset)}?page=1&saved=2#example-1"
    )
    assert records(dataset)[0] == record | {field: "Typed\nin two lines."}


def test_fields_that_the_form_does_not_show_are_kept(signed_in: Client, student: User) -> None:
    record = INSTRUCTION | {"history": [["Earlier?", "Yes."]], "source": "letter"}
    dataset = make_dataset(student, records=[record])
    typed = {"base": 1, "instruction": "Who now?", "output": "Nobody.", "input": "", "system": ""}
    signed_in.post(address("example_edit", dataset, 1), typed)
    assert records(dataset) == [record | {"instruction": "Who now?", "output": "Nobody."}]


def test_line_ends_of_untouched_fields_stay(signed_in: Client, student: User) -> None:
    record = {"instruction": "One\r\ntwo", "output": "Answer."}
    dataset = make_dataset(student, records=[record])
    typed = {"base": 1, "instruction": "One\r\ntwo", "output": "Other answer."}
    signed_in.post(address("example_edit", dataset, 1), typed)
    stored = records(dataset)[0]["instruction"]
    first = read_records(dataset.versions.get(number=1), limit=1)[0]["instruction"]
    assert stored == first


@pytest.mark.parametrize("empty", [{}, {"input": None}, {"input": "", "system": ""}])
def test_an_unchanged_example_makes_no_version(
    empty: dict[str, Any], signed_in: Client, student: User
) -> None:
    dataset = make_dataset(student, records=[THREE[0] | empty])
    typed = THREE[0] | {"base": 1, "input": "", "system": ""}
    response = signed_in.post(address("example_edit", dataset, 1), typed, follow=True)
    assert "Nothing was changed" in response.content.decode()
    assert newest(dataset).number == 1


def test_the_saved_page_offers_to_undo(signed_in: Client, student: User) -> None:
    dataset = make_dataset(student, records=THREE)
    saved = signed_in.post(
        address("example_edit", dataset, 2), THREE[1] | {"output": "Changed.", "base": 1}
    )
    page = signed_in.get(saved["Location"]).content.decode()
    restore = address("dataset_restore", dataset, 1)
    assert "Example 2 was changed." in page
    assert restore in page
    undone = signed_in.post(restore, {"base": 2})
    assert undone["Location"].endswith("?saved=3")
    assert "Version 1 was restored." in signed_in.get(undone["Location"]).content.decode()
    assert records(dataset) == THREE


def test_undo_after_somebody_elses_change_is_refused(signed_in: Client, student: User) -> None:
    dataset = make_dataset(student, records=THREE)
    delete_row(student, dataset, 1, 1)
    add_row(student, dataset, INSTRUCTION, 2)
    response = signed_in.post(address("dataset_restore", dataset, 1), {"base": 2}, follow=True)
    assert "changed elsewhere" in response.content.decode()
    assert newest(dataset).number == 3


def test_an_example_is_added_and_shown_where_it_stands(signed_in: Client, student: User) -> None:
    dataset = make_dataset(student, records=THREE * 4)
    response = signed_in.post(
        address("example_add", dataset),
        {"base": 1, "instruction": "New?", "output": "Very new.", "input": "", "system": ""},
    )
    assert response["Location"].endswith("?page=2&saved=2#example-13")
    assert records(dataset)[-1] == {"instruction": "New?", "output": "Very new."}


def test_completions_are_added_in_either_shape(signed_in: Client, student: User) -> None:
    dataset = make_dataset(student, records=[COMPLETION])
    add = address("example_add", dataset)
    assert list(signed_in.get(add).context["form"].fields) == ["prompt", "completion"]
    assert list(signed_in.get(f"{add}?shape=text").context["form"].fields) == ["text"]
    signed_in.post(f"{add}?shape=text", {"base": 1, "text": " a leading space"})
    assert records(dataset) == [COMPLETION, {"text": " a leading space"}]


def test_an_example_is_deleted_at_once(signed_in: Client, student: User) -> None:
    dataset = make_dataset(student, records=THREE)
    response = signed_in.post(address("example_delete", dataset, 3), {"base": 1})
    assert response["Location"].endswith("?page=1&saved=2#example-2")
    assert "Example 3 was deleted." in signed_in.get(response["Location"]).content.decode()
    assert records(dataset) == THREE[:2]


def test_deleting_from_an_old_page_says_so(signed_in: Client, student: User) -> None:
    dataset = make_dataset(student, records=THREE)
    add_row(student, dataset, INSTRUCTION, 1)
    response = signed_in.post(address("example_delete", dataset, 1), {"base": 1}, follow=True)
    assert "changed elsewhere" in response.content.decode()
    assert len(records(dataset)) == 4


def test_bad_input_is_told_at_its_field_and_kept(signed_in: Client, student: User) -> None:
    dataset = make_dataset(student, records=THREE)
    typed = {"base": 1, "instruction": "Still here", "output": "  ", "input": "", "system": ""}
    edit = address("example_edit", dataset, 2)
    page = signed_in.post(edit, typed)
    assert page.status_code == 422
    assert page.context["form"].errors["output"]
    assert "Still here" in page.content.decode()
    fragment = signed_in.post(edit, typed, headers=HTMX)
    assert fragment.status_code == 422
    assert fragment.content.decode().lstrip().startswith("<form")
    assert signed_in.post(edit, {"base": 1}).context["form"].errors.keys() == {
        "instruction",
        "output",
    }


def test_a_stale_form_keeps_what_was_typed_and_can_be_saved_again(
    signed_in: Client, student: User
) -> None:
    dataset = make_dataset(student, records=THREE)
    add_row(student, dataset, INSTRUCTION, 1)
    typed = THREE[0] | {"output": "Typed for long.", "base": 1}
    edit = address("example_edit", dataset, 1)
    page = signed_in.post(edit, typed)
    assert page.status_code == 409
    assert "Typed for long." in page.content.decode()
    assert page.context["draft"].base == 2
    assert signed_in.post(edit, typed, headers=HTMX).status_code == 422
    assert signed_in.post(edit, typed | {"base": 2}).status_code == 302
    assert records(dataset)[0]["output"] == "Typed for long."


def test_a_stale_form_never_overwrites_another_example(signed_in: Client, student: User) -> None:
    dataset = make_dataset(student, records=THREE)
    delete_row(student, dataset, 1, 1)
    typed = THREE[0] | {"output": "Typed for the first.", "base": 1}
    page = signed_in.post(address("example_edit", dataset, 1), typed)
    assert page.status_code == 409
    assert page.context["draft"].base == 1
    assert "Typed for the first." in page.content.decode()
    assert "Copy it" in page.content.decode()
    assert records(dataset) == THREE[1:]


def test_a_stale_new_example_can_be_saved_again(signed_in: Client, student: User) -> None:
    dataset = make_dataset(student, records=THREE)
    delete_row(student, dataset, 1, 1)
    page = signed_in.post(address("example_add", dataset), INSTRUCTION | {"base": 1})
    assert (page.status_code, page.context["draft"].base) == (409, 2)


def test_an_example_that_is_not_there_is_not_found(signed_in: Client, student: User) -> None:
    dataset = make_dataset(student)
    for number in (0, 2, 10**30):
        assert signed_in.get(address("example_edit", dataset, number)).status_code == 404


def test_large_datasets_say_how_to_change_them(
    signed_in: Client, student: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("datasets_app.services.editing.MAX_EDITED_BYTES", 10)
    monkeypatch.setattr("datasets_app.views.reading.MAX_EDITED_BYTES", 10)
    dataset = make_dataset(student)
    page = signed_in.get(address("example_edit", dataset, 1), follow=True).content.decode()
    assert "upload it as a new version" in page
    assert address("example_edit", dataset, 1) not in page


# --- chats ------------------------------------------------------------------------------------------


def chat_fields(*turns: tuple[str, str, str], base: int = 1) -> dict[str, Any]:
    """The fields of a sent chat form: role, content and origin of each turn."""
    fields: dict[str, Any] = {"base": base, "turns": len(turns)}
    for place, turn in enumerate(turns):
        for name, value in zip(("role", "content", "origin"), turn, strict=True):
            fields[f"turn-{place}-{name}"] = value
    return fields


def test_a_chat_is_saved_turn_by_turn(signed_in: Client, student: User) -> None:
    chat = {"messages": [*CHAT["messages"], {"role": "assistant", "content": "B", "weight": 0}]}
    dataset = make_dataset(student, records=[chat | {"topic": "library"}])
    response = signed_in.post(
        address("example_edit", dataset, 1),
        chat_fields(
            ("user", "Open?", "0"), ("assistant", "No.\r\nSorry.", "1"), ("assistant", "B", "2")
        ),
    )
    assert response.status_code == 302
    assert records(dataset) == [
        {
            "messages": [
                {"role": "user", "content": "Open?"},
                {"role": "assistant", "content": "No.\nSorry."},
                {"role": "assistant", "content": "B", "weight": 0},
            ],
            "topic": "library",
        }
    ]


def test_turns_are_added_and_removed_without_saving(signed_in: Client, student: User) -> None:
    dataset = make_dataset(student, records=[CHAT])
    edit = address("example_edit", dataset, 1)
    turns = (("user", "Open?", "0"), ("assistant", "No.", "1"))
    added = signed_in.post(edit, chat_fields(*turns) | {"add_turn": "turn"}, headers=HTMX)
    page = added.content.decode()
    assert added.status_code == 200
    assert page.lstrip().startswith("<form")
    assert 'name="turn-2-content"' in page
    assert page.count("autofocus") == 1
    assert "No." in page
    removed = signed_in.post(edit, chat_fields(*turns) | {"remove_turn": "0"})
    values = [
        (turn["role"].value(), turn["content"].value(), turn["origin"].value())
        for turn in removed.context["form"].turns
    ]
    assert values == [("assistant", "No.", "1")]
    assert newest(dataset).number == 1


def test_a_new_turn_continues_the_conversation(signed_in: Client, student: User) -> None:
    dataset = make_dataset(student, records=[CHAT])
    add = address("example_add", dataset)
    roles = [turn["role"].value() for turn in signed_in.get(add).context["form"].turns]
    assert roles == ["user", "assistant"]
    for last, expected in (("user", "assistant"), ("assistant", "user"), ("system", "user")):
        fields = chat_fields((last, "Words.", "")) | {"add_turn": "turn"}
        form = signed_in.post(add, fields).context["form"]
        assert form.turns[-1]["role"].value() == expected


def test_a_chat_without_an_answer_is_refused(signed_in: Client, student: User) -> None:
    dataset = make_dataset(student, records=[CHAT])
    page = signed_in.post(address("example_add", dataset), chat_fields(("user", "Open?", "")))
    assert page.status_code == 422
    assert 'role="alert"' in page.content.decode()
    assert "Open?" in page.content.decode()


def test_an_empty_turn_is_told_at_its_field(signed_in: Client, student: User) -> None:
    dataset = make_dataset(student, records=[CHAT])
    fields = chat_fields(("user", "", ""), ("robot", "Hm.", ""))
    page = signed_in.post(address("example_add", dataset), fields)
    assert page.status_code == 422
    errors = [set(turn.errors) for turn in page.context["form"].turns]
    assert errors == [{"content"}, {"role"}]


def test_turns_have_a_limit(signed_in: Client, student: User) -> None:
    long_chat = {
        "messages": [
            {"role": "assistant" if place % 2 else "user", "content": f"Turn {place}."}
            for place in range(MAX_TURNS + 2)
        ]
    }
    dataset = make_dataset(student, records=[long_chat])
    response = signed_in.get(address("example_edit", dataset, 1), follow=True)
    assert "too many for this form" in response.content.decode()
    full = chat_fields(*(("user", "x", "") for _ in range(MAX_TURNS)))
    form = signed_in.post(address("example_add", dataset), full | {"add_turn": "turn"}).context[
        "form"
    ]
    assert len(form.turns) == MAX_TURNS


@pytest.mark.parametrize("turns", ["", "x", "-1", "9999999", "٣"])
def test_a_wrong_number_of_turns_is_no_error(turns: str, signed_in: Client, student: User) -> None:
    dataset = make_dataset(student, records=[CHAT])
    response = signed_in.post(address("example_add", dataset), {"base": 1, "turns": turns})
    assert response.status_code == 422
