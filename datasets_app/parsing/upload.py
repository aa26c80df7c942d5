"""How much of an upload is read: the size is told before the bytes are taken into memory."""

from __future__ import annotations

from django.core.files.uploadedfile import UploadedFile
from django.template.defaultfilters import filesizeformat
from django.utils.translation import gettext as _

from common.errors import TooLargeError
from datasets_app.parsing.limits import Limits


def read_upload(file: UploadedFile[bytes]) -> bytes:
    """The whole content of an upload within the limit.

    Raises:
        TooLargeError: more bytes than an upload may have.
    """
    limit = Limits.from_settings().upload_bytes
    if file.size is not None and file.size > limit:
        refuse_size(file.size, limit)
    # The size that a client tells need not be true.
    content: bytes = file.read(limit + 1)
    if len(content) > limit:
        refuse_size(len(content), limit)
    return content


def check_text_size(text: str) -> None:
    """Refuse text of more bytes than an upload may have.

    Raises:
        TooLargeError: it has more.
    """
    limit = Limits.from_settings().upload_bytes
    size = len(text.encode("utf-8", errors="replace"))
    if size > limit:
        refuse_size(size, limit)


def refuse_size(size: int, limit: int) -> None:
    raise TooLargeError(
        _(
            "This is %(size)s, and at most %(limit)s can be uploaded. Split it or keep the most useful examples."
        )
        % {"size": filesizeformat(size), "limit": filesizeformat(limit)}
    )
