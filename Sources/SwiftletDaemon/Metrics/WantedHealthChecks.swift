import Observability
import ServiceModel

extension HealthCheck {
    /// The health check ports that the desired state asks for, with the present counts (spec 26, 45).
    static func wanted(by desired: DesiredState) -> [UInt16: HealthCheck] {
        var checks: [UInt16: HealthCheck] = [:]
        let services = desired.services.values.filter { $0.healthCheckNodePort != nil }
        for service in services.sorted(by: { $0.name < $1.name }) {
            // Of two Services with one port, which the API never allows, the first keeps it (spec 25).
            guard let port = service.healthCheckNodePort?.number, checks[port] == nil else { continue }
            checks[port] = HealthCheck(
                namespace: service.name.namespace, name: service.name.name,
                localEndpoints: service.localReadyEndpoints)
        }
        return checks
    }
}

extension NodeConfiguration {
    /// Where health check ports are listened on: the addresses that serve NodePorts and that a load balancer can reach,
    /// so not loopback unless it was chosen alone; nil for all of the machine.
    func healthCheckHosts(_ selection: NodePortAddresses) -> [String]? {
        if selection == .all { return nil }
        let reachable = nodePortAddresses.filter { !$0.hostOnly }
        return (reachable.isEmpty ? nodePortAddresses : reachable).map { "\($0.address)" }
    }
}
