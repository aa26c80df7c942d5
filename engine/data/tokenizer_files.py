"""A base model's tokenizer and chat template from the files of its folder, without transformers. Torch-free.

What it gives equals what transformers gives for the same folder, where the tokenizer's class leaves tokenizer.json as
it is; a test holds both against each other.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Tokenizer

from engine.data.chat_template import ChatFormat
from engine.data.template_sandbox import chat_template
from engine.errors import UnsupportedModelError

FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "chat_template.jinja",
    "config.json",
    "generation_config.json",
)
"""What of a model's folder decides how a conversation becomes tokens and where an answer ends."""

_NAMED_TOKENS = frozenset(
    f"{name}_token" for name in ("bos", "eos", "unk", "sep", "pad", "cls", "mask")
)


class TokenizerFiles:
    """The tokenizer and chat template of a folder (engine.data.chat_template.ChatTokenizer).

    Attributes:
        special_ids: the text of every special token, and its id.
        end_of_text_id: ends a bare text.
        stop_ids: tokens that end an answer, as the folder's configuration says.

    Raises:
        UnsupportedModelError: a file is missing or unreadable.
    """

    def __init__(self, folder: Path | str) -> None:
        folder = Path(folder)
        settings = _special_settings(folder)
        self._tokenizer = _load(folder / "tokenizer.json")
        named = dict(_named_tokens(settings))
        extra = _extra_tokens(settings)
        _add_missing(self._tokenizer, settings, [*named.values(), *extra])
        self._names = {name: _text(token) for name, token in named.items()}
        self._template = _read_template(folder, settings)
        self.special_ids: Mapping[str, int] = self._find_special_ids(map(_text, extra))
        end = self._names.get("eos_token")
        self.end_of_text_id = self._tokenizer.token_to_id(end) if end is not None else None
        self.stop_ids = _stop_ids(folder, self.end_of_text_id)
        # For good: another thread may be encoding.
        self._tokenizer.encode_special_tokens = True

    @property
    def has_template(self) -> bool:
        return bool(self._template)

    def render(self, messages: Sequence[Mapping[str, str]], *, add_generation_prompt: bool) -> str:
        return chat_template(self._template).render(
            messages=[dict(message) for message in messages],
            tools=None,
            documents=None,
            add_generation_prompt=add_generation_prompt,
            **self._names,
        )

    def text_ids(self, text: str) -> list[int]:
        return list(self._tokenizer.encode(text, add_special_tokens=False).ids)

    def rendered_ids(self, text: str) -> list[int]:
        """Token ids of a rendered conversation; not while another thread encodes."""
        self._tokenizer.encode_special_tokens = False
        try:
            return self.text_ids(text)
        finally:
            self._tokenizer.encode_special_tokens = True

    def token_places(self, text: str) -> list[tuple[int, int]]:
        """Where in a text each of its tokens begins and ends; tokens that share a character name the same place."""
        return list(self._tokenizer.encode(text, add_special_tokens=False).offsets)

    def token_counts(self, texts: Sequence[str]) -> list[int]:
        """How many tokens each text has."""
        encodings = self._tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)
        return [len(encoding.ids) for encoding in encodings]

    def _find_special_ids(self, extra: Iterator[str]) -> dict[str, int]:
        named = {
            text: self._tokenizer.token_to_id(text) for text in (*self._names.values(), *extra)
        }
        added = self._tokenizer.get_added_tokens_decoder()
        return {text: index for text, index in named.items() if index is not None} | {
            token.content: index for index, token in added.items() if token.special
        }


def files_digest(folder: Path | str) -> str:
    """Hex sha256 over the files that decide how a conversation becomes tokens."""
    digest = hashlib.sha256()
    for name in FILES:
        path = Path(folder) / name
        if path.is_file():
            content = path.read_bytes()
            digest.update(f"{name} {len(content)}\n".encode())
            digest.update(content)
    return digest.hexdigest()


def chat_format_of(files: TokenizerFiles) -> ChatFormat:
    """How conversations become tokens for the model of these files.

    Raises:
        UnsupportedModelError: the tokenizer splits a conversation in another way than its parts.
        DatasetError: the template refuses an everyday conversation.
    """
    return ChatFormat(files, files.stop_ids)


def _load(path: Path) -> Tokenizer:
    try:
        tokenizer = Tokenizer.from_file(str(path))
    # The library raises bare Exception for whatever it can not read.
    except Exception as failure:
        raise UnsupportedModelError(f"{path}: {failure}") from failure
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def _special_settings(folder: Path) -> dict[str, Any]:
    """tokenizer_config.json, and what older folders say of special tokens beside it."""
    settings = _read_json(folder / "tokenizer_config.json")
    if "added_tokens_decoder" not in settings:
        settings |= _read_json(folder / "special_tokens_map.json")
    return settings


def _named_tokens(settings: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, token in settings.items():
        is_own_name = name.endswith("_token") and isinstance(token, str)
        if token is not None and (name in _NAMED_TOKENS or is_own_name):
            yield name, token
    extra = settings.get("extra_special_tokens")
    if isinstance(extra, dict):
        yield from extra.items()


def _extra_tokens(settings: Mapping[str, Any]) -> list[Any]:
    extra = settings.get("extra_special_tokens") or settings.get("additional_special_tokens")
    return extra if isinstance(extra, list) else []


def _add_missing(tokenizer: Tokenizer, settings: Mapping[str, Any], specials: list[Any]) -> None:
    """Add the tokens that the settings name and tokenizer.json does not have."""
    listed = settings.get("added_tokens_decoder") or {}
    tokens = [_added_token(listed[index]) for index in sorted(listed, key=int)]
    known = {token.content for token in tokenizer.get_added_tokens_decoder().values()}
    known |= {token.content for token in tokens}
    for token in specials:
        if _text(token) not in known:
            known.add(_text(token))
            tokens.append(_added_token(token, special=True))
    if tokens:
        tokenizer.add_tokens(tokens)


def _added_token(token: Any, **flags: bool) -> AddedToken:
    known = (token if isinstance(token, dict) else {}) | flags
    names = ("single_word", "lstrip", "rstrip", "normalized", "special")
    return AddedToken(_text(token), **{name: known[name] for name in names if name in known})


def _text(token: Any) -> str:
    return str(token.get("content", "")) if isinstance(token, dict) else str(token)


def _read_template(folder: Path, settings: Mapping[str, Any]) -> str:
    template = _read_text(folder / "chat_template.jinja")
    if template is not None:
        return template
    template = settings.get("chat_template")
    if isinstance(template, list):
        named = {entry.get("name"): entry.get("template") for entry in template}
        template = named.get("default")
    return template if isinstance(template, str) else ""


def _stop_ids(folder: Path, end_of_text_id: int | None) -> frozenset[int]:
    path = folder / "generation_config.json"
    configured = _read_json(path if path.is_file() else folder / "config.json").get("eos_token_id")
    more = configured if isinstance(configured, list) else [configured]
    return frozenset(index for index in (end_of_text_id, *more) if isinstance(index, int))


def _read_json(path: Path) -> dict[str, Any]:
    """The object of a JSON file; an absent file says nothing."""
    text = _read_text(path)
    try:
        value = json.loads(text) if text is not None else {}
    except ValueError as failure:
        raise UnsupportedModelError(f"{path}: {failure}") from failure
    return value if isinstance(value, dict) else {}


def _read_text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as failure:
        raise UnsupportedModelError(f"{path}: {failure}") from failure
