package import ServiceModel

/// The objects of a cluster in a file, so that a node that starts without its API server has something to serve.
///
/// The file is a stream of YAML documents, one a line and each of them JSON, so that every tool for manifests reads it:
/// a header with format version, node, cluster and time; the objects as the Kubernetes API would write them; a trailer with their
/// number and a CRC-32C of all the lines before it. A file that differs from what was written, in whatever byte, is not
/// used. It has mode 0600 and takes the place of the one before in one step.
package struct StateCache: Sendable {
    /// Raised when an older program would misunderstand the file.
    package static let version = 1

    static let apiVersion = "swiftlet/v1"
    static let headerKind = "StateCache"
    static let trailerKind = "StateCacheEnd"

    package let path: String

    package init(path: String) { self.path = path }
}

/// What is known of a cache beside its objects.
package struct StateCacheSummary: Sendable, Hashable {
    package var objects: Int
    package var time: UnixTime

    package init(objects: Int, time: UnixTime) {
        self.objects = objects
        self.time = time
    }
}

extension StateCache {
    /// Whether both sets of marks are one cluster's. A mark's kind stands before its first colon; of each kind that both have
    /// they have one in common: certificates change, and so do addresses, but not all at once.
    static func areOfOneCluster(_ left: Set<String>, _ right: Set<String>) -> Bool {
        func kinds(_ marks: Set<String>) -> [Substring: Set<String>] {
            Dictionary(grouping: marks) { $0.prefix { $0 != ":" } }.mapValues(Set.init)
        }
        let other = kinds(right)
        let pairs = kinds(left).compactMap { kind, marks in other[kind].map { (marks, $0) } }
        return left == right || (!pairs.isEmpty && pairs.allSatisfy { !$0.isDisjoint(with: $1) })
    }
}

/// The first and the last line.
extension StateCache {
    static func writeHeader(node: String, cluster: Set<String>, time: UnixTime, to json: inout JSONWriter) {
        line(&json) { json in
            json.map { json in
                json.member(.apiVersion, apiVersion)
                json.member(.kind, headerKind)
                json.key("version")
                json.number(version)
                json.key("node")
                json.text(node)
                json.key("cluster")
                json.text(cluster.sorted().joined(separator: " "))
                json.key("time")
                json.text("\(time)")
            }
        }
    }

    static func writeTrailer(objects: Int, checksum: CRC32C, to json: inout JSONWriter) {
        line(&json) { json in
            json.map { json in
                json.member(.apiVersion, apiVersion)
                json.member(.kind, trailerKind)
                json.key("objects")
                json.number(objects)
                json.key("checksum")
                json.text("crc32c:\(checksum.text)")
            }
        }
    }

    static func write(_ event: ClusterEvent, to json: inout JSONWriter) -> Bool {
        switch event {
        case .service(let service): line(&json, service.write)
        case .slice(let slice): line(&json, slice.write)
        case .node(let node): line(&json, node.write)
        case .serviceGone, .sliceGone, .nodeGone: return false
        }
        return true
    }

    /// What begins a line: it makes a YAML document of it.
    static let mark: StaticString = "--- "

    private static func line(_ json: inout JSONWriter, _ value: (inout JSONWriter) -> Void) {
        json.mark(mark)
        value(&json)
        json.endLine()
    }
}
