import CDatapath
import Testing

extension KernelTests {
    @Suite("The spread over backends (spec 38)")
    struct SpreadTests {
        /// How many backends, and the limit that chi-square of a uniform choice passes once in a thousand times.
        static let limits = [(3, 13.82), (7, 22.46), (100, 148.2)]

        @Test("random numbers give each backend its share", arguments: Family.allCases, limits)
        func isUniform(family: Family, limit: (backends: Int, chiSquare: Double)) throws {
            let datapath = try Datapath.forDecisions()
            let frontend = Frontend(family: family)
            try datapath.serve(frontend, backends: limit.backends)
            var generator = SplitMix(state: 38)
            let randoms = (0..<10_000).map { _ in UInt32.random(in: 0 ... .max, using: &generator) }

            var hits = [Int](repeating: 0, count: limit.backends)
            for decision in try datapath.decide(frontend, randoms: randoms) {
                try #require(decision.reason == COUNT_FORWARD)
                hits[Int(decision.backend) - 1] += 1
            }
            let expected = Double(randoms.count) / Double(limit.backends)
            let chiSquare = hits.reduce(0.0) { $0 + (Double($1) - expected) * (Double($1) - expected) / expected }
            #expect(chiSquare < limit.chiSquare)
        }

        @Test(
            "the smallest number gives the first backend and the greatest the last", arguments: Family.allCases,
            [1, 2, 3, 7, 100])
        func staysInside(family: Family, count: Int) throws {
            let datapath = try Datapath.forDecisions()
            let frontend = Frontend(family: family)
            let backends = Backend.several(count, of: 1)
            try datapath.put(family, backends, from: 50)
            try datapath.put(frontend, service(id: 1, first: 50, count: UInt32(count)))
            let first = try datapath.decide(frontend, random: 0)
            let last = try datapath.decide(frontend, random: .max)
            #expect(first == .forward(family, backends[0]))
            #expect(last == .forward(family, backends[count - 1]))
        }
    }
}

/// The same numbers in each run, so that a failure can be repeated.
private struct SplitMix: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return mixed ^ (mixed >> 31)
    }
}
