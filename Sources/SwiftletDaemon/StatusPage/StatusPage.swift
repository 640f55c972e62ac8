import DatapathInstall
import FoundationEssentials
import ServiceModel

/// The page at `/` of the metrics address: what a person wants to see of a node first. A value, made anew at each request.
struct StatusPage: Sendable {
    /// So many Services are listed, those with trouble first.
    static let mostServices = 300

    var report: DaemonReport
    /// Every Service that the daemon knows, joined with the maps where those could be read.
    var listing: ServiceListing
    /// Services that are not in the listing: there are too many for a page.
    var omittedServices = 0
    /// By their names in lower case.
    var counters: [String: UInt64] = [:]
    var history: [ActivityHistory.Sample] = []
    var now: Date

    /// What a person must act on.
    private var complaints: [String] { report.problems + report.pending.map(Reason.notProgrammed) }

    /// - Parameter nonce: without it no style and no script of the page counts.
    func html(nonce: String) -> HTML {
        """
        <!doctype html>
        <html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
        <title>\(complaints.isEmpty ? "ok" : "degraded") · \(report.nodeName) · swiftlet</title>
        <style nonce="\(nonce)">\(HTML(raw: Self.style))</style></head>
        <body><main>
        \(verdict)\(plots)\(cards)\(services)\(devices)\(counterTable)\(footer)
        </main><script nonce="\(nonce)">\(HTML(raw: Self.script))</script></body></html>

        """
    }

    private var verdict: HTML {
        let tone = !complaints.isEmpty ? "bad" : report.risks.isEmpty ? "" : "warn"
        let headline =
            !complaints.isEmpty
            ? "\(report.nodeName): degraded"
            : report.kubeProxyReplacement ? "\(report.nodeName): serving" : "\(report.nodeName): observing only"
        let all = complaints.map { ("", $0) } + report.risks.map { ("worth a look: ", $0) }
        let items = all.prefix(30).map { prefix, text -> HTML in "<li>\(prefix)\(text)</li>" }
        let rest: HTML = all.count > 30 ? "<li>\(all.count - 30) more: <code>swiftlet status</code></li>" : ""
        let list: HTML = all.isEmpty ? "" : "<ul>\(items)\(rest)</ul>"
        return """
            <section class="verdict \(tone)"><h1>\(headline)</h1>
            <p>swiftlet \(report.version), process \(report.pid), up \(Self.age(report.startedAt, now)) · from \
            \(report.sources.joined(separator: ", "))\(lastEvent)</p>\(list)</section>

            """
    }

    private var lastEvent: HTML {
        guard let last = report.lastEventAt else { return "" }
        return " · last change \(Self.age(last, now)) ago"
    }

    private var plots: HTML {
        guard let first = history.first, let last = history.last, history.count > 1 else { return "" }
        let seconds = Int((last.time - first.time).components.seconds)
        func plot(_ title: String, _ counter: KeyPath<ActivityHistory.Sample, UInt64>, trouble: Bool = false) -> HTML {
            let rates = ActivityHistory.rates(of: history, counter)
            return Plot(title: title, rates: rates, seconds: seconds, isTrouble: trouble).html
        }
        return """
            <section class="plots">\(plot("connects", \.connects))\(plot("refused", \.refusals, trouble: true))\
            \(plot("new flows", \.flows))\(plot("packets translated", \.packets))</section>

            """
    }

    private var cards: HTML {
        let totals = report.desired
        func card(_ count: Int, _ label: String) -> HTML {
            "<div class=\"card\"><b>\(count)</b><span>\(label)</span></div>"
        }
        return """
            <section class="cards">\(card(totals.services, "Services"))\(card(totals.servicePorts, "service ports"))\
            \(card(totals.frontends, "frontends"))\(card(totals.backends, "backends"))\
            \(card(report.withoutBackends ?? 0, "ports without a backend"))</section>

            """
    }

    private var devices: HTML {
        guard !report.devices.isEmpty else { return "" }
        let rows = report.devices.map { device -> HTML in
            "<tr><td>\(device.name)</td><td>\(device.role ?? "-")</td><td>\(device.kind ?? "-")</td>"
                + "<td class=\"wrap\">\(device.reason)</td></tr>"
        }
        return """
            <h2>Devices</h2><div class="scroll"><table><tr><th>device</th><th>leads to</th><th>hook</th><th>why</th></tr>
            \(rows)</table></div>

            """
    }

    private var counterTable: HTML {
        let raised = counters.filter { $0.value > 0 }.sorted { $0.key < $1.key }
        guard !raised.isEmpty else { return "" }
        let rows = raised.map { name, count -> HTML in
            "<tr><td>\(name)</td><td class=\"number\">\(count)</td><td class=\"wrap\">\(EventWords.text(of: name))</td></tr>"
        }
        return """
            <h2>Counters since the maps were made</h2><div class="scroll"><table>\
            <tr><th>counter</th><th class="number">count</th><th>meaning</th></tr>
            \(rows)</table></div>

            """
    }

    private var footer: HTML {
        """
        <footer><span id="age">As of \(now.ISO8601Format())</span>; follows by itself every 5 s, without JavaScript when it is \
        loaded again. <a href="metrics">metrics</a>, <a href="configz">configuration</a>. \
        On the node: <code>swiftlet status</code>, <code>services</code>, <code>explain</code>, <code>top</code>, \
        <code>monitor</code>.</footer>
        """
    }

    /// `3 d 4 h`, `12 min`, `8 s`.
    static func age(_ since: Date, _ now: Date) -> String {
        let seconds = max(0, Int(now.timeIntervalSince(since)))
        switch seconds {
        case ..<120: return "\(seconds) s"
        case ..<7_200: return "\(seconds / 60) min"
        case ..<172_800: return "\(seconds / 3_600) h"
        default: return "\(seconds / 86_400) d"
        }
    }
}
