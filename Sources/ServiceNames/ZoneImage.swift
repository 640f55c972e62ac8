package import ServiceModel

/// The names of a zone as bytes, by which the next process answers before it has read the Services itself: what the maps
/// are to VIPs, this is to names.
package struct ZoneImage: Sendable, Equatable {
    package struct Entry: Sendable, Equatable {
        package var name: ObjectName
        package var records: ServiceRecords

        package init(_ name: ObjectName, _ records: ServiceRecords) {
            self.name = name
            self.records = records
        }
    }

    /// Where the names came from. Those of another source are not ours.
    package var origin: String
    /// Of the Node object: the addresses of the node, and where its pods are.
    package var nodeAddresses: [IPAddress]
    package var podCIDRs: [CIDR]
    package var entries: [Entry]

    package init(
        origin: String, nodeAddresses: [IPAddress] = [], podCIDRs: [CIDR] = [], entries: [Entry] = []
    ) {
        self.origin = origin
        self.nodeAddresses = nodeAddresses
        self.podCIDRs = podCIDRs
        self.entries = entries
    }

    /// What the bytes begin with; another layout has another number.
    private static let mark = "swiftlet names 1"

    package var bytes: [UInt8] {
        var writer = ImageWriter()
        writer.append(Self.mark)
        writer.append(origin)
        writer.append(nodeAddresses) { $0.append($1) }
        writer.append(podCIDRs) { $0.append($1.description) }
        writer.append(entries) { writer, entry in
            writer.append(entry.name.namespace)
            writer.append(entry.name.name)
            writer.append(entry.records.content)
        }
        return writer.sealed
    }

    /// Nil for bytes that are damaged, or of another layout.
    package init?(_ bytes: [UInt8]) {
        guard let reader = ImageReader(sealed: bytes), let image = try? Self(reader) else { return nil }
        self = image
    }

    private init(_ sealed: ImageReader) throws(ImageReader.Damaged) {
        var reader = sealed
        guard try reader.string() == Self.mark else { throw ImageReader.Damaged() }
        origin = try reader.string()
        nodeAddresses = try reader.list { reader throws(ImageReader.Damaged) in try reader.address() }
        podCIDRs = try reader.list { reader throws(ImageReader.Damaged) in
            guard let network = CIDR(try reader.string()) else { throw ImageReader.Damaged() }
            return network
        }
        entries = try reader.list { reader throws(ImageReader.Damaged) in
            let name = ObjectName(namespace: try reader.string(), name: try reader.string())
            return Entry(name, ServiceRecords(try reader.content()))
        }
    }
}
