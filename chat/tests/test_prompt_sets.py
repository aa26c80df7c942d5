"""What a set of questions takes: typed lines, files in several encodings, datasets, and nothing else."""

from __future__ import annotations

import io
from typing import Any

import pytest

from accounts.models import User
from chat.models import PromptSet
from chat.prompt_sets.items import MAX_ITEMS, Item, Located, digest_of, read_items
from chat.prompt_sets.reading import MAX_FILE_BYTES, read_csv, read_lines, read_version
from chat.prompt_sets.sources import course_questions
from chat.services import prompt_sets as services
from chat.services.texts import MAX_MESSAGE_CHARACTERS
from chat.tests.prompt_factories import make_items, make_set
from common.errors import ConflictError, InvalidInputError, NotFoundError
from datasets_app.selectors import latest_version
from datasets_app.tests.factories import CHAT, COMPLETION, INSTRUCTION, make_dataset

JAPANESE = "質問,答え\n花壇に水をやるのは誰ですか。,2年B組です。\n「なぜ」ですか。,\n"


def csv_of(content: str | bytes, encoding: str = "utf-8") -> list[Item]:
    return read_csv(io.BytesIO(content if isinstance(content, bytes) else content.encode(encoding)))


def faults_of(error: InvalidInputError) -> list[tuple[int | None, str | None]]:
    return [(fault.line, fault.field) for fault in error.faults]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp932", "euc_jp", "utf-16"])
def test_japanese_spreadsheets_are_read(encoding: str) -> None:
    assert csv_of(JAPANESE, encoding) == [
        Item("花壇に水をやるのは誰ですか。", "2年B組です。"),
        Item("「なぜ」ですか。"),
    ]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_columns_are_found_whatever_parts_them(delimiter: str) -> None:
    rows = [["id", "Prompt", "reference"], ["1", "Who?", "Anna"]]
    content = "\r\n".join(delimiter.join(row) for row in rows)
    assert csv_of(content) == [Item("Who?", "Anna")]


def test_a_cell_may_hold_several_lines_and_quotes() -> None:
    content = 'prompt,reference\n"One\nand ""two""?","a\nb"\nThree?,c\n'
    assert csv_of(content) == [Item('One\nand "two"?', "a\nb"), Item("Three?", "c")]


def test_every_fault_of_a_file_is_told_by_its_line() -> None:
    long = "x" * (MAX_MESSAGE_CHARACTERS + 1)
    content = f'prompt,reference\n"a\nb",c\n,lost\nq,{long}\nbell\x07,r\n'
    with pytest.raises(InvalidInputError, match="3 faults") as caught:
        csv_of(content)
    assert faults_of(caught.value) == [(4, "prompt"), (5, "reference"), (6, "prompt")]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"prompt,reference\n",
        b"name,age\nAnna,12\n",
        b"prompt,reference\nWho?\n",
        b'prompt,reference\n"Who?,Anna\n',
        b"prompt,prompt\nWho?,Anna\n",
        b"PK\x03\x04 not a table",
        b"prompt,reference\n\xff\xfe\xfd\xfc,\x81\n",
        b"prompt,reference\n" + b"q,a\n" * (MAX_ITEMS + 1),
        b"prompt\n" + b"x" * (MAX_FILE_BYTES + 1),
    ],
)
def test_other_files_are_refused_in_words(content: bytes) -> None:
    with pytest.raises(InvalidInputError) as caught:
        csv_of(content)
    assert str(caught.value.message)
    assert caught.value.faults


def test_two_columns_of_a_spreadsheet_are_pasted() -> None:
    text = "Who?\tAnna\r\n\r\nWhen?\r\nWhy, then?\tBecause\tof that"
    assert read_lines(text) == [
        Item("Who?", "Anna"),
        Item("When?"),
        Item("Why, then?", "Because\tof that"),
    ]


def test_faults_of_pasted_lines_are_told_by_line() -> None:
    with pytest.raises(InvalidInputError) as caught:
        read_lines("Who?\n\n\tAnna\n")
    assert faults_of(caught.value) == [(3, "prompt")]


@pytest.mark.parametrize("prompt", [None, 3, ["x"], "  ", "\ud800", "\x00"])
def test_what_is_no_question_is_refused(prompt: Any) -> None:
    with pytest.raises(InvalidInputError):
        read_items([Located(prompt)])


def test_the_digest_is_of_questions_answers_and_order() -> None:
    one, two = Item("a", "b"), Item("c")
    assert digest_of([one, two]) == digest_of([Item("a", "b"), Item("c")])
    others = [
        [two, one],
        [one],
        [Item("a"), two],
        [Item("ab", ""), two],
        [Item("a", "bc"), Item("")],
    ]
    assert len({digest_of(items) for items in [[one, two], *others]}) == 6


@pytest.mark.parametrize("language", ["en", "ja", "fr", "ja-jp"])
def test_the_courses_offer_their_questions(language: str) -> None:
    offered = course_questions(language)
    assert [questions.id for questions in offered] == [
        "level-1-eval",
        "level-2-eval",
        "level-3-eval",
    ]
    assert {questions.language for questions in offered} == {
        "ja" if language.startswith("ja") else "en"
    }
    assert all(item.reference for questions in offered for item in questions.items)


@pytest.mark.django_db
def test_a_dataset_gives_its_single_questions(student: User) -> None:
    rows = [INSTRUCTION, INSTRUCTION | {"input": "The one by the gate."}]
    version = latest_version(make_dataset(student, records=rows))
    assert [item.prompt for item in read_version(version)] == [
        "Who waters the garden?",
        "Who waters the garden?\n\nThe one by the gate.",
    ]
    chats = [CHAT, {"messages": [*CHAT["messages"], *CHAT["messages"]]}]
    assert len(read_version(latest_version(make_dataset(student, name="C", records=chats)))) == 1
    plain = latest_version(make_dataset(student, name="T", records=[COMPLETION]))
    with pytest.raises(InvalidInputError, match="plain text"):
        read_version(plain)


@pytest.mark.django_db
def test_a_set_has_a_limit_of_questions(student: User) -> None:
    full = services.create_set(student, name="Full", items=make_items(MAX_ITEMS))
    with pytest.raises(InvalidInputError, match="at most 200"):
        services.add_item(full, {"prompt": "More?"})
    full.refresh_from_db()
    assert len(full.items) == MAX_ITEMS


@pytest.mark.django_db
def test_the_last_question_stays(student: User) -> None:
    prompt_set = make_set(student, count=1)
    with pytest.raises(InvalidInputError, match="only question"):
        services.remove_item(prompt_set, 1)


@pytest.mark.django_db
def test_a_set_that_was_changed_or_deleted_meanwhile_is_not_overwritten(student: User) -> None:
    prompt_set = make_set(student)
    seen = prompt_set.digest
    services.replace_items(prompt_set, [Item("Other?")], seen)
    with pytest.raises(ConflictError, match="another window"):
        services.replace_items(prompt_set, make_items(), seen)
    services.delete_set(PromptSet.objects.get())
    with pytest.raises(NotFoundError):
        services.replace_items(prompt_set, make_items())


@pytest.mark.django_db
def test_a_person_has_a_limit_of_sets(student: User, other_student: User) -> None:
    PromptSet.objects.bulk_create(
        PromptSet(owner=student, name="x", items=[], digest="") for _n in range(services.MAX_SETS)
    )
    with pytest.raises(ConflictError, match="as many as one can have"):
        make_set(student)
    assert make_set(other_student)
