import BPFLoader
import ServiceModel
import SystemPackage
import SystemCalls

/// What is pinned in our directory, held open. A link without an open descriptor ends with its pin, and so would the Services when
/// bpffs is unmounted, or files are removed from it.
struct HeldPins {
    private let pins: DatapathPins
    private var objects: [FilePath: PinnedObject] = [:]
    /// Notes about devices, which are directories.
    private var notes: Set<FilePath> = []
    /// Where bpffs is mounted, as far as we see.
    private var mountPoint: FilePath

    init(of pins: DatapathPins) {
        self.pins = pins
        mountPoint = pins.root
    }

    /// Holds what is pinned now, and nothing else any more.
    mutating func refresh() throws {
        (objects, notes) = ([:], [])
        while try BPFFileSystem.contains(mountPoint.removingLastComponent()) { mountPoint.removeLastComponent() }
        for directory in [pins.maps, pins.links, pins.devices] {
            for name in try DirectoryListing.names(in: directory) {
                let path = directory.appending(name)
                if let object = try? PinnedObject(at: path) { objects[path] = object } else { notes.insert(path) }
            }
        }
    }

    /// Pins what is not pinned any more, once there is a bpffs.
    /// - Returns: what was pinned.
    func restore() throws -> [FilePath] {
        let lost = objects.filter { isLost($0.key, $0.value) }
        guard !lost.isEmpty else { return [] }
        try requireFileSystem()
        let isWhole = pins.devices.exists
        for directory in [pins.maps, pins.links, pins.devices] { try BPFFileSystem.makeDirectories(directory) }
        for note in notes where !isWhole { try BPFFileSystem.makeDirectories(note) }
        for (path, object) in lost { try object.pin(at: path) }
        return lost.keys.sorted { $0.string < $1.string }
    }

    /// The pin of a link to a device goes with the device, and so it should.
    private func isLost(_ path: FilePath, _ object: PinnedObject) -> Bool {
        !path.exists && (!path.starts(with: pins.devices) || object.leadsToDevice)
    }

    /// Where bpffs is not mounted, directories could be made, and nothing pinned.
    private func requireFileSystem() throws {
        if mountPoint.exists, try BPFFileSystem.contains(mountPoint) { return }
        throw InstallError(
            .noBPFFS,
            "no bpffs is mounted at \(mountPoint), where the datapath was pinned: Services are served as long as this "
                + "process runs; mount -t bpf bpf \(mountPoint)")
    }
}
