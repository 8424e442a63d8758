"""`/v1/fine_tuning/jobs`."""

from django.http import HttpRequest, JsonResponse

from training.models import EndpointKey
from training.services.openai_api import job_shapes, jobs
from training.views.openai_api.answering import api_view


@api_view("GET", "POST")
def api_jobs(request: HttpRequest, key: EndpointKey) -> JsonResponse:
    """The team's jobs, or a new one."""
    if request.method == "GET":
        return JsonResponse(job_shapes.listing(key.team, request.GET.dict()))
    wanted = jobs.read(request.body)
    made = jobs.start(
        key=key, wanted=wanted, retry=request.headers.get("Idempotency-Key", "")[:200]
    )
    return JsonResponse(job_shapes.describe(made))


@api_view("GET")
def api_job(request: HttpRequest, key: EndpointKey, job_id: str) -> JsonResponse:
    """One job."""
    return JsonResponse(job_shapes.describe(jobs.find(key.team, job_id)))


@api_view("POST")
def api_job_cancel(request: HttpRequest, key: EndpointKey, job_id: str) -> JsonResponse:
    """Stop a job: what was trained is charged, the rest of its hold given back."""
    jobs.stop(key=key, job=jobs.find(key.team, job_id))
    return JsonResponse(job_shapes.describe(jobs.find(key.team, job_id)))


@api_view("GET")
def api_job_events(request: HttpRequest, key: EndpointKey, job_id: str) -> JsonResponse:
    """What happened to a job, newest first."""
    return JsonResponse(job_shapes.events(jobs.find(key.team, job_id), request.GET.dict()))


@api_view("GET")
def api_job_checkpoints(request: HttpRequest, key: EndpointKey, job_id: str) -> JsonResponse:
    """What a finished job kept."""
    return JsonResponse(job_shapes.checkpoints(jobs.find(key.team, job_id), request.GET.dict()))
