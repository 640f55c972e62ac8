import DatapathInstall
import Foundation
import ServiceMaps
import ServiceModel
import Settings
import Testing
@testable import SwiftletDaemon

@Suite("The status page")
struct StatusPageTests {
    @Test("a node without trouble is serving, and its Services lead to endpoints")
    func serving() throws {
        let text = StatusPage.sample(problems: [], services: ServiceListing.sample()).html(nonce: "n0").description
        #expect(text.contains("<title>ok · node-1 · swiftlet</title>"))
        #expect(text.contains("<h1>node-1: serving</h1>"))
        #expect(text.contains(#"<details id="s-default/web" class="good">"#))
        #expect(text.contains("<td>→ 10.244.0.11:8080</td><td>active</td><td>on this node</td>"))
        #expect(text.contains("<td>→ [fd00:10:244::12]:8080</td>"))
        #expect(
            text.contains(
                #"<td>refuse_no_backend</td><td class="number">7</td><td class="wrap">no ready endpoint</td>"#))
        #expect(!text.contains("<td>pass_protocol</td>"))
        var one = ServiceListing.sample()
        one.services[0].ports = Array(one.services[0].ports.prefix(1))
        one.services[0].ports[0].backends = Array(one.services[0].ports[0].backends.prefix(1))
        #expect(
            StatusPage.sample(problems: [], services: one).html(nonce: "n0").description.contains("<b>1</b> endpoint<"))
    }

    @Test("trouble is in the title and comes first, with its reasons")
    func degraded() throws {
        let page = StatusPage.sample(
            problems: ["cannot follow services"], pending: ["default/web:http: backends4 is full"],
            services: ServiceListing.sample(broken: "2 pods match, none ready"))
        let text = page.html(nonce: "n0").description
        #expect(text.contains("<title>degraded · node-1"))
        #expect(text.contains("<li>cannot follow services</li>"))
        #expect(text.contains("<li>not programmed: default/web:http: backends4 is full</li>"))
        let empty = try #require(text.firstRange(of: "s-default/empty"))
        let web = try #require(text.firstRange(of: "s-default/web"))
        #expect(empty.lowerBound < web.lowerBound)
        #expect(text.contains(#"<span class="why">2 pods match, none ready</span>"#))
    }

    @Test("what comes from objects is text, whatever it holds")
    func escapes() {
        let evil = "<script>alert(1)</script>\"'&\u{1b}[31m"
        let text = StatusPage.sample(
            problems: [evil], pending: [evil], services: ServiceListing.sample(broken: evil)
        ).html(nonce: "n0").description
        #expect(!text.contains("<script>alert") && !text.contains("\u{1b}"))
        #expect(text.contains("&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#39;&amp;"))
        // Style and script of the page itself, and no other.
        #expect(text.components(separatedBy: "<script").count == 2)
        #expect(text.components(separatedBy: "nonce=\"n0\"").count == 3)
        #expect(!text.contains(" style=") && !text.contains(" onclick") && !text.contains("http://"))
    }

    @Test("many Services are cut, and what is left out is said")
    func cuts() {
        var listing = ServiceListing.sample()
        let item = listing.services[0]
        listing.services = (0..<StatusPage.mostServices + 5).map { number in
            var service = item
            service.name = "web-\(number)"
            return service
        }
        var page = StatusPage.sample(problems: [], services: listing)
        page.omittedServices = 10
        let text = page.html(nonce: "n0").description
        #expect(text.components(separatedBy: "<details").count == StatusPage.mostServices + 1)
        #expect(text.contains("<p>15 more: <code>swiftlet services</code></p>"))
        page.listing.services = []
        let none = "Nothing is the matter with any of the 10: <code>swiftlet services</code> lists them."
        #expect(page.html(nonce: "n0").description.contains("<p>\(none)</p>"))
    }

    @Test("a plot shows rates, and begins anew where a counter did")
    func plots() {
        let samples = [0, 50, 150, 20].enumerated().map { index, count in
            ActivityHistory.Sample(time: .seconds(5 * index), counters: ["forward": UInt64(count), "refuse_source": 1])
        }
        #expect(ActivityHistory.rates(of: samples, \.connects) == [10, 20, 4])
        #expect(ActivityHistory.rates(of: samples, \.refusals) == [0, 0, 0])
        let plot = Plot(title: "connects", rates: [10, 20, 4], seconds: 15).html.description
        #expect(plot.contains(#"<polyline points="0,28 150,2 300,43.6"/>"#))
        #expect(plot.contains("<b>4</b> connects/s") && plot.contains("max 20") && plot.contains("15 s ago"))
    }

    @Test("the history keeps ten minutes")
    func history() {
        let history = ActivityHistory()
        for second in 0..<500 { history.note(.init(time: .seconds(second))) }
        #expect(history.all.count == ActivityHistory.length)
        #expect(history.all.last?.time == .seconds(499))
    }

