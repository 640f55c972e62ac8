import ServiceModel
import Testing

@Suite("Traffic policies")
struct PolicyTests {
    private let internalLocal = Service.make { $0.internalPolicy = .local }
    private let externalLocal = Service.make {
        $0.externalPolicy = .local
        $0.externalIPs = ["198.51.100.1"]
    }

    @Test("spec 13: local and ready")
    func localReady() {
        let slice = EndpointSlice.make(
            .ready("10.0.0.1", on: "here"), .draining("10.0.0.2", on: "here"), .ready("10.0.0.3", on: "there"))
        #expect(
            outcome(internalLocal, slice) == """
                frontend 10.96.0.15:80/TCP clusterIP local → default/api 1 backend
                backend default/api v4 10.0.0.1:8080 active local on-this-node
                backend default/api v4 10.0.0.2:8080 terminating on-this-node
                """)
    }

    @Test("spec 13: a local one that terminates is used though others are ready elsewhere")
    func localTerminating() {
        let slice = EndpointSlice.make(.draining("10.0.0.2", on: "here"), .ready("10.0.0.3", on: "there"))
        #expect(
            outcome(externalLocal, slice) == """
                frontend 10.96.0.15:80/TCP clusterIP cluster → default/api 1 backend
                frontend 198.51.100.1:80/TCP externalIP cluster from-node → default/api 1 backend
                frontend 198.51.100.1:80/TCP externalIP local from-outside → default/api 1 backend
                backend default/api v4 10.0.0.2:8080 active local on-this-node
                backend default/api v4 10.0.0.3:8080 active cluster
                """)
    }

    @Test("spec 14: the external policy does not count for a Service that is not external")
    func externalPolicyOfClusterIP() {
        let service = Service.make { $0.externalPolicy = .local }
        #expect(
            outcome(service, .make(.ready("10.0.0.1", on: "here"))) == """
                frontend 10.96.0.15:80/TCP clusterIP cluster → default/api 1 backend
                backend default/api v4 10.0.0.1:8080 active cluster on-this-node
                """)
    }

    @Test("spec 14: internal Local and external Cluster take a set each")
    func mixed() {
        let service = internalLocal.changed { $0.externalIPs = ["198.51.100.1"] }
        let slice = EndpointSlice.make(.ready("10.0.0.1", on: "here"), .ready("10.0.0.2", on: "there"))
        #expect(
            outcome(service, slice) == """
                frontend 10.96.0.15:80/TCP clusterIP local → default/api 1 backend
                frontend 198.51.100.1:80/TCP externalIP cluster → default/api 2 backends
                backend default/api v4 10.0.0.1:8080 active cluster local on-this-node
                backend default/api v4 10.0.0.2:8080 active cluster
                """)
    }

    @Test("spec 17: none local but some elsewhere is dropped, outside only")
    func dropOutside() {
        #expect(
            outcome(externalLocal, .make(.ready("10.0.0.1", on: "there"))) == """
                frontend 10.96.0.15:80/TCP clusterIP cluster → default/api 1 backend
                frontend 198.51.100.1:80/TCP externalIP cluster from-node → default/api 1 backend
                frontend 198.51.100.1:80/TCP externalIP local from-outside → default/api drop: no endpoint on this node
                backend default/api v4 10.0.0.1:8080 active cluster
                """)
    }

    @Test("spec 17: none at all is rejected for everybody")
    func rejectAll() {
        #expect(
            outcome(externalLocal, .make(.unready("10.0.0.1", on: "here"))) == """
                frontend 10.96.0.15:80/TCP clusterIP cluster → default/api reject: endpoints not ready
                frontend 198.51.100.1:80/TCP externalIP cluster from-node → default/api reject: endpoints not ready
                frontend 198.51.100.1:80/TCP externalIP local from-outside → default/api reject: endpoints not ready
                """)
    }

    @Test("spec 18: sockets and pods of this node take the Cluster set of an external Local frontend")
    func shortCircuit() {
        let service = Service.make("api", .nodePort, ports: [.init(port: 80, nodePort: 30080)]) {
            $0.externalPolicy = .local
        }
        let slice = EndpointSlice.make(.ready("10.0.0.1", on: "here"), .ready("10.0.0.2", on: "there"))
        #expect(
            outcome(service, slice) == """
                frontend 10.96.0.15:80/TCP clusterIP cluster → default/api 2 backends
                frontend 127.0.0.1:30080/TCP nodePort cluster host-only → default/api 2 backends
                frontend 192.0.2.1:30080/TCP nodePort cluster from-node → default/api 2 backends
                frontend 192.0.2.1:30080/TCP nodePort local from-outside → default/api 1 backend
                backend default/api v4 10.0.0.1:8080 active cluster local on-this-node
                backend default/api v4 10.0.0.2:8080 active cluster
                """)
    }

    @Test("spec 19: internal Local without a local endpoint drops, and says why")
    func internalDrop() {
        #expect(
            outcome(internalLocal, .make(.ready("10.0.0.1", on: "there"))) == """
                frontend 10.96.0.15:80/TCP clusterIP local → default/api drop: no endpoint on this node
                """)
    }

    @Test("spec 26: a health check port only for a LoadBalancer with the Local policy")
    func healthCheckPort() {
        let service = Service.make("api", .loadBalancer) {
            $0.healthCheckNodePort = 32000
            $0.externalPolicy = .local
        }
        func port(_ service: Service) -> Port? {
            compile(service: service, slices: [], node: .here).healthCheckNodePort
        }
        #expect(port(service) == 32000)
        #expect(port(service.changed { $0.externalPolicy = .cluster }) == nil)
        #expect(port(service.changed { $0.kind = .nodePort }) == nil)
    }

    @Test("spec 34: affinity is that of the service port, for all its frontends")
    func affinity() {
        let service = Service.make {
            $0.affinitySeconds = 600
            $0.externalIPs = ["198.51.100.1"]
        }
        #expect(
            outcome(service, .make(.ready("10.0.0.1"))) == """
                frontend 10.96.0.15:80/TCP clusterIP cluster affinity 600s → default/api 1 backend
                frontend 198.51.100.1:80/TCP externalIP cluster affinity 600s → default/api 1 backend
                backend default/api v4 10.0.0.1:8080 active cluster
                """)
    }
}
