from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class AccountsConfig(AppConfig):
    name = "accounts"
    verbose_name = _("People and API tokens")

    def ready(self) -> None:
        from accounts.personal_data import PARTS
        from common.personal_data import register

        register(*PARTS)
