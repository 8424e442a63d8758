"""What a signed message of an LMS says, read leniently and held to lengths. Nothing here is believed beyond its course."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import validate_email

CLAIM = "https://purl.imsglobal.org/spec/lti/claim/"
AGS = "https://purl.imsglobal.org/spec/lti-ags/claim/endpoint"
NRPS = "https://purl.imsglobal.org/spec/lti-nrps/claim/namesroleservice"
DEEP_LINKING = "https://purl.imsglobal.org/spec/lti-dl/claim/deep_linking_settings"
SCORE_SCOPE = "https://purl.imsglobal.org/spec/lti-ags/scope/score"
LINE_ITEM_SCOPE = "https://purl.imsglobal.org/spec/lti-ags/scope/lineitem"
LINE_ITEM_READ_SCOPE = f"{LINE_ITEM_SCOPE}.readonly"
MEMBERS_SCOPE = "https://purl.imsglobal.org/spec/lti-nrps/scope/contextmembership.readonly"
MEMBERSHIP = "http://purl.imsglobal.org/vocab/lis/v2/membership"
LEARNER, STAFF, ASSISTANT = "learner", "staff", "assistant"
TARGETS = ("home", "plan", "dataset", "submission", "grading")
"""Where a link of the LMS may lead: names, never addresses."""
LONGEST_URL = 200
LONGEST_ID = 255
LONGEST_RETURN, LONGEST_DATA = 2_000, 8_000


NOBODY = "The LMS did not say who launches. In its settings for this tool, share the user's id, name and e-mail."


class BadMessage(Exception):
    """The message is signed well and cannot be used; the text says why."""


@dataclass(frozen=True)
class Message:
    """`role`: LEARNER, STAFF, ASSISTANT or empty. `services`: fields of `LtiContext`. `target`: one of TARGETS."""

    subject: str
    name: str
    email: str
    student_id: str
    role: str
    context_id: str
    context: dict[str, Any]
    target: str
    deep_linking: dict[str, Any] = field(default_factory=dict)


def read(claims: Mapping[str, Any]) -> Message:
    """Raises BadMessage."""
    subject = text(claims.get("sub"), LONGEST_ID + 1)
    if not 0 < len(subject) <= LONGEST_ID:
        raise BadMessage(NOBODY)
    context = _mapping(claims, f"{CLAIM}context")
    context_id = text(context.get("id"), LONGEST_ID + 1)
    if not 0 < len(context_id) <= LONGEST_ID:
        raise BadMessage(
            "The LMS did not say which of its courses this is. Launch from inside a course."
        )
    lis = _mapping(claims, f"{CLAIM}lis")
    return Message(
        subject=subject,
        name=name_in(claims),
        email=address_in(claims),
        student_id=text(lis.get("person_sourcedid"), 40),
        role=role_in(claims.get(f"{CLAIM}roles")),
        context_id=context_id,
        context=_context(claims, context),
        target=_target(claims),
        deep_linking=_deep_linking(claims),
    )


def text(said: object, most: int) -> str:
    """At most so many characters; without the one that no database keeps."""
    return str(said or "").replace("\0", "")[:most]


def _mapping(claims: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = claims.get(name)
    return found if isinstance(found, Mapping) else {}


def name_in(claims: Mapping[str, Any]) -> str:
    parts = (claims.get("given_name"), claims.get("family_name"))
    said = claims.get("name") or " ".join(str(part) for part in parts if part)
    return text(" ".join(str(said).split()), 120)


def address_in(claims: Mapping[str, Any]) -> str:
    """In lower case; empty where it is none."""
    said = text(claims.get("email"), 300).strip().lower()
    try:
        validate_email(said)
    except ValidationError:
        return ""
    return said if len(said) <= 254 else ""


def role_in(said: object) -> str:
    """Roles of the course alone: an administrator of the whole LMS is nobody in a course here.

    Canvas and Moodle send an assistant as an instructor too, so assistants are looked for first.
    """
    roles = [str(one) for one in said] if isinstance(said, list) else []
    if any(one.endswith("#TeachingAssistant") for one in roles):
        return ASSISTANT
    short = {one.removeprefix(f"{MEMBERSHIP}#") for one in roles if _is_of_course(one)}
    if "Instructor" in short:
        return STAFF
    return LEARNER if "Learner" in short else ""


def _is_of_course(role: str) -> bool:
    return role.startswith(f"{MEMBERSHIP}#") or "/" not in role


def _context(claims: Mapping[str, Any], context: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of `LtiContext` that this message tells."""
    grades, members = _mapping(claims, AGS), _mapping(claims, NRPS)
    scopes = grades.get("scope") if isinstance(grades.get("scope"), list) else []
    assert isinstance(scopes, list)
    found = {
        "title": text(context.get("title"), 500),
        "label": text(context.get("label"), 255),
    }
    services = {
        "memberships_url": members.get("context_memberships_url"),
        "lineitems_url": grades.get("lineitems"),
    }
    kept = {name: text(url, LONGEST_URL + 1) for name, url in services.items() if url}
    for url in kept.values():
        if len(url) > LONGEST_URL:
            raise BadMessage(f"The LMS named an address of more than {LONGEST_URL} characters.")
    allowed: dict[str, Any] = {}
    if grades:
        allowed = {
            "can_publish_scores": SCORE_SCOPE in scopes,
            "can_manage_lineitems": LINE_ITEM_SCOPE in scopes,
            "can_query_lineitems": LINE_ITEM_SCOPE in scopes or LINE_ITEM_READ_SCOPE in scopes,
        }
    return found | kept | allowed


def _target(claims: Mapping[str, Any]) -> str:
    """By the link's own parameter: an address in the message leads nowhere."""
    custom = _mapping(claims, f"{CLAIM}custom")
    wanted = str(custom.get("target") or "")
    return wanted if wanted in TARGETS else "home"


def _deep_linking(claims: Mapping[str, Any]) -> dict[str, Any]:
    if claims.get(f"{CLAIM}message_type") != "LtiDeepLinkingRequest":
        return {}
    asked = _mapping(claims, DEEP_LINKING)
    back = text(asked.get("deep_link_return_url"), LONGEST_RETURN + 1)
    if not 0 < len(back) <= LONGEST_RETURN:
        raise BadMessage("The LMS did not say where the chosen link goes back to.")
    data = asked.get("data")
    found = {"deep_link_return_url": back, "title": text(asked.get("title"), 200)}
    if data is not None:
        found["data"] = text(
            data, LONGEST_DATA
        )  # goes back as it came; the LMS knows what it means
    found["deployment_id"] = text(claims.get(f"{CLAIM}deployment_id"), LONGEST_ID)
    several = asked.get("accept_multiple")
    return found | ({"several": "yes"} if several in (True, "true") else {})
