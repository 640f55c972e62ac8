import DNSMessage
import ServiceModel

/// Writes an image: numbers in network order, strings and lists behind their length, and a checksum at the end.
struct ImageWriter {
    private var bytes: [UInt8] = []

    /// With the checksum.
    var sealed: [UInt8] {
        var writer = self
        writer.append(ImageReader.checksum(bytes[...]))
        return writer.bytes
    }

    mutating func append<Value: FixedWidthInteger>(_ value: Value) {
        withUnsafeBytes(of: value.bigEndian) { bytes.append(contentsOf: $0) }
    }

    mutating func append(_ text: String) {
        append(UInt32(text.utf8.count))
        bytes.append(contentsOf: text.utf8)
    }

    mutating func append<Element>(_ list: [Element], _ write: (inout ImageWriter, Element) -> Void) {
        append(UInt32(list.count))
        for element in list { write(&self, element) }
    }

    mutating func append(_ address: IPAddress) {
        append(address.family.rawValue)
        append(address.high)
        append(address.low)
    }

    mutating func append(_ content: ServiceRecords.Content) {
        switch content {
        case .clusterIPs(let addresses, let ports):
            append(UInt8(0))
            append(addresses) { $0.append($1) }
            append(ports)
        case .headless(let endpoints):
            append(UInt8(1))
            append(endpoints) { writer, endpoint in
                writer.append(endpoint.hostname)
                writer.append(endpoint.address)
                writer.append(endpoint.ports)
            }
        case .external(let name):
            append(UInt8(2))
            append(name.wire) { $0.append($1) }
        }
    }

    private mutating func append(_ ports: [ServiceRecords.NamedPort]) {
        append(ports) { writer, port in
            writer.append(port.name)
            writer.append(port.proto.rawValue)
            writer.append(port.number.number)
        }
    }
}

/// Reads what an `ImageWriter` has written, and nothing else.
struct ImageReader {
    struct Damaged: Error {}

    private let bytes: [UInt8]
    private var place = 0
    private let end: Int

    /// Nil if the checksum is another one.
    init?(sealed bytes: [UInt8]) {
        self.bytes = bytes
        end = bytes.count - MemoryLayout<UInt64>.size
        guard end >= 0 else { return nil }
        let sum = bytes[end...].reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        guard sum == Self.checksum(bytes[..<end]) else { return nil }
    }

    /// FNV-1a, of 64 bits.
    static func checksum(_ bytes: ArraySlice<UInt8>) -> UInt64 {
        bytes.withUnsafeBufferPointer { bytes in
            var sum: UInt64 = 0xcbf2_9ce4_8422_2325
            for byte in bytes { sum = (sum ^ UInt64(byte)) &* 0x100_0000_01b3 }
            return sum
        }
    }

    private mutating func take(_ count: Int) throws(Damaged) -> ArraySlice<UInt8> {
        guard count <= end - place else { throw Damaged() }
        defer { place += count }
        return bytes[place..<(place + count)]
    }

    mutating func number<Value: FixedWidthInteger>(_ type: Value.Type = Value.self) throws(Damaged) -> Value {
        try take(MemoryLayout<Value>.size).reduce(Value(0)) { $0 << 8 | Value($1) }
    }

    mutating func string() throws(Damaged) -> String {
        String(decoding: try take(Int(try number(UInt32.self))), as: UTF8.self)
    }

    mutating func list<Element>(
        _ read: (inout ImageReader) throws(Damaged) -> Element
    ) throws(Damaged) -> [Element] {
        let count = Int(try number(UInt32.self))
        // Each element has a byte at least.
        guard count <= end - place else { throw Damaged() }
        var list: [Element] = []
        list.reserveCapacity(count)
        for _ in 0..<count { list.append(try read(&self)) }
        return list
    }

    mutating func address() throws(Damaged) -> IPAddress {
        let (family, high, low) = (try number(UInt8.self), try number(UInt64.self), try number(UInt64.self))
        switch IPFamily(rawValue: family) {
        case .v4: return IPAddress(v4: UInt32(truncatingIfNeeded: low))
        case .v6: return IPAddress(v6: high, low)
        case nil: throw Damaged()
        }
    }

    mutating func content() throws(Damaged) -> ServiceRecords.Content {
        switch try number(UInt8.self) {
        case 0:
            return .clusterIPs(
                try list { reader throws(Damaged) in try reader.address() }, ports: try ports())
        case 1:
            return .headless(
                try list { reader throws(Damaged) in
                    ServiceRecords.NamedEndpoint(
                        hostname: try reader.string(), address: try reader.address(), ports: try reader.ports())
                })
        case 2:
            let wire = try list { reader throws(Damaged) in try reader.number(UInt8.self) }
            guard let name = DomainName(wire: wire) else { throw Damaged() }
            return .external(name)
        default: throw Damaged()
        }
    }

    private mutating func ports() throws(Damaged) -> [ServiceRecords.NamedPort] {
        try list { reader throws(Damaged) in
            let name = try reader.string()
            guard let proto = IPProtocol(rawValue: try reader.number()),
                let port = Port(Int(try reader.number(UInt16.self)))
            else { throw Damaged() }
            return ServiceRecords.NamedPort(name: name, proto: proto, number: port)
        }
    }
}
