"""What is said about examples that can be used: each finding where it belongs, and none on ordinary school texts."""

from __future__ import annotations

import io
from typing import Any

import pytest

from datasets_app.intake.languages import language_of
from datasets_app.intake.limits import Limits
from datasets_app.intake.outcome import Outcome
from datasets_app.intake.personal_data import is_my_number, personal_data_in
from datasets_app.intake.pipeline import Order, read_records
from datasets_app.wording.finding_sentences import finding_sentence

LIMITS = Limits(unpacked_bytes=10_000_000, records=10_000)


def asked(question: str, answer: str) -> dict[str, Any]:
    return {"instruction": question, "output": answer}


def chat(*turns: str) -> dict[str, Any]:
    """Turns that start with the role, as in `user: hello`."""
    pairs = [turn.split(": ", 1) for turn in turns]
    return {"messages": [{"role": role, "content": content} for role, content in pairs]}


def outcome_of(*records: dict[str, Any]) -> Outcome:
    outcome = read_records(records, io.BytesIO(), Order(LIMITS))
    assert outcome.is_clean, [finding.code for finding in outcome.errors]
    for finding in outcome.findings:
        assert finding_sentence(finding.code, finding.params, finding.count).endswith(".")
    return outcome


def found_in(*records: dict[str, Any]) -> dict[str, list[int]]:
    """Codes of the findings and the records they name."""
    return {finding.code: finding.lines for finding in outcome_of(*records).findings}


GARDEN = asked("Who waters the garden?", "Class 2B waters it.")
BELL = asked("When does the bell ring?", "It rings at half past eight.")
NIWA = asked("庭に水をやるのは誰ですか。", "二年B組のみんなです。")

SCHOOL_TEXTS = [
    "The school was founded on 1 April 1947 and has 432 pupils in 12 classes.",
    "Meet on 2025-04-07 at 08:30 in room 204, or call us on Monday.",
    "The trip on 01-02-2024 costs 1,250 yen; on 03/04/2024 it costs 980 yen.",
    "Write the date as 05-06-2024, and the time as 08-30.",
    "The squares are 1 4 9 16 25 36 49 64 81 100 121 144 169 196.",
    "Count on: 01 02 03 04 05 06 07 08 09 10 11 12.",
    "Pi is 3.14159265358979, and e is 2.71828182845905.",
    "ISBN 978-4-06-519981-3 is on the shelf; JAN 4901234567894 is the price tag.",
    "Version 1.2.3-4 runs at 192.168.0.1 with 1000000000 rows.",
    "Solve (012) + 345 - 6789 and 1234 - 5678 = -4444.",
    "The years 1600, 1868, 1945 and 2011 are in the test. So are 1603-1868.",
    "Email me means: send a mail. The sign @ is read 'at'. Follow @school.",
    "If a < b and b > c & d, then a[0] = b[1]; use List<int> and #3.",
    "入学式は2025年4月7日（月）午前9時30分から体育館で行います。",
    "青森県はりんごの産地で、2023年には約37万4400トンを収穫しました。",
    "静岡県の浜松市で一番大きい学校には1200人の生徒がいます。",
    "長野県の松本市には三つの高校があり、二番目に古い学校は1876年にできました。",
    "千葉県では市町村ごとに図書館があります。東京都の人口は約1400万人です。",
    "北海道の札幌市は五月でも寒い日があります。大阪府と京都府は隣です。",
    "給食費は月額4,500円、修学旅行は62,000円です。1か月は30日です。",
    "県と府と都と道の違いを調べましょう。富士山の高さは3776メートルです。",
    "番号は1番から40番まであります。出席番号12番の人が当番です。",
    "昭和23年、平成元年、令和7年の順に並べなさい。",
    "円周率は3.1415926535、光の速さは299792458メートル毎秒です。",
]


@pytest.mark.parametrize("text", SCHOOL_TEXTS)
def test_ordinary_school_texts_are_no_personal_data(text: str) -> None:
    assert personal_data_in(text) is None


@pytest.mark.parametrize("text", SCHOOL_TEXTS)
def test_ordinary_school_texts_give_no_finding(text: str) -> None:
    assert found_in(asked("Read this.", text)) == {}
    assert found_in(asked(text, "I have read it.")) == {}


