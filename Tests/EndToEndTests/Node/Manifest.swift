/// Manifests as people write them, in YAML.
enum Manifest {
    static let nodeName = "node-1"

    /// The Node object, whose addresses serve NodePorts.
    static let node = """
        apiVersion: v1
        kind: Node
        metadata: {name: \(nodeName)}
        status:
          addresses:
          - {type: InternalIP, address: 192.0.2.1}
          - {type: InternalIP, address: "2001:db8::1"}
        """

    /// Documents in one file.
    static func file(_ documents: String...) -> String { documents.joined(separator: "\n---\n") }

    /// - Parameters:
    ///   - spec: lines of the Service's spec, besides its ports.
    ///   - ports: each as YAML's flow form.
    static func service(
        _ name: String, _ clusterIPs: [String], ports: [String] = ["{port: 80, targetPort: 8080}"], spec: String = "",
        ingress: [String] = []
    ) -> String {
        """
        apiVersion: v1
        kind: Service
        metadata: {name: \(name)}
        spec:
          clusterIPs: \(list(clusterIPs))
          ipFamilies: \(list(clusterIPs.map { $0.contains(":") ? "IPv6" : "IPv4" }))
          ports: [\(ports.joined(separator: ", "))]
        \(spec.split(separator: "\n").map { "  " + $0 }.joined(separator: "\n"))
        status: {loadBalancer: {ingress: [\(ingress.map { "{ip: \"\($0)\"}" }.joined(separator: ", "))]}}
        """
    }

    /// A slice with endpoints at port 8080, of the family that its first address has.
    static func slice(
        _ service: String, _ addresses: [String], ports: [String] = ["{port: 8080, protocol: TCP}"],
        endpoint: String = ""
    ) -> String {
        let family = addresses.first?.contains(":") == true ? "IPv6" : "IPv4"
        let endpoints = addresses.map { "{addresses: [\"\($0)\"]\(endpoint.isEmpty ? "" : ", \(endpoint)")}" }
        return """
            apiVersion: discovery.k8s.io/v1
            kind: EndpointSlice
            metadata: {name: \(service)-\(family.lowercased()), labels: {kubernetes.io/service-name: \(service)}}
            addressType: \(family)
            ports: [\(ports.joined(separator: ", "))]
            endpoints: [\(endpoints.joined(separator: ", "))]
            """
    }

    static let pods4 = (1...3).map { "10.244.0.\(10 + $0)" }
    static let pods6 = (1...3).map { "fd00:10:244::\(10 + $0)" }

    private static func list(_ items: [String]) -> String {
        "[" + items.map { "\"\($0)\"" }.joined(separator: ", ") + "]"
    }
}
