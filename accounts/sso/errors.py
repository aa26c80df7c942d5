"""Why somebody can not sign in through the directory; each error is a page of its own."""

from __future__ import annotations

import logging
import re

from django.utils.translation import gettext as _

from accounts.sso.config import the_server
from common.errors import DomainError, ForbiddenError, UnavailableError

logger = logging.getLogger(__name__)
_PLAIN_WORD = re.compile("[a-z_]{1,40}")


def away(reason: object) -> DomainError:
    """The directory, or one of its addresses, gives no usable answer."""
    logger.warning("The OpenID Connect server gave no usable answer: %s", reason)
    sentence = _(
        "%(name)s did not give an answer that can be used, so nobody can sign in through it now. Try again in a "
        "few minutes, or sign in with a password if you have one here. If it stays like this, tell whoever runs this "
        "server."
    )
    return UnavailableError(sentence % _name())


def untrusted(reason: object) -> DomainError:
    """The answer is not one that was made for this sign-in by this directory."""
    logger.warning("An answer of the OpenID Connect server was refused: %s", reason)
    sentence = _(
        "The answer that came from %(name)s could not be trusted, so nobody was signed in. Begin again from the "
        "sign-in page. If it happens once more, tell whoever runs this server; its log says what was wrong."
    )
    return ForbiddenError(sentence % _name())


def not_begun_here() -> DomainError:
    return ForbiddenError(
        _(
            "This sign-in was not begun in this browser, was used already, or is older than ten minutes, so nobody was "
            "signed in. Begin again from the sign-in page."
        )
    )


def declined(code: str) -> DomainError:
    """The directory sends the person back with an error of its own."""
    sentence = _(
        "%(name)s did not sign you in. Its reason is “%(reason)s”. Ask whoever looks after your account there."
    )
    reason = code if _PLAIN_WORD.fullmatch(code) else "unknown"
    return ForbiddenError(sentence % (_name() | {"reason": reason}))


def address_taken(address: str) -> DomainError:
    sentence = _(
        "There is an account here with the address %(address)s already, and nothing proves that it is yours, so it was "
        "not opened. If it is yours, sign in with its password, and connect it with %(name)s in the settings. If it is "
        "not, or the password is lost, ask whoever runs this server."
    )
    return ForbiddenError(sentence % (_name() | {"address": address}))


def belongs_to_another() -> DomainError:
    sentence = _(
        "Your account at %(name)s belongs to another account here, so it was not connected with this one. Sign out, "
        "and sign in through %(name)s to open the other one."
    )
    return ForbiddenError(sentence % _name())


def has_another() -> DomainError:
    sentence = _(
        "Your account here is connected with another account at %(name)s, so nothing was changed. Ask whoever runs "
        "this server if that is wrong."
    )
    return ForbiddenError(sentence % _name())


def _name() -> dict[str, str]:
    return {"name": the_server().name}
