"""JSON and JSON lines: cut, nested, doubled, endless, and of the wrong types."""

from __future__ import annotations

from collections.abc import Iterator

from datasets_app.tests.hostile.cases import Hostile, accepted, refused

ONE = b'{"instruction": "Who waters the garden?", "output": "Class 2B waters it."}'
LINE = ONE + b"\n"
MEGABYTE = b"x" * 1024 * 1024
ROW_MEGABYTES = 50


def _row(opening: bytes, closing: bytes) -> Iterator[bytes]:
    yield opening + b'{"text": "'
    for _ in range(ROW_MEGABYTES):
        yield MEGABYTE
    yield b'"}' + closing


def _nested(depth: int, opening: bytes = b"[", closing: bytes = b"]") -> bytes:
    return opening * depth + closing * depth


def _field(value: bytes) -> bytes:
    return b'{"text": "word", "extra": ' + value + b"}\n"


def _fields(count: int) -> bytes:
    return b"{" + b", ".join(b'"key%d": %d' % (index, index) for index in range(count)) + b"}\n"


TRUNCATED = [
    refused("JSON cut after the bracket", b"[", "cut", 1),
    refused("JSON cut after a brace", b"[{", "cut", 1, "data.json"),
    refused("JSON cut in a name", b'[\n{"instr', "cut", 2),
    refused("JSON cut after a name", b'[\n{"text"', "cut", 2),
    refused("JSON cut after a colon", b'[\n{"text":', "cut", 2),
    refused("JSON cut in a text", b'[\n{"text": "wor', "cut", 2),
    refused("JSON cut after a backslash", b'[\n{"text": "wor\\', "cut", 2),
    refused("JSON cut in an escape", b'[\n{"text": "wor\\u00', "cut", 2),
    refused("JSON cut after a text", b'[\n{"text": "word"', "cut", 2),
    refused("JSON cut after a comma", b'[\n{"text": "word",', "cut", 2),
    refused("JSON cut in true", b'[\n{"text": "word", "ok": tr', "cut", 2),
    refused("JSON cut in a number", b'[\n{"text": "word", "n": 12', "cut", 2),
    refused("JSON cut after a record", b"[\n" + ONE, "cut", 2),
    refused("JSON cut after records", b"[\n" + ONE + b",\n" + ONE + b",", "cut", 3),
    refused("JSON cut in an inner list", b'[\n{"messages": [{"role": "user"', "cut", 2),
    refused("JSON cut under data", b'{"data": [\n' + ONE + b",\n" + ONE, "cut", 3),
    refused("JSON cut after data", b'{"data": [\n' + ONE + b"]", "cut", 2),
    refused("JSON lines cut in a text", LINE + ONE[:30], "cut", 2),
    refused("JSON lines cut in the middle", LINE + ONE[:30] + b"\n" + LINE, "open_line", 2),
    refused("a pretty record as JSON lines", b'{"text":\n"word"}\n' + LINE, "extra_data", 3),
]
NESTING = [
    refused("65 lists in a field", _field(_nested(65)), "too_deep", 1),
    refused("65 objects in a field", _field(b'{"a":' * 65 + b"1" + b"}" * 65), "too_deep", 1),
    refused("1,000 lists in a field", _field(_nested(1000)), "too_deep", 1),
    refused("1,000 lists in a document", b"[" + _field(_nested(1000)) + b"]", "too_deep", 1),
    refused("100,000 lists in a field", _field(_nested(100_000)), "too_deep", 1),
    refused("100,000 lists", _nested(100_000), "too_deep", 1),
    refused("100,000 objects", b'{"a":' * 20_000, "too_deep", 1, "data.json"),
    refused("100,000 open brackets as lines", LINE + b"[" * 100_000, "too_deep", 2),
    refused("300 lists as a record", LINE + _nested(300) + b"\n", "not_object", 2),
]
NUMBERS = [
    refused("an integer of 5,000 digits", _field(b"9" * 5000), "huge_number", 1),
    refused("a negative integer of 5,000 digits", _field(b"-" + b"9" * 5000), "huge_number", 1),
    refused("an integer of 200,000 digits", _field(b"9" * 200_000), "huge_number", 1),
    refused("a bare number of 5,000 digits", LINE + b"9" * 5000 + b"\n", "huge_number", 2),
    refused("a float of 5,000 digits", _field(b"9" * 5000 + b".0"), "not_finite", 1),
    refused("NaN", _field(b"NaN"), "not_finite", 1),
    refused("Infinity", _field(b"Infinity"), "not_finite", 1),
    refused("minus Infinity deep inside", _field(b'{"a": [[-Infinity]]}'), "not_finite", 1),
    refused("an exponent of 400", _field(b"1e400"), "not_finite", 1),
    refused("an exponent of billions", _field(b"1e9999999999"), "not_finite", 1),
    refused("a leading zero", _field(b"012"), "json_comma", 1),
    refused("a hexadecimal number", _field(b"0xff"), "json_comma", 1),
    refused("a leading plus", _field(b"+1"), "json_value", 1),
    accepted("a very small number", _field(b"1e-400")),
]
KEYS = [
    refused("a field twice", b'{"text": "a", "text": "b"}\n', "duplicate_key", 1),
    refused("an escaped field twice", b'{"text": "a", "te\\u0078t": "b"}\n', "duplicate_key", 1),
    refused("an inner field twice", _field(b'{"a": 1, "a": 2}'), "duplicate_key", 1),
    refused(
        "a field 20,000 times",
        b"{" + b'"text": "a", ' * 20_000 + b'"text": ""}',
        "duplicate_key",
        1,
    ),
    refused("data twice", b'{"data": [' + ONE + b'],\n"data": []}', "duplicate_key", 2),
    refused("5,000 fields", _fields(5_000), "unknown_shape", 1),
    refused(
        "a name of 200,000 characters", b'{"' + b"k" * 200_000 + b'": "a"}\n', "unknown_shape", 1
    ),
    refused(
        "a known record with a name of 100,000 characters",
        _field(b'{"' + b"k" * 100_000 + b'": 1}'),
        "record_too_long",
        1,
    ),
    refused("only __proto__", b'{"__proto__": {"text": "word"}}\n', "unknown_shape", 1),
    accepted(
        "__proto__ beside a text",
        b'{"text": "word", "__proto__": {"admin": true}, "constructor": 1}\n',
    ),
    accepted(
        "names that look like code", b'{"text": "word", "{{ 7*7 }}": "%s", "<script>": "${7*7}"}\n'
    ),
    refused("an empty name", b'{"": "word"}\n', "empty_record", 1),
]
CHARACTERS = [
    refused("a lone high surrogate", b'{"text": "\\ud83d"}\n', "surrogate", 1),
    refused("a lone low surrogate", b'{"text": "\\udc00 word"}\n', "surrogate", 1),
    refused("surrogates in the wrong order", b'{"text": "\\ude00\\ud83d"}\n', "surrogate", 1),
    refused("a lone surrogate in a name", b'{"text": "word", "\\ud800": 1}\n', "surrogate", 1),
    refused(
        "a lone surrogate in bytes", LINE + b'{"text": "\xed\xa0\xbd"}\n', "unknown_encoding", 2
    ),
    refused("an escaped NUL", b'{"text": "a\\u0000b"}\n', "nul", 1),
    refused("a raw NUL", LINE + b'{"text": "a\x00b"}\n', "nul", 2),
    refused("a NUL between records", LINE + b"\x00\n" + LINE, "nul", 2),
    refused("a raw bell", LINE + b'{"text": "a\x07b"}\n', "json_control", 2),
    refused("a raw line break in a document", b'[{"text": "a\nb"}]', "json_open_quote", 1),
    refused("a bad escape", LINE + b'{"text": "C:\\users"}\n', "json_escape", 2),
    accepted("a whole pair of surrogates", b'{"text": "\\ud83d\\ude00 smiles"}\n'),
    accepted(
        "direction marks in a text", '{"text": "safe \u202egnp.exe\u202c \u2066x\u2069"}\n'.encode()
    ),
    accepted("markup in a text", b'{"text": "<script>alert(1)</script> {% include \'x\' %}"}\n'),
]
SYNTAX = [
    refused("concatenated objects", ONE + ONE + b"\n" + LINE, "json_extra", 1),
    refused("concatenated lists", b"[" + ONE + b"]\n[" + ONE + b"]", "extra_data", 2),
    refused("a comma after the last record", b"[\n" + ONE + b",\n]", "json_trailing_comma", 3),
    refused(
        "a comma after the last field", b'{"text": "word",}\n' + LINE, "json_trailing_comma", 1
    ),
    refused("commas between lines", ONE + b",\n" + ONE + b",\n", "extra_data", 1),
    refused("two commas", b"[" + ONE + b",,\n" + ONE + b"]", "json_value", 1),
    refused("a line comment", b"[\n// first\n" + ONE + b"]", "json_comment", 2),
    refused("a block comment", LINE + b"/* all */\n", "json_comment", 2),
    refused("a hash comment", LINE + b"# all\n", "json_comment", 2),
    refused("single quotes", b"[{'text': 'word'}]", "json_single_quote", 1),
    refused("names without quotes", b"[{text: 1}]", "json_value", 1),
    refused("None and True", LINE + b'{"text": None}\n', "json_python_word", 2),
    refused(
        "a byte order mark between lines", LINE + b"\xef\xbb\xbf" + LINE, "json_byte_order_mark", 2
    ),
    refused("a bare text", b'"hello"', "not_list", 1, "data.json"),
    refused("a bare number", b"42", "not_list", 1, "data.json"),
    refused("a closing bracket", b"]", "not_list", 1, "data.json"),
    refused("a list of nothing", b"[]", "no_records"),
    refused("a list that starts with a comma", b"[,1]", "json_value", 1),
    refused("YAML", b"- text: word\n- text: other\n", "json_value", 1, "data.jsonl"),
    refused("lines of brackets", b"{}\n" * 3, "empty_record", 1),
]
TYPES = [
    refused("records that are texts", b'["word", "other"]', "not_object", 1),
    refused("records that are lists", LINE + b"[1, 2]\n", "not_object", 2),
    refused("records that are null", LINE + b"null\n", "not_object", 2),
    refused("a text that is a number", b'{"text": 1}\n', "not_text", 1),
    refused("a text that is null", b'{"text": null}\n', "missing_field", 1),
    refused("a text that is true", b'{"text": true}\n', "not_text", 1),
    refused("a text that is an object", b'{"text": {"$ne": null}}\n', "not_text", 1),
    refused("an output that is a list", b'{"instruction": "a", "output": ["b"]}\n', "not_text", 1),
    refused(
        "an input that is a number",
        b'{"instruction": "a", "input": 3, "output": "b"}\n',
        "not_text",
        1,
    ),
    refused(
        "a system that is a list",
        b'{"instruction": "a", "output": "b", "system": []}\n',
        "not_text",
        1,
    ),
    refused("a prompt that is a number", b'{"prompt": 1, "completion": "b"}\n', "not_text", 1),
    refused(
        "a completion of blanks", b'{"prompt": "a", "completion": " \\n "}\n', "empty_field", 1
    ),
    refused("messages that are a text", b'{"messages": "hello"}\n', "bad_messages", 1),
    refused("messages that are an object", b'{"messages": {"0": {}}}\n', "bad_messages", 1),
    refused("messages that are empty", b'{"messages": []}\n', "bad_messages", 1),
    refused("a message that is null", b'{"messages": [null]}\n', "bad_messages", 1),
    refused("a message without a role", b'{"messages": [{"content": "a"}]}\n', "bad_role", 1),
    refused(
        "a content that is a number",
        b'{"messages": [{"role": "assistant", "content": 1}]}\n',
        "not_text",
        1,
    ),
    refused(
        "a content of parts that are numbers",
        b'{"messages": [{"role": "assistant", "content": [1]}]}\n',
        "bad_messages",
        1,
    ),
    refused(
        "a role that is unknown",
        b'{"messages": [{"role": "root", "content": "a"}]}\n',
        "bad_role",
        1,
    ),
    refused(
        "a role that is an object",
        b'{"messages": [{"role": {"a": 1}, "content": "a"}]}\n',
        "bad_role",
        1,
    ),
    refused(
        "a role of 50,000 characters",
        b'{"messages": [{"role": "' + b"r" * 50_000 + b'", "content": "a"}]}\n',
        "bad_role",
        1,
    ),
    refused("no answer", b'{"messages": [{"role": "user", "content": "a"}]}\n', "no_answer", 1),
    refused(
        "a history that is a text",
        b'{"instruction": "a", "output": "b", "history": "x"}\n',
        "bad_history",
        1,
    ),
    refused(
        "a history of triples",
        b'{"instruction": "a", "output": "b", "history": [["a", "b", "c"]]}\n',
        "bad_history",
        1,
    ),
    Hostile(
        "three schemas in turn", LINE + b'{"text": "a"}\n{"messages": []}\n' + LINE, ("mixed",), 2
    ),
    Hostile(
        "known and unknown schemas", LINE + b'{"front": "a", "back": "b"}\n', ("missing_field",), 2
    ),
    refused("data that is an object", b'{"data": {"text": "word"}}', "data_not_list", 1),
    refused("data that is null", b'{"data": null}', "data_not_list", 1),
]
SIZES = [
    refused("a row of 70 KB", b'{"text": "' + b"x" * 70_000 + b'"}\n', "record_too_long", 1),
    refused("a row of 50 MB", lambda: _row(b"", b"\n"), "record_too_long", 1, "data.jsonl"),
    refused(
        "a row of 50 MB after a good one",
        lambda: _row(LINE, b"\n"),
        "record_too_long",
        2,
        "data.jsonl",
    ),
    refused(
        "a row of 50 MB in a list", lambda: _row(b"[\n", b"]"), "record_too_long", 2, "data.json"
    ),
    refused(
        "a row of 50 MB under data",
        lambda: _row(b'{"data": [\n', b"]}"),
        "record_too_long",
        2,
        "data.json",
    ),
    refused(
        "a name of 50 MB",
        lambda: [b'{"', *[MEGABYTE] * ROW_MEGABYTES, b'": 1}'],
        "record_too_long",
        1,
        "data.json",
    ),
    refused("two megabytes of brackets", b"[" * 2_000_000, "too_deep", 1),
    refused("two million blank lines", b"\n" * 2_000_000, "empty", None, "data.jsonl"),
    refused("six megabytes of spaces", b" " * 6_000_000, "empty", None, "data.json"),
    refused("spaces before a cut list", b" " * 3_000_000 + b"[", "cut", 1, "data.json"),
    refused("a field of 100,000 spaces", b'{"a":' + b" " * 100_000 + b"x", "json_value", 1),
    refused("100,000 fields of no record", b'{"a": 1, ' * 20_000, "json_value", 1),
]
PATTERNS = {
    "letters before a sign": "a" * 60_000 + " @",
    "signs and letters in turn": "a@" * 30_000,
    "dots behind a sign": "a@" + "a." * 30_000 + "1",
    "dashes behind a sign": "@a" + "-" * 60_000,
    "digits": "0" * 60_000,
    "digits and dashes": "0-" * 30_000,
    "digits in groups of four": "1234 " * 12_000,
    "plus signs and digits": "+1 2" * 15_000,
    "open brackets and digits": "(012" * 15_000,
    "prefectures": "県" * 20_000,
    "the beginning of an address": "東京都あ" * 5_000,
    "an address without an end": "東京都千代田区" + "一" * 19_000,
    "post codes cut short": "〒123" * 10_000,
    "open tags": "<a " * 20_000,
    "a tag of blanks": "<p" + " " * 60_000,
    "open markers": "<|im" * 15_000,
    "markers of full width": "<\uff5c" * 15_000,
    "headings": "\n###" * 12_000,
    "entities": "&#1" * 20_000,
    "half-width kana": "\uff76\uff9e" * 10_000,
    "ligatures that unfold": "\ufdfa" * 20_000,
    "joined marks": "\u0344" * 20_000,
}
SLOW = [
    accepted(
        f"a text for slow searches: {name}",
        # Four records of its kind still fit what is read without a process of its own.
        b"".join(
            b'{"text": "%d %s"}\n' % (index, text.replace("\n", "\\n").encode())
            for index in range(4)
        ),
    )
    for name, text in PATTERNS.items()
]
CASES = [
    *TRUNCATED,
    *NESTING,
    *NUMBERS,
    *KEYS,
    *CHARACTERS,
    *SYNTAX,
    *TYPES,
    *SIZES,
    *SLOW,
]
