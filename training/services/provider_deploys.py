"""The last step of a job at a service that deploys: the run waits in a state of its own until its model can be asked.

Training is paid for by then. So nothing here fails a run: what cannot be deployed now is noted, the run ends as done, and
the deployment is asked for again later.
"""

from collections.abc import Callable
from datetime import timedelta

from django.conf import settings
from django.utils import timezone

from teams.models import Dialect, Provider, User
from teams.services import audit, outgoing, providers
from teams.services.sealing import CannotOpen
from training.models import Missing, RunEvent, RunStatus, TrainingRun
from training.providers.deploying import Azure, Deployed, Deployer, Nebius, State
from training.providers.openai_api import ProviderAway, ProviderRefused
from training.services import live, queue
from training.services.endpoints import NotReady, provider_address

PATIENCE = timedelta(minutes=30)
USUAL_SKU = "developertier"


def deploys(run: TrainingRun) -> bool:
    """Whether what the run trained answers only after a deployment."""
    provider = run.base_model.provider
    return provider is not None and provider.dialect in MAKERS


def begin(run: TrainingRun, lease: str, *, model: str, tokens: int) -> str:
    """From waiting for the job to waiting for the deployment; what was paid for is written down first. Ends the lease."""
    known = {"result_model": model, "training_tokens": tokens, "provider_status": "succeeded"}
    run.move_to(RunStatus.DEPLOYING, fence=lease, **known)
    live.changed(run)
    queue.dispatch_poll(run)
    return f"run {run.pk}: to be deployed"


def name_of(run: TrainingRun) -> str:
    """Of the deployment: the same at every try."""
    return f"run-{run.key.hex[:12]}"


def step(run: TrainingRun, *, model: str) -> bool:
    """Whether its deployment is ready; `run.deployment` says then what chat asks for.

    Raises ProviderAway where it is not ready yet, ProviderRefused where it will not be.
    """
    provider = run.base_model.provider
    assert provider is not None
    try:
        deployer = MAKERS[provider.dialect](provider)
    except (NotReady, CannotOpen) as error:
        raise ProviderRefused(
            "provider_key", str(error), "Ask whoever set up the provider."
        ) from error
    if deployer is None:
        _by_hand(run, model)
        return True
    found = deployer.step(
        name=name_of(run), model=model, base=run.base_model.name, job=run.provider_job
    )
    if found.state is State.MAKING:
        raise ProviderAway("The trained model is being deployed.")
    if found.state is State.FAILED:
        raise ProviderRefused("deployment_failed", _failed(found), "It is asked for again.")
    run.deployment = found.name
    return True


def out_of_patience(run: TrainingRun) -> bool:
    """Whether a run has waited for its deployment for as long as a person should."""
    moved = (
        run.events.filter(kind="status", data={"status": RunStatus.DEPLOYING})
        .order_by("-id")
        .first()
    )
    return moved is None or timezone.now() - moved.at > PATIENCE


def again(run: TrainingRun, *, person: User) -> bool:
    """Have a model deployed once more: one that failed, or that its service has taken down. False where nothing is to do."""
    if run.status != RunStatus.SUCCEEDED or not deploys(run) or not run.result_model:
        return False
    missing = sorted({*run.missing, Missing.DEPLOYMENT})
    rows = TrainingRun.objects.filter(pk=run.pk, status=RunStatus.SUCCEEDED)
    rows.update(missing=missing, missing_tries=0, missing_next=timezone.now())
    audit.record(
        course=run.team.course,
        team=run.team,
        person=person,
        action="model deployed again",
        what=str(run),
    )
    queue.dispatch_poll(run)
    return True


def _failed(found: Deployed) -> str:
    return f"The trained model could not be deployed. {found.why}".strip()


def _by_hand(run: TrainingRun, model: str) -> None:
    """No right to deploy was given: somebody does it at the provider, under the name that chat will ask for."""
    run.deployment = name_of(run)
    said = f"Deploy the model {model} at the provider under the name {run.deployment}: it answers from then on."
    if not run.events.filter(kind="note", data={"message": said}).exists():
        RunEvent.objects.create(run=run, kind="note", data={"message": said})


def _azure(provider: Provider) -> Deployer | None:
    options = provider.options
    if not options.get("resource"):
        return None
    return Azure(
        management=settings.AZURE_MANAGEMENT_URL,
        login=settings.AZURE_LOGIN_URL,
        resource=str(options["resource"]),
        tenant=str(options.get("tenant", "")),
        client=str(options.get("client", "")),
        secret=providers.key_of(provider, "sealed_secret"),
        sku=str(options.get("sku") or USUAL_SKU),
    )


def _nebius(provider: Provider) -> Deployer:
    address = provider_address(provider)
    return Nebius(base_url=address.base_url, key=address.api_key, web=outgoing.shared_client())


MAKERS: dict[str, Callable[[Provider], Deployer | None]] = {
    Dialect.AZURE: _azure,
    Dialect.NEBIUS: _nebius,
}
