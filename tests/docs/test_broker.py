"""The pages on the broker name every operation, attribute and table that there is, and no other."""

from pathlib import Path
from re import MULTILINE, findall, split

import pytest

from microcosm_pubsub.broker.clients import DEFAULT_TOPIC_ARN
from microcosm_pubsub.broker.names import queue_arn, queue_url, topic_arn
from microcosm_pubsub.broker.queue_client import BrokerQueueClient
from microcosm_pubsub.broker.schema import metadata
from microcosm_pubsub.broker.sns.filter_condition import OPERATORS
from microcosm_pubsub.broker.sqs.attributes import NUMBERS
from microcosm_pubsub.broker.topic_client import BrokerTopicClient
from microcosm_pubsub.broker.upgrade import VERSION_TABLE


DOCS = Path(__file__).parents[2] / "docs"
PAGE = DOCS / "reference" / "broker.md"
SECTIONS = dict(section.split("\n", 1) for section in split(r"\n## ", PAGE.read_text())[1:])


def find_rows(heading):
    """Find the cells of the tables of a section."""
    rows = [line.strip("|").split("|") for line in SECTIONS[heading].splitlines() if line.startswith("| `")]
    return [[cell.strip() for cell in row] for row in rows]


@pytest.mark.parametrize(
    ("heading", "client"),
    [("Operations of SQS", BrokerQueueClient), ("Operations of SNS", BrokerTopicClient)],
)
def test_documented_operations_are_those_that_exist(heading, client):
    existing = [name for name, value in vars(client).items() if hasattr(value, "function")]
    documented = [name for method, *_ in find_rows(heading) for name in findall(r"`(\w+)`", method)]

    assert sorted(documented) == sorted(existing)


def test_documented_attributes_are_those_that_exist():
    documented = {name.strip("`"): tuple(map(int, numbers)) for name, *numbers in find_rows("Attributes of queues")}

    assert documented == NUMBERS


def test_every_operator_of_filter_policies_is_documented():
    assert [name for name in OPERATORS if f"`{name}`" not in SECTIONS["Operations of SNS"]] == []


def test_names_are_those_that_are_given():
    names = SECTIONS["Names"]

    for name in (queue_url("NAME"), queue_arn("NAME"), topic_arn("NAME"), DEFAULT_TOPIC_ARN):
        assert f"`{name}`" in names


def test_explained_tables_are_those_that_exist():
    explained = findall(r"^\| `(pubsub_\w+)` \|", (DOCS / "explanation" / "broker.md").read_text(), flags=MULTILINE)

    assert sorted(explained) == sorted([*metadata.tables, VERSION_TABLE])
