import Testing

extension Serving {
    @Suite("balance")
    struct Balance {
        /// Uniform choice (spec 38). A limit of 25 at two degrees of freedom fails once in 300,000 runs.
        @Test("spreads 3,000 connects evenly", arguments: ["10.96.0.15:80", "[fd00:96::15]:80"])
        func isUniform(target: String) throws {
            let report = try TestNode.current.load(target, "--rate", "3000", "--seconds", "1")
            #expect(report.failed == [:])
            #expect(report.ok >= 3_000)
            #expect(Set(report.spread.keys) == ["pod-1", "pod-2", "pod-3"])
            let expected = Double(report.ok) / 3
            let deviation = report.spread.values.reduce(0.0) { sum, count in
                sum + (Double(count) - expected) * (Double(count) - expected) / expected
            }
            #expect(deviation < 25, "chi-square of \(report.spread)")
        }

        @Test("an unconnected UDP socket stays with its backend, and moves when that goes")
        func staysAndMoves() throws {
            let node = try TestNode.current
            let flows = try node.hold("10.96.0.30:53", "--udp", "--unconnected", "--connections", "12")
            let first = try flows.send().map(\.pod)
            #expect(Set(first).count > 1, "twelve sockets on one of three pods: once in 177,000 runs")
            for _ in 0..<5 { #expect(try flows.send().map(\.pod) == first) }

            let gone = first[0]
            let rest = zip(Manifest.pods4, ["pod-1", "pod-2", "pod-3"]).filter { $0.1 != gone }.map(\.0)
            try node.write(ServedManifests.stable(rest), to: "stable.yaml")
            var moved: [String?] = []
            #expect(
                try eventually {
                    moved = try flows.send().map(\.pod); return !moved.contains(gone)
                })
            for (before, after) in zip(first, moved) where before != gone { #expect(after == before) }
            for _ in 0..<3 { #expect(try flows.send().map(\.pod) == moved) }
        }
    }

    /// ClientIP affinity: spec 34, 35.
    @Suite("session affinity")
    struct Affinity {
        @Test(
            "a client stays with one pod on all front doors of the port",
            arguments: [TestNode.Place.node, .pod(1), .pod(2), .pod(3)])
        func sticks(place: TestNode.Place) throws {
            let node = try TestNode.current
            let loopback = place == .node ? ["127.0.0.1:30031", "[::1]:30031"] : []
            let doors = ["10.96.0.31:80", "192.0.2.1:30031", "[fd00:96::31]:80", "[2001:db8::1]:30031"] + loopback
            // A family has backends of its own.
            for isV6 in [false, true] {
                let pods = try doors.filter { $0.hasPrefix("[") == isV6 }.map { door in
                    try node.call(door, "--count", "10", from: place).pods
                }
                #expect(pods.reduce(Set()) { $0.union($1) }.count == 1)
            }
        }

        @Test("it holds while it is used, and ends when its time is over")
        func timesOut() throws {
            let node = try TestNode.current
            let used = try node.call("10.96.0.33:80", "--count", "6", "--every", "500", from: .node)
            #expect(used.pods.count == 1)

            // Four clients of four connects that all stay: once in 500,000 runs.
            let clients = try [TestNode.Place.node, .pod(1), .pod(2), .pod(3)].map { place in
                try node.start([Programs.lab, "call", "10.96.0.33:80", "--count", "4", "--every", "1150"], at: place)
            }
            let reports = try clients.map { try $0.decode(CallReport.self) }
            #expect(reports.allSatisfy { $0.results == ["ok"] })
            #expect(reports.contains { $0.pods.count > 1 })
        }

        @Test("switching it on and off takes effect for new connects")
        func switches() throws {
            let node = try TestNode.current
            func pods() throws -> Int {
                let pods = try ["10.96.0.32:80", "192.0.2.1:30032"].map { try node.call($0, "--count", "15").pods }
                return pods.reduce(Set()) { $0.union($1) }.count
            }
            #expect(try pods() == 3)
            for isOn in [true, false, true] {
                try node.write(ServedManifests.switching(isOn: isOn), to: "switching.yaml")
                #expect(try eventually { try pods() == (isOn ? 1 : 3) }, "affinity \(isOn ? "on" : "off")")
                #expect(try pods() == (isOn ? 1 : 3))
            }
        }
    }
}
