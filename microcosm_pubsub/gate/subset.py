"""
The question whether a reader's JSON Schema takes everything that a writer's allows.

It knows the words that schemas of messages use. Where it cannot know, as of patterns that differ, it says that it may
not fit: a gate that lets through what breaks is worse than one that asks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from microcosm_pubsub.gate.fields import OPAQUE, JsonSchema


@dataclass(frozen=True, slots=True)
class Problem:
    """
    Something that a writer may write, and a reader does not take.

    :param path: where, such as `order.lines[].price`
    :param text: the problem, in words
    """

    path: str
    text: str

    def __str__(self) -> str:
        return f"{self.path or 'the content'}: {self.text}"


def find_problems(written: JsonSchema, read: JsonSchema) -> list[Problem]:
    """Return the problems: content that a writer may write and a reader does not take."""
    return list(dict.fromkeys(Comparison(written, read).compare(written, read, "")))


class Comparison:
    """
    Compare two schemas, each with the targets of its `$ref`s.

    :param written: the writer's schema
    :param read: the reader's schema
    """

    def __init__(self, written: JsonSchema, read: JsonSchema) -> None:
        self.written = written
        self.read = read
        # The pairs that are being compared: a schema may hold itself.
        self._open: set[tuple[str, str]] = set()

    def compare(self, written: Any, read: Any, path: str) -> Iterator[Problem]:
        """Iterate over the problems."""
        pair = (str(written.get("$ref")), str(read.get("$ref"))) if is_pair(written, read) else None
        if pair is not None:
            if pair in self._open:
                return
            self._open.add(pair)
        yield from self._compare(resolve(written, self.written), resolve(read, self.read), path)
        if pair is not None:
            self._open.discard(pair)

    def _compare(self, written: JsonSchema, read: JsonSchema, path: str) -> Iterator[Problem]:
        if not without_notes(read):
            return
        if "anyOf" in written:
            for each in written["anyOf"]:
                yield from self.compare(each, read, path)
            return
        if "anyOf" in read:
            yield from self._compare_any(written, read["anyOf"], path)
            return
        if written.get(OPAQUE) != read.get(OPAQUE):
            yield Problem(path, f"{name(written)} is written, {name(read)} is read, and neither is known here")
            return
        if problem := compare_values(written, read):
            yield Problem(path, problem)
            return
        if "enum" not in written and "const" not in written:
            if problem := compare_types(written, read):
                yield Problem(path, problem)
                return
            for problem in compare_bounds(written, read):
                yield Problem(path, problem)
        yield from self._compare_objects(written, read, path)
        yield from self._compare_arrays(written, read, path)

    def _compare_any(self, written: JsonSchema, alternatives: list[Any], path: str) -> Iterator[Problem]:
        found = [list(self.compare(written, each, path)) for each in alternatives]
        if any(not problems for problems in found):
            return
        # Tell the problems of the nearest alternative, which is never null.
        nearest = [problems for problems, each in zip(found, alternatives, strict=True) if each != {"type": "null"}]
        yield from min(nearest or found, key=len)

    def _compare_objects(self, written: JsonSchema, read: JsonSchema, path: str) -> Iterator[Problem]:
        if "object" not in types_of(written) or "object" not in (types_of(read) or {"object"}):
            return
        properties, known = written.get("properties", {}), read.get("properties", {})
        always = set(written.get("required", ()))
        for key in read.get("required", ()):
            if key not in properties:
                yield Problem(join(path, key), "is required, and is not written")
            elif key not in always:
                yield Problem(join(path, key), "is required, and may be left out")
        rest = read.get("additionalProperties", True)
        for key, each in properties.items():
            if key in known:
                yield from self.compare(each, known[key], join(path, key))
            elif rest is False:
                yield Problem(join(path, key), "is written, and refused as unknown")
            elif isinstance(rest, dict):
                yield from self.compare(each, rest, join(path, key))
        others = written.get("additionalProperties")
        if isinstance(others, dict) and isinstance(rest, dict):
            yield from self.compare(others, rest, f"{path}{{}}")
        elif others is True and isinstance(rest, dict) and without_notes(rest):
            yield Problem(f"{path}{{}}", f"anything may be written, and {name(rest)} is read")

    def _compare_arrays(self, written: JsonSchema, read: JsonSchema, path: str) -> Iterator[Problem]:
        if "array" not in types_of(written):
            return
        parts, wanted = written.get("prefixItems"), read.get("prefixItems")
        if parts is not None and wanted is not None:
            for index, (each, other) in enumerate(zip(parts, wanted, strict=False)):
                yield from self.compare(each, other, f"{path}[{index}]")
        elif parts is None and wanted is None:
            yield from self.compare(written.get("items", {}), read.get("items", {}), f"{path}[]")
        elif wanted is None:
            for index, each in enumerate(parts or ()):
                yield from self.compare(each, read.get("items", {}), f"{path}[{index}]")
        else:
            yield Problem(path, "a list of any length is written, and one of a certain length is read")


def is_pair(written: Any, read: Any) -> bool:
    return isinstance(written, dict) and isinstance(read, dict) and "$ref" in written and "$ref" in read


def resolve(schema: Any, root: JsonSchema) -> JsonSchema:
    """Return the schema that a schema refers to."""
    if schema is True:
        return {}
    while "$ref" in schema:
        found: Any = root
        for part in schema["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        schema = found
    made: JsonSchema = schema
    return made


def without_notes(schema: JsonSchema) -> JsonSchema:
    """Return the demands of a schema, without its notes for people."""
    return {key: value for key, value in schema.items() if key not in NOTES}


NOTES = frozenset({"description", "title", "default", "examples", "$defs"})


def types_of(schema: Mapping[str, Any]) -> set[str]:
    """Return the types of JSON that a schema names; none if it does not say."""
    found = schema.get("type")
    if found is None:
        return {"object"} if "properties" in schema else {"array"} if "items" in schema else set()
    return {found} if isinstance(found, str) else set(found)


def compare_types(written: JsonSchema, read: JsonSchema) -> str | None:
    """Return the type that is written and not read, if any."""
    wanted = types_of(read)
    if not wanted:
        return None
    given = types_of(written)
    if not given:
        return f"anything may be written, and {name(read)} is read"
    for kind in sorted(given):
        if kind not in wanted and not (kind == "integer" and "number" in wanted):
            return f"{name(written)} is written, and {name(read)} is read"
    if read.get("format") not in (None, written.get("format")):
        return f"{name(written)} is written, and {name(read)} is read"
    if read.get("contentEncoding") not in (None, written.get("contentEncoding")):
        return f"{name(written)} is written, and {name(read)} is read"
    return None


def compare_values(written: JsonSchema, read: JsonSchema) -> str | None:
    """Return the value that is written and not read, if certain values are."""
    taken = values_of(read)
    given = values_of(written)
    if taken is None:
        if given is None:
            return None
        wanted = types_of(read)
        odd = [value for value in given if wanted and not has_type(value, wanted)]
        return f"{odd[0]!r} is written, and {name(read)} is read" if odd else None
    if given is None:
        return f"{name(written)} is written, and only {', '.join(map(repr, taken))} are read"
    # 1 and True are equal, and not the same
    missing = [value for value in given if not any(value == each and type(value) is type(each) for each in taken)]
    return f"{', '.join(map(repr, missing))} is written, and not read" if missing else None


def values_of(schema: JsonSchema) -> list[Any] | None:
    """Return the values that a schema allows, if it says so."""
    if "const" in schema:
        return [schema["const"]]
    return list(schema["enum"]) if "enum" in schema else None


def has_type(value: Any, wanted: set[str]) -> bool:
    """Return whether a value is of one of some types of JSON."""
    kinds = {str: "string", bool: "boolean", int: "integer", float: "number", type(None): "null"}
    kind = kinds.get(type(value), "object")
    return kind in wanted or (kind == "integer" and "number" in wanted)


#: Bounds from below, and from above: by how they are called, and whether they exclude what they name.
LOWEST = {"minimum": False, "exclusiveMinimum": True}
HIGHEST = {"maximum": False, "exclusiveMaximum": True}
LOW = ("minLength", "minItems", "minProperties")
HIGH = ("maxLength", "maxItems", "maxProperties")


def compare_bounds(written: JsonSchema, read: JsonSchema) -> Iterator[str]:
    """Iterate over bounds that are narrower for the reader."""
    for names, sign in ((LOWEST, 1), (HIGHEST, -1)):
        limit, given = find_bound(read, names, sign), find_bound(written, names, sign)
        if limit is not None and (given is None or given < limit):
            yield f"{describe_bound(read, names)} is read, and {describe_bound(written, names) or 'any'} is written"
    for key in (*LOW, *HIGH):
        limit, given = read.get(key), written.get(key)
        if limit is None or (key in LOW and limit == 0):
            continue
        if given is None or (given < limit if key in LOW else given > limit):
            yield f"{key} {limit} is read, and {f'{key} {given}' if given is not None else 'any'} is written"
    if read.get("pattern") not in (None, written.get("pattern")):
        yield f"what matches {read['pattern']!r} is read, and {written.get('pattern') or 'any text'!r} is written"
    if more := set(read.get("x-validators", ())) - set(written.get("x-validators", ())):
        yield f"what {', '.join(sorted(more))} lets through is read, and others may be written"
    if read.get("uniqueItems") and not written.get("uniqueItems"):
        yield "lists without repetition are read, and others may be written"


def find_bound(schema: JsonSchema, names: Mapping[str, bool], sign: int) -> tuple[float, bool] | None:
    """Return a bound so that a narrower one is greater."""
    found = [
        (sign * float(schema[key]), excludes)
        for key, excludes in names.items()
        if isinstance(schema.get(key), (int, float)) and not isinstance(schema.get(key), bool)
    ]
    return max(found, default=None)


def describe_bound(schema: JsonSchema, names: Mapping[str, bool]) -> str:
    """Return a bound, for people."""
    return ", ".join(f"{key} {schema[key]}" for key in names if key in schema)


def name(schema: JsonSchema) -> str:
    """Return the name of a schema, for people."""
    if OPAQUE in schema:
        return str(schema[OPAQUE])
    kind = schema.get("format") or schema.get("contentEncoding")
    if kind is None and "enum" in schema:
        return "one of " + ", ".join(map(repr, schema["enum"]))
    return str(kind or " or ".join(sorted(types_of(schema))) or "anything")


def join(path: str, key: str) -> str:
    """Return the path of a field."""
    return f"{path}.{key}" if path else key
