import NodeNetwork
import ServiceMaps
package import ServiceModel
import Settings

// What a person is told of devices and packets.
extension DeviceKeeper {
    /// What `status` shows.
    package struct Report: Sendable {
        package var devices: [Device]
        package var packets: Packets
        package var problems: [String]
        package var risks: [String]
    }

    /// As of now: the kernel does not notify of changed settings.
    ///
    /// - Parameters:
    ///   - nodePorts: the addresses that serve NodePorts.
    ///   - hasNodePorts: a Service has some.
    package func report(nodePorts: [IPAddress], hasNodePorts: Bool = true) -> Report {
        let selection = selection
        look(selection)
        // Where no packet is translated none needs to be forwarded for us.
        let isServing = !selection.chosen.isEmpty
        let shown = isServing ? findings.map { SettingAdvice($0, refused: refusals[$0]) } : []
        return Report(
            devices: devices, packets: packets,
            problems: failures.values.sorted() + [unreadable].compactMap { $0 }
                + (isServing ? lostEndpoints(selection) : []) + shown.filter { $0.severity == .problem }.map(\.text),
            risks: shown.filter { $0.severity == .risk }.map(\.text) + unmatchedPatterns
                + (isServing || hasNodePorts ? closedNodePorts(nodePorts, selection) : [])
                + (isServing ? packetRisks : []))
    }

    /// A name that was misspelt, or a device that is not there yet.
    private var unmatchedPatterns: [String] {
        let names = network.links.map(\.name)
        func text(_ patterns: DevicePatterns, _ flag: String) -> [String] {
            patterns.unmatched(among: names).map { "no device of this node matches \($0) of \(flag)" }
        }
        return text(settings.devices.patterns, "--devices") + text(settings.podInterfaces.patterns, "--pod-interfaces")
    }

    private var packets: Packets {
        Packets(
            forwarding: settings.forwarding.rawValue, masqueradePorts: masqueradePorts.ranges.map(\.description),
            closedRanges: told.closedRanges.map(\.description),
            servesClusterIPs: settings.servesClusterIPsOutside)
    }

    /// Endpoints elsewhere whose replies pass no program of ours.
    private func lostEndpoints(_ selection: DeviceSelection) -> [String] {
        let without = selection.devices.filter { $0.role != .outside && !$0.link.isLoopback }
        return without.compactMap { device in
            guard settings.devices != .none, let group = endpoints.elsewhere[device.link.index] else { return nil }
            return "\(group) are reached by \(device.link.name), which has no programs (\(device.reason)): clients "
                + "outside get no answers from them; name it with --devices"
        }
    }

    private func closedNodePorts(_ addresses: [IPAddress], _ selection: DeviceSelection) -> [String] {
        addresses.compactMap { address in
            guard settings.devices != .none, !address.isLoopback else { return nil }
            guard let holder = network.addresses.first(where: { $0.address == address })?.link else {
                return network.addresses.isEmpty
                    ? nil : "NodePorts at \(address) do not answer clients outside: no device has the address"
            }
            guard
                let device = selection.devices.first(where: { $0.link.index == holder }),
                // What a dummy device holds, packets come for by another one.
                device.role == nil, device.link.isUp, !device.link.isLoopback, device.link.kind != "dummy",
                endpoints.here[holder] == nil
            else { return nil }
            return "NodePorts at \(address) do not answer clients that come by \(device.link.name), which has no "
                + "programs (\(device.reason)); name it with --devices"
        }
    }

    private var packetRisks: [String] {
        var risks = [settings.forwarding.passesBy].compactMap { $0 }
        if endpoints.unreachable.count > 0 { risks.append("there is no route to \(endpoints.unreachable)") }
        let ports = masqueradePorts
        if ports.isShared {
            let range = localPorts.map { "\($0.range)" } ?? "unknown"
            risks.append(
                "net.ipv4.ip_local_port_range is \(range), which leaves no ports to flows alone: connections of the node "
                    + "and flows with its address may meet; make it smaller, or name others with --masquerade-ports")
        } else if ports.count < Self.fewPorts {
            risks.append(
                "only \(ports.count) ports are left to flows with the node's address (\(ports.text)): so many at a time "
                    + "can use one endpoint; make net.ipv4.ip_local_port_range smaller, or use --masquerade-ports")
        }
        if let error = network.unreadablePolicies {
            risks.append("cannot see whether IPsec policies are about packets of Services: \(error)")
        }
        return risks
    }

    /// A sixteenth of what kube-proxy has.
    private static let fewPorts = 4_096
}

extension MasqueradePorts {
    fileprivate var text: String { ranges.map(\.description).joined(separator: ",") }
}
