"""The Markdown of replies: which of its rules are read, and how their tokens become HTML."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.utils.html import escape, format_html
from django.utils.translation import gettext as _
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict

from chat.rendering.emphasis import WideInline
from chat.rendering.formulas import read_formulas
from chat.rendering.links import is_allowed_link
from chat.rendering.mathml import tex_to_mathml
from chat.rendering.structure import arrange, keep_indent
from chat.rendering.tables import small_table

MAX_FORMULAS = 150
"""In one reply; those after it are shown as code."""
MAX_CODE_BLOCKS = 100
"""In one reply; those after it have neither a bar nor colours."""
# About what fits beside a sentence on a phone; a longer formula scrolls by itself.
_WIDE_TEX_CHARACTERS = 40


class ReplyMarkdown(MarkdownIt):
    """CommonMark with tables, struck text, tasks and formulas; raw HTML is text."""

    def __init__(self) -> None:
        super().__init__("commonmark", {"html": False, "breaks": True}, renderer_cls=ReplyRenderer)
        self.inline = WideInline()
        self.configure("commonmark", {"html": False, "breaks": True})
        self.enable(["table", "strikethrough"])
        self.block.ruler.at("table", small_table, {"alt": ["paragraph", "reference"]})
        read_formulas(self)
        self.core.ruler.before("inline", "keep_indent", keep_indent)
        self.core.ruler.push("arrange", arrange)

    def validateLink(self, url: str) -> bool:  # noqa: N802 - the library's name
        return is_allowed_link(url)


class ReplyRenderer(RendererHTML):
    """Each method writes the token of its name. `env["code"]` collects the blocks of code, in their order."""

    def fence(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        blocks = env.setdefault("code", [])
        if len(blocks) >= MAX_CODE_BLOCKS:
            return f"<pre><code>{escape(tokens[idx].content)}</code></pre>"
        blocks.append((tokens[idx].content, tokens[idx].info))
        return f'<pre data-slot="{len(blocks) - 1}"></pre>'

    def code_block(
        self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType
    ) -> str:
        return self.fence(tokens, idx, options, env)

    def math_inline(
        self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType
    ) -> str:
        meta = tokens[idx].meta
        markup = _mathml(meta, env)
        if markup is None:
            return f"<code>{escape(meta['source'])}</code>"
        is_wide = meta["is_display"] or len(meta["tex"]) > _WIDE_TEX_CHARACTERS
        return _scrolling("span", "math-scroll", _("Formula"), markup) if is_wide else markup

    def math_block(
        self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType
    ) -> str:
        meta = tokens[idx].meta
        markup = _mathml(meta, env)
        if markup is None:
            return f"<pre><code>{escape(meta['source'])}</code></pre>"
        return _scrolling("div", "math-scroll", _("Formula"), markup)

    def table_open(
        self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType
    ) -> str:
        return _scrolling("div", "table-scroll", _("Table"), "<table>", closes=False)

    def table_close(
        self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType
    ) -> str:
        return "</table></div>"

    def link_host(
        self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType
    ) -> str:
        return f' <span class="link-host">({escape(tokens[idx].content)})</span>'

    def task_box(
        self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType
    ) -> str:
        is_done = tokens[idx].meta["is_done"]
        return format_html(
            '<span class="task__box" role="img" aria-label="{}">{}</span> ',
            _("Done") if is_done else _("Not done"),
            "☑" if is_done else "☐",
        )


def _mathml(meta: dict[str, Any], env: EnvType) -> str | None:
    env["formulas"] = env.get("formulas", 0) + 1
    if env["formulas"] > MAX_FORMULAS:
        return None
    return tex_to_mathml(meta["tex"], is_display=meta["is_display"])


def _scrolling(tag: str, name: str, label: str, content: str, *, closes: bool = True) -> str:
    """Something wider than a phone, which the keyboard can reach and scroll."""
    opening = f'<{tag} class="{name}" role="group" aria-label="{escape(label)}" tabindex="0">'
    return f"{opening}{content}" + (f"</{tag}>" if closes else "")
