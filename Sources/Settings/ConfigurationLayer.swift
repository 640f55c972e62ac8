package import ServiceModel

/// What one place says of the settings: the command line, or a file. It says nothing of those that it does not set.
package struct ConfigurationLayer: Sendable {
    typealias Edit = @Sendable (inout Configuration) -> Void

    private var edits: [Edit] = []
    package var withoutEffect: [WithoutEffect] = []

    package init() {}

    mutating func add(_ edit: Edit?) {
        if let edit { edits.append(edit) }
    }

    /// Sets a part of the configuration. Nil: nothing is said of it.
    package mutating func set<Value: Sendable>(
        _ place: any WritableKeyPath<Configuration, Value> & Sendable, _ value: Value?
    ) {
        if let value { edits.append { $0[keyPath: place] = value } }
    }

    /// The same, for a part that may be nil: only an outer nil says nothing.
    package mutating func set<Value: Sendable>(
        _ place: any WritableKeyPath<Configuration, Value?> & Sendable, _ value: Value?
    ) {
        if let value { edits.append { $0[keyPath: place] = value } }
    }

    /// A span of 0 says nothing either, as with kube-proxy.
    package mutating func set(timeout place: any WritableKeyPath<FlowTimeouts, Duration> & Sendable, _ span: Duration?)
    {
        guard let span, span > .zero else { return }
        edits.append { $0.packets.timeouts[keyPath: place] = span }
    }

    /// Only its family counts: the one in which health and metrics are served by default.
    package mutating func set(bindAddress: IPAddress?) {
        guard let family = bindAddress?.family else { return }
        edits.append { settings in
            if BindPlace.healthz.isUsual(settings.healthzAddress) {
                settings.healthzAddress = BindPlace.healthz.usual(for: family)
            }
            if BindPlace.metrics.isUsual(settings.metricsAddress) {
                settings.metricsAddress = BindPlace.metrics.usual(for: family)
            }
        }
    }

    /// Adds gates; those that swiftlet does not have are told as without effect.
    package mutating func set(gates: [String: Bool]) { edits.append(Self.edit(gates: gates)) }

    static func edit(gates: [String: Bool]) -> Edit {
        return { settings in
            settings.featureGates.merge(gates) { $1 }
            settings.node.servesExternalIPs = settings.featureGates[FeatureGate.externalIPs] ?? true
            settings.withoutEffect += gates.keys.filter { !FeatureGate.known.contains($0) }
                .sorted().map { WithoutEffect("feature gate \($0)", .gate) }
        }
    }

    fileprivate func change(_ configuration: inout Configuration) {
        for edit in edits { edit(&configuration) }
    }
}

extension Configuration {
    /// Applies a layer above those that were applied before. One that names a source replaces that of those below.
    package mutating func apply(_ layer: ConfigurationLayer) throws(ConfigurationError) {
        var named = Configuration(nodeName: "")
        layer.change(&named)
        if !named.manifests.isEmpty && named.cluster.isNamed {
            throw ConfigurationError(
                "cannot read manifests and a cluster at once: name either --manifests, or --kubeconfig and --apiserver")
        }
        if !named.manifests.isEmpty { cluster = ClusterAccess() }
        if named.cluster.isNamed { manifests = [] }
        layer.change(&self)
        withoutEffect += layer.withoutEffect
    }
}

/// The gates of kube-proxy that change something here.
package enum FeatureGate {
    /// Off: externalIPs are not served (spec 23).
    static let externalIPs = "AllowServiceExternalIPs"
    static let known: Set<String> = [externalIPs]
}
