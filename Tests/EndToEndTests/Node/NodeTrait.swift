import Testing

/// Gives a suite a node of its own: made before its first test, gone and looked for after its last.
struct NodeTrait: SuiteTrait, TestScoping {
    var options: TestNode.Options
    var manifests: [String: String]

    func provideScope(
        for test: Test, testCase: Test.Case?, performing tests: @Sendable () async throws -> Void
    ) async throws {
        let traces: Traces
        do {
            let node = try TestNode(options, manifests: manifests)
            try await TestNode.$scoped.withValue(node) { try await tests() }
            traces = Traces(of: node)
        }
        try traces.expectNone()
    }
}

extension Trait where Self == NodeTrait {
    /// A node with echo pods and, unless it is told otherwise, a running daemon.
    static func node(
        pods: Int = 0, flags: [String] = [], starts: Bool = true, rights: DaemonRights = .wanted,
        manifests: [String: String] = [:]
    ) -> Self {
        NodeTrait(
            options: TestNode.Options(pods: pods, flags: flags, starts: starts, rights: rights), manifests: manifests)
    }
}

extension TestNode {
    @TaskLocal fileprivate static var scoped: TestNode?

    /// The node of the suite that the calling test belongs to.
    static var current: TestNode {
        get throws {
            guard let scoped else { throw TestFailure("the suite has no .node trait") }
            return scoped
        }
    }
}
