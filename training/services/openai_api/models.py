"""`/v1/models`: the bases that a job can start from, the team's fine-tuned models, and the runs it deployed by hand."""

import re

from django.utils import timezone

from teams.models import Method, Team
from teams.services import audit
from training.models import BaseModel, Deployment, EndpointKey, FineTuningJob, TrainingRun
from training.services import deployments
from training.services.endpoint_api import ApiError
from training.services.openai_api.shapes import Shape, seconds

UNSAFE = re.compile(r"[^a-z0-9._-]+")


def bases(team: Team) -> list[BaseModel]:
    """What a job of this team can start from."""
    return list(BaseModel.objects.offered(team.course, Method.LORA).order_by("id"))


def base_named(team: Team, name: str) -> BaseModel:
    """Raises ApiError 404, with the names that there are."""
    found = bases(team)
    base = next((one for one in found if one.name == name), None)
    if base is None:
        names = ", ".join(one.name for one in found) or "none at the moment"
        said = f"No model {name[:80]} can be fine-tuned here. There are: {names}."
        raise ApiError(404, said, code="model_not_found", param="model")
    return base


def name_for(run: TrainingRun, suffix: str | None) -> str:
    """`ft:<base>:<team>:<suffix>:<id>`, as OpenAI builds it. Unique by the run's key."""
    parts = (run.base_model.name, run.team.name, suffix or "")
    safe = [UNSAFE.sub("-", part.lower()).strip("-")[:50] for part in parts]
    return f"ft:{':'.join(safe)}:{run.key.hex[:12]}"


def listing(team: Team, *, trains: bool = True) -> Shape:
    """Everything that answers and, for a key that `trains`, every base."""
    jobs = FineTuningJob.objects.for_team(team).answering()
    if not trains:
        jobs = jobs.started_by_programs()
    deployed = Deployment.objects.filter(team=team, stopped_at=None).select_related("run")
    data = [_of_base(base) for base in bases(team)] if trains else []
    data += [_of_job(job) for job in jobs]
    data += [_of_deployment(row) for row in deployed]
    return {"object": "list", "data": data}


def one(team: Team, name: str, *, trains: bool = True) -> Shape:
    """Raises ApiError 404."""
    listed = listing(team, trains=trains)["data"]
    found = next((shape for shape in listed if shape["id"] == name), None)
    if found is None:
        raise unknown(name)
    return dict(found)


def unknown(name: str) -> ApiError:
    """As OpenAI words it."""
    return ApiError(
        404, f"The model '{name[:80]}' does not exist", code="model_not_found", param="model"
    )


def delete(*, key: EndpointKey, name: str) -> Shape:
    """A fine-tuned model stops answering for good; its run stays with the team, as a record of what was done and paid."""
    team = key.team
    job = FineTuningJob.objects.for_team(team).whose_model_is(name)
    if job is not None:
        FineTuningJob.objects.filter(pk=job.pk).update(model_deleted_at=timezone.now())
        audit.record(
            course=team.course,
            team=team,
            person=key.created_by,
            action="model deleted by a program",
            what=str(job.run),
        )
        return {"id": name, "object": "model", "deleted": True}
    one(team, name)
    if deployments.deployed(team, name) is not None:
        said = f"{name} was deployed on the team's page: stop it there."
    else:
        said = "A base model belongs to the course: it cannot be deleted."
    raise ApiError(403, said, param="model")


def _shape(name: str, created: int, owner: str) -> Shape:
    return {"id": name, "object": "model", "created": created, "owned_by": owner}


def _of_base(base: BaseModel) -> Shape:
    return _shape(base.name, 0, "course")


def _of_job(job: FineTuningJob) -> Shape:
    return _shape(job.model, seconds(job.run.finished_at or job.created_at) or 0, "course")


def _of_deployment(row: Deployment) -> Shape:
    return _shape(row.model_name, seconds(row.created_at) or 0, "course")
