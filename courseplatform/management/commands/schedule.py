"""`manage.py schedule`: the clock of the platform. One is enough; two do no harm."""

import signal
import threading
from typing import Any

from django.conf import settings
from django.contrib.sessions.backends.db import SessionStore
from django.core.management.base import BaseCommand

from courseplatform import arriving, stray_files
from courseplatform.erasing_rows import forget_freed_pages
from datasets.services import retention
from evaluation.services import chat, interviews, lms_sending, reminders
from teams import presence
from teams.services import (
    archive_exports,
    archive_imports,
    billing,
    erasing,
    mail,
    person_exports,
    retention_notice,
    second_factor,
)
from teams.services.lti import launching
from teams.services.storage import files
from training.services import (
    base_trials,
    deployments,
    drafting,
    merging,
    model_servers,
    reconcile,
    run_disk,
    speed_trial,
)

RETENTION_SECONDS = 3600
REMINDER_SECONDS = 600
TELL_SECONDS = 30
LMS_SECONDS = 60  # grades for an LMS whose next try is due
BILL_SECONDS = 600  # how often it is asked whether tonight's check is made


class Command(BaseCommand):
    help = "Sets right what crashes left behind, and has jobs at the provider looked at."

    def handle(self, *args: Any, **options: Any) -> None:
        over = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: over.set())
        rounds = [
            (settings.RECONCILE_SECONDS, reconcile.reconcile),
            (settings.RECONCILE_SECONDS, mail.sweep),
            (settings.RECONCILE_SECONDS, archive_imports.sweep),
            (settings.RECONCILE_SECONDS, archive_exports.sweep),
            (settings.RECONCILE_SECONDS, chat.sweep),
            (settings.RECONCILE_SECONDS, interviews.sweep),
            (settings.RECONCILE_SECONDS, drafting.sweep),
            (settings.RECONCILE_SECONDS, deployments.sweep),
            (settings.CLOUD_POLL_SECONDS, reconcile.poll_waiting),
            (settings.RECONCILE_SECONDS, speed_trial.ask_for_trials),
            (settings.RECONCILE_SECONDS, base_trials.ask_for_trials),
            (settings.RECONCILE_SECONDS, merging.sweep),
            (settings.RECONCILE_SECONDS, model_servers.check),
            (RETENTION_SECONDS, retention_notice.announce),
            (RETENTION_SECONDS, erasing.apply_retention),
            (REMINDER_SECONDS, person_exports.sweep),
            (RETENTION_SECONDS, SessionStore.clear_expired),
            (RETENTION_SECONDS, second_factor.forget_old_browsers),
            (RETENTION_SECONDS, launching.sweep),
            (RETENTION_SECONDS, retention.prune),
            (RETENTION_SECONDS, run_disk.prune),
            (RETENTION_SECONDS, merging.prune),
            (RETENTION_SECONDS, drafting.prune),
            (RETENTION_SECONDS, arriving.sweep),
            (RETENTION_SECONDS, stray_files.sweep),
            (settings.RECONCILE_SECONDS, files.destroy_doomed),
            (
                RETENTION_SECONDS,
                forget_freed_pages,
            ),  # where a reader was at it when something was erased
            (BILL_SECONDS, billing.check_bill),
            (REMINDER_SECONDS, reminders.tell_due),
            (LMS_SECONDS, lms_sending.sweep_due),
            (REMINDER_SECONDS, lms_sending.sweep_all),
        ]
        me = presence.mine("scheduler", since=presence.now())
        rounds.append((TELL_SECONDS, lambda: presence.tell(me)))
        reconcile.repeat(rounds, over.wait)
        presence.leave(me)
