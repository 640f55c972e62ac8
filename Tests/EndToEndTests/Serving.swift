import Testing

/// One node with three pods and one daemon for everything that asks how connects are answered. The suites are in files
/// of their own; each has Services of its own in the manifests.
@Suite(.tags(.endToEnd), .endToEnd, .node(pods: 3, manifests: ServedManifests.all))
struct Serving {}

/// What the suites of `Serving` ask for.
enum ServedManifests {
    static let all = [
        "web.yaml": web, "empty.yaml": empty, "stable.yaml": stable, "sticky.yaml": sticky(isOn: true),
        "switching.yaml": switching(isOn: false), "brief.yaml": brief, "local.yaml": local,
    ]

    /// Every kind of front door, in both families, TCP and UDP.
    static let web = Manifest.file(
        Manifest.service(
            "web", ["10.96.0.15", "fd00:96::15"],
            ports: [
                "{name: http, port: 80, targetPort: 8080, nodePort: 30080}",
                "{name: echo, port: 53, protocol: UDP, targetPort: 8080, nodePort: 30053}",
            ],
            spec: """
                type: LoadBalancer
                externalIPs: [198.51.100.7, "2001:db8:7::7"]
                """,
            ingress: ["203.0.113.10", "2001:db8:10::10"]),
        Manifest.slice("web", Manifest.pods4, ports: webPorts),
        Manifest.slice("web", Manifest.pods6, ports: webPorts))

    /// Its endpoints are another node's, if their nodeName is to be believed.
    static let elsewhere = Manifest.file(
        Manifest.service(
            "elsewhere", ["10.96.0.19"], ports: ["{port: 80, targetPort: 8080, nodePort: 30099}"],
            spec: "type: NodePort\nexternalTrafficPolicy: Local"),
        Manifest.slice("elsewhere", Manifest.pods4, endpoint: "nodeName: node-2"))

    private static let webPorts = [
        "{name: http, port: 8080, protocol: TCP}", "{name: echo, port: 8080, protocol: UDP}",
    ]

    static let empty = Manifest.service(
        "empty", ["10.96.0.20", "fd00:96::20"],
        ports: ["{name: http, port: 80}", "{name: echo, port: 53, protocol: UDP}"])

    /// For UDP sockets that stay with their backend.
    static func stable(_ pods: [String]) -> String {
        Manifest.file(
            Manifest.service("stable", ["10.96.0.30"], ports: ["{port: 53, protocol: UDP}"]),
            Manifest.slice("stable", pods, ports: ["{port: 8080, protocol: UDP}"]))
    }
    static let stable = stable(Manifest.pods4)

    static func sticky(isOn: Bool) -> String {
        affine("sticky", ["10.96.0.31", "fd00:96::31"], nodePort: 30031, seconds: isOn ? 10800 : nil)
    }
    static func switching(isOn: Bool) -> String {
        affine("switching", ["10.96.0.32"], nodePort: 30032, seconds: isOn ? 3600 : nil)
    }
    static let brief = affine("brief", ["10.96.0.33"], nodePort: 30033, seconds: 1)

    private static func affine(_ name: String, _ addresses: [String], nodePort: Int, seconds: Int?) -> String {
        let affinity = seconds.map {
            "sessionAffinity: ClientIP\nsessionAffinityConfig: {clientIP: {timeoutSeconds: \($0)}}"
        }
        return Manifest.file(
            Manifest.service(
                name, addresses, ports: ["{port: 80, nodePort: \(nodePort)}"],
                spec: "type: NodePort\n" + (affinity ?? "sessionAffinity: None")),
            Manifest.slice(name, Manifest.pods4), Manifest.slice(name, Manifest.pods6))
    }

    /// Local policies, all endpoints elsewhere.
    static let local = Manifest.file(
        Manifest.service("inside", ["10.96.0.40"], spec: "internalTrafficPolicy: Local"),
        Manifest.slice("inside", Manifest.pods4, endpoint: "nodeName: elsewhere"),
        Manifest.service(
            "outside", ["10.96.0.41"], ports: ["{port: 80, nodePort: 30041}"],
            spec: "type: NodePort\nexternalTrafficPolicy: Local"),
        Manifest.slice("outside", Manifest.pods4, endpoint: "nodeName: elsewhere"),
        Manifest.service("here", ["10.96.0.42"], spec: "internalTrafficPolicy: Local"),
        Manifest.slice("here", [Manifest.pods4[1]], endpoint: "nodeName: \(Manifest.nodeName)"))
}
