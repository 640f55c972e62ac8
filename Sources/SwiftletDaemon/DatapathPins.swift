public import BPFLoader
import CDatapath
public import SystemPackage

/// Where the kernel's part of swiftlet is pinned: `ROOT/v<ABI>/maps/NAME` and `ROOT/v<ABI>/links/HOOK`.
///
/// The ABI version is part of the path, so that another layout never opens these maps.
public struct DatapathPins: Sendable {
    public let root: FilePath
    public let version: FilePath
    public let maps: FilePath
    public let links: FilePath
    /// What is attached to network devices.
    public let devices: FilePath

    public init(root: FilePath) {
        self.root = root
        version = root.appending("v\(LB_MAP_VERSION)")
        maps = version.appending("maps")
        links = version.appending("links")
        devices = version.appending("devices")
    }

    public func map(_ name: String) -> FilePath { maps.appending(name) }
    public func link(_ hook: CgroupAttachType) -> FilePath { links.appending("\(hook)") }

    /// The hooks that the datapath uses, in the order in which they are attached: the way back before the way out.
    public static let hooks: [CgroupAttachType] = [
        .socketRelease, .peerName4, .peerName6, .receiveMessage4, .receiveMessage6, .sendMessage4, .sendMessage6,
        .connect4, .connect6, .postBind4, .postBind6,
    ]
}

extension DatapathPins {
    /// Whether there is a datapath at all.
    public var isLoaded: Bool {
        get throws(BPFError) {
            guard let map = try openIfPinned("services4") else { return false }
            return map.maxEntries > 0
        }
    }
}
