"""The page on traces: the collector's configuration hangs together, and the names on it are those that there are."""

from pathlib import Path
from re import DOTALL, findall, search

import yaml

from microcosm_pubsub.result import MessageHandlingResultType
from microcosm_pubsub.traces import names


PAGE = (Path(__file__).parents[2] / "docs" / "how-to" / "traces.md").read_text()


def test_the_collectors_pipelines_are_of_what_it_declares():
    match = search(r"```yaml\n(.*?)```", PAGE, flags=DOTALL)
    assert match is not None
    collector = yaml.safe_load(match[1])

    for pipeline in collector["service"]["pipelines"].values():
        for kind in ("receivers", "processors", "exporters"):
            assert set(pipeline[kind]) == set(collector[kind])
    policies = collector["processors"]["tail_sampling"]["policies"]
    # each has its settings under the name of its type
    assert all(policy["type"] in policy for policy in policies)
    (results,) = [policy["string_attribute"] for policy in policies if policy["type"] == "string_attribute"]
    assert results["key"] == names.RESULT
    assert set(results["values"]) <= {each.label for each in MessageHandlingResultType}


def test_names_of_our_own():
    existing = {value for name, value in vars(names).items() if name.isupper() and str(value).startswith("pubsub.")}
    assert set(findall(r"`(pubsub\.[\w.]+)`", PAGE)) == existing
