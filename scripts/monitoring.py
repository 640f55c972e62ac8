#!/usr/bin/env python3
"""The dashboard and the alerts of deploy/monitoring.

monitoring.py write   makes dashboard.json anew
monitoring.py check   compares it, checks each expression with promtool and each metric with docs/metrics.md, and tries the alerts
"""
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

import yaml

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
RULES = os.path.join(ROOT, "deploy/monitoring/rules.yaml")
TESTS = os.path.join(ROOT, "deploy/monitoring/tests.yaml")
DASHBOARD = os.path.join(ROOT, "deploy/monitoring/dashboard.json")
NODE = 'instance=~"$instance"'

# Row, then panels: title, unit, and (expression, legend) pairs.
ROWS = [
    ("State", [
        ("Nodes that run swiftlet", "short", [(f"count by (version) (swiftlet_build_info{{{NODE}}})", "{{version}}")]),
        ("Service ports not programmed", "short", [
            (f"swiftlet_service_ports_pending{{{NODE}}}", "{{instance}}")]),
        ("API server and hooks: 1 is well", "short", [
            (f"min(swiftlet_api_server_up{{{NODE}}})", "API server"),
            (f"min(swiftlet_effective{{{NODE}}})", "a connect is translated"),
            (f"min(swiftlet_hooks_attached{{{NODE}}})", "hooks")]),
        ("Objects refused, frontends in conflict, ports not listened on", "short", [
            (f"sum(swiftlet_refused_objects{{{NODE}}})", "refused objects"),
            (f"sum(swiftlet_frontend_conflicts{{{NODE}}})", "conflicts"),
            (f"sum(swiftlet_listen_problems{{{NODE}}})", "cannot listen")]),
    ]),
    ("Services", [
        ("Connects by Service, top 10", "ops", [
            (f"topk(10, sum by (namespace, name) (rate(swiftlet_service_connects_total{{{NODE}}}[$__rate_interval])))",
             "{{namespace}}/{{name}}")]),
        ("Refusals by Service and reason, top 10", "ops", [
            ("topk(10, sum by (namespace, name, reason) "
             f"(rate(swiftlet_service_refusals_total{{{NODE}}}[$__rate_interval])))",
             "{{namespace}}/{{name}}: {{reason}}")]),
        ("Services without a backend, by reason", "short", [
            (f"max by (reason) (swiftlet_services_without_backends{{{NODE}}})", "{{reason}}")]),
        ("Verdicts of the datapath", "ops", [
            (f"sum by (reason) (rate(swiftlet_datapath_verdicts_total{{{NODE}}}[$__rate_interval]))", "{{reason}}")]),
    ]),
    ("Programming", [
        ("From the change of an endpoint to the maps, 99th percentile", "s", [
            ("histogram_quantile(0.99, sum by (le) "
             f"(rate(kubeproxy_network_programming_duration_seconds_bucket{{{NODE}}}[$__rate_interval])))", "p99")]),
        ("Duration of a sync by phase, 99th percentile", "s", [
            ("histogram_quantile(0.99, sum by (le, phase) "
             f"(rate(swiftlet_sync_phase_duration_seconds_bucket{{{NODE}}}[$__rate_interval])))", "{{phase}}")]),
        ("Changes seen", "ops", [
            (f"sum(rate(kubeproxy_sync_proxy_rules_endpoint_changes_total{{{NODE}}}[$__rate_interval]))", "slices"),
            (f"sum(rate(kubeproxy_sync_proxy_rules_service_changes_total{{{NODE}}}[$__rate_interval]))", "Services")]),
        ("Writes that failed", "ops", [
            (f"sum by (map, errno) (rate(swiftlet_map_sync_failures_total{{{NODE}}}[$__rate_interval]))",
             "{{map}} {{errno}}")]),
        ("Requests to API servers by code", "ops", [
            (f"sum by (code) (rate(rest_client_requests_total{{{NODE}}}[$__rate_interval]))", "{{code}}")]),
        ("Watches that broke off", "ops", [
            (f"sum by (resource) (rate(swiftlet_watch_restarts_total{{{NODE}}}[$__rate_interval]))", "{{resource}}")]),
    ]),
    ("Resources", [
        ("Maps, how full", "percentunit", [
            (f"max by (map) (swiftlet_map_entries{{{NODE}}} / swiftlet_map_capacity_entries{{{NODE}}})", "{{map}}")]),
        ("Memory of the maps", "bytes", [(f"sum by (instance) (swiftlet_map_memory_bytes{{{NODE}}})", "{{instance}}")]),
        ("Memory of the process", "bytes", [(f"process_resident_memory_bytes{{{NODE}}}", "{{instance}}")]),
        ("CPU of the process", "percentunit", [
            (f"rate(process_cpu_seconds_total{{{NODE}}}[$__rate_interval])", "{{instance}}")]),
        ("Sockets destroyed, and waiting for it", "short", [
            (f"sum by (protocol) (increase(swiftlet_sockets_destroyed_total{{{NODE}}}[$__rate_interval]))", "{{protocol}}"),
            (f"sum(swiftlet_socket_destroy_postponed{{{NODE}}})", "waiting")]),
    ]),
]


