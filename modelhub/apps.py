from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class ModelhubConfig(AppConfig):
    name = "modelhub"
    verbose_name = _("Models")

    def ready(self) -> None:
        from common.personal_data import register
        from modelhub.personal_data import PARTS

        register(*PARTS)
