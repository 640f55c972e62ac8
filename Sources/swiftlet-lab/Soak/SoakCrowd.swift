/// Services that no client calls, and that need more room the more there are: the maps grow while others are called.
struct SoakCrowd {
    static let file = "crowd.yaml"
    /// How often it grows. Maps do not become smaller again, so that comes to an end.
    static let sizes = 6

    private var size = 0

    /// The manifest of twice as many as before; nil at the end.
    mutating func grow() -> String? {
        guard size < Self.sizes else { return nil }
        size += 1
        return (0..<8 << size).map(Self.manifest).joined(separator: "\n---\n")
    }

    private static func manifest(of number: Int) -> String {
        let endpoints = (1...6).map { "{addresses: [\"10.244.0.\(10 + $0)\"]}" }.joined(separator: ", ")
        return """
            apiVersion: v1
            kind: Service
            metadata: {name: crowd-\(number)}
            spec:
              clusterIPs: ["10.97.\(number / 250).\(number % 250 + 1)"]
              ports: [{port: 80}]
            ---
            apiVersion: discovery.k8s.io/v1
            kind: EndpointSlice
            metadata: {name: crowd-\(number), labels: {kubernetes.io/service-name: crowd-\(number)}}
            addressType: IPv4
            ports: [{port: 8999, protocol: TCP}]
            endpoints: [\(endpoints)]
            """
    }
}
