"""Links of a model: only to other sites, and never without showing where they lead."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from urllib.parse import urlsplit

from markdown_it.token import Token

_OUTSIDE = re.compile(r"(?:https?://|mailto:)[^\s]", re.IGNORECASE)


def is_allowed_link(url: str) -> bool:
    """Not a page of this site, nor an address with a name and a password, which make one host look like another."""
    if not _OUTSIDE.match(url):
        return False
    try:
        parts = urlsplit(url)
        has_host = bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
    return parts.scheme == "mailto" or (has_host and "@" not in parts.netloc)


def show_hosts(children: list[Token]) -> list[Token]:
    """Behind each link whose words are not its address stands the host, as the network spells it."""
    shown: list[Token] = []
    opening = 0
    for child in _without_images(children):
        shown.append(child)
        if child.type == "link_open":
            opening = len(shown)
        elif child.type == "link_close":
            address = str(shown[opening - 1].attrGet("href") or "")
            words = "".join(token.content for token in shown[opening:])
            if not _is_plain(words, address):
                shown.append(Token("link_host", "", 0, content=_host(address)))
    return shown


def _without_images(children: Iterable[Token]) -> Iterator[Token]:
    """An image as a link, or as its words within another link: fetching it would tell a server who reads."""
    is_in_link = False
    for child in children:
        if child.type != "image":
            is_in_link = child.type == "link_open" or (is_in_link and child.type != "link_close")
            yield child
            continue
        address = str(child.attrGet("src") or "")
        words = Token("text", "", 0, content=child.content or _host(address))
        if is_in_link:
            yield words
        else:
            yield Token("link_open", "a", 1, attrs={"href": address})
            yield words
            yield Token("link_close", "a", -1)


def _host(address: str) -> str:
    parts = urlsplit(address)
    return parts.path if parts.scheme == "mailto" else parts.netloc


def _is_plain(words: str, address: str) -> bool:
    """An address written out needs no host, unless its host has letters that look like others."""
    host = _host(address)
    return words in (address, host) or f"{words}/".startswith(
        (f"http://{host}/", f"https://{host}/")
    )
