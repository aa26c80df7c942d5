"""Signing in through the school's own directory, by OpenID Connect, where the settings name one."""
