import DatapathInstall
import KubernetesAPI
import Logging
import ServiceMaps
import ServiceModel

// More room in the maps, before they are full.
extension ControlPlane {
    /// The groups of maps that should grow now, and to what; nil when all are large enough, or may not grow.
    var nextGrowth: (groups: [MapGroup], capacities: MapCapacities)? {
        guard let growth, let writer, !growthState.isGrowing, growthState.mayTry(at: time.now()) else { return nil }
        let lacking = growthState.shortages.union(writer.crowded)
        var (groups, capacities): ([MapGroup], MapCapacities) = ([], writer.capacities)
        for group in MapGroup.allCases where lacking.contains(group) {
            guard let larger = growth.limits.grown(capacities, group) else { continue }
            capacities = larger
            groups.append(group)
        }
        return groups.isEmpty ? nil : (groups, capacities)
    }

    /// Gives the maps more room, as often as it takes. Changes that come meanwhile are programmed at the end of each turn.
    func grow() async {
        await growthEnds()
        while let growth, let (groups, capacities) = nextGrowth {
            let postponed = await grow(groups, to: capacities, with: growth)
            let hasRoom = attention[Self.trouble] == nil
            _ = program(postponed.services, retries: hasRoom ? .all : .none)
            noteProgrammed(postponed.changes)
        }
    }

    private func growthEnds() async {
        while growthState.isGrowing { await withCheckedContinuation { growthState.wait($0) } }
    }

    /// What a person is told while it fails.
    private static var trouble: String { "the maps do not grow" }

    /// - Returns: what came meanwhile, and is to be programmed.
    private func grow(
        _ groups: [MapGroup], to capacities: MapCapacities, with growth: GrowthPlan<Store>
    ) async -> GrowthState.Postponed {
        growthState.begin()
        let failure = await move(to: capacities, of: groups, with: growth)
        setAttention(
            Self.trouble,
            to: failure.map { "cannot give the maps of \(Self.names(groups)) more room: \($0)" })
        return growthState.end(of: groups, hasFailed: failure != nil, at: time.now())
    }

    /// Makes the maps as large as objects need that are known by now, before anything of them is written: once, instead of
    /// each time that something does not fit.
    ///
    /// - Returns: what came meanwhile, and is to be programmed.
    func makeRoom(for most: MapDemand) async -> GrowthState.Postponed {
        await growthEnds()
        guard let growth, let capacities = writer?.capacities, growthState.mayTry(at: time.now()) else {
            return .init()
        }
        let node = currentNode()
        // Everything is compiled once more only where that is needed.
        guard !most.crowded(capacities).isEmpty else { return .init() }
        var demand = MapDemand()
        for name in state.serviceNames {
            guard let service = state.service(named: name) else { continue }
            demand.add(compile(service: service, slices: state.slices(of: name), node: node))
        }
        let (groups, larger) = growth.limits.fitted(capacities, to: demand)
        return groups.isEmpty ? .init() : await grow(groups, to: larger, with: growth)
    }

    /// - Returns: why it failed; then the maps are as they were.
    private func move(
        to capacities: MapCapacities, of groups: [MapGroup], with growth: GrowthPlan<Store>
    ) async -> (any Error)? {
        let start = time.now()
        do {
            writer?.move(to: try await growth.grow(capacities), capacities: capacities)
        } catch {
            return error
        }
        log.notice(
            "grew the maps",
            metadata: ["of": "\(Self.names(groups))", "duration": "\((time.now() - start).roundedText)"])
        return nil
    }

    private static func names(_ groups: [MapGroup]) -> String { groups.map(\.rawValue).joined(separator: ", ") }

    /// The failures that a person must know: without those that will be gone when the maps have grown, and with the flag
    /// that helps where they cannot.
    func explained(_ failures: [ApplyReport.Failure]) -> [ApplyReport.Failure] {
        guard let growth, let writer else { return failures }
        return failures.compactMap { failure in
            // While growing fails, larger maps from the start help.
            guard failure.error.isShortage, growthState.mayTry(at: time.now()), let group = MapGroup(of: failure.map)
            else {
                return failure
            }
            let isHelped = growth.limits.grown(writer.capacities, group) != nil
            return isHelped ? nil : failure.advising("raise --map-memory-limit")
        }
    }
}
