"""Rows of a class dataset: offered, withdrawn, reviewed and saved as versions, each once however often one clicks."""

from __future__ import annotations

from collections.abc import Callable
from uuid import uuid4

import pytest
from django.conf import LazySettings
from django.core.files.storage import default_storage
from django.test import Client
from django.urls import reverse

from accounts.models import Cohort, User
from common.errors import ConflictError, InvalidInputError
from datasets_app.models import Contribution, Dataset
from datasets_app.quotas import QuotaError
from datasets_app.selectors import latest_version, read_records
from datasets_app.services.class_rows import (
    MAX_WAITING_ROWS,
    accept_rows,
    add_row,
    reject_rows,
    reopen_row,
    save_accepted_rows,
    withdraw_row,
)
from datasets_app.sharing.audience import ONLY_OWNER
from datasets_app.sharing.contributions import waiting_page
from datasets_app.tests.classroom import join, make_class_dataset, make_cohort, offer, share
from datasets_app.tests.factories import CHAT, COMPLETION, INSTRUCTION, make_dataset

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true", "HX-Target": "class-rows"}
SignIn = Callable[[User], Client]


@pytest.fixture
def cohort(student: User, other_student: User, instructor: User) -> Cohort:
    cohort = make_cohort(student=student, instructor=instructor)
    join(cohort, other_student)
    return cohort


@pytest.fixture
def dataset(instructor: User, cohort: Cohort) -> Dataset:
    return make_class_dataset(instructor, cohort)


def rows_page(dataset: Dataset) -> str:
    return reverse("datasets:class_rows", args=[dataset.pk])


def review_page(dataset: Dataset) -> str:
    return reverse("datasets:class_rows_review", args=[dataset.pk])


def save_page(dataset: Dataset) -> str:
    return reverse("datasets:class_rows_save", args=[dataset.pk])


def withdraw_page(row: Contribution) -> str:
    return reverse("datasets:class_row_withdraw", args=[row.dataset_id, row.pk])


def records_of_latest(dataset: Dataset) -> list[dict]:
    return read_records(latest_version(Dataset.objects.get(pk=dataset.pk)), limit=100)


