import KubernetesObjects
package import ServiceMaps
package import ServiceModel

/// An event with the names that people use: a line of `swiftlet monitor`, or a JSON document of it.
package struct EventRecord: Codable, Sendable, Hashable {
    package struct Process: Codable, Sendable, Hashable {
        package var pid: Int32
        package var command: String
    }

    /// RFC 3339 in UTC, to the millisecond.
    package var time: String
    /// `connect`, `send`, `bind`, `packet` or `flow`.
    package var kind: String
    package var process: Process?
    /// Of the process, or of the packet's socket: `NAMESPACE/NAME`, where kubelet's logs name it.
    package var pod: String?
    /// Of a packet or a flow: `192.0.2.7:40000`.
    package var client: String?
    /// Of a packet or a flow: the index of its device, in the network namespace where it was seen.
    package var device: UInt32?
    /// Of a flow, whose device is the node's.
    package var deviceName: String?
    package var `protocol`: String
    /// What was asked for: `10.96.0.15:80`; nil for a packet whose socket does not tell any more.
    package var vip: String?
    /// `NAMESPACE/NAME`; nil if no Service has to do with it.
    package var service: String?
    package var servicePort: String?
    package var backend: String?
    package var refused: Bool
    /// The counter that counted it.
    package var reason: String
    /// The same in words.
    package var text: String

    /// - Parameter boot: the time at which the machine's clock of events was zero.
    package init(
        _ event: DatapathEvent, boot: UnixTime, service: ObjectName?, port: ServicePortName?, pod: ObjectName?,
        deviceName: String? = nil
    ) {
        let parts = event.time.components
        let milliseconds =
            boot.nanoseconds / 1_000_000 + parts.seconds * 1_000 + parts.attoseconds / 1_000_000_000_000_000
        time = "\(UnixTime(nanoseconds: milliseconds * 1_000_000))"
        kind = event.kind.rawValue
        process = event.caller.map { Process(pid: $0.pid, command: $0.command) }
        self.pod = pod.map { "\($0)" }
        client = event.client.map { "\($0)" }
        device = event.device
        self.deviceName = deviceName
        self.protocol = "\(event.proto)"
        vip = event.vip.map { "\($0)" }
        self.service = service.map { "\($0)" }
        servicePort = port?.port
        backend = event.backend.map { "\($0)" }
        refused = event.isRefusal
        reason = event.reason
        text = EventWords.text(of: event.reason)
    }

    /// `23:08:14.957 connect curl (411) 10.96.0.15:80/TCP → 10.244.0.11:8080 default/my-api`, in UTC.
    package var line: String {
        let clock = time.split(separator: "T").last.map { $0.dropLast() } ?? ""
        let whole = clock.split(separator: ".", maxSplits: 1)
        let fraction = whole.count > 1 ? String(whole[1]) : ""
        let moment = "\(whole.first ?? "").\(fraction)\(String(repeating: "0", count: 3 - min(3, fraction.count)))"
        var words = [moment, kind.padded(to: 7)]
        if let process { words.append("\(process.command.oneLine()) (\(process.pid))") }
        if let client { words.append(client) }
        if let pod { words.append("of \(pod)") }
        if let device { words.append("at \(deviceName ?? "device \(device)")") }
        if let vip { words.append("\(vip)/\(self.protocol)") }
        if let backend { words.append(vip == nil ? "→ \(backend)/\(self.protocol)" : "→ \(backend)") }
        if let service { words.append(servicePort.map { $0.isEmpty ? service : "\(service):\($0)" } ?? service) }
        if refused {
            // connect() of UDP sends nothing, so that nothing is refused yet (spec 55).
            words.append((kind == "connect" && self.protocol == "UDP" ? "waits: " : "refused: ") + text)
        } else if !["forward", "flow_begun"].contains(reason) {
            words.append("(\(text))")
        }
        return words.joined(separator: " ")
    }
}

extension String {
    fileprivate func padded(to width: Int) -> String { self + String(repeating: " ", count: max(0, width - count)) }
}