    @Test(
        "flows that found no place lately are told, and packets whose sockets no hook saw",
        arguments: [
            ("refuse_flows_full", "14 new flows were refused"),
            ("refuse_untranslated", "14 packets to Services were refused"),
        ])
    func refused(counter: String, words: String) {
        let history = ActivityHistory()
        let report = StatusPage.sample(
            problems: [], services: ServiceListing(programmed: ProgrammedState(), reports: [])
        ).report
        // An old one, before the first sample, is no news.
        for (second, count) in [(0, 7), (5, 7)] as [(Int, UInt64)] {
            history.note(.init(time: .seconds(second), counters: [counter: count, "refuse_source": 9]))
        }
        #expect(report.with(history).risks == report.risks)
        for (second, count) in [(10, 19), (15, 2)] as [(Int, UInt64)] {
            history.note(.init(time: .seconds(second), counters: [counter: count]))
        }
        let risks = report.with(history).risks
        #expect(risks.count == report.risks.count + 1)
        #expect(risks.last?.hasPrefix("\(words) in the last 10 minutes") == true, "\(risks)")
    }
}

extension StatusPage {
    /// A node with two Services, in the middle of the day.
    static func sample(
        problems: [String], pending: [String] = [], services: ServiceListing, samples: Int = 121
    ) -> StatusPage {
        let now = Date(timeIntervalSince1970: 1_780_000_000)
        var report = DaemonReport(
            pid: 411, version: "0.1.0", nodeName: "node-1", kubeProxyReplacement: true, cgroupRoot: "/sys/fs/cgroup",
            startedAt: now - 90_000, sources: ["cluster https://10.0.0.1:6443"], watches: [],
            nodePortAddresses: ["192.0.2.1"],
            devices: [
                .init(name: "eth0", role: "outside", reason: "holds the node's address", kind: "tcx", foreign: []),
                .init(
                    name: "veth7a1", role: nil, reason: "a pod's, whose sockets are translated", kind: nil, foreign: []),
            ],
            desired: .init(), programmed: .init(), pending: pending, problems: problems, risks: [],
            rights: DaemonReport.Rights(Configuration(nodeName: "node-1")), flowTimeouts: FlowTimeouts(),
            residentBytes: 30 << 20)
        (report.desired.services, report.desired.servicePorts, report.desired.frontends) = (2, 3, 6)
        report.lastEventAt = now - 7
        let counts = (0..<samples).map { index in
            let wave = UInt64(index * 60 + index % 17 * 40)
            return ActivityHistory.Sample(
                time: .seconds(index * 5),
                counters: [
                    "forward": wave * 5, "refuse_no_backend": UInt64(index / 40 * 25), "flow_begun": wave,
                    "packet": wave * 90,
                ])
        }
        return StatusPage(
            report: report, listing: services,
            counters: ["forward": 12_345, "refuse_no_backend": 7, "pass_protocol": 0, "packet": 910_022],
            history: counts,
            now: now)
    }
}

extension ServiceListing {
    /// - Parameter broken: why a second Service has no endpoint; nil for the first one alone.
    static func sample(broken: String? = nil) -> ServiceListing {
        var listing = ServiceListing(programmed: ProgrammedState(), reports: [])
        listing.services = [
            Item(
                namespace: "default", name: "web", type: "LoadBalancer", externalTrafficPolicy: "Cluster",
                internalTrafficPolicy: "Cluster", leftAlone: nil,
                ports: [
                    port("http", "10.96.0.15", ["10.244.0.11", "10.244.1.12"]),
                    port("http", "fd00:10:96::15", ["fd00:10:244::12"]),
                ], problems: [])
        ]
        if let broken {
            var empty = port("", "10.96.0.20", [])
            empty.reason = broken
            listing.services.append(
                Item(
                    namespace: "default", name: "empty", type: "ClusterIP", externalTrafficPolicy: "Cluster",
                    internalTrafficPolicy: "Cluster", leftAlone: nil, ports: [empty], problems: []))
        }
        return listing
    }

    private static func port(_ name: String, _ vip: String, _ backends: [String]) -> Port {
        Port(
            name: name, protocol: "TCP", family: vip.contains(":") ? 6 : 4, serviceID: 1, affinitySeconds: 0,
            reason: nil,
            connections: .init(ServiceCounter(forwarded: 4_200)), sourceRanges: [],
            frontends: [
                Frontend(
                    address: vip, port: 80, protocol: "TCP", kind: "ClusterIP", action: "balance", policy: "Cluster",
                    scope: "fromNode", restricted: false)
            ],
            backends: backends.map { address in
                Backend(
                    address: address, port: 8080, state: "active", local: address == "10.244.0.11", zone: "b",
                    forwarded: nil)
            })
    }
}