class TestAdding:
    @pytest.mark.parametrize(
        ("kind", "record"),
        [
            ("instruction", {"instruction": "Q", "output": "A"}),
            (
                "chat",
                {
                    "messages": [
                        {"role": "user", "content": "Q"},
                        {"role": "assistant", "content": "A"},
                    ]
                },
            ),
            ("completion", {"prompt": "Q", "completion": " A\nB"}),
        ],
    )
    def test_a_row_has_the_shape_of_the_dataset(
        self,
        kind: str,
        record: dict,
        student: User,
        instructor: User,
        cohort: Cohort,
        client_of: SignIn,
    ) -> None:
        dataset = make_class_dataset(instructor, cohort, dataset_type=kind)
        answer = " A\r\nB" if kind == "completion" else "\nA "
        response = client_of(student).post(
            rows_page(dataset), {"question": "Q", "answer": answer}, follow=True
        )
        assert "waits for its review" in response.content.decode()
        row = Contribution.objects.get()
        assert (row.record, row.state, row.author) == (record, "waiting", student)

    def test_htmx_gets_the_rows_only(
        self, student: User, dataset: Dataset, client_of: SignIn
    ) -> None:
        response = client_of(student).post(
            rows_page(dataset), {"question": "Who?", "answer": "We."}, headers=HTMX
        )
        page = response.content.decode()
        assert response.status_code == 200
        assert page.lstrip().startswith('<div class="stack" id="class-rows"')
        assert "Your row is saved" in response["HX-Trigger"]
        assert "We." in page

    @pytest.mark.parametrize("headers", [{}, HTMX])
    @pytest.mark.parametrize(
        ("texts", "field"),
        [
            ({"question": "", "answer": "A"}, "question"),
            ({"question": "Q", "answer": "  \n "}, "answer"),
            ({"question": "Q\x00", "answer": "A"}, "question"),
            ({"question": "Q", "answer": "あ" * 22_000}, "answer"),
        ],
    )
    def test_a_bad_text_is_told_at_its_field(
        self,
        texts: dict[str, str],
        field: str,
        headers: dict[str, str],
        student: User,
        dataset: Dataset,
        client_of: SignIn,
    ) -> None:
        response = client_of(student).post(rows_page(dataset), texts, headers=headers)
        assert response.status_code == 422
        assert list(response.context["form"].errors) == [field]
        assert ("<html" in response.content.decode()) is not bool(headers)
        assert not Contribution.objects.exists()

    @pytest.mark.parametrize(
        ("question", "answer", "field"),
        [(" ", "A", "question"), ("Q", "\ud83d", "answer"), ("Q", "a\x00", "answer")],
    )
    def test_the_service_checks_by_itself(
        self, question: str, answer: str, field: str, student: User, dataset: Dataset
    ) -> None:
        with pytest.raises(InvalidInputError) as caught:
            add_row(student, dataset, question=question, answer=answer)
        assert [fault.field for fault in caught.value.faults] == [field]

    def test_the_same_row_twice_is_one_while_it_waits(
        self, student: User, other_student: User, dataset: Dataset
    ) -> None:
        first, second = offer(student, dataset), offer(student, dataset)
        assert first == second
        assert offer(other_student, dataset) != first
        assert Contribution.objects.count() == 2

    def test_at_most_50_rows_of_one_person_wait(
        self, student: User, other_student: User, dataset: Dataset, client_of: SignIn
    ) -> None:
        for number in range(MAX_WAITING_ROWS):
            offer(student, dataset, number)
        with pytest.raises(ConflictError, match="50 rows of yours are waiting"):
            offer(student, dataset, 50)
        offer(other_student, dataset, 50)
        texts = {"question": "One more?", "answer": "No."}
        for headers, status in (({}, 409), (HTMX, 422)):
            response = client_of(student).post(rows_page(dataset), texts, headers=headers)
            assert response.status_code == status
            assert "50 rows of yours" in response.content.decode()
            assert "One more?" in response.content.decode()

    def test_a_plain_dataset_takes_no_rows(
        self, instructor: User, cohort: Cohort, client_of: SignIn
    ) -> None:
        dataset = make_dataset(instructor)
        for method in ("get", "post"):
            assert getattr(client_of(instructor), method)(rows_page(dataset)).status_code == 404

    def test_an_unshared_class_dataset_takes_none_either(
        self, student: User, instructor: User, dataset: Dataset, client_of: SignIn
    ) -> None:
        share(dataset, ONLY_OWNER)
        page = client_of(instructor).get(rows_page(dataset)).content.decode()
        assert "Nobody adds rows now" in page
        assert client_of(student).get(rows_page(dataset)).status_code == 404
        response = client_of(instructor).post(rows_page(dataset), {"question": "Q", "answer": "A"})
        assert response.status_code == 403


class TestOwnRows:
    def test_a_student_sees_their_own_rows_only(
        self, student: User, other_student: User, dataset: Dataset, client_of: SignIn
    ) -> None:
        offer(student, dataset, 1)
        offer(other_student, dataset, 2)
        page = client_of(student).get(rows_page(dataset)).content.decode()
        assert "Answer 1." in page
        assert "Answer 2." not in page
        assert "review-chosen" not in page

    def test_state_and_reason_are_shown(
        self, student: User, instructor: User, dataset: Dataset, client_of: SignIn
    ) -> None:
        reject_rows(instructor, dataset, [offer(student, dataset).pk], reason="No <b>names</b>.")
        accept_rows(instructor, dataset, [offer(student, dataset, 2).pk])
        save_accepted_rows(instructor, dataset)
        page = client_of(student).get(rows_page(dataset)).content.decode()
        assert "No &lt;b&gt;names&lt;/b&gt;." in page
        assert "In version 2" in page

    def test_a_waiting_row_is_withdrawn_once(
        self, student: User, dataset: Dataset, client_of: SignIn
    ) -> None:
        row, client = offer(student, dataset), client_of(student)
        first = client.post(withdraw_page(row), follow=True).content.decode()
        second = client.post(withdraw_page(row), follow=True).content.decode()
        assert "Your row is withdrawn." in first
        assert "does not wait any more" in second
        assert not Contribution.objects.exists()

    def test_others_rows_and_decided_ones_stay(
        self, student: User, other_student: User, instructor: User, dataset: Dataset
    ) -> None:
        row = offer(student, dataset)
        assert not withdraw_row(other_student, dataset, row.pk)
        accept_rows(instructor, dataset, [row.pk])
        assert not withdraw_row(student, dataset, row.pk)
        assert Contribution.objects.get().state == "accepted"

    @pytest.mark.parametrize("page", [withdraw_page, lambda row: save_page(row.dataset)])
    def test_changes_take_post_only(
        self,
        page: Callable[[Contribution], str],
        student: User,
        dataset: Dataset,
        client_of: SignIn,
    ) -> None:
        row = offer(student, dataset)
        assert client_of(student).get(page(row)).status_code == 405


