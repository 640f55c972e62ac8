import ServiceModel
import Testing

@Suite("Services that are left alone")
struct LeftAloneTests {
    @Test("spec 1: ExternalName, even with a ClusterIP")
    func externalName() {
        #expect(
            outcome(.make("api", .externalName), .make(.ready("10.0.0.1")))
                == "service default/api left alone: externalName")
    }

    @Test("spec 1: headless")
    func headless() {
        let service = Service.make(clusterIPs: []) { $0.isHeadless = true }
        #expect(outcome(service) == "service default/api left alone: headless")
    }

    @Test("spec 1: without a ClusterIP a NodePort is not served either")
    func noClusterIP() {
        let service = Service.make("api", .nodePort, clusterIPs: [], ports: [.init(port: 80, nodePort: 30080)])
        #expect(outcome(service, .make(.ready("10.0.0.1"))) == "service default/api left alone: noClusterIP")
    }

    @Test("spec 2: the default proxy ignores any proxy name", arguments: ["", "other"])
    func proxyName(value: String) {
        let service = Service.make { $0.labels = ["service.kubernetes.io/service-proxy-name": value] }
        #expect(outcome(service) == "service default/api left alone: otherProxy")
    }

    @Test("spec 2: a named proxy serves only what carries its name")
    func ownProxyName() {
        let named = NodeConfiguration.here.changed { $0.proxyName = "mine" }
        let mine = Service.make { $0.labels = ["service.kubernetes.io/service-proxy-name": "mine"] }
        #expect(outcome(.make(), on: named) == "service default/api left alone: otherProxy")
        #expect(outcome(mine, on: named).hasPrefix("frontend 10.96.0.15:80/TCP"))
    }

    @Test("spec 3: the headless label on the Service")
    func headlessLabel() {
        let service = Service.make { $0.labels = ["service.kubernetes.io/headless": ""] }
        #expect(outcome(service) == "service default/api left alone: headless")
    }

    @Test("spec 3: the headless label on a slice")
    func headlessSlice() {
        var slice = EndpointSlice.make(.ready("10.0.0.1"))
        slice.labels = ["service.kubernetes.io/headless": ""]
        #expect(outcome(.make(), slice).hasSuffix("reject: no EndpointSlice"))
    }
}
