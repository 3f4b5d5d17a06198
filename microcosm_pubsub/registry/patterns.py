"""
Patterns of media types.

A pattern has `*` in the place of one segment, which holds no dot, or ends in `.**` for one or more of them:

    application/vnd.acme.pubsub._.created.*     of every resource without a dot in its name
    application/vnd.acme.pubsub._.created.**    of every resource
    application/vnd.acme.pubsub._.*.host        whatever became of a host

Of several that match, the most specific wins: the one all of whose media types the others match too.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from itertools import combinations
from typing import Any

from microcosm_pubsub.constants import MEDIA_TYPE_ATTRIBUTE
from microcosm_pubsub.errors import ConfigurationError


#: A filter policy with more values than this is refused.
#: https://docs.aws.amazon.com/sns/latest/dg/subscription-filter-policy-constraints.html
MAX_FILTER_VALUES = 150

#: One segment, and the last ones.
ONE = "*"
REST = "**"


def is_pattern(media_type: str) -> bool:
    """Return whether a media type stands for others."""
    return "*" in media_type and (REST if media_type.endswith(f".{REST}") else ONE) in media_type.split(".")


def check_pattern(media_type: str) -> None:
    """
    Check that stars in a media type make it a pattern: others would match nothing, and nobody would be told.

    :raises ConfigurationError: if they do not
    """
    *before, last = media_type.split(".")
    stars = [segment for segment in before if ONE in segment and segment != ONE]
    if stars or (ONE in last and last != ONE and not (last == REST and before)):
        raise ConfigurationError(
            f"{media_type} is no pattern: * stands for one whole part between dots, and .** at the end for one or more"
        )


def fixed_prefix(pattern: str) -> str:
    """Return the text with which all media types of a pattern begin."""
    segments = pattern.split(".")
    first = next(index for index, segment in enumerate(segments) if segment in (ONE, REST))
    return "".join(f"{segment}." for segment in segments[:first])


def find_matching(media_type: str, registered: Collection[str]) -> str:
    """
    Return the registered key for a media type: itself, or the most specific pattern that matches it.

    :raises KeyError: if there is none
    """
    if media_type in registered:
        return media_type
    head, dot, last = media_type.rpartition(".")
    # Nearly all patterns have this form.
    pattern = f"{head}.{ONE}"
    if dot and last and pattern in registered:
        return pattern
    # Handlers may be bound under other keys too.
    patterns = [each for each in registered if isinstance(each, str) and is_pattern(each)]
    found = [each for each in patterns if is_within(media_type, each)]
    if not found:
        raise KeyError(media_type)
    return min(found, key=rank)


def rank(pattern: str) -> tuple[int, ...]:
    """Return the rank of a pattern, the most specific first: of a pair that is ambiguous there is a third."""
    return tuple((ONE, REST).index(segment) + 1 if segment in (ONE, REST) else 0 for segment in pattern.split("."))


def is_within(inner: str, outer: str) -> bool:
    """Return whether a pattern matches all that another one, or a media type, stands for."""
    inners, outers = inner.split("."), outer.split(".")
    for index, segment in enumerate(outers):
        if index >= len(inners):
            return False
        if segment == REST:
            return bool(inners[index])
        if inners[index] == REST or (segment != inners[index] and segment != ONE) or not inners[index]:
            return False
    return len(inners) == len(outers)


def meet(first: str, second: str) -> str | None:
    """Return the pattern of the media types that two patterns both match; None if there are none."""
    return ".".join(found) if (found := _meet(first.split("."), second.split("."))) is not None else None


def _meet(firsts: list[str], seconds: list[str]) -> list[str] | None:
    if not firsts or not seconds:
        return [] if firsts == seconds else None
    (first, *firsts_left), (second, *seconds_left) = firsts, seconds
    if first == REST:
        return seconds
    if second == REST:
        return firsts
    if ONE not in (first, second) and first != second:
        return None
    rest = _meet(firsts_left, seconds_left)
    return None if rest is None else [second if first == ONE else first, *rest]


def iter_ambiguous(registered: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Iterate over the pairs of patterns that both match something, of which neither is more specific."""
    patterns = [each for each in registered if is_pattern(each)]
    everything = list(registered)
    for first, second in combinations(patterns, 2):
        both = meet(first, second)
        if both is None or is_within(first, second) or is_within(second, first):
            continue
        # A pattern that is more specific than either decides.
        if not any(is_within(both, each) and is_within(each, first) and is_within(each, second) for each in everything):
            yield first, second


def make_filter_policy(media_types: Iterable[str]) -> dict[str, Any]:
    """
    Return the filter policy of a subscription that lets some media types through; all if they are too many to name.

    Of a pattern with `*` in its middle it lets more through, which is then nobody's.
    """
    values: list[Any] = [
        {"prefix": fixed_prefix(media_type)} if is_pattern(media_type) else media_type
        for media_type in sorted(media_types)
    ]
    return {MEDIA_TYPE_ATTRIBUTE: values} if len(values) <= MAX_FILTER_VALUES else {}
