package import BPFLoader
import CDatapath
package import DatapathInstall
package import ServiceMaps

/// Reading pinned maps for people: how full they are, and what was counted.
package enum MapInspection {
    /// Every map with its number of entries, in the order of the catalogue. Of an array of slots the taken ones count.
    ///
    /// - Parameter known: entries that the caller knows, so that they need not be counted.
    package static func fill(
        of pins: DatapathPins, known: [ServiceMap: Int] = [:]
    ) throws(BPFError) -> [StatusReport.MapFill] {
        var fill: [StatusReport.MapFill] = []
        for name in ServiceMap.allCases {
            guard let map = try pins.openIfPinned(name.rawValue) else { continue }
            let count = if let count = known[name] { count } else { try entries(of: map, name) }
            fill.append(
                StatusReport.MapFill(
                    name: name.rawValue, entries: count, capacity: map.maxEntries, memory: try map.info.memory))
        }
        return fill
    }

    private static func entries(of map: borrowing BPFMap, _ name: ServiceMap) throws(BPFError) -> Int {
        // Of what is counted for each processor, of sockets and of events there is nothing to count.
        if [.perCPUArray, .socketStorage, .ringBuffer].contains(name.about.kind) { return 0 }
        return switch name {
        case .vipFilter, .flowFilter: try taken(map, as: UInt64.self) { $0 != 0 }
        case .slots4: try taken(map, as: slot4.self) { $0.service_id != 0 }
        case .slots6: try taken(map, as: slot6.self) { $0.service_id != 0 }
        case .listeners: try taken(map, as: listener.self) { $0.until != 0 }
        case .socketOrigin: try taken(map, as: origin.self) { $0.owners != 0 }
        default: try map.rawEntries().count
        }
    }

    private static func taken<Value: BitwiseCopyable>(
        _ map: borrowing BPFMap, as _: Value.Type, where isTaken: (Value) -> Bool
    ) throws(BPFError) -> Int {
        var count = 0
        try map.forEachValue(as: Value.self) { count += isTaken($0) ? 1 : 0 }
        return count
    }

    /// The verdicts, by the name of their `enum counter`, added up over the CPUs.
    package static func counters(of pins: DatapathPins) throws(BPFError) -> [String: UInt64] {
        let map = try BPFMap(pinnedAt: pins.map(ServiceMap.counters.rawValue))
        var counters: [String: UInt64] = [:]
        for index in 0..<UInt32(COUNT_MAX.rawValue) {
            guard let name = lb_counter_name(index) else { continue }
            let values: [UInt64]? = try map.lookupPerCPU(index, as: UInt64.self)
            counters[String(cString: name).lowercased()] = (values ?? []).reduce(0, +)
        }
        return counters
    }
}
