"""What lies in deploy/ for Prometheus and Grafana asks for figures that there are."""

import json
import re
from pathlib import Path

import yaml

from server.metrics import Figures

DEPLOY = Path(__file__).parents[1] / "deploy"


def test_alarms_and_dashboard_ask_for_figures_that_there_are():
    figures = Figures()
    text = figures.text({}, {}, [], 0, 0, 0, {}).decode()
    there = set(re.findall(r"^# TYPE (\S+)", text, re.M))
    there |= {f"{name}_bucket" for name in re.findall(r"^# TYPE (\S+) histogram", text, re.M)} | {"up"}
    alarms = yaml.safe_load((DEPLOY / "alerts.yaml").read_text())
    panels = json.loads((DEPLOY / "grafana.json").read_text())["panels"]
    asked = [rule["expr"] for group in alarms["groups"] for rule in group["rules"]]
    asked += [target["expr"] for panel in panels for target in panel["targets"]]
    assert len(asked) >= 16
    for expression in asked:
        names = set(re.findall(r"\b(?:lipstream|process)_\w+|\bup\b", expression))
        assert names, expression
        assert names <= there, expression
