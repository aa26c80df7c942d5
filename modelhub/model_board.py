"""What the page of models shows: every model that can be used, and the pulls of Ollama's."""

from __future__ import annotations

from dataclasses import dataclass

from django.conf import settings

from accounts.models import User
from modelhub.chat_servers import server_of_model
from modelhub.local_folders import local_folders
from modelhub.models import BaseModel, ModelPull
from modelhub.pulling import may_pull
from modelhub.pulling_lifecycle import ACTIVE, NOT_OFFERED
from modelhub.pulling_selectors import shown_pulls
from modelhub.pulling_sentences import pull_sentence
from modelhub.selectors import base_models, is_talkable
from modelhub.trouble import trouble_sentence

_UNITS = ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "K"))


@dataclass(frozen=True, slots=True)
class ShownModel:
    base_model: BaseModel
    is_talkable: bool

    @property
    def answering_server(self) -> str:
        """The chat server that answers in the place of this installation's own workers; empty where these do."""
        server = server_of_model(self.base_model.name)
        return server.name if server else ""

    @property
    def trouble(self) -> str:
        """Why its server will hardly answer now; empty where it does."""
        return trouble_sentence(self.base_model)

    @property
    def parameter_words(self) -> str:
        """Shortened as the field does: 1.2 B; empty where it is not known."""
        count = self.base_model.parameter_count
        limit, letter = next((unit for unit in _UNITS if count >= unit[0]), (1.0, ""))
        return f"{count / limit:.3g} {letter}".strip() if count else ""


@dataclass(frozen=True, slots=True)
class ShownPull:
    pull: ModelPull
    sentence: str

    @property
    def is_active(self) -> bool:
        return self.pull.status in ACTIVE

    @property
    def has_trouble(self) -> bool:
        """Whether its sentence says what to do."""
        return self.pull.status == ModelPull.Status.FAILED or self.pull.error_code == NOT_OFFERED

    @property
    def can_stop(self) -> bool:
        return self.is_active and not self.pull.is_cancel_requested

    @property
    def share(self) -> float | None:
        """From 0 to 1; None before anything is known."""
        return self.pull.completed_bytes / self.pull.total_bytes if self.pull.total_bytes else None


@dataclass(frozen=True, slots=True)
class ModelBoard:
    """
    Attributes:
        here: models whose weights are on this installation's own hosts.
        elsewhere: those of Ollama and of chat servers.
        refusals: why folders of this host are not offered; told to those who can mend it.
    """

    here: list[ShownModel]
    elsewhere: list[ShownModel]
    pulls: list[ShownPull]
    may_pull: bool
    refusals: list[str]

    @property
    def is_moving(self) -> bool:
        """Whether it will look different in a second."""
        return any(pull.is_active for pull in self.pulls)


def model_board(reader: User) -> ModelBoard:
    models = [ShownModel(model, is_talkable(model)) for model in base_models()]
    return ModelBoard(
        here=[model for model in models if model.base_model.source not in BaseModel.REMOTE],
        elsewhere=[model for model in models if model.base_model.source in BaseModel.REMOTE],
        pulls=[ShownPull(pull, pull_sentence(pull)) for pull in shown_pulls(reader)],
        may_pull=may_pull(reader),
        refusals=_refusals() if may_pull(reader) else [],
    )


def _refusals() -> list[str]:
    folders = local_folders(settings.LLMLORA_HOME.local_models)
    return [folder.refusal for folder in folders if folder.refusal]
