import ServiceModel
import TestKit
import Testing

@Suite("Random histories")
struct HistoryTests {
    @Test("the order of events does not matter", arguments: 0..<40 as Range<UInt64>)
    func order(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        let objects = World.objects(using: &random)
        let expected = World.compile(objects)
        let inOtherOrder = World.compile(objects.shuffled(using: &random))
        #expect(inOtherOrder.desired.description == expected.desired.description)
        #expect(inOtherOrder.desired == expected.desired)
        #expect(inOtherOrder.conflicts == expected.conflicts)
    }

    @Test("adding an object and removing it changes nothing", arguments: 0..<40 as Range<UInt64>)
    func addAndRemove(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        let objects = World.objects(using: &random)
        var state = ClusterState()
        var compiler = Compiler()
        _ = compiler.update(dirty: state.apply(objects), state: state, node: .here)
        let before = (compiler.desired, compiler.conflicts)
        for extra in World.strangers(using: &random) {
            for event in [extra, extra.undo] {
                _ = compiler.update(dirty: state.apply(event), state: state, node: .here)
            }
            #expect(compiler.desired == before.0)
            #expect(compiler.conflicts == before.1)
        }
    }

    @Test(
        "compiling step by step is compiling everything, and the changes tell all", arguments: 0..<40 as Range<UInt64>)
    func incremental(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        var state = ClusterState()
        var compiler = Compiler()
        var followed = DesiredState()
        var dirty: Set<ObjectName> = []
        for _ in 0..<150 {
            dirty.formUnion(state.apply(World.event(using: &random)))
            // Bursts of several events.
            guard Bool.random(using: &random) else { continue }
            let changes = compiler.update(dirty: dirty, state: state, node: .here)
            dirty = []
            for name in changes.removals { #expect(followed.services.removeValue(forKey: name) != nil) }
            for service in changes.upserts {
                #expect(followed.services.updateValue(service, forKey: service.name) != service)
            }
            var scratch = Compiler()
            _ = scratch.update(dirty: [], state: state, node: .here)
            #expect(compiler.desired == scratch.desired)
            #expect(compiler.conflicts == scratch.conflicts)
            #expect(followed == compiler.desired)
            World.checkInvariants(of: compiler.desired)
        }
    }

    @Test("dual stack is the union of its families", arguments: 0..<40 as Range<UInt64>)
    func dualStack(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        for _ in 0..<20 {
            let service = World.service(using: &random)
            let slices = (0..<4).map { World.slice($0, of: service.name.name, using: &random) }
            let both = compile(service: service, slices: slices, node: .here)
            let single = IPFamily.allCases.map { family in
                compile(
                    service: service.changed { $0.clusterIPs.removeAll { $0.family != family } }, slices: slices,
                    node: .here)
            }
            #expect(both.ports == single.flatMap(\.ports).sorted { $0.name < $1.name })
        }
    }
}
