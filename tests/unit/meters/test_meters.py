"""What happens is measured, for Prometheus and for OpenTelemetry."""

import sys
from types import SimpleNamespace

import pytest
from microcosm.api import create_object_graph, load_from_dict
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from prometheus_client.parser import text_string_to_metric_families

from microcosm_pubsub.errors import ConfigurationError
from microcosm_pubsub.meters.instruments import INSTRUMENTS, Kind
from microcosm_pubsub.meters.otel import OpenTelemetryMeter
from microcosm_pubsub.meters.prometheus import PrometheusMeter
from microcosm_pubsub.meters.recorder import MAX_MEDIA_TYPES, OF_WORKER, Meters
from microcosm_pubsub.result import MessageHandlingResult, MessageHandlingResultType


MEDIA_TYPE = "application/vnd.meters.order"


def result_of(media_type=MEDIA_TYPE, outcome=MessageHandlingResultType.SUCCEEDED, **options):
    return MessageHandlingResult(media_type, outcome, elapsed_time=20.0, handle_start_time=3.0, **options)


def read(meter):
    """Return what Prometheus reads: values by name and labels."""
    body, content_type, status = meter.page()
    assert (content_type.partition(";")[0], status) == ("text/plain", 200)
    return {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(body.decode())
        for sample in family.samples
        if sample.name.startswith("pubsub_")
    }


@pytest.fixture
def prometheus():
    return PrometheusMeter()


@pytest.fixture
def reader(monkeypatch):
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader])
    monkeypatch.setattr("opentelemetry.metrics.get_meter", provider.get_meter)
    yield reader
    provider.shutdown()


def points(reader):
    """Return what OpenTelemetry has: points by name and attributes."""
    data = reader.get_metrics_data()
    if data is None:
        return {}
    return {
        (metric.name, *sorted(point.attributes.items())): point
        for resource in data.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
        for point in metric.data.data_points
    }


def test_messages_are_counted_by_media_type_and_result(prometheus):
    meters = Meters([prometheus])
    meters.observe(None, result_of())
    meters.observe(None, result_of())
    meters.observe(None, result_of(outcome=MessageHandlingResultType.FAILED, dead_letter=True))
    meters.observe(None, result_of(media_type=None))
    found = read(prometheus)
    media_type = ("media_type", MEDIA_TYPE)
    assert found["pubsub_messages_total", media_type, ("result", "succeeded")] == 2
    assert found["pubsub_messages_total", media_type, ("result", "failed")] == 1
    assert found["pubsub_messages_total", ("media_type", "unknown"), ("result", "succeeded")] == 1
    assert found["pubsub_dead_letters_total", media_type] == 1
    assert found["pubsub_handler_seconds_sum", media_type] == pytest.approx(0.06)
    assert found["pubsub_handler_seconds_bucket", ("le", "0.025"), media_type] == 3
    assert found["pubsub_message_age_seconds_sum", media_type] == pytest.approx(9)


def test_gauges_are_set_and_totals_grow(prometheus):
    meters = Meters([prometheus])
    meters.gauges({"worker_slots_busy": 3, "worker_leases_lost": 2, "outbox_waiting": 7})
    meters.gauges({"worker_slots_busy": 1, "worker_leases_lost": 5, "outbox_waiting": 0})
    found = read(prometheus)
    assert found["pubsub_handlers_in_flight",] == 1
    assert found["pubsub_leases_lost_total",] == 5
    assert found["pubsub_service_gauge", ("name", "outbox_waiting")] == 0


def test_every_gauge_of_a_worker_has_an_instrument():
    from microcosm_pubsub.worker.worker import Worker

    keeper = type("Keeper", (list,), {"extended": 0, "lost": 0})()
    parts = SimpleNamespace(keeper=keeper, breaker=SimpleNamespace(state=None))
    worker = SimpleNamespace(
        slots=SimpleNamespace(busy=[], abandoned=0),
        lanes=SimpleNamespace(waiting=0),
        parts=parts,
        pausing=None,
        receiver=SimpleNamespace(active=0),
        settler=SimpleNamespace(failures=0),
    )
    assert set(Worker.read_gauges(worker)) == set(OF_WORKER)


