"""
`pubsub rpc`, by hand.
"""

from json import loads

import pytest

from microcosm_pubsub import ConsumerDaemon, Service
from microcosm_pubsub.cli.main import main


class Daemon(ConsumerDaemon):
    name = "services"


@pytest.fixture
def run(place, capsys):
    def run(*words):
        """Run a command, and return its exit code or what it says at its end, and what it prints."""
        with pytest.raises(SystemExit) as raised:
            main(["rpc", *words, "--broker-url", place.url])
        return raised.value.code, capsys.readouterr().out

    return run


@pytest.fixture(autouse=True)
def simple():
    class Simple(Service):
        name = "simple"

        def on_collect(self, message, **rest):
            return rest


@pytest.fixture
def served(place):
    with place.serving(Daemon) as daemon:
        yield daemon


def test_an_answer_is_printed(run, served):
    code, printed = run("call", "simple.collect", "--args", '{"one": 1, "method": 2}')
    assert code == 0
    assert '{"one": 1, "method": 2}' in printed.splitlines()


def test_the_time_to_wait_is_no_parameter(run, served):
    code, _ = run("call", "simple.collect", "--args", '{"timeout_seconds": 1}')
    assert code.startswith("pubsub rpc: --args names timeout_seconds")
    assert "use --timeout-seconds" in code


def test_parameters_that_are_too_deep(run, served):
    code, _ = run("call", "simple.collect", "--args", "[" * 100_000)
    assert code == "pubsub rpc: --args is no JSON: it is too deep"


def test_a_timeout_is_told_to_machines_too(run, served):
    code, printed = run("call", "nobody.collect", "--timeout-seconds", "0.01", "--json")
    assert code == 1
    assert loads(printed.splitlines()[-1])["error"]["data"] == {"type": "RpcTimeout", "taken": False}


@pytest.mark.parametrize("age", ["-1", "nan", "a day"])
def test_an_age_that_cannot_be(run, served, age, capsys):
    with pytest.raises(SystemExit) as raised:
        main(["rpc", "clean", "--max-age-seconds", age])
    assert raised.value.code == 2
    assert "must be a number of seconds, 0 or more" in capsys.readouterr().err


def test_services_with_another_prefix_are_called_and_cleaned_up_after(place, run):
    with place.serving(Daemon, pubsub_replies={"prefix": "acme-reply-"}) as daemon:
        code, printed = run("call", "simple.collect", "--prefix", "acme-reply-")
        assert code == 0
        assert "{}" in printed.splitlines()
        daemon.graph.sqs_client.create_queue(QueueName="acme-reply-0123456789-1-0123456789ab")
        code, printed = run("clean", "--prefix", "acme-reply-", "--max-age-seconds", "0")
    assert code == 0
    assert "removed acme-reply-0123456789-1-0123456789ab" in printed.splitlines()


def test_queues_of_processes_that_live_stay_whatever_their_age(place, run, served):
    rpc = place.caller().pubsub_rpc
    assert rpc.call("simple.collect") == {}
    rpc.replies.client.create_queue(QueueName="pubsub-reply-0123456789-1-0123456789ab")

    code, printed = run("clean", "--max-age-seconds", "0")
    assert code == 0
    assert {"removed pubsub-reply-0123456789-1-0123456789ab", "1 reply queue was removed"} <= set(printed.splitlines())
    assert rpc.call("simple.collect") == {}
