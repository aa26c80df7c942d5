from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class ChatConfig(AppConfig):
    name = "chat"
    verbose_name = _("Chat")

    def ready(self) -> None:
        from chat.lifecycle import reply_ended
        from chat.personal_data import PARTS
        from chat.prompt_sets.waking import wake
        from common.personal_data import register

        register(*PARTS)
        reply_ended.connect(wake, dispatch_uid="chat.prompt_sets")