def test_media_types_of_strangers_make_no_end_of_series(prometheus):
    meters = Meters([prometheus])
    for number in range(MAX_MEDIA_TYPES + 50):
        meters.observe(None, result_of(media_type=f"application/{number}"))
    meters.observe(None, result_of(media_type="x" * 100_000))
    found = read(prometheus)
    assert found["pubsub_messages_total", ("media_type", "other"), ("result", "succeeded")] == 51
    assert len([key for key in found if key[0] == "pubsub_messages_total"]) == MAX_MEDIA_TYPES + 1


def publish(meters, ok):
    messages = [SimpleNamespace(media_type=MEDIA_TYPE)] * len(ok)
    results = [SimpleNamespace(ok=each) for each in ok]
    assert meters.around_publish(lambda messages: results, messages) is results


def test_publishes_are_counted_one_by_one(prometheus):
    meters = Meters([prometheus])
    publish(meters, [True, False, True])

    def fail(messages):
        raise ValueError("no topic")

    with pytest.raises(ValueError, match="no topic"):
        meters.around_publish(fail, [SimpleNamespace(media_type=MEDIA_TYPE)])
    found = read(prometheus)
    media_type = ("media_type", MEDIA_TYPE)
    assert found["pubsub_publishes_total", media_type, ("result", "success")] == 2
    assert found["pubsub_publishes_total", media_type, ("result", "failure")] == 2
    assert found["pubsub_publish_seconds_count", media_type] == 2


def test_a_meter_that_fails_harms_no_publish(caplog):
    class Broken:
        def write(self, instrument, value, *labels):
            raise OSError("no space")

    publish(Meters([Broken()]), [True])
    assert "Cannot measure a publish" in caplog.text


def test_opentelemetry_has_the_names_and_attributes_of_its_conventions(reader):
    from opentelemetry.semconv._incubating.metrics import messaging_metrics as conventions

    meters = Meters([OpenTelemetryMeter()])
    meters.observe(None, result_of())
    publish(meters, [True])
    meters.gauges({"worker_buffered": 4})
    found = points(reader)
    common = [("messaging.operation.name", "process"), ("messaging.system", "aws_sqs")]
    media_type = ("pubsub.media_type", MEDIA_TYPE)
    assert found["messaging.client.consumed.messages", *common, media_type, ("pubsub.result", "succeeded")].value == 1
    assert found["messaging.process.duration", *common, media_type].sum == pytest.approx(0.02)
    assert found["pubsub.messages.buffered",].value == 4
    names = {instrument.otel_name for instrument in INSTRUMENTS if instrument.otel_name.startswith("messaging.")}
    known = {value for name, value in vars(conventions).items() if name.startswith("MESSAGING_")}
    assert names
    assert names <= known


def test_names_are_what_prometheus_wants():
    for instrument in INSTRUMENTS:
        assert instrument.description.endswith(".")
        assert not instrument.name.endswith("_total")
        assert (instrument.kind is Kind.HISTOGRAM) == instrument.name.endswith("_seconds")


def make_graph(names):
    loader = load_from_dict(pubsub_meters={"names": names})
    return create_object_graph("meters", testing=True, loader=loader)


def test_nothing_is_measured_unless_it_is_asked_for():
    graph = make_graph([])
    graph.use("pubsub_meters")
    assert not graph.pubsub_meters.enabled
    assert graph.pubsub_meters.observe not in graph.pubsub_observers


def test_what_the_configuration_names_is_told():
    graph = make_graph(["prometheus"])
    assert graph.pubsub_meters.observe in graph.pubsub_observers
    assert graph.pubsub_meters.around_publish in graph.pubsub_publish_layers


def test_an_unknown_one_is_refused():
    with pytest.raises(ConfigurationError, match="it may have otel, prometheus"):
        make_graph(["statsd"]).use("pubsub_meters")


def test_one_that_is_not_installed_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    with pytest.raises(ConfigurationError, match=r"pip install 'microcosm_pubsub\[prometheus\]'"):
        make_graph(["prometheus"]).use("pubsub_meters")
