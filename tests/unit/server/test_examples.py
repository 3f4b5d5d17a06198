"""The files under `examples/serve` say what can be made, and how the server is started."""

from pathlib import Path
from shlex import split

import pytest
from yaml import safe_load

from microcosm_pubsub.broker.broker import Broker
from microcosm_pubsub.cli.main import make_arg_parser
from microcosm_pubsub.server.description import apply_description, read_description
from microcosm_pubsub.server.export import describe


ROOT = Path(__file__).parents[3]
EXAMPLES = ROOT / "examples" / "serve"


@pytest.fixture
def broker():
    broker = Broker("sqlite://")
    broker.protocols.add("http")
    yield broker
    broker.close()


@pytest.mark.parametrize("name", ["pubsub", "from-elasticmq", "from-goaws"])
def test_what_the_example_says_is_made(broker, name):
    said = read_description(EXAMPLES / f"{name}.yaml")
    apply_description(broker, said)
    found = describe(broker)
    assert set(said["queues"]) <= set(found["queues"])
    for topic, entry in said.get("topics", {}).items():
        assert len(found["topics"][topic]["subscriptions"]) == len(entry["subscriptions"])


def test_docker_compose_starts_the_target_of_the_dockerfile():
    services = safe_load((EXAMPLES / "docker-compose.yml").read_text())["services"]
    server = services["pubsub"]
    stages = (ROOT / "Dockerfile").read_text().split("\nFROM ")
    (stage,) = [stage for stage in stages if stage.split("\n")[0].endswith(f"AS {server['build']['target']}")]
    entrypoint = safe_load(stage.split("ENTRYPOINT ")[1].split("\n")[0])
    argv = [*entrypoint[1:], *server["command"]]
    args = make_arg_parser(argv).parse_args(argv)
    assert (args.host, str(args.config)) == ("0.0.0.0", "/config/pubsub.yaml")
    # the last stage is what is built if none is named: a daemon
    assert 'ENTRYPOINT ["pubsub", "run"]' in stages[-1]
    queue = split(services["worker"]["command"])[-1].rpartition("/")[2]
    assert queue in safe_load((EXAMPLES / "pubsub.yaml").read_text())["queues"]
