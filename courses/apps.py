from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class CoursesConfig(AppConfig):
    name = "courses"
    verbose_name = _("Courses")

    def ready(self) -> None:
        from chat.prompt_sets.sources import register
        from common import personal_data
        from common.happenings import happening
        from courses.listening import hear
        from courses.page_parts import fill_slots
        from courses.personal_data import PARTS
        from courses.prompt_sources import starter_questions

        personal_data.register(*PARTS)
        register(starter_questions)
        happening.connect(hear, dispatch_uid="courses")
        fill_slots()
