"""docs/openapi.json, and whether an answer is one that it describes."""
import json
import os
import re
import urllib.parse

import harness

with open(os.path.join(harness.SOURCE, "docs", "openapi.json"), encoding="utf-8") as file:
    DOCUMENT = json.load(file)
KINDS = {"object": dict, "array": list, "string": str, "number": (int, float), "integer": int, "boolean": bool}
KNOWN = {"$ref", "type", "properties", "required", "additionalProperties", "items", "oneOf", "enum", "const", "pattern", "maxLength",
         "minimum", "maximum", "maxItems", "description"}


def resolve(value):
    while isinstance(value, dict) and "$ref" in value:
        path, value = value["$ref"], DOCUMENT
        assert path.startswith("#/"), path
        for part in path[2:].split("/"):
            value = value[part]
    return value


def faults(schema, value, where="body"):
    """Why the value is not what the schema (of the words in KNOWN) asks for: a list, empty if it is."""
    schema = resolve(schema)
    unknown = schema.keys() - KNOWN
    assert not unknown, f"{where}: the schema has {unknown}, which this test does not know"
    kind = schema.get("type")
    if kind and (not isinstance(value, KINDS[kind]) or (isinstance(value, bool) and kind != "boolean")):
        return [f"{where}: {json.dumps(value)[:80]} is no {kind}"]
    found = []
    if "oneOf" in schema:
        choices = [faults(choice, value, where) for choice in schema["oneOf"]]
        if all(choices):  # an empty list is of each kind
            found += [f"{where}: of no kind: {choices}"]
    if "enum" in schema and value not in schema["enum"] or "const" in schema and value != schema["const"]:
        found.append(f"{where}: {value!r}")
    if isinstance(value, str) and not re.search(schema.get("pattern", ""), value):
        found.append(f"{where}: {value!r} does not match {schema['pattern']}")
    if isinstance(value, dict):
        found += [f"{where}: {name} is missing" for name in schema.get("required", []) if name not in value]
        properties, others = schema.get("properties", {}), schema.get("additionalProperties", True)
        for name, member in value.items():
            if name in properties:
                found += faults(properties[name], member, f"{where}.{name}")
            elif others is False:
                found.append(f"{where}: {name} is not described")
            elif others is not True:
                found += faults(others, member, f"{where}.{name}")
    if isinstance(value, list) and "items" in schema:
        for index, item in enumerate(value):
            found += faults(schema["items"], item, f"{where}[{index}]")
    return found


def find_path(path):
    """The description of a path, or None. Segments without a name do not count."""
    segments = [segment for segment in urllib.parse.unquote(path).split("/") if segment not in ("", ".")]
    for pattern, described in DOCUMENT["paths"].items():
        parts = pattern.strip("/").split("/")
        if len(parts) == len(segments) and all(part[0] == "{" or part == segment for part, segment in zip(parts, segments)):
            return described
    return None


def answer_faults(method, path, status, content_type, text):
    """Why this answer is not as described. Paths and methods that there are not may be answered with 400, 403, 404 and 405 only."""
    if method in ("HEAD", "OPTIONS") or status in (301, 304):
        return []
    described = find_path(path)
    if described is DOCUMENT["paths"]["/api/v1/crud"]:
        method = "GET"  # 0.3 lists users whatever the method is, and so do we
    operation = described and described.get(method.lower())
    if not operation:
        return [] if status in (400, 401, 403, 404, 405) else [f"{method} {path}: {status}, but it is not described"]
    responses = operation["responses"]
    response = responses.get(str(status)) or responses.get(f"{status // 100}XX")
    if not response:
        return [f"{method} {path}: status {status} is not described"]
    media = (content_type or "").split(";")[0]
    content = resolve(response).get("content", {})
    if text == "" and status >= 400:
        return []
    if media not in content:
        return [f"{method} {path}: {status} is {media}, described are {list(content)}"]
    value = json.loads(text) if media == "application/json" else text
    return [f"{method} {path}: {status}: {fault}" for fault in faults(content[media]["schema"], value)]
