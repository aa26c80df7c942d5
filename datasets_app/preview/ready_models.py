"""The base models whose tokenizer lies on this host, and how each of them turns conversations into tokens."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from django.conf import settings
from django.utils.translation import gettext as _

from common.errors import UnavailableError
from engine.catalog import CATALOG
from engine.data.chat_template import ChatFormat
from engine.data.tokenizer_files import FILES, TokenizerFiles, chat_format_of, files_digest
from engine.errors import EngineError
from engine.models.cache import find_prepared

Stamp = tuple[tuple[str, int, int], ...]
"""Name, time of change and size of every file that matters: it changes when one of them does."""


@dataclass(frozen=True, slots=True)
class ReadyModel:
    """A base model whose tokenizer can be read here.

    Attributes:
        digest: of the files that decide how a conversation becomes tokens.
    """

    name: str
    folder: Path
    digest: str


@dataclass(frozen=True, slots=True)
class ModelTokenizer:
    """What turns the examples of a dataset into the tokens of one base model."""

    files: TokenizerFiles
    chat_format: ChatFormat


def ready_models() -> list[ReadyModel]:
    """The models of the catalogue that are prepared, then those that the owner put into the folder of local models."""
    home = settings.LLMLORA_HOME
    prepared = [find_prepared(home.model_cache, spec) for spec in CATALOG]
    folders = {ref.name: Path(ref.path) for ref in prepared if ref is not None}
    known = {spec.name for spec in CATALOG}
    for folder in sorted(home.local_models.glob("*")):
        if folder.name not in known and (folder / "tokenizer.json").is_file():
            folders[folder.name] = folder
    return [
        ReadyModel(name, folder, _digest(folder, _stamp(folder)))
        for name, folder in folders.items()
    ]


def tokenizer_of(model: ReadyModel) -> ModelTokenizer:
    """The tokenizer of a model; the last few stay in memory.

    Raises:
        UnavailableError: its files can not be used.
    """
    try:
        return _load(model.folder, model.digest)
    except EngineError as error:
        raise UnavailableError(
            _(
                "The tokenizer of the base model “%(name)s” can not be used, so nothing can be shown for it: "
                "%(reason)s. Choose another model, or ask your instructor to look at its files."
            )
            % {"name": model.name, "reason": str(error)[:200]}
        ) from error


@lru_cache(maxsize=4)
def _load(folder: Path, digest: str) -> ModelTokenizer:
    files = TokenizerFiles(folder)
    return ModelTokenizer(files, chat_format_of(files))


@lru_cache(maxsize=32)
def _digest(folder: Path, stamp: Stamp) -> str:
    return files_digest(folder)


def _stamp(folder: Path) -> Stamp:
    found = []
    for name in FILES:
        path = folder / name
        if path.is_file():
            state = path.stat()
            found.append((name, state.st_mtime_ns, state.st_size))
    return tuple(found)
