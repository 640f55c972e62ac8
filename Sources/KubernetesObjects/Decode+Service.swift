import ServiceModel

extension ServiceObject {
    /// Reads a Service; what is wrong is in the field's findings.
    static func read(_ object: Field, name: ObjectName, intern: Interner) -> ServiceObject {
        var service = Service(name: name)
        let metadata = object[.metadata]?.asElement
        service.labels = intern(metadata?.textMap(.labels) ?? [:])
        service.annotations = (metadata?.textMap(.annotations) ?? [:]).filter { $0.key != FieldName.lastApplied }
        checkAnnotations(metadata)
        service.created = creation(metadata)
        var result = ServiceObject(service: service)
        guard let spec = object[.spec] else {
            object.reportMissing(.spec, "write the type and the ports of the Service")
            return result
        }
        result.readKind(spec)
        if result.service.kind != .externalName { result.readAddresses(spec) }
        result.readPorts(spec)
        result.readPolicies(spec)
        result.readAffinity(spec)
        result.readIngress(object.asElement[.status])
        result.limitFrontends(object)
        result.service.selector = readSelector(spec).map { intern($0) }
        return result
    }

    /// One that cannot be read as a whole selects nothing: with a label less it would select pods of others.
    private static func readSelector(_ spec: Field) -> [String: String]? {
        spec.element { spec in
            let selector = spec.textMap(.selector)
            return selector.isEmpty ? nil : selector
        }
    }

    /// When it was made; nil if that cannot be told.
    private static func creation(_ metadata: Field?) -> UnixTime? {
        guard let field = metadata?[.creationTimestamp], !field.isBlank, let text = field.text else { return nil }
        if let time = UnixTime(text) { return time }
        field.report("is \(field.shown)", "write a time like 2026-01-31T10:00:00Z, or remove it")
        return nil
    }

    /// An annotation of ours with an unknown value has no effect, which must be reported.
    private static func checkAnnotations(_ metadata: Field?) {
        let annotations = metadata?[.annotations]
        for (key, words) in [(Service.socketsAnnotation, ["off"]), (Service.destroyTCPAnnotation, ["true", "false"])] {
            guard let field = annotations?[key], !field.isBlank, let text = field.text, !words.contains(text) else {
                continue
            }
            field.report("is \(field.shown)", "write \(alternatives(words.map { "\"\($0)\"" })), or remove it")
        }
    }

    private mutating func readKind(_ spec: Field) {
        let words = ["ClusterIP", "NodePort", "LoadBalancer", "ExternalName"]
        service.kind = spec.asElement.choice(.type, among: words) { Service.Kind(rawValue: $0) } ?? .clusterIP
        let spec = spec.asElement
        service.externalName = spec.text(.externalName)
        if service.kind == .externalName && (service.externalName ?? "").isEmpty {
            spec.reportMissing(.externalName, "write the DNS name that the Service stands for")
        }
    }

    /// `clusterIPs`, or `clusterIP` alone; the two, and `ipFamilies`, must agree (spec 20).
    private mutating func readAddresses(_ spec: Field) {
        let parts = spec.asElement
        families = parts.list(.ipFamilies).compactMap { $0.element(\.family) }
        let single = parts[.clusterIP].flatMap { $0.isBlank ? nil : $0 }
        var written = parts.list(.clusterIPs)
        if let single {
            if let first = written.first, !first.names(single) {
                spec.report(
                    .clusterIPs, "begins with \(first.shown), but spec.clusterIP is \(single.shown)",
                    "write the same address")
            }
            if written.isEmpty { written = [single] }
        }
        if written.contains(where: { $0.text == "None" }) {
            service.isHeadless = true
            if written.count > 1 { spec.report(.clusterIPs, "has None and addresses", "write None alone") }
        } else {
            let addresses = written.map { $0.element(\.address) }
            if !addresses.contains(nil) { checkFamilies(written, parts) }
            service.clusterIPs = addresses.compactMap(\.self).firstOfEachFamily
            // It is what the Service is known by.
            let isMeant = !written.isEmpty || parts[.clusterIPs].map { !$0.isList } ?? false
            if service.clusterIPs.isEmpty && isMeant { spec.findings.refuse() }
        }
        if families.isEmpty { families = service.clusterIPs.map(\.family) }
        service.externalIPs = parts.addresses(.externalIPs)
    }

    /// What does not agree is told; the addresses count.
    private mutating func checkFamilies(_ written: [Field], _ spec: Field) {
        let addresses = written.compactMap { $0.element(\.address) }
        let contradicts = zip(families, addresses).contains { $0 != $1.family }
        for (index, address) in addresses.enumerated() {
            if addresses[..<index].contains(where: { $0.family == address.family }) {
                written[index].report(
                    "is a second \(address.family.word) address", "write at most one address of each family")
            } else if families.indices.contains(index), families[index] != address.family {
                written[index].report(
                    "is \(written[index].shown), but spec.ipFamilies[\(index)] is \(families[index].word)",
                    "write an \(families[index].word) address or correct the family")
            }
        }
        if families.count > 1 && families[0] == families[1] {
            spec.report(.ipFamilies, "names \(families[0].word) twice", "write each family once")
        }
        if contradicts { families = [] }
    }

    private mutating func readPolicies(_ spec: Field) {
        let words = ["Cluster", "Local"]
        let policy = { (text: String) in Service.TrafficPolicy(rawValue: text) }
        let parts = spec.asElement
        service.externalPolicy = parts.choice(.externalTrafficPolicy, among: words, policy) ?? .cluster
        service.internalPolicy = parts.choice(.internalTrafficPolicy, among: words, policy) ?? .cluster
        service.publishNotReadyAddresses = parts.flag(.publishNotReadyAddresses) ?? false
        service.loadBalancerSourceRanges = parts[.loadBalancerSourceRanges]?.sourceRanges ?? []
        service.healthCheckNodePort = parts.optionalPort(.healthCheckNodePort)
    }

    /// ClientIP affinity lasts 10800 s where nothing is written, and 1 to 86400 s otherwise (spec 34).
    private mutating func readAffinity(_ spec: Field) {
        let spec = spec.asElement
        let isClient = spec.choice(.sessionAffinity, among: ["None", "ClientIP"]) { word in
            word == "ClientIP" ? true : word == "None" ? false : nil
        }
        guard isClient == true else { return }
        service.affinitySeconds = 10_800
        guard let field = spec[.sessionAffinityConfig]?[.clientIP]?[.timeoutSeconds] else { return }
        guard let seconds = field.integer else { return }
        if (1...86_400).contains(seconds) {
            service.affinitySeconds = UInt32(seconds)
        } else {
            field.report("is \(seconds)", "write a time-out from 1 to 86400 seconds")
        }
    }

    /// One object of a megabyte could ask for millions of frontends: what a user may write is left out first.
    private mutating func limitFrontends(_ object: Field) {
        let advice = "make several Services, each with fewer ports or addresses"
        func cause(_ count: Int) -> String? {
            let frontends = service.ports.count * (service.clusterIPs.count + count)
            guard frontends > Service.mostFrontends else { return nil }
            return "would make \(frontends) frontends, and a Service may have \(Service.mostFrontends)"
        }
        let ranges = service.ports.count * service.loadBalancerSourceRanges.count
        if ranges > Service.mostSourceRanges {
            object.report(
                .spec, .loadBalancerSourceRanges,
                cause: "would make \(ranges) ranges, one for each port, and a Service may have "
                    + "\(Service.mostSourceRanges)",
                advice: "write wider ranges, or make several Services, each with fewer ports")
        }
        if let cause = cause(0) { return object.report(.spec, .ports, cause: cause, advice: advice) }
        if let cause = cause(service.ingress.count) {
            object.asElement.report(.status, .loadBalancer, .ingress, cause: cause, advice: advice)
            service.ingress = []
        }
        if let cause = cause(service.ingress.count + service.externalIPs.count) {
            object.asElement.report(.spec, .externalIPs, cause: cause, advice: advice)
            service.externalIPs = []
        }
    }

    private mutating func readIngress(_ status: Field?) {
        for entry in status?[.loadBalancer]?.list(.ingress) ?? [] {
            let ingress = entry.element { entry -> Service.Ingress? in
                let mode = entry.choice(.ipMode, among: ["VIP", "Proxy"]) { Service.Ingress.Mode(rawValue: $0) }
                guard let field = entry[.ip], !field.isBlank, let address = field.address else { return nil }
                return Service.Ingress(address: address, mode: mode ?? .vip)
            }
            if let ingress { service.ingress.append(ingress) }
        }
    }
}

