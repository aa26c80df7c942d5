"""What a browser does between our sign-in page and the directory."""

from __future__ import annotations

import html
import re
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit

from django.http import HttpResponse
from django.test import Client
from django.urls import reverse

from accounts.sso.config import OidcServer
from accounts.tests.oidc_server import CLIENT_ID, CLIENT_SECRET, OidcTestServer


def server_settings(server: OidcTestServer, **changes: Any) -> OidcServer:
    values = {
        "url": server.url,
        "client_id": CLIENT_ID,
        "client_secret": CLIENT_SECRET,
        "name": "School",
        "groups_claim": "groups",
    }
    return OidcServer(**(values | changes))


def go(client: Client, **fields: str) -> str:
    """Press the button; where the browser goes to."""
    page = client.post(reverse("sso:begin"), fields)
    assert page.status_code == 200, page.content.decode()
    return html.unescape(re.search(r'content="0;url=([^"]+)"', page.content.decode()).group(1))


def sign_in_there(address: str) -> str:
    """What the directory sends the browser back to."""
    parts = urlsplit(address)
    connection = HTTPConnection(parts.hostname, parts.port)
    try:
        connection.request("GET", f"{parts.path}?{parts.query}")
        back = connection.getresponse().headers["Location"]
    finally:
        connection.close()
    assert back.startswith("http://testserver" + reverse("sso:callback"))
    return back.removeprefix("http://testserver")


def sign_in(client: Client, **fields: str) -> HttpResponse:
    """The whole way, there and back."""
    return client.get(sign_in_there(go(client, **fields)))


def sentence_of(answer: HttpResponse) -> str:
    """What the page of a refusal says."""
    found = re.search(r'<p role="alert">(.*?)</p>', answer.content.decode(), re.DOTALL)
    return html.unescape(found.group(1)) if found else ""


def notices_after(client: Client) -> str:
    """The notices that the next page shows."""
    page = client.get(reverse("accounts:class_list")).content.decode()
    return html.unescape(page)


def who(client: Client) -> str:
    """User name of whoever is signed in, or nothing."""
    return client.get("/").context["user"].username
