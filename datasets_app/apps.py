from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class DatasetsAppConfig(AppConfig):
    name = "datasets_app"
    verbose_name = _("Datasets")

    def ready(self) -> None:
        from common.personal_data import register
        from datasets_app.personal_data import PARTS

        register(*PARTS)
