"""Every setting, one file for each concern; each limit with its reason."""

from __future__ import annotations

from llmlora_site.settings.access import *
from llmlora_site.settings.applications import *
from llmlora_site.settings.database import *
from llmlora_site.settings.environment import *
from llmlora_site.settings.files import *
from llmlora_site.settings.languages import *
from llmlora_site.settings.log import *
from llmlora_site.settings.mail import *
from llmlora_site.settings.model_servers import *
from llmlora_site.settings.people import *
from llmlora_site.settings.programs import *
from llmlora_site.settings.wakeups import *
from llmlora_site.settings.work import *
