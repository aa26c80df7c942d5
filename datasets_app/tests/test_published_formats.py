"""Data in the shapes that well-known tools publish and document, and every way in that a file can take.

The records are short inventions in the structure of the published files: LLaMA-Factory's `data` folder, the dataset
formats of TRL and of Axolotl, and the local datasets of mlx-lm.
"""

from __future__ import annotations

import codecs
import gzip
import io
import json
from typing import Any

import pytest

from accounts.models import User
from common.errors import InvalidInputError
from datasets_app.models import Dataset, DatasetVersion
from datasets_app.selectors import latest_version, read_records
from datasets_app.tests.factories import INSTRUCTION, json_lines, upload
from datasets_app.tests.hostile.parquet import parquet
from datasets_app.tests.hostile.told import code_of

pytestmark = pytest.mark.django_db


def document(*records: Any) -> bytes:
    """A pretty list, as published demo files are."""
    return json.dumps(records, ensure_ascii=False, indent=2).encode()


def records_of(dataset: Dataset) -> list[dict[str, Any]]:
    return read_records(latest_version(dataset), limit=100)


def turn(role: str, content: str, **others: Any) -> dict[str, Any]:
    return {"role": role, "content": content, **others}


def said(speaker: str, value: str, **others: Any) -> dict[str, Any]:
    return {"from": speaker, "value": value, **others}


def lines_of_refusal(
    student: User, content: bytes, expected: str, file_name: str
) -> list[int | None]:
    """Lines of the faults, all of which say what is expected."""
    with pytest.raises(InvalidInputError) as refusal:
        upload(student, content, file_name)
    faults = refusal.value.faults
    assert {code_of(str(fault.message), (expected,)) for fault in faults} == {expected}
    assert not DatasetVersion.objects.exists()
    return [fault.line for fault in faults]


ALPACA = {"instruction": "Name a tool.", "input": "for the garden", "output": "A rake is one."}
ALPACA_ZH = {"instruction": "说出一种工具。", "input": "", "output": "耙子是一种工具。"}
WITH_HISTORY = ALPACA | {
    "system": "You are the gardener.",
    "history": [["Good morning.", "Good morning to you."], ["Is it raining?", "Not today."]],
}
ASKED = [turn("user", "Is it open?"), turn("assistant", "It is open.")]
SHAREGPT = {
    "conversations": [
        said("human", "Is it open?"),
        said("gpt", "It is open."),
        said("human", "Until when?"),
        said("gpt", "Until six."),
    ],
    "system": "You are the porter.",
    "tools": "[]",
}
SHAREGPT_TURNS = [
    turn("system", "You are the porter."),
    turn("user", "Is it open?"),
    turn("assistant", "It is open."),
    turn("user", "Until when?"),
    turn("assistant", "Until six."),
]
TOOL_CALL = {
    "conversations": [
        said("human", "How warm is it?"),
        said("function_call", '{"name": "thermometer", "arguments": {}}'),
        said("observation", '{"degrees": 21}'),
        said("gpt", "It is 21 degrees."),
    ],
    "tools": '[{"name": "thermometer", "parameters": {}}]',
}
WITHOUT_TOOLS = {"conversations": SHAREGPT["conversations"], "tools": "[]"}

