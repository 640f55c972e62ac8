import Synchronization

/// The health of the proxy as all parts of the process share it: the control plane tells, the endpoints ask.
package final class HealthMonitor: Sendable {
    /// How often `/healthz` and `/livez` gave each code.
    package struct Probes: Sendable, Hashable {
        package var healthz: [Int: UInt64] = [200: 0, 503: 0]
        package var livez: [Int: UInt64] = [200: 0, 503: 0]

        package init() {}
    }

    private struct State {
        var health: ProxyHealth
        var probes = Probes()
    }

    private let state: Mutex<State>
    private let now: @Sendable () -> Moment

    package init(syncPeriod: Duration = .seconds(30), now: @escaping @Sendable () -> Moment = { .now }) {
        state = Mutex(State(health: ProxyHealth(syncPeriod: syncPeriod)))
        self.now = now
    }

    /// A change was seen that is not programmed yet.
    package func queued(_ families: some Sequence<HealthFamily> = HealthFamily.allCases) {
        let moment = now()
        state.withLock { state in families.forEach { state.health.queue($0, at: moment) } }
    }

    /// Everything that was seen is programmed.
    package func updated(_ families: some Sequence<HealthFamily> = HealthFamily.allCases) {
        let moment = now()
        state.withLock { state in families.forEach { state.health.update($0, at: moment) } }
    }

    package func setNode(_ node: NodeCondition) { state.withLock { $0.health.node = node } }

    /// The first complete list is programmed, and the hooks are attached.
    package func setReady() { state.withLock { $0.health.isReady = true } }

    /// Whether changes are programmed in time, whatever becomes of the node.
    package var isHealthy: Bool {
        let moment = now()
        return state.withLock { $0.health.isHealthy(at: moment) }
    }

    package var probes: Probes { state.withLock(\.probes) }

    func healthz() -> EndpointAnswer { answer(\.healthz) { $0.healthz(at: $1) } }

    func livez() -> EndpointAnswer { answer(\.livez) { $0.livez(at: $1) } }

    /// Not counted: kube-proxy has no such path.
    func readyz() -> EndpointAnswer {
        let moment = now()
        return state.withLock { $0.health.readyz(at: moment) }
    }

    private func answer(
        _ counter: WritableKeyPath<Probes, [Int: UInt64]>, _ ask: (ProxyHealth, Moment) -> EndpointAnswer
    ) -> EndpointAnswer {
        let moment = now()
        return state.withLock { state in
            let answer = ask(state.health, moment)
            state.probes[keyPath: counter][answer.status, default: 0] += 1
            return answer
        }
    }
}
