package import ServiceModel

extension EndpointSlice {
    static let serviceNameLabel = "kubernetes.io/service-name"
    static let changeTriggerAnnotation = "endpoints.kubernetes.io/last-change-trigger-time"

    /// Writes the slice as the Kubernetes API would, without what the model leaves out.
    package func write(to json: inout JSONWriter) {
        var labels = labels
        if !serviceName.isEmpty { labels[Self.serviceNameLabel] = serviceName }
        let annotations = lastChangeTrigger.map { [Self.changeTriggerAnnotation: $0.description] } ?? [:]
        json.map { json in
            json.header(.slice)
            json.metadata(name, labels: labels, annotations: annotations)
            json.member(.addressType, addressType.rawValue)
            json.list(.ports) { json in
                for port in ports {
                    json.map { json in
                        if !port.name.isEmpty { json.member(.name, port.name) }
                        json.member(.protocol, port.proto.description)
                        json.member(.port, Int(port.port.number))
                    }
                }
            }
            json.list(.endpoints) { json in
                for endpoint in endpoints { endpoint.write(to: &json, hostname: hostnames[endpoint.address]) }
            }
        }
    }
}

extension Endpoint {
    fileprivate func write(to json: inout JSONWriter, hostname: String?) {
        json.map { json in
            json.member(.addresses, texts: [address.description])
            json.map(.conditions) { json in
                json.member(.ready, ready)
                json.member(.serving, serving)
                json.member(.terminating, terminating)
            }
            json.member(.hostname, hostname)
            json.member(.nodeName, nodeName)
            json.member(.zone, zone)
            if let pod {
                json.map(.targetRef) { json in
                    json.member(.kind, "Pod")
                    json.member(.name, pod)
                }
            }
            if zoneHints.isEmpty && nodeHints.isEmpty { return }
            json.map(.hints) { json in
                json.member(.forZones, names: zoneHints)
                json.member(.forNodes, names: nodeHints)
            }
        }
    }
}

extension JSONWriter {
    fileprivate mutating func member(_ key: FieldName, names: [String]) {
        if names.isEmpty { return }
        list(key) { json in
            for name in names { json.map { $0.member(.name, name) } }
        }
    }
}

extension Node {
    /// Writes the Node as the Kubernetes API would, without what the model leaves out. Both types of address are
    /// `InternalIP`, and the time of a deletion is the beginning of 1970: the model tells none of them apart.
    package func write(to json: inout JSONWriter) {
        json.map { json in
            json.header(.node)
            json.metadata(
                ObjectName(namespace: "", name: name), labels: labels,
                deletion: isBeingDeleted ? UnixTime(nanoseconds: 0) : nil)
            json.map(.spec) { json in
                json.member(.podCIDRs, texts: podCIDRs.map(\.description))
                if isTaintedForDeletion {
                    json.list(.taints) { json in json.map { $0.member(.key, Self.deletionTaint) } }
                }
            }
            json.map(.status) { json in
                json.list(.addresses) { json in
                    for address in addresses {
                        json.map { json in
                            json.member(.type, "InternalIP")
                            json.member(.address, address.description)
                        }
                    }
                }
            }
        }
    }
}
