import Testing

/// Packets that are no Service's pass as if there were no proxy, whatever translates and however it forwards. The
/// yardstick are the rules that kube-proxy would write.
@Suite("Bystanders of Services", .tags(.endToEnd), .serialized, .endToEnd, .routed())
struct BystanderTests {
    private func bystanders(_ arrangement: Arrangement, _ family: IPVersion) throws -> Bystanders {
        try Bystanders(node: .current(arrangement), family: family)
    }

    @Test(
        "a flow that is over leaves its port to the node and to clients", arguments: Arrangement.all, IPVersion.allCases
    )
    func returnsPorts(arrangement: Arrangement, family: IPVersion) throws {
        try bystanders(arrangement, family).expectPortsReturned()
    }

    @Test("a living flow shares its port with a straight connection", arguments: Arrangement.all, IPVersion.allCases)
    func sharesPorts(arrangement: Arrangement, family: IPVersion) throws {
        try bystanders(arrangement, family).expectLivingFlowsShared()
    }

    @Test(
        "a straight connection outlives a flow from its port", arguments: Arrangement.all, IPVersion.allCases)
    func keepsOlder(arrangement: Arrangement, family: IPVersion) throws {
        try bystanders(arrangement, family).expectOlderConnectionKept()
    }

    @Test("pods behind a masquerade meet no flow", .hasNftables, arguments: Arrangement.all, IPVersion.allCases)
    func servesMasqueraded(arrangement: Arrangement, family: IPVersion) throws {
        try bystanders(arrangement, family).expectMasqueradedPodsServed()
    }

    @Test(
        "answers to outgoing connections from NodePort numbers come back", .hasNftables, arguments: Arrangement.all,
        IPVersion.allCases)
    func leavesAnswers(arrangement: Arrangement, family: IPVersion) throws {
        try bystanders(arrangement, family).expectNodeAnswered()
        try bystanders(arrangement, family).expectPodsAnswered()
    }

    @Test("open connections survive a frontend at their address", arguments: Arrangement.all, IPVersion.allCases)
    func keepsOpen(arrangement: Arrangement, family: IPVersion) throws {
        try bystanders(arrangement, family).expectOpenConnectionsKept()
    }

    /// Where the endpoint sees the node, the note on each packet of the flow tells it from the client's own connection;
    /// where it sees the client, the endpoint itself does.
    @Test(
        "without connection tracking, a client's older connection outlives a flow from its port",
        arguments: Arrangement.untracked, IPVersion.allCases)
    func keepsUntracked(arrangement: Arrangement, family: IPVersion) throws {
        try bystanders(arrangement, family).expectOlderConnectionKept()
    }

    /// A node where nothing filters by state and nothing masquerades: datagrams that have passed by its programs are known
    /// to nothing there.
    @Test("without connection tracking, older exchanges of datagrams are not known")
    func losesUntracked() throws {
        withKnownIssue("datagrams that the node forwards begin a flow when their address becomes a frontend") {
            for arrangement in Arrangement.untracked where arrangement.seesPods {
                try bystanders(arrangement, .v4).expectOpenConnectionsKept()
            }
        }
    }

    /// The table is small, as it would be with a hundred times as many connections.
    @Test("idle connections outlive short ones", arguments: Arrangement.small, IPVersion.allCases)
    func keepsIdle(arrangement: Arrangement, family: IPVersion) throws {
        try bystanders(arrangement, family).expectIdleConnectionsKept(beside: 2_500)
    }
}

extension Arrangement {
    fileprivate static let untracked = Proxy.available.filter { $0 == .datapath }.flatMap { proxy in
        [true, false].map { Arrangement(proxy: proxy, seesPods: $0) }
    }

    /// With 1,024 places for flows where that can be chosen.
    fileprivate static let small = all.filter { $0.proxy != .daemon && $0.seesPods }.map {
        var small = $0
        small.flows = 1_024
        return small
    }
}
