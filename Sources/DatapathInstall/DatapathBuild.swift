package import BPFLoader
import CDatapath

/// The compiled programs, and the version of the map layout that they were compiled with.
package struct DatapathBuild: Sendable {
    enum Part: String, CaseIterable {
        /// The cgroup socket hooks.
        case sockets = "sock.bpf.o"
        /// The same where the kernel's structures can be read.
        case castSockets = "sock_cast.bpf.o"
        /// The programs at tc.
        case packets = "tc.bpf.o"
        /// The same where the kernel's connection tracking cannot be asked.
        case untrackedPackets = "tc_untracked.bpf.o"
    }

    /// `LB_MAP_VERSION`, as the objects themselves name it.
    package let version: Int
    /// Nil for the objects that are embedded.
    private let files: [Part: [UInt8]]?

    /// What is embedded in this program.
    package static let own = DatapathBuild(version: Int(LB_MAP_VERSION), files: nil)

    private init(version: Int, files: [Part: [UInt8]]?) {
        self.version = version
        self.files = files
    }

    /// Objects from elsewhere, of the same sources with another version: tests hand over between two builds.
    package init(sockets: [UInt8], packets: [UInt8]) throws(BPFError) {
        let object = try BPFObject(name: Part.sockets.rawValue, bytes: sockets)
        let config = try object.initialValue(of: ".rodata.config", as: datapath_config.self)
        self.init(
            version: Int(config.map_version),
            files: [.sockets: sockets, .castSockets: sockets, .packets: packets, .untrackedPackets: packets])
    }

    func object(_ part: Part) throws(BPFError) -> BPFObject {
        if let bytes = files?[part] { return try BPFObject(name: part.rawValue, bytes: bytes) }
        let bytes =
            switch part {
            case .sockets: swiftlet_sock_object()
            case .castSockets: swiftlet_sock_cast_object()
            case .packets: swiftlet_tc_object()
            case .untrackedPackets: swiftlet_tc_untracked_object()
            }
        return try BPFObject(
            name: part.rawValue, bytes: UnsafeRawBufferPointer(start: bytes.start, count: bytes.size))
    }
}