@pytest.mark.parametrize(
    ("text", "kind", "excerpt"),
    [
        ("Write to aiko.tanaka+news@school.example.jp today.", "mail", "aiko.tanaka+news@school.example.jp"),
        ("連絡先はtanaka＠example.comです。", "mail", "tanaka＠example.com"),
        ("Call 03-1234-5678 after five.", "phone", "03-1234-5678"),
        ("携帯は090-1234-5678です。", "phone", "090-1234-5678"),
        ("携帯は09012345678です。", "phone", "09012345678"),
        ("電話（０９０－１２３４－５６７８）まで。", "phone", "０９０－１２３４－５６７８"),
        ("Tel. 0120 123 456", "phone", "0120 123 456"),
        ("Tel. (03) 1234-5678", "phone", "03) 1234-5678"),
        ("From abroad +81 90 1234 5678.", "phone", "+81 90 1234 5678"),
        ("From abroad +81-3-1234-5678.", "phone", "+81-3-1234-5678"),
        ("In New York (212) 555-0187.", "phone", "(212) 555-0187"),
        ("In London +44 20 7946 0958.", "phone", "+44 20 7946 0958"),
        ("〒100-0001 の郵便です。", "address", "〒100-0001"),
        ("〒１００－０００１", "address", "〒１００－０００１"),
        ("東京都千代田区千代田1-1に住んでいます。", "address", "東京都千代田区千代田1-"),
        ("住所は千葉県市川市八幡三丁目です。", "address", "千葉県市川市八幡三丁目"),
        ("京都府京都市中京区河原町12番地", "address", "京都府京都市中京区河原町12番地"),
        ("北海道札幌市中央区北一条西２番１号", "address", "北海道札幌市中央区北一条西２番１"),
        ("My Number: 1234 5678 9018", "my_number", "1234 5678 9018"),
        ("個人番号は123456789018です。", "my_number", "123456789018"),
        ("1234-5678-9018", "my_number", "1234-5678-9018"),
    ],
)  # fmt: skip
def test_personal_data_is_found(text: str, kind: str, excerpt: str) -> None:
    found = personal_data_in(text)
    assert found is not None
    assert found[0] == kind
    assert found[1].startswith(excerpt)
    (finding,) = outcome_of(asked("Who?", text)).findings
    assert (finding.severity, finding.code, finding.lines) == ("warning", "personal_data", [1])
    assert finding.params == {"kind": kind}


@pytest.mark.parametrize(
    ("digits", "is_valid"),
    [
        ("123456789018", True),
        ("123456789010", False),
        ("123456789017", False),
        ("123456789019", False),
        # A remainder of at most 1 gives the check digit 0.
        ("000000000000", True),
        ("000000000001", False),
        ("000000000060", True),
    ],
)
def test_check_digit_of_my_number(digits: str, is_valid: bool) -> None:
    assert is_my_number(digits) is is_valid


def test_my_number_that_is_one_digit_off_is_no_my_number() -> None:
    valid = "123456789018"
    for place in range(12):
        for digit in "0123456789":
            changed = valid[:place] + digit + valid[place + 1 :]
            # Weights below 11 and prime to it find every single wrong digit, except where 0 stands for two remainders.
            if changed != valid and is_my_number(changed):
                assert changed.endswith("0")
    assert personal_data_in("The code 1234 5678 9010 is not one.") is None
    assert personal_data_in("Longer: 1234 5678 9018 1234.") is None


