package import ServiceModel

/// The listeners on a TCP port in a network namespace, by `/proc/PID/net/tcp` and `tcp6`.
package struct Listeners: Sendable {
    package struct Listener: Codable, Sendable, Hashable {
        /// `0.0.0.0`, `127.0.0.1`, `::` …
        package var address: String
        /// Connections that the process has not accepted yet.
        package var waiting: Int

        package init(address: String, waiting: Int = 0) {
            self.address = address
            self.waiting = waiting
        }
    }

    private let sockets: [(address: IPAddress, port: Int, waiting: Int)]

    /// - Parameter tables: the texts of the two files.
    package init(_ tables: [String]) {
        sockets = tables.flatMap { $0.split(separator: "\n").compactMap { Self.listener(of: $0) } }
    }

    package func on(_ port: Port) -> [Listener] {
        let found = sockets.filter { $0.port == Int(port.number) }
        return Set(found.map { Listener(address: "\($0.address)", waiting: $0.waiting) }).sorted {
            $0.address < $1.address
        }
    }

    /// `0: 0100007F:1F90 00000000:0000 0A 00000000:00000002 …`
    private static func listener(of line: Substring) -> (address: IPAddress, port: Int, waiting: Int)? {
        let fields = line.split(separator: " ")
        guard fields.count > 4, fields[3] == "0A" else { return nil }
        let own = fields[1].split(separator: ":")
        let queues = fields[4].split(separator: ":")
        guard own.count == 2, queues.count == 2, let port = Int(own[1], radix: 16),
            let waiting = Int(queues[1], radix: 16), let address = address(of: own[0])
        else { return nil }
        return (address, port, waiting)
    }

    /// Words of 32 bits, each as this machine would read it.
    private static func address(of text: Substring) -> IPAddress? {
        let digits = Array(text)
        let words = stride(from: 0, to: digits.count, by: 8).compactMap {
            UInt32(String(digits[$0..<min($0 + 8, digits.count)]), radix: 16)
        }
        let bytes = words.map { UInt32(bigEndian: $0) }
        switch bytes.count {
        case 1: return IPAddress(bytes.map { "\($0 >> 24).\($0 >> 16 & 255).\($0 >> 8 & 255).\($0 & 255)" }[0])
        case 4:
            let groups = bytes.flatMap { [$0 >> 16, $0 & 0xffff] }.map { String($0, radix: 16) }
            return IPAddress(groups.joined(separator: ":"))
        default: return nil
        }
    }
}
