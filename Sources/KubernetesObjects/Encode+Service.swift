package import ServiceModel

extension Service {
    /// Writes the Service as the Kubernetes API would, without what the model leaves out.
    package func write(to json: inout JSONWriter) {
        json.map { json in
            json.header(.service)
            json.metadata(name, labels: labels, annotations: annotations, creation: created)
            json.map(.spec) { json in
                json.member(.type, kind.rawValue)
                if kind != .externalName { writeAddresses(to: &json) }
                writePorts(to: &json)
                writePolicies(to: &json)
                json.member(.selector, map: selector ?? [:])
                json.member(.externalName, externalName)
            }
            if !ingress.isEmpty { writeStatus(to: &json) }
        }
    }

    private func writeAddresses(to json: inout JSONWriter) {
        if isHeadless {
            json.member(.clusterIP, "None")
        } else {
            json.member(.clusterIPs, texts: clusterIPs.map(\.description))
        }
        json.member(.externalIPs, texts: externalIPs.map(\.description))
    }

    private func writePorts(to json: inout JSONWriter) {
        json.list(.ports) { json in
            for port in ports {
                json.map { json in
                    if !port.name.isEmpty { json.member(.name, port.name) }
                    json.member(.protocol, port.proto.description)
                    json.member(.port, Int(port.port.number))
                    json.member(.nodePort, port.nodePort.map { Int($0.number) })
                }
            }
        }
    }

    private func writePolicies(to json: inout JSONWriter) {
        json.member(.externalTrafficPolicy, externalPolicy.rawValue)
        json.member(.internalTrafficPolicy, internalPolicy.rawValue)
        if publishNotReadyAddresses { json.member(.publishNotReadyAddresses, true) }
        json.member(.loadBalancerSourceRanges, texts: loadBalancerSourceRanges)
        json.member(.healthCheckNodePort, healthCheckNodePort.map { Int($0.number) })
        guard let affinitySeconds else { return }
        json.member(.sessionAffinity, "ClientIP")
        json.map(.sessionAffinityConfig) { json in
            json.map(.clientIP) { $0.member(.timeoutSeconds, Int(affinitySeconds)) }
        }
    }

    private func writeStatus(to json: inout JSONWriter) {
        json.map(.status) { json in
            json.map(.loadBalancer) { json in
                json.list(.ingress) { json in
                    for entry in ingress {
                        json.map { json in
                            json.member(.ip, entry.address.description)
                            json.member(.ipMode, entry.mode.rawValue)
                        }
                    }
                }
            }
        }
    }
}

extension JSONWriter {
    mutating func header(_ kind: ObjectKind) {
        member(.apiVersion, kind.apiVersion)
        member(.kind, kind.word)
    }

    mutating func metadata(
        _ name: ObjectName, labels: [String: String], annotations: [String: String] = [:], creation: UnixTime? = nil,
        deletion: UnixTime? = nil
    ) {
        map(.metadata) { json in
            json.member(.name, name.name)
            if !name.namespace.isEmpty { json.member(.namespace, name.namespace) }
            json.member(.labels, map: labels)
            json.member(.annotations, map: annotations)
            json.member(.creationTimestamp, creation?.description)
            json.member(.deletionTimestamp, deletion?.description)
        }
    }
}
