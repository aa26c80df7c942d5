"""A school's directory for tests: speaks OpenID Connect over a real socket, and lies where a test wants it to."""

from __future__ import annotations

import json
import secrets
import threading
import time
from base64 import b64decode, urlsafe_b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlencode, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

CLIENT_ID, CLIENT_SECRET = "classroom", "a secret"
PERSON = {
    "sub": "4711",
    "preferred_username": "dai@school.example",
    "name": "Dai Sato",
    "email": "dai@school.example",
    "email_verified": True,
}


def _new_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


KEY, STRANGERS_KEY = _new_key(), _new_key()


def signed(
    claims: dict[str, Any], key: rsa.RSAPrivateKey | None = KEY, algorithm: str = "RS256"
) -> str:
    return jwt.encode(claims, key, algorithm=algorithm, headers={"kid": "one"})


class OidcTestServer(ThreadingHTTPServer):
    """
    Attributes:
        person: claims of whoever signs in next.
        lies: claims of the ID token that are not as they should be.
        told: what the address for further claims answers; the person's claims where it is None.
        sign: makes an ID token of its claims.
        broken: paths that answer 500.
        refusal: an error to send people back with.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Conversation)
        self.person: dict[str, Any] = dict(PERSON)
        self.lies: dict[str, Any] = {}
        self.told: dict[str, Any] | None = None
        self.configured: dict[str, Any] = {}
        self.sign: Callable[[dict[str, Any]], str] = signed
        self.broken: set[str] = set()
        self.refusal = ""
        self.codes: dict[str, dict[str, str]] = {}
        self.asked: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def configuration(self) -> dict[str, Any]:
        return {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/authorise",
            "token_endpoint": f"{self.url}/token",
            "jwks_uri": f"{self.url}/keys",
            "userinfo_endpoint": f"{self.url}/person",
            "token_endpoint_auth_methods_supported": ["client_secret_post"],
        } | self.configured

    def keys(self) -> dict[str, Any]:
        key = jwt.algorithms.RSAAlgorithm.to_jwk(KEY.public_key(), as_dict=True)
        return {"keys": [key | {"kid": "one", "use": "sig", "alg": "RS256"}]}

    def id_token(self, asked: dict[str, str]) -> str:
        now = int(time.time())
        claims = {
            "iss": self.url,
            "aud": CLIENT_ID,
            "iat": now,
            "exp": now + 300,
            "nonce": asked.get("nonce"),
        }
        return self.sign({**self.person, **claims, **self.lies})


class _Conversation(BaseHTTPRequestHandler):
    server: OidcTestServer

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        self.server.asked.append(parts.path)
        answers = {
            "/.well-known/openid-configuration": self.server.configuration,
            "/keys": self.server.keys,
            "/person": self._person,
        }
        if parts.path in self.server.broken:
            self._answer(500, {})
        elif parts.path == "/authorise":
            self._authorise(_plain(parts.query))
        elif parts.path in answers:
            self._answer(200, answers[parts.path]())
        else:
            self._answer(404, {})

    def do_POST(self) -> None:
        self.server.asked.append(self.path)
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        given = _plain(body) | self._header_pair()
        asked = self.server.codes.pop(given.get("code", ""), None)
        if self.path in self.server.broken:
            self._answer(500, {})
        elif asked is None or not _is_ours(given, asked):
            self._answer(400, {"error": "invalid_grant"})
        else:
            answer = {"access_token": "pass", "id_token": self.server.id_token(asked)}
            self._answer(200, answer)

    def _authorise(self, asked: dict[str, str]) -> None:
        answer = {"state": asked["state"]}
        if self.server.refusal:
            answer["error"] = self.server.refusal
        else:
            answer["code"] = secrets.token_urlsafe(8)
            self.server.codes[answer["code"]] = asked
        self.send_response(302)
        self.send_header("Location", f"{asked['redirect_uri']}?{urlencode(answer)}")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _header_pair(self) -> dict[str, str]:
        if not (header := self.headers["Authorization"]):
            return {}
        methods = self.server.configuration()["token_endpoint_auth_methods_supported"]
        assert methods == ["client_secret_basic"]
        pair = b64decode(header.removeprefix("Basic ")).decode().split(":")
        return dict(zip(("client_id", "client_secret"), map(unquote, pair), strict=True))

    def _person(self) -> dict[str, Any]:
        assert self.headers["Authorization"] == "Bearer pass"
        return self.server.person if self.server.told is None else self.server.told

    def _answer(self, status: int, content: dict[str, Any]) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Tests say what went wrong."""


def _plain(query: str) -> dict[str, str]:
    return {key: values[0] for key, values in parse_qs(query).items()}


def _is_ours(given: dict[str, str], asked: dict[str, str]) -> bool:
    digest = sha256(given.get("code_verifier", "").encode()).digest()
    challenge = urlsafe_b64encode(digest).decode().rstrip("=")
    return (
        (given.get("client_id"), given.get("client_secret")) == (CLIENT_ID, CLIENT_SECRET)
        and given.get("redirect_uri") == asked["redirect_uri"]
        and challenge == asked.get("code_challenge")
    )


@contextmanager
def oidc_server() -> Iterator[OidcTestServer]:
    with OidcTestServer() as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        try:
            yield server
        finally:
            server.shutdown()
