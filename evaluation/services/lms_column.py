"""Our one column in the grade book of an LMS course (AGS): looked for before it is made, because making it twice makes two."""

from typing import Any

from lti_tool.models import LtiLineItem

from evaluation.services.scales import Scale
from teams.models import LmsCourse
from teams.services.lti.asking import Caller, LmsFailed
from teams.services.lti.claims import LINE_ITEM_READ_SCOPE, LINE_ITEM_SCOPE

TAG = "second-grade-final"
RESOURCE = "final-grade"
ITEM = "application/vnd.ims.lis.v2.lineitem+json"
ITEMS = "application/vnd.ims.lis.v2.lineitemcontainer+json"
MOST_PAGES = 100
LONGEST_URL = 200


def column_of(place: LmsCourse, caller: Caller, scale: Scale) -> str:
    """Its address; found, made or brought up to date. One caller at a time (`lms_sending`). Raises LmsFailed."""
    kept = LtiLineItem.objects.filter(context=place.context, tag=TAG).first()
    found = kept and {"id": kept.url, "label": kept.label, "scoreMaximum": kept.maximum_score}
    if found is None:
        found = _look(place, caller) or _make(place, caller, scale)
        kept = _keep(place, found)
    if (found.get("label"), found.get("scoreMaximum")) != (scale.title, scale.points):
        _update(place, caller, found, scale)
        LtiLineItem.objects.filter(pk=kept.pk).update(
            label=scale.title, maximum_score=scale.points
        )
    return str(kept.url)


def forget(place: LmsCourse) -> None:
    """It is gone in the LMS: look for it, or make it, anew."""
    LtiLineItem.objects.filter(context=place.context, tag=TAG).delete()


def _may(place: LmsCourse, name: str) -> bool:
    return bool(getattr(place.context, name)) and bool(place.context.lineitems_url)


def _look(place: LmsCourse, caller: Caller) -> dict[str, Any] | None:
    if not _may(place, "can_query_lineitems"):
        raise LmsFailed(
            f"{place.connection} does not let this tool see its grade book. Allow it assignments and grades in the LMS, open "
            "the link there once more, then send again.",
            may_pass=False,
        )
    scope = LINE_ITEM_SCOPE if _may(place, "can_manage_lineitems") else LINE_ITEM_READ_SCOPE
    url, pages = place.context.lineitems_url, 0
    while url and pages < MOST_PAGES:
        said = caller.ask("GET", url, scopes=[scope], kind=ITEMS)
        for one in said.body if isinstance(said.body, list) else []:
            if isinstance(one, dict) and (
                one.get("tag") == TAG or one.get("resourceId") == RESOURCE
            ):
                return one
        url, pages = said.after, pages + 1
    return None


def _make(place: LmsCourse, caller: Caller, scale: Scale) -> dict[str, Any]:
    if not _may(place, "can_manage_lineitems"):
        raise LmsFailed(
            f"{place.connection} does not let this tool make a column in its grade book. Allow that in the LMS, open the link "
            "there once more, then send again.",
            may_pass=False,
        )
    wanted = {
        "label": scale.title,
        "scoreMaximum": scale.points,
        "tag": TAG,
        "resourceId": RESOURCE,
    }
    said = caller.ask(
        "POST", place.context.lineitems_url, scopes=[LINE_ITEM_SCOPE], kind=ITEM, data=wanted
    )
    if not isinstance(said.body, dict):
        raise LmsFailed("The LMS made a column and did not say where it is.")
    return wanted | said.body


def _keep(place: LmsCourse, found: dict[str, Any]) -> Any:
    url = str(found.get("id") or "")
    if not 0 < len(url) <= LONGEST_URL:
        raise LmsFailed(
            "The LMS did not say where its column is, in an address of at most 200 characters.",
            may_pass=False,
        )
    kept, _ = LtiLineItem.objects.update_or_create(
        url=url,
        defaults={
            "context": place.context,
            "tag": TAG,
            "resource_id": RESOURCE,
            "label": str(found.get("label") or "")[:255],
            "maximum_score": found.get("scoreMaximum") or 0,
        },
    )
    return kept


def _update(place: LmsCourse, caller: Caller, found: dict[str, Any], scale: Scale) -> None:
    """The instructor changed points or name. Where it may not be changed, the LMS scales each score itself."""
    if not _may(place, "can_manage_lineitems"):
        return
    wanted = {
        "id": found["id"],
        "label": scale.title,
        "scoreMaximum": scale.points,
        "tag": TAG,
        "resourceId": RESOURCE,
    }
    caller.ask("PUT", str(found["id"]), scopes=[LINE_ITEM_SCOPE], kind=ITEM, data=wanted)
