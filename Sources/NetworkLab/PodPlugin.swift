import Glibc

/// A network plugin of CNI, run as a container runtime runs it (CNI specification 1.0.0).
package enum PodPlugin: String, CaseIterable, Sendable {
    case bridge
    case ptp
    case macvlan
    case ipvlan

    /// Where Debian's package containernetworking-plugins has them, or where runtimes look by default.
    private static let directory = ["/usr/lib/cni", "/opt/cni/bin"].first { access("\($0)/bridge", X_OK) == 0 }

    /// Those that are installed and whose kind of device this kernel has.
    package static let available: [PodPlugin] = directory == nil ? [] : allCases.filter(\.kernelHasDevice)

    /// Its pods are hosts on the node's own link, and the router is their gateway.
    package var isOnWire: Bool { self == .macvlan || self == .ipvlan }

    private var kernelHasDevice: Bool {
        guard isOnWire else { return true }
        guard let trial = try? NetworkNamespace("plugin") else { return false }
        let lines = ["link add below type veth peer name other", "link add above link below type \(rawValue)"]
        return (try? trial.ip(lines: lines)) != nil
    }

    /// A port of the node that the portmap plugin sends to a port of the pod, for TCP and UDP.
    package struct HostPort: Sendable {
        package var node: Int
        package var pod: Int

        package init(node: Int, pod: Int) { (self.node, self.pod) = (node, pod) }
    }

    /// Gives a pod its device `eth0` with these addresses, such as `10.244.1.11/24`.
    package func add(
        _ pod: borrowing NetworkNamespace, to node: borrowing NetworkNamespace, addresses: [(String, gateway: String)],
        hostPort: HostPort? = nil
    ) throws(LabError) {
        let ipam = addresses.map { #"{"address": "\#($0.0)", "gateway": "\#($0.gateway)"}"# }
        let result = try Self.run(
            rawValue, pod.name, pod.path, in: node.path,
            """
            \(settings), "ipam": {"type": "static", "addresses": [\(ipam.joined(separator: ", "))],
            "routes": [{"dst": "0.0.0.0/0"}, {"dst": "::/0"}]}
            """)
        guard let hostPort else { return }
        let mappings = ["tcp", "udp"].map {
            #"{"hostPort": \#(hostPort.node), "containerPort": \#(hostPort.pod), "protocol": "\#($0)"}"#
        }
        try Self.run(
            "portmap", pod.name, pod.path, in: node.path,
            #""runtimeConfig": {"portMappings": [\#(mappings.joined(separator: ", "))]}, "prevResult": \#(result)"#)
    }

    /// As the examples of each plugin have it; bridge and ptp masquerade what leaves the node.
    private var settings: String {
        switch self {
        case .bridge: #""bridge": "cni0", "isGateway": true, "hairpinMode": true, "ipMasq": true"#
        case .ptp: #""ipMasq": true"#
        case .macvlan: #""master": "eth0", "mode": "bridge""#
        case .ipvlan: #""master": "eth0", "mode": "l2""#
        }
    }

    /// - Parameter settings: the members of the configuration beside version, name and type.
    @discardableResult
    private static func run(
        _ plugin: String, _ container: String, _ namespace: String, in node: String, _ settings: String
    ) throws(LabError) -> String {
        guard let directory else {
            let advice = "install containernetworking-plugins"
            throw LabError("run", "CNI plugin \(plugin)", cause: "not found", advice: advice)
        }
        let environment = [
            "CNI_COMMAND=ADD", "CNI_CONTAINERID=\(container)", "CNI_NETNS=\(namespace)", "CNI_IFNAME=eth0",
            "CNI_PATH=\(directory)",
        ]
        return try Command.run(
            ["env"] + environment + ["\(directory)/\(plugin)"], in: node,
            input: #"{"cniVersion": "1.0.0", "name": "pods", "type": "\#(plugin)", \#(settings)}"#)
    }
}
