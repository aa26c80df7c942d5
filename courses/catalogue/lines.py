"""YAML with the line of each of its parts, so that a fault can be shown where it stands."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import yaml

Where = tuple[str | int, ...]


class LinedYaml:
    """A YAML text and its lines.

    Attributes:
        data: what it says.

    Raises:
        yaml.YAMLError: it is no YAML, or says the same name twice.
    """

    def __init__(self, text: str) -> None:
        loader = _Loader(text)
        try:
            node = loader.get_single_node()
            self._lines: dict[Where, int] = {}
            if node is not None:
                self._note(node, ())
            self.data: Any = loader.construct_document(node) if node is not None else None
        finally:
            loader.dispose()

    def line_of(self, where: Sequence[str | int]) -> int:
        """The line of the innermost part on the way to `where`; 1-based."""
        for length in range(len(where), -1, -1):
            if (line := self._lines.get(tuple(where[:length]))) is not None:
                return line
        return 1

    def _note(self, node: yaml.Node, where: Where) -> None:
        self._lines.setdefault(where, node.start_mark.line + 1)
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                inner = (*where, key.value)
                if inner in self._lines:
                    raise yaml.constructor.ConstructorError(
                        None, None, f"{key.value} stands there twice", key.start_mark
                    )
                self._lines[inner] = key.start_mark.line + 1
                self._note(value, inner)
        elif isinstance(node, yaml.SequenceNode):
            for index, value in enumerate(node.value):
                self._note(value, (*where, index))


class _Loader(yaml.SafeLoader):
    """Safe, without references, and `yes`, `no`, `on` and `off` are words, as people mean them in texts."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark
            raise yaml.composer.ComposerError(None, None, "references (*name) are not read", mark)
        return super().compose_node(parent, index)


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:bool"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"^(?:true|false)$"), list("tf"))
