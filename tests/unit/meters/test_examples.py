"""The dashboard and the alert rules can be loaded, and ask for what there is."""

import shutil
from json import loads
from pathlib import Path
from re import findall
from subprocess import run

import pytest
from yaml import safe_load

from microcosm_pubsub.meters.instruments import INSTRUMENTS, Kind


EXAMPLES = Path(__file__).parents[3] / "examples" / "observability"

SUFFIXES = {Kind.COUNTER: ["_total"], Kind.GAUGE: [""], Kind.HISTOGRAM: ["_bucket", "_sum", "_count"]}

SERIES = {f"pubsub_{each.name}{suffix}": each for each in INSTRUMENTS for suffix in SUFFIXES[each.kind]}


def dashboard():
    return loads((EXAMPLES / "dashboard.json").read_text())


def rules():
    return [rule for group in safe_load((EXAMPLES / "alerts.yaml").read_text())["groups"] for rule in group["rules"]]


EXPRESSIONS = [target["expr"] for panel in dashboard()["panels"] for target in panel["targets"]]
EXPRESSIONS += [rule["expr"] for rule in rules()]


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_expressions_ask_for_series_and_labels_that_there_are(expression):
    names = findall(r"pubsub_\w+", expression)
    assert names
    assert set(names) <= set(SERIES)
    labels = {"job", "le", *(label for name in names for label in SERIES[name].labels)}
    for asked in findall(r"by \(([^)]*)\)", expression):
        assert set(asked.replace(" ", "").split(",")) <= labels
    for asked in findall(r"[{,]\s*(\w+)\s*=~?\"", expression):
        assert asked in labels
    assert expression.count("(") == expression.count(")")


def test_the_dashboard_shows_every_instrument_once():
    shown = dashboard()
    assert [panel["id"] for panel in shown["panels"]] == list(range(1, len(shown["panels"]) + 1))
    places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in shown["panels"]]
    assert len(set(places)) == len(places)
    asked = {
        name for panel in shown["panels"] for each in panel["targets"] for name in findall(r"pubsub_\w+", each["expr"])
    }
    assert {SERIES[name] for name in asked} == set(INSTRUMENTS)
    variables = {variable["name"] for variable in shown["templating"]["list"]}
    assert {name for text in EXPRESSIONS for name in findall(r"\$(\w+)", text)} <= {*variables, "__rate_interval"}


def test_alerts_say_what_happened_and_what_to_do():
    names = [rule["alert"] for rule in rules()]
    assert len(set(names)) == len(names)
    for rule in rules():
        assert rule["labels"]["severity"] in ("warning", "critical")
        assert "{{ $labels.job }}" in rule["annotations"]["summary"]
        assert rule["annotations"]["description"]
    assert "alerts.yaml" in safe_load((EXAMPLES / "prometheus.yml").read_text())["rule_files"]


@pytest.mark.skipif(shutil.which("promtool") is None, reason="there is no promtool: apt-get install prometheus")
def test_prometheus_loads_them():
    done = run(["promtool", "check", "config", "prometheus.yml"], cwd=EXAMPLES, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(rules())} rules found" in done.stdout
