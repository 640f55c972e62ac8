import BPFLoader
import DatapathInstall
import SystemPackage

/// The maps of every version of the layout whose programs may serve, as they are pinned at one moment.
///
/// They do not stay. A daemon with another layout pins maps beside those of the last one, and removes these when all
/// programs have been replaced; a map that is made anew is another one under the same name. So each look opens them, and
/// counts only if the same ones are pinned after it.
struct ServingMaps {
    private let versions: [(maps: FrontendMaps, backends: FrontendMaps.Backends)]
    private let ids: [[UInt32]]

    /// Nil while some of them cannot be had, because they come or go.
    init?(bpfRoot: String, pods: [[UInt8]: Int]) throws {
        guard let maps = try Self.open(bpfRoot, pods) else { return nil }
        versions = try maps.map { ($0, try $0.backends()) }
        ids = maps.map(\.ids)
    }

    private static func open(_ bpfRoot: String, _ pods: [[UInt8]: Int]) throws -> [FrontendMaps]? {
        var maps: [FrontendMaps] = []
        for pins in try DatapathPins.versions(at: FilePath(bpfRoot)) {
            if pins.isUnfinished {
                // It begins again: programs of it that are still attached read maps that are not pinned any more.
                if try pins.hasLinks { return nil }
                continue
            }
            do throws(BPFError) {
                maps.append(try FrontendMaps(pins, pods: pods))
            } catch {
                guard error.cause == .noSuchFileOrDirectory else { throw error }
                return nil
            }
        }
        return maps.isEmpty ? nil : maps
    }

    /// Whether these are the maps that are pinned now.
    func arePinned(at bpfRoot: String) throws -> Bool { try Self.open(bpfRoot, [:])?.map(\.ids) == ids }

    /// For how many frontends, slots and backends of a family there is room, in the version that was pinned last.
    var room: [Int] { versions.last?.maps.room ?? [] }

    /// The state that all frontends of a Service show in all versions; nil while they differ.
    func state(of frontends: [SoakService.Frontend]) throws -> FrontendMaps.Shown? {
        var shown: FrontendMaps.Shown?
        for (maps, backends) in versions {
            guard let next = try maps.state(of: frontends, backends) else { return nil }
            if let shown, shown.state != next.state { return nil }
            shown = FrontendMaps.Shown(state: next.state, isClean: next.isClean && shown?.isClean ?? true)
        }
        return shown
    }
}