def dashboard():
    source = {"type": "prometheus", "uid": "${datasource}"}
    panels, y, number = [], 0, 0
    for title, row in ROWS:
        number += 1
        panels.append({"id": number, "type": "row", "title": title, "collapsed": False, "panels": [],
                       "gridPos": {"x": 0, "y": y, "w": 24, "h": 1}})
        y += 1
        for index, (name, unit, targets) in enumerate(row):
            number += 1
            panels.append({
                "id": number, "type": "timeseries", "title": name, "datasource": source,
                "gridPos": {"x": index % 3 * 8, "y": y + index // 3 * 8, "w": 8, "h": 8},
                "fieldConfig": {"defaults": {"unit": unit, "min": 0}, "overrides": []},
                "options": {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi"}},
                "targets": [{"refId": chr(ord("A") + i), "expr": expression, "legendFormat": legend, "datasource": source}
                            for i, (expression, legend) in enumerate(targets)]})
        y += (len(row) + 2) // 3 * 8
    variables = [
        {"name": "datasource", "type": "datasource", "query": "prometheus", "label": "Data source"},
        {"name": "instance", "type": "query", "label": "Node", "datasource": source, "multi": True, "includeAll": True,
         "allValue": ".*", "refresh": 2, "query": "label_values(swiftlet_build_info, instance)"}]
    return {"title": "swiftlet", "uid": "swiftlet", "schemaVersion": 39, "version": 1, "tags": ["swiftlet", "kubernetes"],
            "time": {"from": "now-1h", "to": "now"}, "refresh": "30s", "timezone": "browser", "editable": True,
            "templating": {"list": variables}, "panels": panels}


def expressions():
    """Of the dashboard and the alerts, each as Prometheus gets it."""
    for _, row in ROWS:
        for _, _, targets in row:
            for expression, _ in targets:
                yield expression.replace("$__rate_interval", "5m").replace("$instance", ".*")
    for group in rules()["groups"]:
        for rule in group["rules"]:
            yield rule["expr"]


def rules():
    with open(RULES, encoding="utf-8") as file:
        return yaml.safe_load(file)["spec"]


def check_metrics():
    with open(os.path.join(ROOT, "docs/metrics.md"), encoding="utf-8") as file:
        known = dict(re.findall(r"^\| `(\w+)` \| (counter|gauge|histogram) \|", file.read(), re.M))
    for expression in expressions():
        for name in re.findall(r"\b(?:swiftlet|kubeproxy|process|rest_client)_\w+", expression):
            base = re.sub(r"_(bucket|sum|count)$", "", name)
            if name not in known and known.get(base) != "histogram":
                sys.exit(f"monitoring: {name} is no metric of docs/metrics.md, in: {expression}")


def promtool():
    tool = shutil.which("promtool") or os.path.join(ROOT, "build/tools/promtool")
    if os.path.exists(tool):
        return tool
    print("monitoring: no promtool; scripts/tool.sh promtool prometheus fetches it: expressions are not parsed, alerts not tried")
    return None


def check_syntax(tool):
    recorded = [{"record": f"check:{i}", "expr": text} for i, text in enumerate(expressions())]
    groups = rules()["groups"] + [{"name": "expressions", "rules": recorded}]
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        yaml.safe_dump({"groups": groups}, file)
        file.flush()
        done = subprocess.run([tool, "check", "rules", "--lint=none", file.name], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"monitoring: promtool says: {done.stdout}{done.stderr}")


def test_alerts(tool):
    """Prometheus reads the rules without the object of the operator that is round them."""
    with tempfile.TemporaryDirectory() as directory:
        with open(os.path.join(directory, "rules"), "w", encoding="utf-8") as file:
            yaml.safe_dump(rules(), file)
        tests = shutil.copy(TESTS, directory)
        done = subprocess.run([tool, "test", "rules", tests], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"monitoring: promtool says: {done.stdout}{done.stderr}")


def main():
    text = json.dumps(dashboard(), indent=1) + "\n"
    command = sys.argv[1:]
    if command == ["write"]:
        with open(DASHBOARD, "w", encoding="utf-8") as file:
            file.write(text)
    elif command == ["check"]:
        with open(DASHBOARD, encoding="utf-8") as file:
            if file.read() != text:
                sys.exit("monitoring: dashboard.json is not what scripts/monitoring.py write makes")
        check_metrics()
        if tool := promtool():
            check_syntax(tool)
            test_alerts(tool)
    else:
        sys.exit("monitoring: say write or check")


main()
