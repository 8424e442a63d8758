"""Why a run cannot start: what the methods share. Each says what to do. Money is looked at when it is held."""

from datasets.models import Shape
from datasets.services.privacy import cloud_refusal
from training import methods
from training.models import BaseModel
from training.providers.dialects import WITHOUT_DPO
from training.services import estimate, hosts, local_program, preference
from training.services.method_work import Plan

SUPERVISED = "supervised"
DPO = "dpo"


def of_adapter(plan: Plan) -> str | None:
    """Of a run that trains weights on this machine."""
    if plan.settings.get("training") == DPO:
        refused = preference.refusal(
            team=plan.team,
            base_model=plan.base_model,
            version=plan.version,
            settings=dict(plan.settings),
            starts_from=plan.starts_from,
        )
        return refused or too_big(plan)
    return too_few_rows(plan) or too_big(plan)


def of_program(plan: Plan) -> str | None:
    """Of a run that looks for a prompt."""
    if why := too_few_rows(plan):
        return why
    reflects = plan.settings.get(estimate.REFLECTION)
    if reflects and not _may_reflect(plan, str(reflects)):
        return f"{reflects} is not offered in this course, so it can’t write instructions. Choose one from the list."
    if plan.base_model.local:
        return local_program.refusal(plan.base_model, dict(plan.settings))
    return cloud_refusal(plan.version)


def _may_reflect(plan: Plan, model: str) -> bool:
    offered = BaseModel.objects.offered(plan.team.course, plan.method)
    return offered.filter(name=model, method=plan.method).exists()


def of_job(plan: Plan) -> str | None:
    """Of a job at a provider."""
    provider = plan.base_model.provider
    if plan.settings.get("training") == DPO:
        if provider is not None and provider.dialect in WITHOUT_DPO:
            return f"{provider} trains no preference pairs. Choose supervised training, or a model of somebody else."
        if plan.version.shape != Shape.PREFERENCE:
            return (
                f"DPO learns from pairs of answers, a preferred and a rejected one, and {plan.version} has none. "
                "Choose supervised training, or make a dataset of pairs on the page “Preference pairs”."
            )
    return too_few_rows(plan) or cloud_refusal(plan.version)


def too_few_rows(plan: Plan) -> str | None:
    """Fewer than the method needs are left to train on."""
    method, version = methods.get(plan.method), plan.version
    rows = estimate.training_share(version, dict(plan.settings))
    if rows >= method.rows.least:
        return None
    kept_back = version.row_count - rows
    told = f", and {kept_back} of them are kept back to measure with" if kept_back else ""
    return (
        f"{method.label} needs at least {method.rows.least} rows to train on; {version} has {version.row_count}{told}. "
        "Add rows, or keep back fewer."
    )


def too_big(plan: Plan) -> str | None:
    """A run that every host would kill for memory half-way is refused before; what cannot be estimated is left to the engine."""
    mean = plan.version.token_estimate / plan.version.row_count
    return hosts.memory_refusal(plan.base_model, dict(plan.settings), mean)
