"""Hostile and ordinary replies in a real browser, without the policy that would stop what got through."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.contrib.staticfiles import finders
from django.utils import translation
from playwright.sync_api import Browser, Page, Route

from chat.rendering import render_markdown
from chat.tests.test_rendering_hostile import ATTACKS

pytestmark = pytest.mark.e2e

SITE = "http://llmlora.example"
STYLES = ("tokens", "base", "layout", "components", "markdown", "chat")
ORDINARY = r"""## 活性化関数

**「強調」**です。改行と
`code`、$x_i$、[公式の説明](https://numpy.org/doc)。
長い式：$\mathcal{L} = -\frac{1}{N}\sum_{n=1}^{N}\log p(y_n \mid x_n, x_{n-1}, x_{n-2})$です。

\[ \operatorname{softmax}(z)_i = \frac{e^{z_i}}{\sum_{j=1}^{K} e^{z_j}} + a + b + c + d + e + f + g + h + i \]

| Optimizer | Memory | Speed | Notes | More | More still |
|---|--:|:-:|---|---|---|
| SGD | 1 | fast | needs tuning | words words words | words words |

- [x] done
- [ ] open

```python
@decorator
def f(x: int) -> str:  # a comment
    return "a string that is long enough to be wrapped on the screen of a phone" + str(1.5)
```

```diff
- old
+ new
```

> quoted
"""


@dataclass
class Seen:
    page: Page
    foreign_requests: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    replies: list[str] = field(default_factory=list)
    theme: str = "light"
    language: str = "en"

    def show(self, *texts: str) -> None:
        with translation.override(self.language):
            self.replies = [render_markdown(text) for text in texts]
        self.page.goto(SITE)

    def answer(self, route: Route) -> None:
        address = urlsplit(route.request.url)
        if address.netloc != urlsplit(SITE).netloc:
            self.foreign_requests.append(route.request.url)
            route.abort()
        elif address.path == "/":
            route.fulfill(body=self._html(), content_type="text/html; charset=utf-8")
        elif address.path.startswith("/static/"):
            path = finders.find(address.path.removeprefix("/static/"))
            assert isinstance(path, str), address.path
            route.fulfill(path=path)
        else:
            self.foreign_requests.append(route.request.url)
            route.fulfill(status=404)

    def _html(self) -> str:
        styles = "".join(
            f'<link rel="stylesheet" href="/static/css/{name}.css">' for name in STYLES
        )
        replies = "".join(
            f'<div class="reply is-tuned"><h3>Reply</h3>{reply}</div>' for reply in self.replies
        )
        return (
            f'<!doctype html><html lang="{self.language}" data-theme="{self.theme}"><head><title>Replies</title>'
            f'<link rel="icon" href="data:,">{styles}<script src="/static/django_htmx/htmx-2.min.js"></script></head>'
            f'<body><main class="page"><h1>Chat</h1><h2>Turn</h2>{replies}</main></body></html>'
        )


@pytest.fixture
def seen(browser: Browser) -> Iterator[Seen]:
    page = browser.new_page(viewport={"width": 360, "height": 800})
    page.set_default_timeout(10_000)
    watched = Seen(page)
    page.route("**/*", watched.answer)
    page.on("pageerror", lambda error: watched.problems.append(str(error)))
    page.on("dialog", lambda dialog: (watched.problems.append(dialog.message), dialog.dismiss()))
    yield watched
    page.close()


def test_no_hostile_reply_runs_loads_or_covers_anything(seen: Seen) -> None:
    seen.show(*ATTACKS)
    page = seen.page
    assert page.locator(".markdown").count() == len(ATTACKS)
    # What waits for a pointer or for focus.
    page.evaluate(
        """() => document.querySelectorAll(".markdown *").forEach((element) => {
             for (const name of ["mouseover", "focus", "load", "error", "toggle", "start"]) {
               element.dispatchEvent(new Event(name));
             }
           })"""
    )
    assert (
        page.locator(
            ".markdown :is(img, script, iframe, svg, style, form, input, video, audio)"
        ).count()
        == 0
    )
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    assert page.evaluate("document.title") == "Replies"
    assert seen.foreign_requests == []
    assert seen.problems == []


@pytest.mark.parametrize(("theme", "language"), [("light", "ja"), ("dark", "en")])
@pytest.mark.parametrize("width", [360, 1280])
def test_an_ordinary_reply_is_accessible(seen: Seen, theme: str, language: str, width: int) -> None:
    seen.theme, seen.language = theme, language
    seen.page.set_viewport_size({"width": width, "height": 800})
    seen.show(ORDINARY)
    found = Axe().run(seen.page)
    assert found.violations_count == 0, found.generate_report()
    assert seen.page.evaluate("document.documentElement.scrollWidth") <= width


def test_what_is_wider_than_a_phone_is_scrolled_with_the_keyboard(seen: Seen) -> None:
    seen.show(ORDINARY)
    for selector in (".table-scroll", "div.math-scroll"):
        scroller = seen.page.locator(selector)
        scroller.focus()
        seen.page.keyboard.press("ArrowRight")
        seen.page.wait_for_function(
            "name => document.querySelector(name).scrollLeft > 0", arg=selector
        )