class TestReview:
    def test_leaders_see_all_waiting_rows_with_their_authors(
        self,
        student: User,
        other_student: User,
        instructor: User,
        dataset: Dataset,
        client_of: SignIn,
    ) -> None:
        offer(student, dataset, 1)
        offer(other_student, dataset, 2)
        page = client_of(instructor).get(rows_page(dataset)).content.decode()
        for text in ("Answer 1.", "Answer 2.", "aiko", "ben", "2 rows wait for their review"):
            assert text in page

    def test_an_observer_looks_and_has_no_buttons(
        self, student: User, cohort: Cohort, dataset: Dataset, client_of: SignIn
    ) -> None:
        offer(student, dataset)
        join(cohort, watcher := User.objects.create_user("eri"), "observer")
        page = client_of(watcher).get(rows_page(dataset)).content.decode()
        assert "Answer 1." in page
        for control in ("review-chosen", 'value="accept"', 'name="question"', "rows/save/"):
            assert control not in page

    def test_several_rows_are_accepted_at_once_and_only_once(
        self, student: User, instructor: User, dataset: Dataset, client_of: SignIn
    ) -> None:
        rows = [offer(student, dataset, number) for number in range(3)]
        sent = {"action": "accept", "row": [row.pk for row in rows[:2]]}
        client = client_of(instructor)
        first = client.post(review_page(dataset), sent, follow=True).content.decode()
        again = client.post(review_page(dataset), sent, follow=True).content.decode()
        assert "2 rows are accepted." in first
        assert "0 rows are accepted. 2 were decided or withdrawn before." in again
        states = dict(Contribution.objects.values_list("pk", "state"))
        assert [states[row.pk] for row in rows] == ["accepted", "accepted", "waiting"]

    def test_the_first_decision_counts(
        self, student: User, instructor: User, dataset: Dataset
    ) -> None:
        row = offer(student, dataset)
        assert reject_rows(instructor, dataset, [row.pk], reason=" too \n short ") == 1
        assert accept_rows(instructor, dataset, [row.pk]) == 0
        row.refresh_from_db()
        assert (row.state, row.reason, row.reviewer) == ("rejected", "too short", instructor)
        assert row.reviewed_at is not None

    @pytest.mark.parametrize(
        ("sent", "sentence"),
        [
            ({"action": "reject", "reason": "  "}, "Write a reason"),
            ({"action": "reject", "reason": "x" * 301}, "at most 300 characters"),
            ({"action": "accept", "row": []}, "No row is chosen."),
            ({"action": "accept", "row": ["nonsense"]}, "No row is chosen."),
        ],
    )
    def test_an_unclear_decision_is_told_and_the_ticks_are_kept(
        self,
        sent: dict,
        sentence: str,
        student: User,
        instructor: User,
        dataset: Dataset,
        client_of: SignIn,
    ) -> None:
        row = offer(student, dataset)
        for headers in ({}, HTMX):
            response = client_of(instructor).post(
                review_page(dataset), {"row": [row.pk]} | sent, headers=headers
            )
            page = response.content.decode()
            assert response.status_code == 422
            assert sentence in page
            assert (" checked" in page) is ("row" not in sent)
        row.refresh_from_db()
        assert row.state == "waiting"

    def test_an_unknown_action_is_not_found(
        self, instructor: User, dataset: Dataset, client_of: SignIn
    ) -> None:
        response = client_of(instructor).post(review_page(dataset), {"action": "burn"})
        assert response.status_code == 404

    def test_rows_of_another_dataset_are_not_touched(
        self, student: User, instructor: User, cohort: Cohort, dataset: Dataset
    ) -> None:
        row = offer(student, make_class_dataset(instructor, cohort, name="Other"))
        assert accept_rows(instructor, dataset, [row.pk, uuid4()]) == 0

    def test_an_accepted_row_is_reviewed_again_until_it_is_in_a_version(
        self, student: User, instructor: User, dataset: Dataset, client_of: SignIn
    ) -> None:
        row, client = offer(student, dataset), client_of(instructor)
        accept_rows(instructor, dataset, [row.pk])
        sent = {"action": "reopen", "row": row.pk}
        page = client.post(review_page(dataset), sent, follow=True).content.decode()
        assert "The row waits for its review again." in page
        accept_rows(instructor, dataset, [row.pk])
        save_accepted_rows(instructor, dataset)
        assert not reopen_row(instructor, dataset, row.pk)

    def test_copies_are_marked_the_first_offer_is_not(
        self, student: User, other_student: User, instructor: User, dataset: Dataset
    ) -> None:
        first = offer(student, dataset)
        second = offer(other_student, dataset)
        known = add_row(
            student,
            dataset,
            question=INSTRUCTION["instruction"],
            answer=INSTRUCTION["output"],
        )
        marks = {shown.row.pk: shown.is_copy for shown in waiting_page(dataset, None)}
        assert marks == {first.pk: False, second.pk: True, known.pk: True}
        reject_rows(instructor, dataset, [first.pk], reason="no")
        marks = {shown.row.pk: shown.is_copy for shown in waiting_page(dataset, None)}
        assert marks == {second.pk: False, known.pk: True}

    def test_a_lost_file_does_not_stop_the_review(
        self, student: User, instructor: User, dataset: Dataset, client_of: SignIn
    ) -> None:
        offer(student, dataset)
        default_storage.delete(latest_version(dataset).file)
        assert client_of(instructor).get(rows_page(dataset)).status_code == 200

    def test_a_keyboard_goes_on_at_the_next_row(
        self, student: User, instructor: User, dataset: Dataset, client_of: SignIn
    ) -> None:
        rows = [offer(student, dataset, number) for number in range(3)]
        client = client_of(instructor)
        for decided, following in ((rows[1], rows[2]), (rows[2], rows[0]), (rows[0], None)):
            sent = {"action": "accept", "row": decided.pk}
            page = client.post(review_page(dataset), sent, headers=HTMX).content.decode()
            assert page.count("autofocus") == 1
            before = page.split("autofocus")[0]
            if following is None:
                assert before.endswith('<h2 id="waiting-title" tabindex="-1" ')
            else:
                assert f'value="{following.pk}"' in before[-400:]

    def test_a_decision_stays_on_its_page(
        self, student: User, instructor: User, dataset: Dataset, client_of: SignIn
    ) -> None:
        rows = [offer(student, dataset, number) for number in range(23)]
        client, sent = client_of(instructor), {"action": "accept", "row": rows[22].pk}
        address = f"{review_page(dataset)}?page=2"
        assert client.post(address, sent)["Location"] == f"{rows_page(dataset)}?page=2"
        page = client.post(address, sent, headers=HTMX).content.decode()
        assert "Answer 21." in page
        assert "Answer 1." not in page

    def test_waiting_rows_come_page_by_page(
        self, student: User, instructor: User, dataset: Dataset, client_of: SignIn
    ) -> None:
        for number in range(21):
            offer(student, dataset, number)
        client = client_of(instructor)
        assert "Answer 20." not in client.get(rows_page(dataset)).content.decode()
        assert "Answer 20." in client.get(f"{rows_page(dataset)}?page=2").content.decode()


