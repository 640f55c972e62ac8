/// Short manifests for tests.
enum Manifests {
    static func service(
        _ name: String = "web", ip: String = "10.96.0.15", port: Int = 80, extra: String = ""
    ) -> String {
        """
        apiVersion: v1
        kind: Service
        metadata: {name: \(name)}
        spec:
          clusterIP: \(ip)
          ports: [{port: \(port)}]
        \(extra.split(separator: "\n").map { "  \($0)\n" }.joined())
        """
    }

    static func slice(_ name: String = "web-1", of service: String = "web", addresses: String = "10.244.0.11") -> String
    {
        """
        apiVersion: discovery.k8s.io/v1
        kind: EndpointSlice
        metadata: {name: \(name), labels: {kubernetes.io/service-name: \(service)}}
        addressType: IPv4
        ports: [{port: 8080}]
        endpoints: [{addresses: [\(addresses)]}]

        """
    }

    static func pod(
        _ name: String, ip: String, ready: Bool = true, labels: String = "app: web", metadata: String = "",
        phase: String = "Running", port: Int = 8080
    ) -> String {
        """
        apiVersion: v1
        kind: Pod
        metadata: {name: \(name), labels: {\(labels)}\(metadata)}
        spec: {nodeName: node-1, containers: [{ports: [{name: http, containerPort: \(port)}]}]}
        status:
          phase: \(phase)
          podIP: \(ip)
          podIPs: [{ip: \(ip)}]
          conditions: [{type: Ready, status: "\(ready ? "True" : "False")"}]

        """
    }

    static func documents(_ texts: String...) -> String { texts.joined(separator: "\n---\n") }
}
