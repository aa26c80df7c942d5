"""What a person sees when something is not there, not allowed or broken."""

from __future__ import annotations

import pytest
from django.http import HttpRequest
from django.test import Client
from django.urls import reverse
from django.views.defaults import server_error


@pytest.mark.django_db
def test_an_unknown_address_is_told_in_our_frame() -> None:
    answer = Client().get("/nothing-here/")
    assert answer.status_code == 404
    assert "There is nothing here" in answer.content.decode()
    assert 'class="site-header"' in answer.content.decode()


@pytest.mark.django_db
def test_a_stale_form_is_told_in_our_frame() -> None:
    answer = Client(enforce_csrf_checks=True).post(reverse("accounts:theme"), {"theme": "dark"})
    assert answer.status_code == 403
    assert "Nothing was changed" in answer.content.decode()


def test_the_page_of_a_broken_server_needs_no_database_and_no_context() -> None:
    answer = server_error(HttpRequest())
    assert answer.status_code == 500
    assert "Something broke" in answer.content.decode()


@pytest.mark.django_db
@pytest.mark.parametrize("name", ["home", "account_login", "account_signup"])
def test_pages_hold_nothing_that_the_content_security_policy_forbids(name: str) -> None:
    answer = Client().get(reverse(name))
    page = answer.content.decode()
    assert "script-src 'self'" in answer["Content-Security-Policy"]
    assert "style=" not in page
    assert "<style" not in page
    assert "<script>" not in page
    assert " onclick=" not in page