class TestVersions:
    def test_accepted_rows_are_appended_in_their_order(
        self, student: User, other_student: User, instructor: User, dataset: Dataset
    ) -> None:
        rows = [offer(student, dataset, 1), offer(other_student, dataset, 2)]
        offer(student, dataset, 3)
        accept_rows(instructor, dataset, [row.pk for row in reversed(rows)])
        version = save_accepted_rows(instructor, dataset)
        assert version is not None
        assert (version.number, version.example_count) == (2, 3)
        assert version.change == {"code": "class_rows", "count": 2}
        assert version.created_by == instructor
        answers = [record["output"] for record in records_of_latest(dataset)]
        assert answers == [INSTRUCTION["output"], "Answer 1.", "Answer 2."]
        saved = Contribution.objects.filter(version=version)
        assert set(saved) == set(rows)

    def test_a_second_click_makes_no_second_version(
        self, student: User, instructor: User, dataset: Dataset, client_of: SignIn
    ) -> None:
        accept_rows(instructor, dataset, [offer(student, dataset).pk])
        client = client_of(instructor)
        first = client.post(save_page(dataset), follow=True).content.decode()
        second = client.post(save_page(dataset), follow=True).content.decode()
        assert "Version 2 is saved. It has 1 more example." in first
        assert "There is nothing to add" in second
        assert dataset.versions.count() == 2

    def test_what_was_cut_off_after_the_version_is_not_added_again(
        self, student: User, instructor: User, dataset: Dataset
    ) -> None:
        row = offer(student, dataset)
        accept_rows(instructor, dataset, [row.pk])
        version = save_accepted_rows(instructor, dataset)
        # As if the process had died before the row learned of its version.
        Contribution.objects.update(version=None)
        assert save_accepted_rows(instructor, dataset) is None
        row.refresh_from_db()
        assert row.version == version

    def test_the_same_texts_are_added_once(
        self, student: User, other_student: User, instructor: User, dataset: Dataset
    ) -> None:
        rows = [offer(student, dataset), offer(other_student, dataset)]
        accept_rows(instructor, dataset, [row.pk for row in rows])
        version = save_accepted_rows(instructor, dataset)
        assert version is not None
        assert version.example_count == 2
        assert version.change["count"] == 1
        assert Contribution.objects.filter(version=version).count() == 2

    @pytest.mark.parametrize(("kind", "given"), [("chat", CHAT), ("completion", COMPLETION)])
    def test_other_shapes_are_saved_too(
        self, kind: str, given: dict, student: User, instructor: User, cohort: Cohort
    ) -> None:
        dataset = make_class_dataset(instructor, cohort, dataset_type=kind)
        row = offer(student, dataset)
        accept_rows(instructor, dataset, [row.pk])
        save_accepted_rows(instructor, dataset)
        assert records_of_latest(dataset) == [given, row.record]

    def test_an_assistant_saves_into_the_owners_dataset(
        self, student: User, other_student: User, instructor: User, dataset: Dataset
    ) -> None:
        other_student.memberships.update(role="assistant")
        accept_rows(other_student, dataset, [offer(student, dataset).pk])
        version = save_accepted_rows(other_student, dataset)
        assert version is not None
        assert version.created_by == other_student

    def test_the_owners_and_the_cohorts_limits_hold(
        self,
        student: User,
        other_student: User,
        instructor: User,
        cohort: Cohort,
        dataset: Dataset,
        settings: LazySettings,
        client_of: SignIn,
    ) -> None:
        other_student.memberships.update(role="assistant")
        accept_rows(instructor, dataset, [offer(student, dataset).pk])
        Cohort.objects.update(dataset_quota_bytes=150)
        response = client_of(instructor).post(save_page(dataset), headers=HTMX)
        assert response.status_code == 422
        assert "The datasets shared with Class 2B" in response.content.decode()
        settings.USER_DATASET_BYTES = 150
        with pytest.raises(QuotaError, match="The datasets of chiyo, who owns this one"):
            save_accepted_rows(other_student, dataset)
        assert dataset.versions.count() == 1
        assert Contribution.objects.get().version is None

    def test_a_lost_file_is_told(
        self, student: User, instructor: User, dataset: Dataset, client_of: SignIn
    ) -> None:
        accept_rows(instructor, dataset, [offer(student, dataset).pk])
        default_storage.delete(latest_version(dataset).file)
        response = client_of(instructor).post(save_page(dataset))
        assert response.status_code == 503
        assert "missing on the server" in response.content.decode()