LLAMA_FACTORY: dict[str, tuple[dict[str, Any], str, dict[str, Any]]] = {
    "alpaca_en_demo": (ALPACA, "instruction", ALPACA),
    "alpaca_zh_demo": (ALPACA_ZH, "instruction", ALPACA_ZH),
    "alpaca with system and history": (WITH_HISTORY, "instruction", WITH_HISTORY),
    "identity": (
        {"instruction": "Who are you?", "input": "", "output": "I am {{name}}, made by {{author}}."},
        "instruction",
        {"instruction": "Who are you?", "input": "", "output": "I am {{name}}, made by {{author}}."},
    ),
    "sharegpt with system": (SHAREGPT, "chat", {"messages": SHAREGPT_TURNS}),
    "openai messages": ({"messages": ASKED}, "chat", {"messages": ASKED}),
    "c4_demo": ({"text": "The gate opens at six."}, "completion", {"text": "The gate opens at six."}),
}  # fmt: skip
TRL: dict[str, tuple[dict[str, Any], str, dict[str, Any]]] = {
    "language modelling": ({"text": "The sky is grey."}, "completion", {"text": "The sky is grey."}),
    "language modelling, conversational": ({"messages": ASKED}, "chat", {"messages": ASKED}),
    "prompt and completion": (
        {"prompt": "The gate", "completion": " is open."},
        "completion",
        {"prompt": "The gate", "completion": " is open."},
    ),
    "prompt and completion, conversational": (
        {"prompt": ASKED[:1], "completion": ASKED[1:]},
        "chat",
        {"messages": ASKED},
    ),
    "a long prompt, conversational": (
        {"prompt": [*ASKED, turn("user", "Until when?")], "completion": [turn("assistant", "Until six.")]},
        "chat",
        {
            "messages": [
                ASKED[0],
                turn("assistant", "It is open.", weight=0),
                turn("user", "Until when?"),
                turn("assistant", "Until six."),
            ]
        },
    ),
    "with a thinking field": (
        {"messages": [ASKED[0], turn("assistant", "It is open.", thinking="It is noon.")]},
        "chat",
        {"messages": [ASKED[0], turn("assistant", "It is open.", thinking="It is noon.")]},
    ),
    "with a developer": (
        {"messages": [turn("developer", "Be short."), *ASKED]},
        "chat",
        {"messages": [turn("system", "Be short."), *ASKED]},
    ),
}  # fmt: skip
AXOLOTL: dict[str, tuple[dict[str, Any], str, dict[str, Any]]] = {
    "alpaca": (ALPACA, "instruction", ALPACA),
    "gpteacher and alpaca_chat": (
        {"instruction": "Name a tool.", "input": "for the garden", "response": "A rake."},
        "instruction",
        {"instruction": "Name a tool.", "input": "for the garden", "output": "A rake."},
    ),
    "alpaca_chat.load_qa": (
        {"question": "Is it open?", "answer": "It is open."},
        "instruction",
        {"instruction": "Is it open?", "output": "It is open."},
    ),
    "jeopardy": (
        {"question": "Is it open?", "category": "gates", "answer": "It is open."},
        "instruction",
        {"instruction": "Is it open?", "output": "It is open."},
    ),
    "oasst": (
        {"INSTRUCTION": "Is it open?", "RESPONSE": "It is open."},
        "instruction",
        {"instruction": "Is it open?", "output": "It is open."},
    ),
    "context_qa.load_v2": (
        {"context": "The gate is open until six.", "question": "Is it open?", "answer": "It is."},
        "instruction",
        {"instruction": "Is it open?", "input": "The gate is open until six.", "output": "It is."},
    ),
    "alpaca_w_system.load_open_orca": (
        {"system_prompt": "Be short.", "question": "Is it open?", "response": "It is open."},
        "instruction",
        {"instruction": "Is it open?", "output": "It is open.", "system": "Be short."},
    ),
    "explainchoice": (
        {"question": "Is it open?", "choices": ["a", "b"], "solution": "It is open.", "explanation": "x"},
        "instruction",
        {"instruction": "Is it open?", "output": "It is open."},
    ),
    "sharegpt": ({"conversations": SHAREGPT["conversations"]}, "chat", {"messages": SHAREGPT_TURNS[1:]}),
    "chat_template": ({"conversations": ASKED}, "chat", {"messages": ASKED}),
    "chat_template with role and value": (
        {"conversations": [{"role": "user", "value": "Is it open?"}, {"role": "assistant", "value": "It is."}]},
        "chat",
        {"messages": [turn("user", "Is it open?"), turn("assistant", "It is.")]},
    ),
    "chat_template with train and train_detail": (
        {
            "conversations": [
                said("system", "Be short.", train=False),
                said("human", "Is it open?", train=False),
                said("assistant", "It is.", train=False),
                said("human", "Until when?", train=True),
                said("assistant", "Until six.", train_detail=[{"begin_offset": 0, "end_offset": 4}]),
            ]
        },
        "chat",
        {
            "messages": [
                turn("system", "Be short."),
                turn("user", "Is it open?"),
                turn("assistant", "It is.", weight=0),
                turn("user", "Until when?"),
                turn("assistant", "Until six."),
            ]
        },
    ),
    "messages with train": (
        {"messages": [ASKED[0], turn("assistant", "It is.", train=False), *ASKED]},
        "chat",
        {"messages": [ASKED[0], turn("assistant", "It is.", weight=0), *ASKED]},
    ),
    "messages with weight": (
        {"messages": [ASKED[0], turn("assistant", "It is.", weight=0), ASKED[0], turn("assistant", "Yes.", weight=1)]},
        "chat",
        {"messages": [ASKED[0], turn("assistant", "It is.", weight=0), ASKED[0], turn("assistant", "Yes.", weight=1)]},
    ),
    "completion": ({"text": "The gate opens."}, "completion", {"text": "The gate opens."}),
}  # fmt: skip
MLX_LM: dict[str, tuple[dict[str, Any], str, dict[str, Any]]] = {
    "chat": (
        {"messages": [turn("system", "Be short."), *ASKED]},
        "chat",
        {"messages": [turn("system", "Be short."), *ASKED]},
    ),
    "completions": (
        {"prompt": "Is it open?", "completion": "It is."},
        "completion",
        {"prompt": "Is it open?", "completion": "It is."},
    ),
    "text": ({"text": "The gate opens."}, "completion", {"text": "The gate opens."}),
    "completions under other names": (
        {"input": "Is it open?", "output": "It is."},
        "instruction",
        {"instruction": "Is it open?", "output": "It is."},
    ),
}
SUPERVISED = {
    f"{tool}: {name}": shape
    for tool, shapes in (
        ("LLaMA-Factory", LLAMA_FACTORY),
        ("TRL", TRL),
        ("Axolotl", AXOLOTL),
        ("mlx-lm", MLX_LM),
    )
    for name, shape in shapes.items()
}


