import os
import sys

import django

from courseplatform import private_files

private_files.write_privately()
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "courseplatform.settings")
django.setup(set_prefix=False)

from courseplatform.handler import Handler  # noqa: E402  (needs the settings)
from courseplatform.operations import web_process  # noqa: E402
from courseplatform.proxies import behind_proxies  # noqa: E402

# Every query gives the interpreter away and asks for it back: at the default of 5 ms a page with twenty queries waits 0.1 s
# for them while answers stream through the event loop.
sys.setswitchinterval(0.0005)

application = behind_proxies(Handler(on_start=web_process.begin, on_stop=web_process.end))
