import NetworkLab

/// Connected UDP sockets of the node and of a pod, in both families, that wait: for an endpoint of one Service, and for
/// another Service.
struct Waiting {
    private let flows: [HeldFlows]

    init(_ numbers: ClosedRange<Int>, on node: TestNode) throws {
        let vips = numbers.flatMap { ["10.96.0.\($0)", "fd00:96::\($0)"] }
        // A connect needs a route, though nobody is there.
        for vip in vips {
            let gateway = vip.contains(":") ? Lab.outsideAddress6 : Lab.outsideAddress4
            try Command.run("nsenter", "--net=\(node.lab.node.path)", "ip", "route", "replace", vip, "via", gateway)
        }
        flows = try [TestNode.Place.node, .pod(1)].flatMap { place in
            try vips.map {
                let target = $0.contains(":") ? "[\($0)]:53" : "\($0):53"
                return try node.hold(target, "--udp", "--timeout", "300", from: place)
            }
        }
    }

    /// Whether all are; nil: some.
    func areServed() throws -> Bool? {
        let results = try flows.map { try $0.send().allSatisfy { $0.result == "ok" } }
        return results.allSatisfy(\.self) ? true : results.contains(true) ? nil : false
    }

    static func service(_ name: String, _ number: Int, isServed: Bool) -> String {
        let ports = ["{port: 8080, protocol: UDP}"]
        let service = Manifest.service(
            name, ["10.96.0.\(number)", "fd00:96::\(number)"], ports: ["{port: 53, protocol: UDP}"])
        guard isServed else { return service }
        return Manifest.file(
            service, Manifest.slice(name, Manifest.pods4, ports: ports),
            Manifest.slice(name, Manifest.pods6, ports: ports))
    }
}
