#!/usr/bin/python3
"""Renders deploy/chart without Helm, as far as its templates go, and checks what comes out.

chart.py write   makes deploy/swiftlet.yaml anew from the chart's own values
chart.py check   compares that file with the chart, and tries the chart's values
"""
import copy
import json
import os
import re
import sys

import yaml

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
CHART = os.path.join(ROOT, "deploy/chart")
MANIFEST = os.path.join(ROOT, "deploy/swiftlet.yaml")
HEAD = """# swiftlet on every node of a cluster that kubeadm made, in place of kube-proxy: kubectl apply -f deploy/swiftlet.yaml
#
# Made by scripts/chart.py from deploy/chart and its values; elsewhere use the chart, and set k8sServiceHost.
"""


class Template:
    """Go's templates, as far as the chart's need them: if, else, range, or, pipes of a few functions."""

    def __init__(self, text, scope):
        # {{- trims white space before it.
        self.parts = re.split(r"(\{\{-?.*?\}\})", re.sub(r"\s*\{\{-", "{{-", text))
        self.scope = scope

    def render(self):
        out, _, _ = self.block(0, self.scope, True)
        return "".join(out)

    def block(self, at, scope, is_on):
        out = []
        while at < len(self.parts):
            part = self.parts[at]
            if not part.startswith("{{"):
                out += [part] if is_on else []
                at += 1
                continue
            word = part.strip("{}-").strip()
            if word in ("end", "else"):
                return out, at, word
            if word.startswith("if "):
                holds = is_on and bool(self.value(word[3:], scope))
                inner, at, how = self.block(at + 1, scope, holds)
                out += inner
                if how == "else":
                    inner, at, how = self.block(at + 1, scope, is_on and not holds)
                    out += inner
            elif word.startswith("range "):
                start = at + 1
                names, _, items = word[6:].rpartition(" := ")
                items = self.value(items, scope) if is_on else []
                # Go goes through a map by its keys' order.
                pairs = sorted(items.items()) if isinstance(items, dict) else enumerate(items)
                for pair in pairs:
                    named = dict(zip(names.split(", "), pair)) if names else {}
                    inner, at, _ = self.block(start, {**scope, **named, "": pair[1]}, True)
                    out += inner
                _, at, _ = self.block(start, scope, False)
            elif is_on:
                out.append(self.text(self.value(word, scope)))
            at += 1
        return out, at, "end"

    @staticmethod
    def text(value):
        return {True: "true", False: "false"}.get(value, value) if isinstance(value, bool) else str(value)

    def value(self, expression, scope):
        first, *pipes = [stage.strip() for stage in expression.split("|")]
        words = re.findall(r'"[^"]*"|\S+', first)
        if words[0] in ("eq", "ne"):
            one, other = (self.atom(word, scope) for word in words[1:])
            return (one == other) == (words[0] == "eq")
        if words[0] == "or":
            return next((value for value in (self.atom(word, scope) for word in words[1:]) if value), None)
        value = json.dumps(self.atom(words[1], scope)) if words[0] == "toJson" else self.atom(words[0], scope)
        for pipe in pipes:
            name, *arguments = pipe.split()
            if name == "quote":
                value = json.dumps(self.text(value))
            elif name == "default":
                value = value or self.atom(arguments[0], scope)
            else:
                sys.exit(f"chart: the renderer knows no function {name}")
        return value

    @staticmethod
    def atom(word, scope):
        if word.startswith('"'):
            return word[1:-1]
        if word == ".":
            return scope[""]
        if word.startswith("$"):
            return scope[word]
        value = scope
        for name in word.lstrip(".").split("."):
            if name not in value:
                sys.exit(f"chart: there is no value {word}")
            value = value[name]
        return value


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def changed(values, changes):
    values = copy.deepcopy(values)
    for path, value in changes.items():
        *parents, last = path.split(".")
        place = values
        for name in parents:
            place = place[name]
        if last not in place:
            sys.exit(f"chart: values.yaml has no {path}")
        place[last] = value
    return values


def rendered(changes=None):
    """All templates with the chart's values and these changes, each `a.b.c`."""
    values = changed(yaml.safe_load(read(os.path.join(CHART, "values.yaml"))), changes or {})
    chart = yaml.safe_load(read(os.path.join(CHART, "Chart.yaml")))
    scope = {"Values": values, "Release": {"Namespace": "kube-system"},
             "Chart": {"AppVersion": chart["appVersion"]}}
    directory = os.path.join(CHART, "templates")
    texts = [Template(read(os.path.join(directory, name)), scope).render().strip() for name in
             ["rbac.yaml", "daemonset.yaml", "servicemonitor.yaml"]]
    return "\n---\n".join(text for text in texts if text) + "\n"


def objects(text):
    return {document["kind"]: document for document in yaml.safe_load_all(text)}


def expect(holds, message):
    if not holds:
        sys.exit(f"chart: {message}")


