"""A person's own words on a job: limits, locks, two windows at once, and the pages that hold them."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import User
from common.errors import ConflictError, Fault, InvalidInputError
from training.models import TrainingJob
from training.notebook.guessing import can_guess
from training.notebook.texts import text_version
from training.services.notes import read_name, read_note, read_tags
from training.services.organising import (
    ChangedMeanwhileError,
    Changes,
    add_tags,
    archive_jobs,
    organise,
)
from training.tests.factories import (
    make_completed_job,
    make_failed_job,
    make_running_job,
    make_training_job,
)

HTMX = {"HX-Request": "true"}
Sign = Callable[[User], Client]


@pytest.fixture
def signed_in(student: User, client_of: Sign) -> Client:
    return client_of(student)


def text_address(job: TrainingJob, field: str = "notes") -> str:
    return reverse("training:job_text", args=[job.pk, field])


def post_text(
    client: Client, job: TrainingJob, text: str, *, field: str = "notes", **changes: Any
) -> Any:
    values = {"text": text, "version": text_version(getattr(job, field))} | changes
    return client.post(text_address(job, field), values, headers=HTMX)


# --- what can be written --------------------------------------------------------------------------


def test_a_note_is_stored_in_one_form() -> None:
    faults: list[Fault] = []
    decomposed = unicodedata.normalize("NFD", "が é")
    assert read_note(f"  {decomposed}\r\nsecond\tline \u2028third\n", "notes", faults) == (
        "が é\nsecond\tline \nthird"
    )
    assert faults == []


@pytest.mark.parametrize("bad", ["\x00", "\x07", "\x1b[31m", "\ud83d", "\x85"])
def test_characters_that_no_database_takes_are_refused(bad: str) -> None:
    for field in ("notes", "prediction", "explanation"):
        faults: list[Fault] = []
        read_note(f"a{bad}b", field, faults)
        assert [fault.field for fault in faults] == [field]
    for read in (read_name, lambda text, found: read_tags([text], found)):
        faults = []
        read(f"a{bad}b", faults)
        # A line end is a space there.
        assert len(faults) == (0 if bad == "\x85" else 1)


@pytest.mark.parametrize(("field", "limit"), [("notes", 5000), ("explanation", 2000)])
def test_a_note_has_a_length(field: str, limit: int) -> None:
    faults: list[Fault] = []
    read_note("庭" * limit, field, faults)
    assert faults == []
    read_note("庭" * (limit + 1), field, faults)
    assert str(faults[0].message).startswith(f"The text is too long: {limit + 1} characters.")


def test_tags_are_single_words_of_a_person() -> None:
    faults: list[Fault] = []
    typed = ["  Garden , 庭、first  try,garden,,", "👩\u200d🌾"]
    assert read_tags(typed, faults) == ["Garden", "庭", "first try", "👩\u200d🌾"]
    assert faults == []


@pytest.mark.parametrize(
    ("tags", "sentence"),
    [
        ([str(number) for number in range(11)], "A job may have 10 tags at most."),
        (["x" * 41], "A tag may have 40 characters at most."),
        (["right\u202eto left"], "A tag holds characters that can not be seen."),
    ],
)
def test_tags_have_limits(tags: list[str], sentence: str) -> None:
    faults: list[Fault] = []
    read_tags(tags, faults)
    assert [str(fault.message).startswith(sentence) for fault in faults] == [True]


# --- changes --------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_only_what_is_asked_for_is_written() -> None:
    job, _lease = make_running_job(step_count=3)
    stale = TrainingJob.objects.get(pk=job.pk)
    TrainingJob.objects.filter(pk=job.pk).update(current_step=9, notes="newer")
    changed = organise(stale, Changes(is_starred=True, tags=["a"], name="  New\n name "))
    assert (changed.current_step, changed.notes) == (9, "newer")
    assert (changed.is_starred, changed.tags, changed.name) == (True, ["a"], "New name")


@pytest.mark.django_db
def test_all_faults_are_told_and_nothing_is_changed() -> None:
    job = make_training_job()
    changes = Changes(name=" ", notes="x" * 5001, tags=["y" * 41], is_starred=True)
    with pytest.raises(InvalidInputError) as refused:
        organise(job, changes)
    assert {fault.field for fault in refused.value.faults} == {"name", "notes", "tags"}
    job.refresh_from_db()
    assert not job.is_starred


@pytest.mark.django_db
def test_a_text_that_was_changed_meanwhile_is_not_replaced() -> None:
    job = make_training_job(notes="begin")
    before = {"notes": text_version("begin")}
    organise(job, Changes(notes="first", before=before))
    with pytest.raises(ChangedMeanwhileError) as conflict:
        organise(job, Changes(notes="second", is_starred=True, before=before))
    assert conflict.value.current == "first"
    job.refresh_from_db()
    assert (job.notes, job.is_starred) == ("first", False)
    # The same text is no conflict: a double click saves once.
    assert organise(job, Changes(notes="first", before=before)).notes == "first"


@pytest.mark.django_db
def test_a_guess_is_open_until_the_first_step_was_measured() -> None:
    waiting = make_training_job()
    assert organise(waiting, Changes(prediction="0.5")).prediction == "0.5"
    preparing, _lease = make_running_job()
    TrainingJob.objects.filter(pk=preparing.pk).update(baseline_loss=3.2)
    assert organise(preparing, Changes(prediction="1")).prediction == "1"
    # Read before the step, written after it.
    TrainingJob.objects.filter(pk=preparing.pk).update(current_step=1, loss=2.0)
    with pytest.raises(ConflictError, match="The first step was measured"):
        organise(preparing, Changes(prediction="2"))
    assert organise(preparing, Changes(prediction="1", notes="x")).notes == "x"


@pytest.mark.django_db
def test_a_lost_attempt_does_not_open_the_guess_again() -> None:
    job, _lease = make_running_job(step_count=5)
    TrainingJob.objects.filter(pk=job.pk).update(current_step=0)
    job.refresh_from_db()
    assert not can_guess(job)
    with pytest.raises(ConflictError):
        organise(job, Changes(prediction="now I know"))


@pytest.mark.django_db
def test_a_job_that_ended_before_its_first_step_has_nothing_to_guess() -> None:
    job = make_training_job(status=TrainingJob.Status.CANCELLED)
    with pytest.raises(ConflictError, match="The job is over"):
        organise(job, Changes(prediction="0.5"))


@pytest.mark.django_db
def test_archiving_twice_keeps_the_first_moment() -> None:
    job = organise(make_training_job(), Changes(is_archived=True))
    first = job.archived_at
    assert first is not None
    assert organise(job, Changes(is_archived=True)).archived_at == first
    assert organise(job, Changes(is_archived=False)).archived_at is None


@pytest.mark.django_db
def test_many_jobs_are_archived_and_tagged_at_once(student: User) -> None:
    jobs = [make_training_job(student, tags=["old"]), make_training_job(student, tags=["new"])]
    assert archive_jobs(jobs, is_archived=True) == 2
    assert archive_jobs(jobs[:1], is_archived=True) == 0
    assert archive_jobs(jobs[:1], is_archived=False) == 1
    assert add_tags(jobs, ["new, 庭"]) == 2
    assert add_tags(jobs, ["NEW"]) == 0
    assert [TrainingJob.objects.get(pk=job.pk).tags for job in jobs] == [
        ["old", "new", "庭"],
        ["new", "庭"],
    ]


@pytest.mark.django_db
def test_a_tag_too_many_for_one_job_is_given_to_none(student: User) -> None:
    full = make_training_job(student, tags=[str(number) for number in range(10)])
    room = make_training_job(student)
    with pytest.raises(InvalidInputError):
        add_tags([room, full], ["eleventh"])
    with pytest.raises(InvalidInputError, match="Nothing was changed"):
        add_tags([room], [" , "])
    room.refresh_from_db()
    assert room.tags == []


# --- pages ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["notebook", "tags", "star", "archive", "text"])
def test_the_notebook_of_somebody_else_is_not_there(
    signed_in: Client, client: Client, other_student: User, name: str
) -> None:
    job = make_training_job(other_student)
    arguments = [job.pk, "notes"] if name == "text" else [job.pk]
    address = reverse(f"training:job_{name}", args=arguments)
    for person, status in ((signed_in, 404), (client, 302)):
        method = person.get if name == "notebook" else person.post
        assert method(address, {"text": "mine now", "is_starred": "1"}).status_code == status
    job.refresh_from_db()
    assert (job.notes, job.is_starred) == ("", False)


def test_the_page_of_a_job_holds_its_notebook(signed_in: Client, student: User) -> None:
    job = make_training_job(student, notes="<b>bold</b>\nsecond", tags=["<i>"], prediction="low")
    page = signed_in.get(reverse("training:job_detail", args=[job.pk])).content.decode()
    assert "&lt;b&gt;bold&lt;/b&gt;\nsecond</textarea>" in page
    assert "<b>bold" not in page
    assert "tag=%3Ci%3E" in page
    assert 'id="job-prediction-text"' in page
    assert 'id="job-explanation-text"' not in page


def test_a_leading_line_break_of_a_text_stays(signed_in: Client, student: User) -> None:
    """A browser drops the first line break of a text area, so the page writes one of its own."""
    job = make_training_job(student, notes="a")
    page = signed_in.get(reverse("training:job_notebook", args=[job.pk])).content.decode()
    assert ">\na</textarea>" in page


def test_notes_are_saved_and_answer_with_their_form(signed_in: Client, student: User) -> None:
    job = make_training_job(student)
    answer = post_text(signed_in, job, "first\r\nsecond")
    page = answer.content.decode()
    assert answer.status_code == 200
    assert page.count("<form") == 1
    assert "Saved." in page
    assert f'value="{text_version(chr(10).join(["first", "second"]))}"' in page
    job.refresh_from_db()
    assert job.notes == "first\nsecond"


def test_a_text_that_is_too_long_comes_back_whole(signed_in: Client, student: User) -> None:
    job = make_training_job(student)
    answer = post_text(signed_in, job, "z" * 5001)
    assert answer.status_code == 422
    page = answer.content.decode()
    assert "z" * 5001 in page
    assert 'aria-invalid="true"' in page
    assert "The text is too long: 5001 characters." in page


def test_two_windows_show_both_texts_and_the_person_chooses(
    signed_in: Client, student: User
) -> None:
    job = make_training_job(student)
    assert post_text(signed_in, job, "from the first window").status_code == 200
    answer = post_text(signed_in, job, "from the second window")
    page = answer.content.decode()
    assert answer.status_code == 422
    assert "changed elsewhere while you were writing" in page
    assert "from the first window" in page
    assert "from the second window</textarea>" in page
    # Saving once more replaces the other text knowingly.
    version = text_version("from the first window")
    assert f'value="{version}"' in page
    discarded = post_text(signed_in, job, "from the second window", discard="1").content.decode()
    assert "from the first window</textarea>" in discarded
    assert post_text(signed_in, job, "both", version=version).status_code == 200
    job.refresh_from_db()
    assert job.notes == "both"


def test_without_scripts_the_forms_lead_back_to_the_job(signed_in: Client, student: User) -> None:
    job = make_training_job(student)
    page = reverse("training:job_detail", args=[job.pk])
    values = {"text": "noted", "version": text_version("")}
    assert signed_in.post(text_address(job), values).url == f"{page}#job-notes"
    refused = signed_in.post(text_address(job), values | {"text": "other"})
    assert refused.status_code == 422
    assert "<html" in refused.content.decode()
    tags = reverse("training:job_tags", args=[job.pk])
    assert signed_in.post(tags, {"tags": "a, b"}).url == f"{page}#job-tags"
    too_long = signed_in.post(tags, {"tags": "x" * 41})
    assert too_long.status_code == 422
    assert "<html" in too_long.content.decode()
    for name, field in (("star", "is_starred"), ("archive", "is_archived")):
        address = reverse(f"training:job_{name}", args=[job.pk])
        assert signed_in.post(address, {field: "1"}).url == page
        elsewhere = {field: "1", "next": "https://elsewhere.example/"}
        assert signed_in.post(address, elsewhere).url == page
    job.refresh_from_db()
    assert (job.notes, job.tags, job.is_starred) == ("noted", ["a", "b"], True)
    assert job.archived_at is not None


def test_star_tags_and_archive_answer_with_themselves(signed_in: Client, student: User) -> None:
    job = make_training_job(student)
    star = reverse("training:job_star", args=[job.pk])
    answer = signed_in.post(star, {"is_starred": "1"}, headers=HTMX).content.decode()
    assert 'aria-pressed="true"' in answer
    assert 'name="is_starred" value="0"' in answer
    tags = reverse("training:job_tags", args=[job.pk])
    refused = signed_in.post(tags, {"tags": "x" * 41}, headers=HTMX)
    assert refused.status_code == 422
    assert 'aria-invalid="true"' in refused.content.decode()
    answer = signed_in.post(tags, {"tags": "庭,b"}, headers=HTMX).content.decode()
    assert 'value="庭, b"' in answer
    archive = reverse("training:job_archive", args=[job.pk])
    answer = signed_in.post(archive, {"is_archived": "1"}, headers=HTMX).content.decode()
    assert "Bring back to the list" in answer


def test_no_other_column_can_be_written_by_its_name(signed_in: Client, student: User) -> None:
    job = make_training_job(student)
    for field in ("name", "status", "owner"):
        assert signed_in.post(text_address(job, field), {"text": "x"}).status_code == 404


def test_while_it_runs_the_guess_stands_fixed(signed_in: Client, student: User) -> None:
    job, _lease = make_running_job(student, step_count=5, prediction="below 0.5")
    page = signed_in.get(reverse("training:job_notebook", args=[job.pk])).content.decode()
    assert "below 0.5" in page
    assert "job-prediction-text" not in page
    assert "The first step was measured" in page
    answer = post_text(signed_in, job, "below 1", field="prediction")
    assert answer.status_code == 422
    assert "The first step was measured" in answer.content.decode()


def test_at_the_end_the_guess_stands_beside_the_result(signed_in: Client, student: User) -> None:
    job = make_completed_job(student, prediction="below 0.5")
    TrainingJob.objects.filter(pk=job.pk).update(baseline_loss=3.125, eval_loss=0.75)
    page = signed_in.get(reverse("training:job_notebook", args=[job.pk])).content.decode()
    assert all(text in page for text in ("below 0.5", "3.125", "0.750", "Completed"))
    answer = post_text(signed_in, job, "It learned more.", field="explanation")
    assert answer.status_code == 200
    job.refresh_from_db()
    assert job.explanation == "It learned more."


def test_a_failed_job_can_be_explained_too(signed_in: Client, student: User) -> None:
    job = make_failed_job(student)
    page = signed_in.get(reverse("training:job_detail", args=[job.pk])).content.decode()
    assert 'id="job-explanation-text"' in page
    assert "You wrote no guess before the start." in page
