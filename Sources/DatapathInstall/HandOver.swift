package import BPFLoader
import CDatapath
import Glibc
package import Logging
import ServiceMaps
import SystemPackage
import SystemCalls

/// From the maps and programs of another version of the map layout, newer or older, to ours. At every moment a whole set
/// of programs on a whole set of maps serves:
///
/// 1. `begin`: our maps are made beside the other version's and marked `unfinished`. A map with the same layout in both is
///    not copied but pinned a second time, so that both versions' programs share it: nothing is lost in between.
/// 2. The daemon programs the whole state.
/// 3. `commit`: our mark goes, the other version is marked `superseded`. From here on ours is the one that counts.
/// 4. The links get our programs in place, one after the other, and move to our directory.
/// 5. `finish`: the other version's pins go.
///
/// A process that ends anywhere is followed by one that reads the marks, and completes or begins again. It may be of either
/// version: the rules know no direction.
package struct HandOver: Sendable {
    /// Told of each step that is done: tests end the process there.
    package typealias Checkpoint = @Sendable (String) -> Void

    package let own: DatapathPins
    /// Versions that have a directory, besides ours.
    let others: [DatapathPins]
    /// Our maps do not hold the whole state before it has been programmed; until then others' programs serve.
    package private(set) var needsWholeState: Bool
    /// How many entries the other version's maps have room for: ours must not have less for what is copied.
    package private(set) var sizes: [String: Int] = [:]
    private var copied: [(name: String, source: FilePath)] = []
    private let layouts: [ServiceMap: MapLayout]
    let reached: Checkpoint
    private let log: Logger

    /// Decides whose state counts, and prepares our directory for the load of the programs.
    package init(
        to build: DatapathBuild, own: DatapathPins, reached: @escaping Checkpoint, log: Logger
    ) throws {
        self.own = own
        self.reached = reached
        self.log = log
        others = try DatapathPins.versions(at: own.root).filter { $0.number != own.number }
        let source = others.last { $0.isComplete }
        layouts = try Self.layouts(of: build)
        var leftovers = PinRemoval()
        try leftovers.removeNext(of: own)
        if own.isComplete || source == nil {
            // What an earlier process left is restored, whatever it lacks; the marks of one that ended here say nothing
            // any more.
            for mark in DatapathPins.Mark.allCases { own.clear(mark) }
            needsWholeState = false
            needsWholeState = try setAsideStrangeMaps(layouts)
            for finding in try PinSurvey(of: own).findings {
                log.warning("found among our pins", metadata: ["finding": "\(finding)"])
            }
        } else {
            needsWholeState = false
            try own.set(.unfinished)
            reached("marked unfinished")
            own.clear(.superseded)
            var removal = PinRemoval()
            removal.reached = reached
            try removal.removeMaps(of: own)
            try BPFFileSystem.makeDirectories(own.maps)
            if let source { needsWholeState = try takeOver(source, layouts) }
        }
        try note()
    }

    /// Says to other versions what our maps mean.
    func note() throws { try LayoutNotes(of: own).write(layouts) }

    private static func layouts(of build: DatapathBuild) throws(BPFError) -> [ServiceMap: MapLayout] {
        var layouts: [ServiceMap: MapLayout] = [:]
        for part in DatapathBuild.Part.allCases {
            let object = try build.object(part)
            for name in object.mapNames {
                if let map = ServiceMap(rawValue: name) { layouts[map] = try object.layout(of: name) }
            }
        }
        return layouts
    }

    // MARK: - 1. Beside the other version

    /// What the control plane writes. Shared as a whole or not at all: a process that writes half of them would pull the rug
    /// from under the other version's programs.
    private static let written = Set(MapCatalog.all.filter(\.isState).map(\.map))
    /// The maps that hand out numbers. Everything that the datapath remembers refers to them.
    private static let numbering: [ServiceMap] = [.servicePorts, .backends4, .backends6]
    /// Their size is a constant of the programs.
    private static let sizedByPrograms = Set(MapCatalog.all.filter { $0.size.isOfPrograms }.map(\.map))

    /// - Returns: whether the state must be programmed before our programs may serve.
    private mutating func takeOver(_ source: DatapathPins, _ layouts: [ServiceMap: MapLayout]) throws -> Bool {
        var reasons: [ServiceMap: String] = [:]
        var present: Set<ServiceMap> = []
        let notes = LayoutNotes(of: source)
        // A listener finds the new ring by itself.
        for map in ServiceMap.allCases where ![.listeners, .events].contains(map) {
            guard let layout = layouts[map] else { continue }
            let path = source.map(map.rawValue)
            guard path.exists else { continue }
            present.insert(map)
            do {
                let pinned = try BPFMap(pinnedAt: path)
                var found = try pinned.layout
                if !found.isDescribed, notes.has(layout, of: map) { found = found.described(like: layout) }
                reasons[map] = found.difference(from: layout)
                if reasons[map] == nil, pinned.name != String(map.rawValue.prefix(15)) {
                    reasons[map] = "it is the map \(pinned.name)"
                }
                sizes[map.rawValue] = Self.sizedByPrograms.contains(map) ? nil : pinned.maxEntries
            } catch {
                reasons[map] = "\(error)"
            }
        }
        if let cause = try Self.otherFilter(in: source) {
            // What its bits stand for has changed with its size, and what is behind it cannot be found without it.
            for map in present where reasons[map] == nil { reasons[map] = cause }
        }
        func isAlike(_ map: ServiceMap) -> Bool { present.contains(map) && reasons[map] == nil }
        let sharesState = Self.written.allSatisfy(isAlike)
        let keepsNumbers = Self.numbering.allSatisfy(isAlike)
        var shared: [String] = []
        for map in ServiceMap.allCases where isAlike(map) {
            if Self.written.contains(map), !sharesState {
                copied.append((map.rawValue, source.map(map.rawValue)))
            } else if !keepsNumbers, map != .counters {
                reasons[map] = "the numbers in it mean others now"
            } else {
                try BPFMap(pinnedAt: source.map(map.rawValue)).pin(at: own.map(map.rawValue))
                shared.append(map.rawValue)
                reached("shared \(map)")
            }
        }
        let name = source.version.lastComponent?.string ?? ""
        log.notice(
            "taking over from another version of the maps",
            metadata: [
                "from": "\(name)", "to": "v\(own.number)", "shared": "\(shared.count)", "copied": "\(copied.count)",
            ])
        for (map, reason) in reasons.sorted(by: { $0.key.rawValue < $1.key.rawValue }) {
            log.notice(
                "a map is not carried over: it begins empty",
                metadata: ["map": "\(map)", "from": "\(name)", "cause": "\(reason)"])
        }
        return !sharesState
    }

    /// Why nothing of another version can be found through our filters; nil if it can.
    private static func otherFilter(in source: DatapathPins) throws -> String? {
        for (map, words) in [(ServiceMap.vipFilter, LB_FILTER_WORDS), (.flowFilter, LB_FLOW_FILTER)] {
            guard let found = try source.openIfPinned(map.rawValue), found.maxEntries != Int(words) else { continue }
            return "\(map) has \(found.maxEntries) words there, and \(words) here"
        }
        return nil
    }

    /// Copies what cannot be shared. The other version's maps do not change: its daemon is not running.
    package func copy() throws(BPFError) {
        for (name, source) in copied {
            let from = try BPFMap(pinnedAt: source)
            try from.copyEntries(to: BPFMap(pinnedAt: own.map(name)))
            reached("copied \(name)")
        }
    }

    /// A pin with the name of one of our maps is opened only if it is that map: otherwise it is put aside, where no
    /// program uses it, and a new map is made.
    private func setAsideStrangeMaps(_ layouts: [ServiceMap: MapLayout]) throws -> Bool {
        var isLacking = false
        for (map, layout) in layouts where own.map(map.rawValue).exists {
            let path = own.map(map.rawValue)
            var cause: String?
            do {
                let pinned = try BPFMap(pinnedAt: path)
                let found = try pinned.layout
                let isUnknown = found.key == nil || found.value == nil
                // Without the right to read type information, sizes must do.
                let fits = isUnknown ? found.hasSizes(of: layout) : found.agrees(with: layout)
                if !fits { cause = found.difference(from: layout) ?? "it is of another kind" }
                if pinned.name != String(map.rawValue.prefix(15)) { cause = "it is the map \(pinned.name)" }
            } catch {
                cause = "\(error)"
            }
            guard let cause else { continue }
            isLacking = isLacking || Self.written.contains(map)
            try StrangePins.setAside(path, of: own, cause: cause, log: log)
        }
        return isLacking
    }

    // MARK: - 3. and 5.

    /// Our maps hold the whole state: from now on they are the ones that a start goes on with.
    func commit() throws(BPFError) {
        own.clear(.unfinished)
        reached("finished")
        for other in others {
            try other.set(.superseded)
            reached("superseded v\(other.number)")
        }
    }

    /// Removes what others have left.
    func finish() throws {
        guard !others.isEmpty else { return }
        var removal = PinRemoval()
        removal.reached = reached
        for other in others { try removal.remove(other) }
        log.notice(
            "took over from another version of the maps",
            metadata: ["removed": "\(removal.report.removedLinks.count + removal.report.removedMaps.count) pins"])
        for path in removal.report.foreign {
            log.warning("a file in our directory is not ours: left alone", metadata: ["file": "\(path)"])
        }
    }

}