def check_values():
    plain = objects(rendered())
    container = plain["DaemonSet"]["spec"]["template"]["spec"]["containers"][0]
    expect([c["name"] for c in plain["DaemonSet"]["spec"]["template"]["spec"]["containers"]] == ["swiftlet", "namespaces"],
           "there are other containers than two")
    expect("ServiceMonitor" not in plain, "a monitor is made without being asked for")
    expect("--config=/var/lib/kube-proxy/config.conf" in container["args"], "kubeadm's settings are not read")
    expect([e["name"] for e in container["env"]] == ["NODE_NAME"], "an address of the API server is invented")

    other = objects(rendered({
        "k8sServiceHost": "192.0.2.9", "k8sServicePort": 443, "kubeProxyReplacement": False, "prometheus.enabled": True,
        "prometheus.serviceMonitor.enabled": True, "extraArgs": ["--devices=eth0"], "image.tag": "x",
        "image.digest": "sha256:0", "imagePullSecrets": [{"name": "login"}], "podAnnotations": {"a.io/b": "true"},
        "bpf.root": "/a, b: {c}", "priorityClassName": "1", "namespaces.enabled": False}))
    pod = other["DaemonSet"]["spec"]["template"]
    container = pod["spec"]["containers"][0]
    expect(container["env"][1:] == [{"name": "KUBERNETES_SERVICE_HOST", "value": "192.0.2.9"},
                                    {"name": "KUBERNETES_SERVICE_PORT", "value": "443"}], "k8sServiceHost has no effect")
    expect(all("kube-proxy" != volume["name"] for volume in pod["spec"]["volumes"]), "kube-proxy's ConfigMap is asked for")
    expect(len(pod["spec"]["containers"]) == 1 and "hostPID" not in pod["spec"], "namespaces.enabled has no effect")
    for argument in ["--kube-proxy-replacement=false", "--metrics-bind-address=0.0.0.0:10249", "--devices=eth0"]:
        expect(argument in container["args"], f"there is no {argument}")
    expect(container["image"].endswith(":x@sha256:0"), "image.tag or image.digest has no effect")
    expect(pod["spec"]["imagePullSecrets"] == [{"name": "login"}], "imagePullSecrets has no effect")
    expect(pod["metadata"]["annotations"] == {"prometheus.io/scrape": "true", "prometheus.io/port": "10249", "a.io/b": "true"},
           "annotations of the pod are missing")
    expect(pod["spec"]["volumes"][0]["hostPath"]["path"] == "/a, b: {c}" and pod["spec"]["priorityClassName"] == "1",
           "a value is taken for YAML")
    expect(container["ports"][0]["name"] == other["Service"]["spec"]["ports"][0]["targetPort"],
           "the monitor's Service names another port than the pod")
    expect(other["ServiceMonitor"]["spec"]["selector"]["matchLabels"] == other["Service"]["metadata"]["labels"],
           "the monitor selects another Service")


def check_schema():
    """Helm refuses values that values.schema.json does not admit: each of the chart's has its place there."""
    schema = json.loads(read(os.path.join(CHART, "values.schema.json")))
    values = yaml.safe_load(read(os.path.join(CHART, "values.yaml")))

    def compare(values, schema, path):
        known = set(schema["properties"]) - {"global"}
        expect(set(values) == known, f"values.yaml and the schema differ below {path or 'the top'}: {set(values) ^ known}")
        for name, value in values.items():
            if schema["properties"][name].get("additionalProperties") is False:
                compare(value, schema["properties"][name], f"{path}{name}.")

    compare(values, schema, "")
    try:
        import jsonschema
    except ImportError:
        print("chart: no python3-jsonschema: values are not held against values.schema.json")
        return
    validator = jsonschema.Draft7Validator(schema)
    expect(validator.is_valid(values), "the schema refuses the chart's own values")
    for path, value in [
            ("kubeProxyReplacement", "strict"), ("k8sServiceHost", ""), ("k8sServiceHost", "https://192.0.2.9:6443"),
            ("image.repository", "a/b@sha256:0"), ("image.tag", 1.1), ("prometheus.serviceMonitor.enabled", True),
            ("prometheus.port", 10256), ("extraArgs", "--devices=eth0"), ("namespaces.capabilities", ["CAP_SYS_ADMIN"])]:
        expect(not validator.is_valid(changed(values, {path: value})), f"the schema admits {path}: {value}")


def check_agreement():
    """What the role grants is what the code asks for and the documentation says."""
    rules = objects(rendered())["ClusterRole"]["rules"]
    granted = {resource: set(rule["verbs"]) for rule in rules for resource in rule["resources"]}
    code = read(os.path.join(ROOT, "Sources/KubernetesAPI/APIRequest.swift"))
    asked = set(re.findall(r'plural: "(\w+)"', code))
    expect(asked == set(granted), f"the code asks for {asked}, and the role grants {set(granted)}")
    verbs = set(re.search(r"case (.*)", code).group(1).split(", "))
    expect(verbs == set().union(*granted.values()), f"the code's verbs are {verbs}, and the role's others")
    docs = read(os.path.join(ROOT, "docs/configure.md"))
    for resource, verbs in granted.items():
        expect(f"`{resource}`" in docs, f"docs/configure.md does not name the right to {resource}")
        for verb in verbs:
            expect(f"`{verb}`" in docs, f"docs/configure.md does not name the verb {verb}")
    version = re.search(r'swiftlet = "(.*)"', read(os.path.join(ROOT, "Sources/SwiftletDaemon/Version.swift"))).group(1)
    chart = yaml.safe_load(read(os.path.join(CHART, "Chart.yaml")))
    expect(chart["appVersion"] == version, f"Chart.yaml says {chart['appVersion']}, and the program {version}")


def main():
    command = sys.argv[1:]
    if command == ["write"]:
        with open(MANIFEST, "w", encoding="utf-8") as file:
            file.write(HEAD + rendered())
    elif command == ["check"]:
        expect(read(MANIFEST) == HEAD + rendered(), "deploy/swiftlet.yaml is not the chart's; run scripts/chart.py write")
        check_values()
        check_schema()
        check_agreement()
    else:
        sys.exit("chart: say write or check")


main()
