package import BPFLoader
import Glibc
import ServiceModel
package import SystemPackage
import SystemCalls

/// Where the kernel's part of swiftlet is pinned: `ROOT/v<ABI>/maps/NAME` and `ROOT/v<ABI>/links/HOOK`.
///
/// The ABI version is part of the path, so that another layout never opens these maps.
package struct DatapathPins: Sendable {
    package let root: FilePath
    /// The version of the map layout.
    package let number: Int
    package let version: FilePath
    package let maps: FilePath
    package let links: FilePath
    /// What is attached to network devices.
    package let devices: FilePath
    /// Maps that are being made anew with more room, beside those that serve.
    var growing: Set<String> = []

    package init(root: FilePath, number: Int = DatapathBuild.own.version) {
        self.root = root
        self.number = number
        version = root.appending("v\(number)")
        maps = version.appending("maps")
        links = version.appending("links")
        devices = version.appending("devices")
    }

    package func map(_ name: String) -> FilePath { (growing.contains(name) ? next : maps).appending(name) }
    /// Where maps are that grow, until programs use them.
    var next: FilePath { version.appending("next") }
    /// What the maps mean, for other versions: see `LayoutNotes`.
    var layouts: FilePath { version.appending("layouts") }
    package func link(_ hook: CgroupAttachType) -> FilePath { links.appending("\(hook)") }

    /// The hooks that the datapath uses, in the order in which they are attached: the way back before the way out.
    package static let hooks: [CgroupAttachType] = [
        .socketRelease, .peerName4, .peerName6, .receiveMessage4, .receiveMessage6, .sendMessage4, .sendMessage6,
        .connect4, .connect6, .bind4, .bind6,
    ]
    /// Looks at the packets of pods' sockets, while there are source ranges that only packets can be held against.
    static let sourceCheck = CgroupAttachType.egress

    /// Those that are always wanted, and those that are attached.
    package var shownHooks: [CgroupAttachType] {
        Self.hooks + (link(Self.sourceCheck).exists ? [Self.sourceCheck] : [])
    }

    /// Whether programs are pinned that look at packets of devices.
    package var hasDeviceLinks: Bool { (try? DirectoryListing.names(in: devices))?.isEmpty == false }
}

// MARK: - Marks

/// Empty directories, the only notes that bpffs can hold.
extension DatapathPins {
    enum Mark: String, CaseIterable {
        /// The maps are being made: they do not yet hold the whole state, and no program reads them.
        case unfinished
        /// Another version holds the whole state, and is being put in this one's place.
        case superseded
    }

    func path(_ mark: Mark) -> FilePath { version.appending(mark.rawValue) }

    func has(_ mark: Mark) -> Bool { path(mark).exists }

    func set(_ mark: Mark) throws(BPFError) { try BPFFileSystem.makeDirectories(path(mark)) }

    func clear(_ mark: Mark) { _ = path(mark).withPlatformString { rmdir($0) } }

    /// Where pins are put that have our names and are not ours.
    var strange: FilePath { version.appending("foreign") }

    /// Whether the maps hold a state that was whole once.
    var isComplete: Bool { map("services4").exists && !has(.unfinished) && !has(.superseded) }

    /// Whether the maps are being made, and say nothing yet.
    package var isUnfinished: Bool { has(.unfinished) }

    /// Whether sockets are served by programs of this version, or may be.
    package var hasLinks: Bool {
        get throws(InstallError) { try !DirectoryListing.names(in: links).isEmpty }
    }

    /// The versions that have a directory, ascending.
    package static func versions(at root: FilePath) throws(InstallError) -> [DatapathPins] {
        try DirectoryListing.names(in: root).compactMap { name in
            guard name.hasPrefix("v"), let number = Int(name.dropFirst()), "v\(number)" == name else { return nil }
            return DatapathPins(root: root, number: number)
        }.sorted { $0.number < $1.number }
    }
}

extension DatapathPins {
    /// Whether there is a datapath at all.
    package var isLoaded: Bool {
        get throws(BPFError) {
            guard let map = try openIfPinned("services4") else { return false }
            return map.maxEntries > 0
        }
    }
}

/// The names in directories of bpffs.
enum DirectoryListing {
    /// What a directory holds, sorted; nothing if it is not there.
    static func names(in directory: FilePath) throws(InstallError) -> [String] {
        do throws(Errno) {
            return try SystemFile.names(in: directory)
        } catch {
            if error == .noSuchFileOrDirectory { return [] }
            throw InstallError(
                FailureCode(errno: error.rawValue, otherwise: .noBPFFS),
                "cannot read \(directory): \(error.plainText); \(error.remedy(or: "run as root"))")
        }
    }
}
