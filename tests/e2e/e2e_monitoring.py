"""packaging/prometheus and packaging/grafana: alerts and the dashboard name metrics that there are, and Prometheus
understands them."""
import json
import os
import re
import shutil
import subprocess
import tempfile
import unittest

import harness
import prometheus
from rest import RestTest

RULES = os.path.join(harness.SOURCE, "packaging", "prometheus", "connectordb.rules.yml")
RULES_TEST = os.path.join(harness.SOURCE, "packaging", "prometheus", "connectordb.rules.test.yml")
DASHBOARD = os.path.join(harness.SOURCE, "packaging", "grafana", "connectordb.json")
OF_PROMETHEUS = {"up"}  # metrics that it makes itself


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def expressions_of_dashboard():
    return [target["expr"] for panel in json.loads(read(DASHBOARD))["panels"] for target in panel.get("targets", [])]


def plain(expression):
    """What Grafana makes of it."""
    return expression.replace("$__rate_interval", "5m").replace("$instance", ".*")


def promtool(*arguments):
    program = shutil.which("promtool")
    if not program:
        raise unittest.SkipTest("promtool is not installed (Debian's package prometheus)")
    done = subprocess.run([program, *arguments], capture_output=True, text=True, check=False,
                          timeout=harness.COMMAND_SECONDS_MAX, stdin=subprocess.DEVNULL)
    return done.returncode, done.stdout + done.stderr


class Names(RestTest):
    def test_each_metric_exists(self):
        self.create("--user", "test:test")
        self.start()
        self.make_stream("test/user/s")
        found = prometheus.Metrics(self.request("GET", "/metrics").body.decode())
        known = set(found.types) | OF_PROMETHEUS
        known |= {metric + suffix for metric, kind in found.types.items() if kind == "histogram"
                  for suffix in ("_bucket", "_sum", "_count")}
        texts = {RULES: re.findall(r"expr: (?:>-)?(.*?)\n +(?:for|labels):", read(RULES), re.DOTALL),
                 RULES_TEST: re.findall(r"series: (.*)", read(RULES_TEST)), DASHBOARD: expressions_of_dashboard()}
        for path, expressions in texts.items():
            self.assertGreater(len(expressions), 10, path)
            names = {name for text in expressions for name in re.findall(r"\b(?:connectordb|process)_\w+|\bup\b",
                                                                        re.sub(r'"[^"]*"', "", text))}
            self.assertEqual(names - known, set(), path)
        for text in texts[RULES] + texts[DASHBOARD]:
            for label in re.findall(r"\b(\w+)=~?\"", text):
                self.assertIn(label, {"job", "instance", "status", "level"}, text)


class Alerts(unittest.TestCase):
    def test_each_is_explained_and_tested(self):
        rules, tests = read(RULES), read(RULES_TEST)
        operating = read(os.path.join(harness.SOURCE, "docs", "OPERATING.md"))
        names = re.findall(r"- alert: (\w+)", rules)
        self.assertEqual(len(names), len(set(names)))
        self.assertGreater(len(names), 10)
        for name in names:
            self.assertIn(f'alertname="{name}", instance="bad"', tests)
            self.assertIn(f"`{name}`", operating)
        self.assertEqual(rules.count("summary:"), len(names))
        self.assertEqual(rules.count("severity:"), len(names))

    def test_promtool_checks_them(self):
        code, text = promtool("check", "rules", RULES)
        self.assertEqual(code, 0, text)

    def test_they_fire_and_do_not(self):
        code, text = promtool("test", "rules", RULES_TEST)
        self.assertEqual(code, 0, text)


class Dashboard(unittest.TestCase):
    def test_panels_do_not_overlap(self):
        taken, ids = set(), []
        for panel in json.loads(read(DASHBOARD))["panels"]:
            at = panel["gridPos"]
            ids.append(panel["id"])
            self.assertTrue(panel["title"])
            self.assertLessEqual(at["x"] + at["w"], 24, panel["title"])
            for x in range(at["x"], at["x"] + at["w"]):
                for y in range(at["y"], at["y"] + at["h"]):
                    self.assertNotIn((x, y), taken, panel["title"])
                    taken.add((x, y))
        self.assertEqual(len(ids), len(set(ids)))

    def test_prometheus_understands_each_expression(self):
        rules = [{"record": f"expression_{number}", "expr": plain(text)}
                 for number, text in enumerate(expressions_of_dashboard())]
        with tempfile.NamedTemporaryFile("w", suffix=".yml", encoding="utf-8") as file:
            json.dump({"groups": [{"name": "dashboard", "rules": rules}]}, file)  # JSON is YAML
            file.flush()
            code, text = promtool("check", "rules", file.name)
        self.assertEqual(code, 0, text)
        self.assertIn(f"{len(rules)} rules found", text)


if __name__ == "__main__":
    harness.main()
