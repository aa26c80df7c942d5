"""Encodings: foreign ones, broken ones, mixed ones, and text that means something else in another."""

from __future__ import annotations

import codecs

from datasets_app.tests.hostile.cases import Hostile, accepted, refused

HEADER = b"prompt,completion\n"
JAPANESE = "prompt,completion\n庭に水をやるのは誰ですか。,二年B組のみんなです。\n"
FRENCH = "prompt,completion\nUn café déjà là,Très bien élevé à Orléans\n"
CHINESE = "prompt,completion\n你好，请问图书馆几点开门？,图书馆早上八点开门，晚上九点关门。\n"
KOREAN = "prompt,completion\n도서관은 몇 시에 여나요?,아침 여덟 시에 엽니다.\n"
RUSSIAN = "prompt,completion\nКогда открыто?,С восьми утра.\n"
ENGLISH = "prompt,completion\na question,an answer\n"

FOREIGN = [
    refused("latin-1", FRENCH.encode("latin-1"), "unknown_encoding", 2, "data.csv"),
    refused(
        "cp1252 with curly quotes",
        HEADER + "“Why”,‘Because’ – so…\n".encode("cp1252"),
        "unknown_encoding",
        2,
        "data.csv",
    ),
    refused("GB18030", CHINESE.encode("gb18030"), "unknown_encoding", 2, "data.csv"),
    refused(
        "Big5",
        "prompt,completion\n圖書館幾點開門,早上八點\n".encode("big5"),
        "unknown_encoding",
        2,
        "data.csv",
    ),
    refused("EUC-KR", KOREAN.encode("euc_kr"), "unknown_encoding", 2, "data.csv"),
    refused("KOI8-R", RUSSIAN.encode("koi8_r"), "unknown_encoding", 2, "data.csv"),
    refused("cp1251", RUSSIAN.encode("cp1251"), "unknown_encoding", 2, "data.csv"),
    refused(
        "cp437 boxes",
        HEADER + bytes(range(0xB0, 0xE0)) + b",x\n",
        "unknown_encoding",
        2,
        "data.csv",
    ),
    refused("EBCDIC", ENGLISH.encode("cp500"), "unknown_encoding", 1, "data.csv"),
]
BROKEN = [
    refused(
        "UTF-8 cut in a character", '{"text": "日本'.encode()[:-1], "cut_character", 1, "data.jsonl"
    ),
    refused(
        "UTF-8 with a lone continuation",
        JAPANESE.encode() + b"a,b\x80\n",
        "not_utf8",
        3,
        "data.csv",
    ),
    refused(
        "UTF-8 with a lost continuation",
        JAPANESE.encode() + "a,日".encode()[:-1] + b"b\n",
        "not_utf8",
        3,
        "data.csv",
    ),
    refused(
        "UTF-8 that turns into latin-1",
        JAPANESE.encode() + "a,déjà\n".encode("latin-1"),
        "not_utf8",
        3,
        "data.csv",
    ),
    refused(
        "UTF-8 that turns into Shift_JIS",
        JAPANESE.encode() * 20 + "庭,水\n".encode("cp932"),
        "not_utf8",
        41,
        "data.csv",
    ),
    refused("an overlong slash", HEADER + b"a,b\xc0\xafc\n", "unknown_encoding", 2, "data.csv"),
    refused("an overlong NUL", HEADER + b"a,b\xc0\x80c\n", "unknown_encoding", 2, "data.csv"),
    refused(
        "an overlong letter of three bytes",
        HEADER + b"a,\xe0\x81\x81\n",
        "unknown_encoding",
        2,
        "data.csv",
    ),
    refused(
        "an overlong letter of four bytes",
        HEADER + b"a,\xf0\x80\x81\x81\n",
        "unknown_encoding",
        2,
        "data.csv",
    ),
    refused(
        "a code point beyond Unicode",
        HEADER + b"a,\xf4\x90\x80\x80\n",
        "unknown_encoding",
        2,
        "data.csv",
    ),
    refused(
        "a UTF-8 sequence of five bytes",
        HEADER + b"a,\xf8\x88\x80\x80\x80\n",
        "unknown_encoding",
        2,
        "data.csv",
    ),
    refused("FE and FF in the middle", HEADER + b"a,\xfe\xff\n", "unknown_encoding", 2, "data.csv"),
    refused(
        "CESU-8 for an emoji",
        HEADER + b"a,\xed\xa0\xbd\xed\xb8\x80\n",
        "unknown_encoding",
        2,
        "data.csv",
    ),
    refused(
        "Shift_JIS cut in a character",
        JAPANESE.encode("cp932")[:-4],
        "unknown_encoding",
        2,
        "data.csv",
    ),
    refused(
        "EUC-JP cut in a character",
        JAPANESE.encode("euc_jp")[:-2],
        "unknown_encoding",
        2,
        "data.csv",
    ),
    refused(
        "random bytes",
        bytes((index * 7919 + index // 3) % 251 + 4 for index in range(4000)),
        "unknown_encoding",
        1,
    ),
    refused("every byte there is", bytes(range(256)) * 4, "not_a_text"),
    refused("NULs alone", bytes(5000), "nul", 1, "data.csv"),
]
WIDE = [
    refused(
        "UTF-16 of odd length", JAPANESE.encode("utf-16")[:-1], "cut_character", None, "data.csv"
    ),
    refused(
        "UTF-16 without a mark of odd length",
        ENGLISH.encode("utf-16-le")[:-1],
        "cut_character",
        None,
        "data.csv",
    ),
    refused(
        "UTF-16 with a lone surrogate",
        codecs.BOM_UTF16_LE + (ENGLISH + "a,").encode("utf-16-le") + b"\x00\xd8a\x00",
        "wrong_encoding",
        None,
        "data.csv",
    ),
    refused(
        "UTF-16 cut in a pair",
        codecs.BOM_UTF16_LE + (ENGLISH + "a,").encode("utf-16-le") + b"\x3d\xd8",
        "cut_character",
        None,
        "data.csv",
    ),
    refused("a mark of UTF-16 and nothing", codecs.BOM_UTF16_BE, "empty"),
    refused("a mark of UTF-8 and nothing", codecs.BOM_UTF8, "empty"),
    refused(
        "a mark of UTF-32 before something else",
        codecs.BOM_UTF32_LE + b"abcdefgh",
        "wrong_encoding",
    ),
    refused(
        "UTF-32 of odd length", JAPANESE.encode("utf-32")[:-2], "cut_character", None, "data.csv"
    ),
    refused("two marks", codecs.BOM_UTF8 * 2 + b'{"text": "word"}\n', "columns", 1),
    refused(
        "a mark of UTF-16 before UTF-8", codecs.BOM_UTF16_LE + b'{"text": "words"}\n', "columns", 1
    ),
]
HARMLESS = [
    accepted(
        "UTF-7 that is markup elsewhere",
        HEADER + b"+ADw-script+AD4-alert(1)+ADw-/script+AD4-,+AGEAYg-\n",
        "data.csv",
    ),
    accepted("ISO-2022 escapes as text", HEADER + b"a\x1b$B,b\x1b(B\n", "data.csv"),
    accepted("UTF-16", JAPANESE.encode("utf-16"), "data.csv"),
    accepted(
        "private and unassigned characters",
        HEADER + "\ue000\U0010fffd,\u0378 \ufffe\uffff\n".encode(),
        "data.csv",
    ),
    accepted(
        "a thousand marks on a letter",
        HEADER + ("a" + "\u0301" * 1000 + ",b\n").encode(),
        "data.csv",
    ),
]
CASES: list[Hostile] = [*FOREIGN, *BROKEN, *WIDE, *HARMLESS]
