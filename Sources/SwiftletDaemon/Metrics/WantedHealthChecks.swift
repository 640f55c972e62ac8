import Observability
import ServiceModel

extension HealthCheck {
    /// The health check ports that the desired state asks for, with the present counts (spec 26, 45).
    static func wanted(
        by desired: DesiredState, state: ClusterState, node: NodeConfiguration
    ) -> [UInt16: HealthCheck] {
        var checks: [UInt16: HealthCheck] = [:]
        for (name, service) in desired.services.sorted(by: { $0.key < $1.key }) {
            // Of two Services with one port, which the API never allows, the first keeps it (spec 25).
            guard let port = service.healthCheckNodePort?.number, checks[port] == nil else { continue }
            checks[port] = HealthCheck(
                namespace: name.namespace, name: name.name,
                localEndpoints: state.localReadyEndpoints(of: name, on: node))
        }
        return checks
    }
}
