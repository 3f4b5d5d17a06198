"""
The spelling of media types.

    application/vnd.{organization}.pubsub._.{change}.{name}

A public media type leaves out the `._`.
"""

from os import environ
from typing import Any

from inflection import underscore


#: The organization of media types that name none, unless `PUBSUB_ORGANIZATION` says otherwise.
DEFAULT_ORGANIZATION = "globality"

#: The change of a resource, unless a media type says otherwise.
CREATED = "created"

#: What is created when something is called: the first part of its name.
TASK, REQUEST = "task", "request"


def default_organization() -> str:
    """Return the organization of media types that name none: `PUBSUB_ORGANIZATION`, or globality."""
    return environ.get("PUBSUB_ORGANIZATION") or DEFAULT_ORGANIZATION


def name_for(obj: Any) -> str:
    """
    Return the name of a resource within a media type.

    :param obj: a class or an instance (its `__alias__`, or else its class name), or text, which may hold dots
    """
    if isinstance(obj, str):
        return str(underscore(obj))
    cls = obj if isinstance(obj, type) else type(obj)
    return str(getattr(obj, "__alias__", None) or underscore(cls.__name__))


def make_media_type(
    resource: Any,
    lifecycle_change: str | None = None,
    organization: str | None = None,
    public: bool = False,
) -> str:
    """
    Return the media type of messages about a resource.

    :param resource: a resource, as `name_for` takes it
    :param lifecycle_change: the change of the resource; by default it was created
    :param organization: the owner of the media type
    :param public: whether other organizations may rely on it
    """
    parts = [
        f"application/vnd.{organization or default_organization()}.pubsub",
        *([] if public else ["_"]),
        lifecycle_change or CREATED,
        name_for(resource),
    ]
    return ".".join(parts)


def may_be_call(media_type: str) -> bool:
    """Return whether a media type is named as those of calls are."""
    return any(f".{CREATED}.{kind}." in media_type for kind in (TASK, REQUEST))
