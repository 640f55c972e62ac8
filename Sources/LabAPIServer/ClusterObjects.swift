/// Kubernetes objects as the API server has them, with the fields that real objects have and no proxy needs.
package enum ClusterObjects {
    package static func service(
        _ name: String, namespace: String = "default", ip: String, port: Int = 80, labels: [String: JSON] = [:],
        padding: Int = 0
    ) -> JSON {
        [
            "kind": "Service", "apiVersion": "v1",
            "metadata": metadata(name, namespace, labels, padding),
            "spec": [
                "type": "ClusterIP", "clusterIP": .text(ip), "clusterIPs": [.text(ip)], "ipFamilies": ["IPv4"],
                "ipFamilyPolicy": "SingleStack", "internalTrafficPolicy": "Cluster", "sessionAffinity": "None",
                "selector": ["app": .text(name)],
                "ports": [["name": "http", "protocol": "TCP", "port": .number(Double(port)), "targetPort": 8080]],
            ],
            "status": ["loadBalancer": [:]],
        ]
    }

    package static func slice(
        _ name: String, of service: String, namespace: String = "default", addresses: [String], padding: Int = 0
    ) -> JSON {
        [
            "kind": "EndpointSlice", "apiVersion": "discovery.k8s.io/v1", "addressType": "IPv4",
            "metadata": metadata(name, namespace, ["kubernetes.io/service-name": .text(service)], padding),
            "ports": [["name": "http", "protocol": "TCP", "port": 8080]],
            "endpoints": .list(
                addresses.map { address in
                    [
                        "addresses": [.text(address)], "nodeName": "node-1", "zone": "zone-1",
                        "conditions": ["ready": true, "serving": true, "terminating": false],
                        "targetRef": ["kind": "Pod", "namespace": .text(namespace), "name": .text("pod-\(address)")],
                    ]
                }),
        ]
    }

    package static func node(_ name: String, address: String) -> JSON {
        [
            "kind": "Node", "apiVersion": "v1",
            "metadata": ["name": .text(name), "labels": ["topology.kubernetes.io/zone": "zone-1"]],
            "status": ["addresses": [["type": "InternalIP", "address": .text(address)]]],
        ]
    }

    private static func metadata(
        _ name: String, _ namespace: String, _ labels: [String: JSON], _ padding: Int
    ) -> JSON {
        [
            "name": .text(name), "namespace": .text(namespace), "labels": .map(labels),
            "uid": "6f0f7c0e-9a49-4b4d-8f39-1f2f3a4b5c6d", "creationTimestamp": "2026-01-02T03:04:05Z",
            "annotations": ["example.com/padding": .text(String(repeating: "é", count: padding))],
            "managedFields": managedFields,
        ]
    }

    /// As `kubectl apply` has it written: a good part of what a real Service is.
    private static let managedFields: JSON = [
        [
            "manager": "kubectl-client-side-apply", "operation": "Update", "apiVersion": "v1",
            "time": "2026-01-02T03:04:05Z", "fieldsType": "FieldsV1",
            "fieldsV1": [
                "f:metadata": [
                    "f:annotations": [".": [:], "f:kubectl.kubernetes.io/last-applied-configuration": [:]],
                    "f:labels": [".": [:], "f:app.kubernetes.io/name": [:], "f:app.kubernetes.io/instance": [:]],
                ],
                "f:spec": [
                    "f:internalTrafficPolicy": [:], "f:selector": [:], "f:sessionAffinity": [:], "f:type": [:],
                    "f:ports": [
                        ".": [:],
                        #"k:{"port":80,"protocol":"TCP"}"#: [
                            ".": [:], "f:name": [:], "f:port": [:], "f:protocol": [:], "f:targetPort": [:],
                        ],
                    ],
                ],
            ],
        ]
    ]
}