extension Field {
    /// An empty text, which Kubernetes takes for an absent one.
    var isBlank: Bool {
        switch value {
        case .plain(let text), .quoted(let text): text.isEmpty
        default: false
        }
    }

    /// Ranges of client addresses as they are written, which the model reads (spec 24). What is none stays, because a mistake
    /// must not open the Service.
    fileprivate var sourceRanges: [String] {
        if isBlank { return [] }
        if !isList { report("is \(shown)", "write a list") }
        return isList ? elements.compactMap(\.sourceRange) : [isMap ? shown : text ?? shown]
    }

    private var sourceRange: String? {
        if isNull { return nil }
        guard let text else { return shown }
        if text.allSatisfy(\.isWhitespace) { return nil }
        if SourceRanges.range(text) == nil { report("is \(shown)", "write a range like 192.0.2.0/24") }
        return text
    }

    /// Whether another text is the same, or the same address.
    fileprivate func names(_ other: Field) -> Bool {
        guard let text, let otherText = other.text, text != otherText else { return true }
        return IPAddress.lenient(text).map { $0 == IPAddress.lenient(otherText) } ?? false
    }

    fileprivate var isList: Bool {
        if case .list = value { true } else { false }
    }

    var family: IPFamily? {
        switch text {
        case "IPv4": return .v4
        case "IPv6": return .v6
        case let other?: report("is \(other)", "write IPv4 or IPv6")
        case nil: break
        }
        return nil
    }

    /// A port for which 0 means that there is none.
    func optionalPort(_ key: FieldName) -> Port? {
        guard let field = self[key], field.shown != "0" else { return nil }
        return field.port
    }
}

extension [IPAddress] {
    fileprivate var firstOfEachFamily: [IPAddress] {
        enumerated().filter { index, address in !self[..<index].contains { $0.family == address.family } }
            .map(\.element)
    }
}

extension IPFamily {
    var word: String { self == .v4 ? "IPv4" : "IPv6" }
}
