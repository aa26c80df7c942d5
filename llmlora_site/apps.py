from django.apps import AppConfig


class LlmloraSiteConfig(AppConfig):
    name = "llmlora_site"