def test_exact_copies_name_the_first() -> None:
    outcome = outcome_of(GARDEN, BELL, GARDEN, GARDEN)
    (finding,) = outcome.findings
    assert (finding.severity, finding.code, finding.count) == ("warning", "duplicates", 2)
    assert [(place.line, place.params) for place in finding.places] == [
        (3, {"first": 1}),
        (4, {"first": 1}),
    ]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (GARDEN, asked("who waters  the garden", "CLASS 2B waters it!")),
        (NIWA, asked("庭に水をやるのは誰ですか？", "二年Ｂ組の　みんなです")),
        (chat("user: Hello", "assistant: Good day."), chat("user: hello!", "assistant: good day")),
        ({"prompt": "The bell", "completion": " rings."}, {"prompt": "the bell:", "completion": "Rings"}),
    ],
)  # fmt: skip
def test_near_copies_differ_in_case_width_and_marks(one: dict, other: dict) -> None:
    outcome = outcome_of(one, other)
    (finding,) = outcome.findings
    assert (finding.code, finding.lines) == ("near_duplicates", [2])
    assert finding.params == {"first": 1}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (GARDEN, GARDEN | {"output": "Nobody does."}),
        (NIWA, NIWA | {"output": "用務員さんです。"}),
        (chat("user: Hello", "assistant: Good day."), chat("user: Hello!", "assistant: Go away.")),
    ],
)
def test_one_question_with_two_answers(one: dict, other: dict) -> None:
    assert found_in(one, other) == {"different_answers": [2]}


def test_texts_without_a_question_do_not_answer_one() -> None:
    assert found_in({"text": "The bell rings."}, {"text": "The gate opens."}) == {}


def test_other_inputs_are_other_questions() -> None:
    one, other = GARDEN | {"input": "in May"}, GARDEN | {"input": "in June", "output": "Class 3A."}
    assert found_in(one, other) == {}
    assert found_in(GARDEN, BELL, NIWA) == {}


@pytest.mark.parametrize(
    ("answer", "is_short"),
    [("No", True), ("はい", True), (" a ", True), ("Yes", False), ("いいえ", False)],
)
def test_short_answers(answer: str, is_short: bool) -> None:
    assert ("short_answers" in found_in(asked("Is it open?", answer))) is is_short


def test_short_answer_within_a_conversation() -> None:
    record = chat("user: Open?", "assistant: No", "user: Why?", "assistant: It is Sunday.")
    assert found_in(record) == {"short_answers": [1]}


@pytest.mark.parametrize(
    ("record", "is_echo"),
    [
        (asked("Who waters the garden?", "who waters the garden"), True),
        (asked("庭に水をやるのは誰ですか。", "庭に水をやるのは誰ですか？"), True),
        (chat("user: Hello there", "assistant: Hello there!"), True),
        ({"prompt": "The bell rings", "completion": "The bell rings"}, True),
        (GARDEN, False),
        (asked("Say hello.", "Hello."), False),
        (asked("???", "!!!"), False),
        ({"text": "The bell rings"}, False),
    ],
)
def test_answers_that_repeat_their_question(record: dict, is_echo: bool) -> None:
    assert ("repeated_question" in found_in(record)) is is_echo


@pytest.mark.parametrize(
    ("record", "codes"),
    [
        (chat("user: a b", "assistant: c d e", "user: f g", "assistant: h i j"), set()),
        (chat("system: be kind", "user: a b", "assistant: c d e"), set()),
        (chat("user: a b", "user: c d", "assistant: e f g"), {"role_order"}),
        (chat("assistant: a b c", "user: d e", "assistant: f g h"), {"role_order"}),
        (chat("user: a b", "system: be kind", "assistant: c d e"), {"role_order"}),
        (chat("user: a b", "assistant: c d e", "user: f g"), {"ends_without_answer"}),
        (chat("user: a b", "assistant: c d e", "system: f g"), {"ends_without_answer", "role_order"}),
        (chat("assistant: c d e"), {"role_order"}),
    ],
)  # fmt: skip
def test_order_of_the_roles(record: dict, codes: set[str]) -> None:
    assert found_in(record).keys() == codes


@pytest.mark.parametrize(
    ("text", "token"),
    [
        ("Hello<|im_end|>", "<|im_end|>"),
        ("<|begin_of_text|>Hello", "<|begin_of_text|>"),
        ("[INST] Hello [/INST]", "[INST]"),
        ("<<SYS>>be kind<</SYS>>", "<<SYS>>"),
        ("Hello</s>", "</s>"),
        ("<start_of_turn>user", "<start_of_turn>"),
        ("<\uff5cAssistant\uff5c>Hello", "<\uff5cAssistant\uff5c>"),
        ("### Instruction:\nWrite.", "### Instruction:"),
        ("Text\n### Response: so", "### Response:"),
        ("Hello [1], see x < y and y > z.", ""),
        ("# Heading\n\n## Instruction\n### Steps", ""),
        ("Use if (a <|> b) or a | b.", ""),
        ("配列の要素は a[0] と書きます。", ""),
    ],
)
def test_markers_of_chat_templates(text: str, token: str) -> None:
    findings = outcome_of(asked("Write it.", text)).findings
    markers = [finding for finding in findings if finding.code == "special_tokens"]
    assert [finding.params["found"] for finding in markers] == ([token] if token else [])


