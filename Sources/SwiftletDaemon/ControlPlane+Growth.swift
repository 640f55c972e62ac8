import Logging
import ServiceLifecycle
import ServiceMaps

// More room in the maps, before somebody must be told that there is none.
extension ControlPlane {
    /// The groups of maps that should grow now, and to what; nil when all are large enough, or may not grow.
    var nextGrowth: (groups: [MapGroup], capacities: MapCapacities)? {
        guard let growth, let writer, !growthState.isGrowing, growthState.mayTry else { return nil }
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
        while growthState.isGrowing { await withCheckedContinuation { growthState.wait($0) } }
        while let growth, let (groups, capacities) = nextGrowth {
            growthState.begin()
            let failure = await move(to: capacities, of: groups, with: growth)
            setAttention(
                "the maps do not grow",
                to: failure.map { "cannot give the maps of \(Self.names(groups)) more room: \($0)" })
            let postponed = growthState.end(hasFailed: failure != nil)
            _ = program(postponed.services, retries: failure == nil ? .all : .none)
            noteProgrammed(postponed.slices)
        }
    }

    /// - Returns: why it failed; then the maps are as they were.
    private func move(
        to capacities: MapCapacities, of groups: [MapGroup], with growth: GrowthPlan
    ) async -> (any Error)? {
        let start = ContinuousClock.now
        do {
            writer?.move(to: try await growth.grow(capacities), capacities: capacities)
        } catch {
            return error
        }
        log.notice(
            "gave the maps more room",
            metadata: ["of": "\(Self.names(groups))", "duration": "\(Daemon.text(ContinuousClock.now - start))"])
        return nil
    }

    private static func names(_ groups: [MapGroup]) -> String { groups.map(\.rawValue).joined(separator: ", ") }

    /// The failures that a person must know: without those that will be gone when the maps have grown, and with the flag
    /// that helps where they cannot.
    func explained(_ failures: [ApplyReport.Failure]) -> [ApplyReport.Failure] {
        guard let growth, let writer else { return failures }
        return failures.compactMap { failure in
            // While growing fails, larger maps from the start help.
            guard failure.error.isShortage, growthState.mayTry, let group = MapGroup(of: failure.map) else {
                return failure
            }
            let isHelped = growth.limits.grown(writer.capacities, group) != nil
            return isHelped ? nil : failure.advising("raise --map-memory-limit")
        }
    }
}

/// Gives the maps more room each time that they lack it.
struct GrowthService: ServiceLifecycle.Service {
    let control: ControlPlane

    func run() async throws {
        await cancelWhenGracefulShutdown {
            for await _ in await control.growthState.wishes { await control.grow() }
        }
    }
}
