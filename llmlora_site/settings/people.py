"""Accounts and signing in."""

from __future__ import annotations

import os

from accounts.sso.config import read_oidc_server
from llmlora_site.settings.environment import env

AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = [
    "allauth.account.auth_backends.AuthenticationBackend",
    "sesame.backends.ModelBackend",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
ACCOUNT_LOGIN_METHODS = {"username", "email"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "email", "password1*", "password2*"]
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_LOGOUT_ON_GET = False
# A whole class signs in from one address in the same minute; guessing one person's password is limited by that person.
ACCOUNT_RATE_LIMITS = {
    "login": "300/m/ip",
    "login_failed": "60/m/ip,5/300s/key",
    "signup": "120/m/ip",
}
ACCOUNT_SESSION_REMEMBER = True
ACCOUNT_ADAPTER = "accounts.adapter.AccountAdapter"
ACCOUNT_FORMS = {"login": "accounts.forms.SignInForm"}
# The school's directory, where it has one; docs/sign-on.md has the variables.
OIDC = read_oidc_server(os.environ)
SOCIALACCOUNT_ADAPTER = "accounts.sso.adapter.SsoAdapter"
# The adapter finds an account by an address that both sides have verified; from then on it opens from there.
SOCIALACCOUNT_EMAIL_AUTHENTICATION_AUTO_CONNECT = True
LLMLORA_SIGNUP_OPEN = env.bool("LLMLORA_SIGNUP_OPEN", default=True)
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "home"
ACCOUNT_LOGOUT_REDIRECT_URL = "account_login"
SESAME_MAX_AGE = 3600
SESAME_ONE_TIME = True
SESAME_TOKEN_NAME = "token"
