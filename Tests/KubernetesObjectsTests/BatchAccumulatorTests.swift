import KubernetesObjects
import ServiceModel
import Testing

@Suite("Batches as one")
struct BatchAccumulatorTests {
    private func slice(_ number: Int, _ address: UInt32) -> ClusterEvent {
        var slice = EndpointSlice(
            name: ObjectName(namespace: "default", name: "s\(number)"), serviceName: "web", addressType: .ipv4)
        slice.endpoints = [Endpoint(address: IPAddress(v4: address))]
        return .slice(slice)
    }

    @Test("ten slices that change all the time are ten slices, as they are last, in the order of their last changes")
    func bounded() {
        var all = BatchAccumulator()
        for change in 0..<12_000 { all.add(StateBatch(events: [slice(change % 10, UInt32(change))])) }
        #expect(all.take()?.events == (0..<10).map { slice($0, UInt32(11_990 + $0)) })
        #expect(all.take() == nil)
    }

    @Test("a problem that comes and goes meanwhile is none")
    func problems() {
        let problem = StateProblem(
            .invalid, origin: "a", object: "Service default/web", cause: "is odd", advice: "mend it")
        var all = BatchAccumulator()
        all.add(StateBatch(problems: [problem]))
        all.add(StateBatch(events: [slice(1, 1)], isInitial: true))
        all.add(StateBatch(resolved: [problem]))
        #expect(all.take() == StateBatch(events: [slice(1, 1)], isInitial: true))
    }
}
