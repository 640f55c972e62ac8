import CDatapath
import ServiceModel
import TestKit
import Testing

@testable import ServiceMaps

extension service_counter {
    init(forwarded: UInt64, noBackend: UInt64 = 0, noLocal: UInt64 = 0, source: UInt64 = 0, other: UInt64 = 0) {
        self.init(
            forwarded: forwarded, refused_no_backend: noBackend, refused_no_local_backend: noLocal,
            refused_source: source, refused_other: other)
    }
}

@Suite("Counters of service ports")
struct CounterTests {
    @Test("each reason is added up over the CPUs, and one that never came up has no entry")
    func addsUp() {
        let counter = ServiceCounter(addingUp: [
            service_counter(forwarded: 1, noBackend: 2, noLocal: 4), service_counter(forwarded: 8, noBackend: 16),
            service_counter(forwarded: 0, source: 32),
        ])
        #expect(counter.forwarded == 9 && counter.refused == 54)
        #expect(counter.refusals == [.noEndpoints: 18, .noLocalEndpoints: 4, .source: 32])
        #expect(ServiceCounter(addingUp: [service_counter(forwarded: 0, other: 7)]).refusals == [.other: 7])
        #expect(ServiceCounter(addingUp: [service_counter(), service_counter()]) == ServiceCounter())
    }

    @Test("by name and by id the same is read; a name with two ids has the sum of both")
    func readByName() throws {
        var bench = try Bench()
        _ = bench.writer.apply(upserts: [Bench.service("a", at: 1, pods: []), Bench.service("b", at: 2, pods: [1])])
        bench.store.counters[1] = [service_counter(forwarded: 1, noBackend: 2)]
        bench.store.counters[2] = [service_counter(forwarded: 4, source: 8)]
        let state = try ProgrammedState.read(from: bench.store)
        let counters = [
            ServiceCounter(forwarded: 1, refusals: [.noEndpoints: 2]),
            ServiceCounter(forwarded: 4, refusals: [.source: 8]),
        ]
        #expect(state.ports.map(\.counter) == counters)
        #expect(try ServiceUse.read(from: bench.store, limit: 9).uses.map(\.counter) == counters)

        _ = bench.store.update(.servicePorts, keys: [UInt32(2)], values: [service_port(Bench.portName("a"))])
        #expect(
            try ServiceUse.read(from: bench.store, limit: 9).uses.map(\.counter) == [
                ServiceCounter(forwarded: 5, refusals: [.noEndpoints: 2, .source: 8])
            ])
    }
}
