"""Whether a provider can be asked: one sentence for whoever set it up. Costs nothing: no model is asked to answer.

Somebody presses the button -> the row says since when -> the quick worker asks -> the row says what was found.
"""

import logging
from dataclasses import dataclass

from django.utils import timezone

from teams.models import Provider, User
from teams.services import audit, outgoing
from training.launcher import storable
from training.providers.openai_api import FineTuning, ProviderAway, ProviderRefused
from training.services import queue
from training.services.endpoints import NotReady, provider_address

TRIAL_SECONDS = 15.0
FORBIDDEN = "provider_forbidden"
UNKNOWN = "not_found"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Found:
    """`said`: one sentence, or two, for a person."""

    well: bool
    said: str


def ask_for(*, provider: Provider, person: User) -> None:
    """Have it tried soon."""
    Provider.objects.filter(pk=provider.pk).update(trying_since=timezone.now())
    audit.record(
        course=provider.course, person=person, action="provider tried", what=provider.name
    )
    queue.dispatch_provider_trial(provider)


def try_provider(provider_id: int) -> str:
    """Ask, and write down what was found. Harmless to repeat."""
    provider = Provider.objects.kept().filter(pk=provider_id).first()
    if provider is None:
        return "nothing to try"
    found = look(provider)
    Provider.objects.filter(pk=provider_id).update(
        trying_since=None,
        tried_at=timezone.now(),
        tried_well=found.well,
        tried_said=str(storable(found.said))[:400],
    )
    return f"provider {provider_id}: {'works' if found.well else 'does not work'}"


def look(provider: Provider) -> Found:
    """What works there."""
    try:
        address = provider_address(provider)
        if address.guarded:
            outgoing.check(address.base_url)
        if not address.api_key:
            return Found(False, "There is no key for it yet.")
        service = FineTuning(
            base_url=address.base_url,
            api_key=address.api_key,
            http_client=outgoing.client() if address.guarded else None,
        ).hurried(TRIAL_SECONDS)
        return _asked(provider, service)
    except (NotReady, outgoing.NotAllowed) as error:
        return Found(False, str(error))


def _asked(provider: Provider, service: FineTuning) -> Found:
    try:
        models = _count(service)
        jobs = service.can_list_jobs() if provider.for_training else None
        if jobs and provider.for_training and (closed := _closed(provider, service)):
            return Found(False, f"The key works, but {closed}")
    except ProviderAway as away:
        return Found(
            False, f"It could not be asked. {away} Look at the address, then try again."
        )
    except ProviderRefused as refused:
        return Found(False, f"{refused.message} {refused.fix}")
    if jobs is False:
        return Found(
            False,
            "The key works, but there is no fine-tuning at this address (fine_tuning/jobs is not known there). "
            "Look at the address, or take fine-tuning off what it is used for.",
        )
    listed = (
        f"{models} models are listed"
        if models is not None
        else "it lists no models, which is no harm"
    )
    tuned = " and fine-tuning jobs can be asked for" if jobs else ""
    return Found(True, f"It works: the key is accepted, {listed}{tuned}.")


def _count(service: FineTuning) -> int | None:
    """How many models it lists; None where it has no such list. Raises what the list refuses a key with."""
    try:
        return service.count_models()
    except ProviderRefused as refused:
        if refused.code in (UNKNOWN, FORBIDDEN):
            return None
        raise


def _closed(provider: Provider, service: FineTuning) -> str:
    """Why the account may start no job there, where it says so; only services that follow OpenAI's order are asked."""
    base = provider.models.filter(enabled=True, method="openai").first()
    if base is None or provider.dialect != "openai":
        return ""
    try:
        service.refuse_if_closed(base.name)
    except ProviderRefused as refused:
        return refused.message[0].lower() + refused.message[1:]
    return ""