@pytest.mark.parametrize(
    ("text", "is_markup"),
    [
        ("<p>Hello</p>", True),
        ('See <a href="https://example.org">here</a>.', True),
        ("line<br/>break", True),
        ("<DIV CLASS='x'>", True),
        ("fish&nbsp;chips", True),
        ("&#12354;", True),
        ("if a<b and b>c", False),
        ("Type <Enter> & wait; vector<int> x;", False),
        ("5 < 6 &amp", False),
        ("<br /> and <hr>", True),
        ("if a <b and b> c", False),
        ("R&D と Q&A です。", False),
    ],
)
def test_markup_of_web_pages(text: str, is_markup: bool) -> None:
    found = found_in(asked("Write it.", text))
    assert ("markup" in found) is is_markup


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("The garden is green.", "latin"),
        ("Très bien, déjà là.", "latin"),
        ("庭は緑です。", "ja"),
        ("ﾆﾜﾊﾐﾄﾞﾘ", "ja"),
        ("API の使い方を説明します。HTTP と JSON です。", "ja"),
        ("The word 庭 is Japanese for garden, as every pupil here knows.", "latin"),
        ("图书馆早上八点开门。", "zh"),
        ("도서관은 여덟 시에 엽니다.", "ko"),
        ("Библиотека открыта.", "ru"),
        ("المكتبة مفتوحة", "ar"),
        ("12345 !?", ""),
    ],
)
def test_language_by_script(text: str, language: str) -> None:
    assert language_of(text) == language


def english(number: int) -> dict[str, Any]:
    return asked(f"What is behind door {number}?", f"Behind door {number} is a small room.")


def japanese(number: int) -> dict[str, Any]:
    return asked(f"{number}番の部屋には何がありますか。", f"{number}番の部屋には本棚があります。")


def test_mixed_languages_are_counted() -> None:
    outcome = outcome_of(*map(english, range(12)), *map(japanese, range(6)))
    (finding,) = outcome.findings
    assert (finding.severity, finding.code) == ("info", "mixed_languages")
    assert finding.params == {"languages": {"latin": 12, "ja": 6}}
    assert outcome.statistics["languages"] == {"latin": 12, "ja": 6}


@pytest.mark.parametrize(
    "records",
    [
        [*map(english, range(18)), japanese(1)],
        [*map(english, range(4)), *map(japanese, range(4))],
        list(map(japanese, range(20))),
        [asked(f"{number} plus 1?", f"{number + 1} {number}") for number in range(100, 120)],
    ],
)
def test_one_language_or_too_few_examples_are_not_mixed(records: list[dict]) -> None:
    assert found_in(*records) == {}


def test_unequal_answers_need_a_very_long_one() -> None:
    long, longer = asked("Tell a story.", "word " * 100), asked("Tell a story.", "word " * 200)
    assert found_in(*map(english, range(12)), long) == {}
    (finding,) = outcome_of(*map(english, range(12)), longer).findings
    assert (finding.code, finding.params["maximum"]) == ("unequal_answers", 1000)
    assert finding.params["median"] == len("Behind door 1 is a small room.")


def test_statistics_count_characters() -> None:
    statistics = outcome_of(GARDEN, NIWA, BELL).statistics
    assert statistics["question_characters"]["maximum"] == len(BELL["instruction"])
    assert statistics["answer_characters"]["minimum"] == len(NIWA["output"])
    assert statistics["answer_counts"] == {"most": 1, "several": 0}
    record = chat("user: a b", "assistant: c d e", "user: f g", "assistant: h i j")
    assert outcome_of(record).statistics["answer_counts"] == {"most": 2, "several": 1}
