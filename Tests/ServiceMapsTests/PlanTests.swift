import ServiceModel
import TestKit
import Testing

@testable import ServiceMaps

@Suite("Planning")
struct PlanTests {
    @Test("the same mirror and the same changes give the same plan", arguments: 0..<10 as Range<UInt64>)
    func deterministic(seed: UInt64) {
        var cluster = RandomCluster(seed: seed)
        var (left, right) = (Mirror(capacities: .small), Mirror(capacities: .small))
        for _ in 0..<5 {
            let change = cluster.change()
            #expect(plan(change.upserts, &left) == plan(change.upserts, &right))
        }
    }

    @Test("planning again without carrying out plans the same again, with the same ids and slots")
    func repeatable() {
        var mirror = Mirror(capacities: .small)
        let service = Bench.service("web", at: 1, pods: 1...3)
        let first = plan([service], &mirror)
        #expect(first.count == 8)
        #expect(plan([service], &mirror) == first)
    }

    private func plan(_ services: [DesiredService], _ mirror: inout Mirror) -> [MapOperation] {
        var plan = Plan()
        for port in services.flatMap(\.ports) {
            mirror.plan(port, as: mirror.id(of: port.name) ?? mirror.adopt(port.name), into: &plan)
        }
        return WriteStep.allCases.flatMap { plan.take($0) }.map(\.operation)
    }
}