@pytest.mark.parametrize("name", SUPERVISED)
def test_supervised_data_is_read_as_it_is_meant(name: str, student: User) -> None:
    record, kind, wanted = SUPERVISED[name]
    for content, file_name in ((json_lines(record), "data.jsonl"), (document(record), "data.json")):
        dataset = upload(student, content, file_name)
        assert dataset.type == kind
        assert records_of(dataset) == [wanted]


CHOSEN, REJECTED = "It is open.", "Go away."
REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "LLaMA-Factory: dpo_en_demo": (
        {"conversations": [said("human", "Open?")], "chosen": said("gpt", CHOSEN), "rejected": said("gpt", REJECTED)},
        "preference",
    ),
    "LLaMA-Factory: alpaca preference": (
        {"instruction": "Open?", "input": "", "chosen": CHOSEN, "rejected": REJECTED},
        "preference",
    ),
    "LLaMA-Factory: kto_en_demo": ({"messages": ASKED, "label": True}, "unpaired_preference"),
    "LLaMA-Factory: alpaca kto": (ALPACA | {"kto_tag": False}, "unpaired_preference"),
    "LLaMA-Factory: mllm_demo": ({"messages": ASKED, "images": ["demo/1.jpg"]}, "multimodal"),
    "LLaMA-Factory: mllm_audio_demo": ({"messages": ASKED, "audios": ["demo/1.mp3"]}, "multimodal"),
    "LLaMA-Factory: mllm_video_demo": ({"messages": ASKED, "videos": ["demo/1.mp4"]}, "multimodal"),
    "LLaMA-Factory: tool calls alone": (TOOL_CALL, "tool_calls"),
    "TRL: preference": ({"prompt": "Open?", "chosen": CHOSEN, "rejected": REJECTED}, "preference"),
    "TRL: preference, implicit prompt": ({"chosen": CHOSEN, "rejected": REJECTED}, "preference"),
    "TRL: preference, conversational": (
        {"prompt": ASKED[:1], "chosen": ASKED[1:], "rejected": [turn("assistant", REJECTED)]},
        "preference",
    ),
    "TRL: unpaired preference": ({"prompt": "Open?", "completion": CHOSEN, "label": True}, "unpaired_preference"),
    "TRL: unpaired preference, conversational": (
        {"prompt": ASKED[:1], "completion": ASKED[1:], "label": False},
        "unpaired_preference",
    ),
    "TRL: tool calling": (
        {
            "messages": [
                turn("user", "Turn on the light."),
                {"role": "assistant", "tool_calls": [{"type": "function", "function": {"name": "light"}}]},
                {"role": "tool", "name": "light", "content": "on"},
                turn("assistant", "Done!"),
            ],
            "tools": [{"type": "function"}],
        },
        "tool_calls",
    ),
    "TRL: vision": (
        {"messages": [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "Who?"}]}, ASKED[1]]},
        "multimodal",
    ),
    "TRL: prompt only": ({"prompt": "The sky is"}, "unknown_shape"),
    "TRL: stepwise supervision": (
        {"prompt": "Which?", "completions": ["a", "b"], "labels": [True, False]},
        "unknown_shape",
    ),
    "Axolotl: input_output": ({"segments": [{"label": True, "text": "Hello"}]}, "unknown_shape"),
    "Axolotl: summarizetldr": ({"article": "Long.", "summary": "Short."}, "unknown_shape"),
    "Axolotl: load_camel_ai": ({"message_1": "Open?", "message_2": "It is."}, "unknown_shape"),
    "mlx-lm: tools": (
        {
            "messages": [
                turn("user", "How warm is it?"),
                {"role": "assistant", "tool_calls": [{"id": "call_id", "type": "function", "function": {}}]},
            ],
            "tools": [{"type": "function"}],
        },
        "tool_calls",
    ),
    "mlx-lm: dpo": ({"system": "Be short.", "prompt": "Open?", "chosen": CHOSEN, "rejected": REJECTED}, "preference"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_other_kinds_of_data_are_refused_for_what_they_are(name: str, student: User) -> None:
    record, code = REFUSED[name]
    lines_of_refusal(student, json_lines(record, record), code, "data.jsonl")
    lines_of_refusal(student, document(record), code, "data.json")


def test_tool_calls_among_conversations_are_named_by_line(student: User) -> None:
    """As in LLaMA-Factory's glaive_toolcall_en_demo, where the first conversations call nothing."""
    content = json_lines(WITHOUT_TOOLS, TOOL_CALL, WITHOUT_TOOLS, TOOL_CALL)
    assert lines_of_refusal(student, content, "tool_call", "data.jsonl") == [2, 4]


def test_a_turn_without_text_is_named(student: User) -> None:
    """As in Axolotl's fixture of a conversation with missing turns."""
    record = {"conversations": [said("human", "Is it open?"), said("gpt", "")]}
    assert lines_of_refusal(student, document(record), "empty_field", "data.json") == [2]


def test_a_label_that_is_no_judgement_is_data_like_any_other(student: User) -> None:
    record = ALPACA | {"label": "tools"}
    assert records_of(upload(student, json_lines(record))) == [record]


# --- every way in ----------------------------------------------------------------------------------

QUESTION, ANSWER = INSTRUCTION["instruction"], INSTRUCTION["output"]
JAPANESE = {"instruction": "庭に水をやるのは誰ですか。", "output": "二年B組のみんなです。"}


def table(delimiter: str, *names: str) -> bytes:
    rows = [names, (QUESTION, ANSWER)]
    return "".join(delimiter.join(row) + "\n" for row in rows).encode()


def cell(value: Any) -> str:
    """JSON as it stands in a cell of a CSV file."""
    text = json.dumps(value, ensure_ascii=False)
    return '"' + text.replace('"', '""') + '"'


WAYS_IN: dict[str, tuple[bytes, str]] = {
    "JSON under data": (json.dumps({"version": 2, "data": [INSTRUCTION]}).encode(), "data.json"),
    "pretty JSON under data": (json.dumps({"data": [INSTRUCTION], "by": {}}, indent=2).encode(), "data.json"),
    "one JSON object": (document(INSTRUCTION)[1:-1], "data.json"),
    "CSV": (table(",", "instruction", "output"), "data.csv"),
    "TSV": (table("\t", "instruction", "output"), "data.tsv"),
    "semicolons": (table(";", "instruction", "output"), "data.csv"),
    "pipes": (table("|", "instruction", "output"), "data.txt"),
    "Japanese column names": (table(",", "質問", "回答"), "data.csv"),
    "Japanese column names of full width": (table("\t", " 質問 ", "答え"), "data.csv"),
    "English column names": (table(",", "Question", "Answer"), "data.csv"),
    "Japanese JSON names": (json_lines({"質問": QUESTION, "回答": ANSWER}), "data.jsonl"),
    "packed JSON lines": (gzip.compress(json_lines(INSTRUCTION)), "data.jsonl.gz"),
    "packed CSV": (gzip.compress(table(",", "instruction", "output")), "data.csv.gz"),
    "packed JSON": (gzip.compress(document(INSTRUCTION)), "data.json.gz"),
    "UTF-8 with a mark": (codecs.BOM_UTF8 + table(",", "instruction", "output"), "data.csv"),
    "UTF-16": (table(",", "instruction", "output").decode().encode("utf-16"), "data.csv"),
    "UTF-16 without a mark": (json_lines(INSTRUCTION).decode().encode("utf-16-be"), "data.jsonl"),
    "UTF-32": (document(INSTRUCTION).decode().encode("utf-32"), "data.json"),
    "packed UTF-16": (gzip.compress(table("\t", "質問", "回答").decode().encode("utf-16")), "data.gz"),
    "Parquet": (b"", "data.parquet"),
    "Parquet of other names": (b"", "data.parquet"),
}  # fmt: skip
PARQUET_COLUMNS = {
    "Parquet": {"instruction": [QUESTION], "output": [ANSWER], "id": [7]},
    "Parquet of other names": {"question": [QUESTION], "answer": [ANSWER]},
}


@pytest.mark.parametrize("name", WAYS_IN)
def test_every_way_in_ends_in_the_same_record(name: str, student: User) -> None:
    content, file_name = WAYS_IN[name]
    if name in PARQUET_COLUMNS:
        content = parquet(PARQUET_COLUMNS[name])
    for given in (file_name, "upload"):
        dataset = upload(student, content, given)
        assert records_of(dataset) == [INSTRUCTION]
        assert dataset.type == "instruction"


@pytest.mark.parametrize("encoding", ["cp932", "euc_jp", "utf-16", "utf-16-be", "utf-8-sig"])
@pytest.mark.parametrize("packs", [False, True])
def test_japanese_in_every_encoding(encoding: str, packs: bool, student: User) -> None:
    text = f"質問,回答\n{JAPANESE['instruction']},{JAPANESE['output']}\n"
    texts = [json_lines(JAPANESE).decode()]
    # Without a mark UTF-16 is known by its ASCII characters, of which a Japanese table has few.
    texts += [] if encoding == "utf-16-be" else [text]
    for content in (text.encode(encoding) for text in texts):
        dataset = upload(student, gzip.compress(content) if packs else content)
        assert records_of(dataset) == [JAPANESE]


def test_messages_as_json_in_a_cell(student: User) -> None:
    content = f"id,messages\n1,{cell(ASKED)}\n2,{cell([said('human', 'Why?'), said('gpt', 'So it is.')])}\n"
    assert records_of(upload(student, content.encode(), "data.csv")) == [
        {"messages": ASKED},
        {"messages": [turn("user", "Why?"), turn("assistant", "So it is.")]},
    ]


def test_history_as_json_in_a_cell(student: User) -> None:
    history = [["Good morning.", "Good morning to you."]]
    content = f"instruction,output,history\nOpen?,It is.,{cell(history)}\nWhy?,Because.,\n"
    assert records_of(upload(student, content.encode(), "data.csv")) == [
        {"instruction": "Open?", "output": "It is.", "history": history},
        {"instruction": "Why?", "output": "Because."},
    ]


@pytest.mark.parametrize("column", ["messages", "conversations"])
def test_nested_messages_of_a_parquet_file(column: str, student: User) -> None:
    turns = (
        ASKED
        if column == "messages"
        else [said("human", "Is it open?"), said("gpt", "It is open.")]
    )
    content = parquet({column: [turns, turns], "score": [0.5, None], "source": ["a", "b"]})
    dataset = upload(student, content, "data.parquet")
    assert dataset.type == "chat"
    assert records_of(dataset) == [{"messages": ASKED}] * 2
    codes = {issue["code"]: issue["params"] for issue in latest_version(dataset).issues}
    assert codes["ignored_columns"] == {"columns": "score, source"}


def test_messages_of_a_parquet_file_as_json_texts(student: User) -> None:
    content = parquet({"messages": [json.dumps(ASKED)]})
    assert records_of(upload(student, content, "data.parquet")) == [{"messages": ASKED}]


def test_prompts_and_completions_of_a_parquet_file_as_messages(student: User) -> None:
    content = parquet({"prompt": [ASKED[:1]], "completion": [ASKED[1:]]})
    assert records_of(upload(student, content, "data.parquet")) == [{"messages": ASKED}]


def test_parquet_in_several_row_groups(student: User) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    texts = [f"The bell number {index} rings." for index in range(1000)]
    buffer = io.BytesIO()
    pq.write_table(pa.table({"text": texts}), buffer, row_group_size=300, compression="gzip")
    version = latest_version(upload(student, buffer.getvalue(), "data.parquet"))
    assert version.example_count == 1000
    assert [record["text"] for record in read_records(version, limit=1000)] == texts
