"""Dashboards against Grafana's own types: by JSON schema, and through the reading and writing of its SDK.

check.py SCHEMA DASHBOARD...   prints a line for each dashboard and one for each finding; ends with 1 where there is one.

What Grafana does not know of a dashboard it throws away without a word, and the panel shows something else than its file
says. So whatever the SDK has read must be there again when it writes.
"""

import json
import sys

from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard
from jsonschema import Draft7Validator


def nearest(error):
    """Of the kinds of panels that there are, what is wrong with the one that it says to be."""
    kinds = {}
    for inner in error.context or []:
        kinds.setdefault(inner.schema_path[0], []).append(inner)
    its_own = [errors for errors in kinds.values() if not any(list(e.path) == ["type"] for e in errors)]
    return min(its_own, key=len, default=[error])


def breaches(validator, dashboard):
    """Where it is not as the schema wants it."""
    for error in validator.iter_errors(dashboard):
        for shown in nearest(error):
            place = "/".join(map(str, shown.absolute_path))
            message = shown.message
            yield f"{place}: {message if len(message) < 200 else 'fits none of the kinds that there are'}"


def lost(ours, theirs, place=""):
    """Values of ours that are not there any more, or are others."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for key, value in ours.items():
            if key in theirs:
                yield from lost(value, theirs[key], f"{place}/{key}")
            elif value is not None:
                yield f"{place}/{key} is lost"
    elif isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        for at, (one, other) in enumerate(zip(ours, theirs)):
            yield from lost(one, other, f"{place}/{at}")
    elif ours != theirs:
        yield f"{place}: {ours!r} becomes {theirs!r}"


def values(node):
    """How many there are, for the line."""
    if isinstance(node, dict):
        return sum(map(values, node.values()))
    return sum(map(values, node)) if isinstance(node, list) else 1


def main(schema, *files):
    register_default_plugins()
    with open(schema, encoding="utf-8") as file:
        validator = Draft7Validator(json.load(file))
    findings = 0
    for name in files:
        with open(name, encoding="utf-8") as file:
            text = file.read()
        ours = json.loads(text)
        # It reads into what it is given.
        theirs = json.loads(JSONEncoder().encode(Dashboard.from_json(json.loads(text))))
        found = [*breaches(validator, ours), *lost(ours, theirs)]
        print(f"{ours['title']}: {len(ours['panels'])} panels, {values(ours)} values, {len(found)} findings")
        for finding in found:
            print(f"  {name}: {finding}")
        findings += len(found)
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
