from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class AccountsConfig(AppConfig):
    name = "accounts"
    verbose_name = _("People and API tokens")

    def ready(self) -> None:
        from allauth.account.signals import email_confirmed
        from allauth.socialaccount.signals import social_account_added
        from django.contrib.auth.signals import user_logged_in

        from accounts.joining.roster import hear_confirmation, hear_sign_in
        from accounts.personal_data import PARTS
        from accounts.socket_rights import listen
        from accounts.sso.connecting import hear_connected
        from common.personal_data import register

        register(*PARTS)
        # Django's own signal: the one-time link signs in without allauth.
        user_logged_in.connect(hear_sign_in, dispatch_uid="roster")
        email_confirmed.connect(hear_confirmation, dispatch_uid="roster")
        social_account_added.connect(hear_connected, dispatch_uid="sso")
        listen()
