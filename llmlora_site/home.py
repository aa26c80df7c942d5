"""The one folder that holds all state of an installation. Django-free: the command line reads it too."""

from __future__ import annotations

import hashlib
import os
import secrets
import tempfile
from dataclasses import dataclass
from pathlib import Path

# sockaddr_un.sun_path holds 108 bytes on Linux and 104 on macOS, the closing NUL included.
MAX_SOCKET_PATH_BYTES = 100


@dataclass(frozen=True, slots=True)
class Home:
    """Where each kind of state lives below the home folder."""

    root: Path

    @classmethod
    def from_environment(cls) -> Home:
        configured = os.environ.get("LLMLORA_HOME")
        root = Path(configured).expanduser() if configured else Path.home() / ".llmlora"
        return cls(root.resolve())

    @property
    def database(self) -> Path:
        return self.root / "db.sqlite3"

    @property
    def media(self) -> Path:
        """Datasets and adapters, through Django's storage."""
        return self.root / "media"

    @property
    def model_cache(self) -> Path:
        """Base models in loadable form; may be deleted at any time."""
        return self.root / "cache" / "models"

    @property
    def local_models(self) -> Path:
        """Base models that the owner put here by hand, one folder each."""
        return self.root / "models"

    @property
    def adapter_cache(self) -> Path:
        """Adapters fetched from storage for the engine; may be deleted at any time."""
        return self.root / "cache" / "adapters"

    @property
    def work(self) -> Path:
        """Scratch folders of running jobs."""
        return self.root / "work"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def run(self) -> Path:
        """Lock and process ids of the running instance."""
        return self.root / "run"

    @property
    def secret_key_file(self) -> Path:
        return self.root / "secret_key"

    @property
    def redis_socket(self) -> Path:
        socket = self.run / "redis.sock"
        if len(os.fsencode(socket)) <= MAX_SOCKET_PATH_BYTES:
            return socket
        name = hashlib.sha256(os.fsencode(self.root)).hexdigest()[:16]
        return Path(tempfile.gettempdir()) / f"llmlora-{os.getuid()}-{name}" / "redis.sock"

    def create(self) -> None:
        """Make the folders, readable by their owner only."""
        self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        for folder in (
            self.media,
            self.model_cache,
            self.local_models,
            self.adapter_cache,
            self.work,
            self.logs,
            self.run,
        ):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.redis_socket.parent.mkdir(mode=0o700, parents=True, exist_ok=True)

    def secret_key(self) -> str:
        """The installation's own key, made at the first start."""
        try:
            return self.secret_key_file.read_text(encoding="ascii")
        except FileNotFoundError:
            pass
        self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        key = secrets.token_urlsafe(48)
        draft = self.secret_key_file.with_suffix(f".{os.getpid()}")
        draft.touch(mode=0o600)
        draft.write_text(key, encoding="ascii")
        try:
            # A link fails where a second process was first, so both end with the same key.
            os.link(draft, self.secret_key_file)
        except FileExistsError:
            key = self.secret_key_file.read_text(encoding="ascii")
        finally:
            draft.unlink()
        return key
