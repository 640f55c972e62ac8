import CDatapath
import ServiceModel
import TestKit

@testable import ServiceMaps

/// All readers at once: each makes the datapath's look-ups (service entry, slot, backend) at any moments, in this
/// order, and this holds those that are between two of them.
///
/// Readers that have seen the same are one with a count, so that every interleaving with the writer is met without
/// walking through each. RCU is part of it: a grace period ends only when all who began before it have finished.
struct ReaderModel {
    /// Has read the entry of a frontend, which leads to these slots.
    private struct Entered: Hashable {
        var frontend: Int
        var run: [SlotEntry]
        var first: UInt32
        var policy: ServiceModel.Service.TrafficPolicy
        /// How many grace periods had begun.
        var epoch: Int
    }

    /// Has read a slot as well.
    private struct Chosen: Hashable {
        var slot: SlotEntry
        var epoch: Int
    }

    private let keys: [FrontendKey]
    private var epoch = 0
    private var entered: [Entered: Int] = [:]
    private var chosen: [Chosen: Int] = [:]
    /// Orders of a reader's three look-ups and the writer's steps that have been met.
    private(set) var interleavings = 0

    init(_ keys: [FrontendKey]) { self.keys = keys }

    /// A grace period begins; its number.
    mutating func beginGrace() -> Int {
        epoch += 1
        return epoch
    }

    /// It ends: those who were there when it began have finished.
    mutating func endGrace(_ number: Int) {
        entered = entered.filter { $0.key.epoch >= number }
        chosen = chosen.filter { $0.key.epoch >= number }
    }

    /// Between two steps of the writer, readers do any of their look-ups.
    ///
    /// - Parameter allowed: the sets of pods that each frontend may lead to now.
    /// - Returns: what a reader must not meet.
    mutating func look(at contents: FakeStore.Contents, allowed: [Set<Set<Int>>]) -> String? {
        for (number, key) in keys.enumerated() {
            let model = DatapathModel(contents: contents)
            guard let entry = model.entry(Model4.ServiceKey(key), Model4.self), entry.action == .balance else {
                if !allowed[number].contains([]) { return "\(key) leads nowhere" }
                continue
            }
            var run: [SlotEntry] = []
            for index in entry.run.first..<entry.run.end {
                guard let slot = Self.slot(index, contents), slot.service == entry.service else {
                    return "\(key) leads to slot \(index), which is not its own"
                }
                run.append(slot)
            }
            let pods = Set(run.map { Int($0.address.low & 0xff) })
            guard allowed[number].contains(pods) else { return "\(key) leads to \(pods): \(allowed[number])" }
            let reader = Entered(
                frontend: number, run: run, first: entry.run.first, policy: entry.policy, epoch: epoch)
            entered[reader, default: 0] += 1
        }
        for (reader, count) in entered {
            for (place, expected) in reader.run.enumerated() {
                guard let slot = Self.slot(reader.first + UInt32(place), contents), slot == expected else {
                    return "slot \(reader.first + UInt32(place)) changed under a reader of \(keys[reader.frontend])"
                }
                chosen[Chosen(slot: slot, epoch: reader.epoch), default: 0] += count
            }
        }
        for (reader, count) in chosen {
            let value: backend4? = contents.value(.backends4, reader.slot.backend.number)
            guard let backend = value?.decoded else { return "backend \(reader.slot.backend) is missing" }
            guard backend.service == reader.slot.service, backend.address == reader.slot.address else {
                return "backend \(reader.slot.backend) is somebody else's"
            }
            interleavings += count
        }
        return nil
    }

    private static func slot(_ index: UInt32, _ contents: FakeStore.Contents) -> SlotEntry? {
        let value: slot4? = contents.value(.slots4, index)
        return value?.decoded
    }
}
