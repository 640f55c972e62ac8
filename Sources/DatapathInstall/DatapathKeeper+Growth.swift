import BPFLoader
import Glibc
import Logging
package import ServiceMaps
import ServiceModel
import Settings
import SystemPackage
import SystemCalls

// Larger maps in the place of those that are too small.
extension DatapathKeeper {
    /// Makes larger maps, in steps between which the datapath always has whole ones:
    ///
    /// 1. new maps beside the old ones, and programs that use them together with all maps that keep their size
    /// 2. the entries, which do not change meanwhile
    /// 3. the programs, swapped in place: those of both kinds read the same entries
    /// 4. what was counted until then, added to what is counted since
    /// 5. the pins, each renamed onto the old one's
    ///
    /// If something fails up to the third, or the process ends, the old maps serve as before: after a restart too, which
    /// begins with the maps that are pinned in their usual place.
    ///
    /// - Returns: the maps to be written from now on.
    package func grow(to capacities: MapCapacities) async throws -> BPFMapStore {
        let old = handOver.own
        // A link whose pin is gone would not be found, and its hook get a second one.
        if isAttached { _ = try repin() }
        var leftovers = PinRemoval()
        try leftovers.removeNext(of: old)
        let pins = try old.growing(to: capacities)
        guard !pins.growing.isEmpty else {
            throw InstallError(.noBPFFS, "there are no maps in \(old.maps) to begin with")
        }
        do throws(any Error) {
            let larger = try load(pins, capacities)
            try await devices.prepare(pins: pins, capacities: capacities)
            try copyEntries(from: old, to: pins)
            // Opened before they are renamed: from here on nothing that can fail stands between us and the new maps.
            let store = try BPFMapStore(pins: pins)
            try await swap(to: larger)
            datapath = larger
            reached("swapped to larger maps")
            addCounts(from: old, to: pins)
            await devices.settle(on: rename(pins, to: old))
            try? held.refresh()
            return store
        } catch {
            try? leftovers.removeNext(of: old)
            throw error
        }
    }

    private func load(_ pins: DatapathPins, _ capacities: MapCapacities) throws -> SocketDatapath {
        try BPFFileSystem.makeDirectories(pins.next)
        let larger = try SocketDatapath(
            build: build, pins: pins, capacities: capacities, features: features,
            hostNetnsCookie: try NetworkNamespace.cookie(), sockets: settings.sockets,
            hasPodDevices: settings.packets.podInterfaces.areNamed)
        reached("loaded larger maps")
        return larger
    }

    private func copyEntries(from old: DatapathPins, to pins: DatapathPins) throws(BPFError) {
        for name in pins.growing.subtracting(Self.counts).sorted() {
            try BPFMap(pinnedAt: old.map(name)).copyEntries(to: BPFMap(pinnedAt: pins.map(name)))
        }
        reached("copied into larger maps")
    }

    /// What the programs count themselves.
    private static let counts: Set<String> = [ServiceMap.serviceCounters.rawValue, ServiceMap.backendCounters.rawValue]

    /// Once no program counts in the old maps any more, so that no sum ever decreases.
    private func addCounts(from old: DatapathPins, to pins: DatapathPins) {
        for name in pins.growing.intersection(Self.counts) {
            do throws(BPFError) {
                try BPFMap(pinnedAt: old.map(name)).addCounts(to: BPFMap(pinnedAt: pins.map(name)))
            } catch {
                log.warning("counters are lost", metadata: ["map": "\(name)", "cause": "\(error)"])
            }
        }
    }

    private func swap(to larger: borrowing SocketDatapath) async throws {
        try await devices.swap()
        guard isAttached else { return }
        do {
            _ = try attachHooks(larger)
        } catch {
            // All go back, as far as they can: the old maps are the ones that are written.
            do {
                _ = try attachHooks(datapath)
            } catch {
                log.error("a hook still uses maps that are no longer written; restart", metadata: ["cause": "\(error)"])
            }
            await devices.swapBack()
            throw error
        }
    }

    /// - Returns: where the maps are now. If some could not be renamed, they serve all the same, and the next start begins
    ///   with the old ones.
    private func rename(_ pins: DatapathPins, to old: DatapathPins) -> DatapathPins {
        var pins = pins
        for name in pins.growing.sorted() {
            let (from, to) = (pins.map(name), old.map(name))
            let status = from.withPlatformString { from in to.withPlatformString { Glibc.rename(from, $0) } }
            if status == 0 {
                pins.growing.remove(name)
                reached("renamed \(name)")
            } else {
                let error = BPFError(.pin, "\(from) as \(to)", Errno.last)
                log.error("cannot put a larger map in place", metadata: ["map": "\(name)", "cause": "\(error)"])
            }
        }
        _ = pins.next.withPlatformString { rmdir($0) }
        return pins
    }
}

extension DatapathPins {
    /// The same, with those maps made anew that have less room than they should.
    fileprivate func growing(to capacities: MapCapacities) throws(BPFError) -> DatapathPins {
        var pins = self
        for map in MapGroup.allCases.flatMap(\.maps) {
            guard let pinned = try openIfPinned(map.rawValue), let wanted = capacities[map] else { continue }
            if pinned.maxEntries < Int(wanted) { pins.growing.insert(map.rawValue) }
        }
        return pins
    }
}
