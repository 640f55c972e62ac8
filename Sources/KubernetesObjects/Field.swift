package import ServiceModel

/// What is wrong in one object, collected while it is read.
///
/// What is wrong in a field that can be unset costs that field; in an element that can be left out, such as one endpoint of a
/// slice, that element; elsewhere the object (spec 58).
package final class Findings {
    package struct Finding: Hashable {
        package var field: String
        package var cause: String
        package var advice: String
        /// Only an element is left out for it, or a field taken as unset.
        package var isPartial: Bool
    }

    let document: Document
    /// Where the object stands; paths begin there.
    let root: Int
    /// The first ones: what is wrong in each of a thousand endpoints is told of a few.
    package private(set) var all: [Finding] = []
    /// Whether there is more than `all`.
    private(set) var isCut = false
    /// The object cannot be used.
    package private(set) var isRefused = false
    /// How often something was found that costs an element or the object, told or not.
    fileprivate private(set) var count = 0
    private static let most = 5

    package init(_ document: Document, root: Int = 0) {
        self.document = document
        self.root = root
    }

    /// - Parameter path: asked for only if the finding is told of, because to find it out takes a walk through the object.
    fileprivate func add(_ path: @autoclosure () -> String, _ cause: String, _ advice: String, costing cost: Cost) {
        let isPartial = cost != .object
        if cost != .field { count += 1 }
        if all.count == Self.most {
            isCut = true
            // What costs the object comes before what costs an element.
            guard !isPartial, let last = all.lastIndex(where: \.isPartial) else { return refuse(unless: isPartial) }
            all.remove(at: last)
        }
        refuse(unless: isPartial)
        let finding = Finding(field: path(), cause: cause, advice: advice, isPartial: isPartial)
        if !all.contains(finding) { all.append(finding) }
    }

    private func refuse(unless isPartial: Bool) { if !isPartial { isRefused = true } }

    /// What is left of the object is of no use.
    func refuse() { isRefused = true }
}

/// What a wrong value takes with it.
private enum Cost { case object, element, field }

/// A value that knows where it stands, and reports there what is wrong with it.
///
/// A reader gets nil, or an empty list, both for what is absent and for what has the wrong form; the latter is
/// in the findings, which say whether the object can be used.
package struct Field {
    package let findings: Findings
    private let index: Int
    private let cost: Cost

    /// The root value of a document.
    package init(_ document: Document) {
        findings = Findings(document)
        index = 0
        cost = .object
    }

    private init(_ index: Int, _ findings: Findings, costing cost: Cost = .object) {
        self.findings = findings
        self.index = index
        self.cost = cost
    }

    private func inside(_ index: Int) -> Field { Field(index, findings, costing: cost) }

    /// The same value as one that can be left out: what is wrong in it does not cost the object.
    package var asElement: Field { Field(index, findings, costing: .element) }

    /// The same value as one that can be unset: what is wrong in it costs neither the object nor the element that it is in.
    package var asOptional: Field { Field(index, findings, costing: .field) }

    /// Reads a value that can be left out; nil if anything is wrong in it.
    package func element<Result>(_ read: (Field) -> Result?) -> Result? {
        let before = findings.count
        let result = read(asElement)
        return findings.count == before ? result : nil
    }

    /// The same value with findings of its own; its path goes on beginning where it did.
    package var apart: Field { Field(index, Findings(findings.document, root: findings.root)) }

    /// The same value as an object of its own.
    package var asObject: Field { Field(index, Findings(findings.document, root: index)) }

    private var kind: Document.Kind { findings.document.nodes[index].kind }
    private var path: String { findings.document.path(to: index, from: findings.root) }

    package var value: Value { findings.document.value(at: index) }
    package var isMap: Bool { kind == .map }
    var isNull: Bool { kind == .null }
    /// What stands there, for messages.
    package var shown: String { value.shown }

    package func report(_ cause: String, _ advice: String) {
        findings.add(path, cause, advice, costing: cost)
    }

    /// Reports something about a member, or a member of a member, that may be absent.
    package func report(_ keys: FieldName..., cause: String, advice: String) {
        findings.add(keys.reduce(path) { Document.path($0, $1.rawValue) }, cause, advice, costing: cost)
    }

    package func report(_ key: FieldName, _ cause: String, _ advice: String) {
        report(key, cause: cause, advice: advice)
    }

    package func reportMissing(_ key: FieldName, _ advice: String) { report(key, "is missing", advice) }

    /// The member with this key; nil when it is absent or null.
    package subscript(_ key: FieldName) -> Field? {
        guard isMapOrReported, let member = findings.document.member(of: index, named: key) else { return nil }
        let field = inside(member)
        return field.isNull ? nil : field
    }

    /// The member with a key that no object has, such as a setting's.
    package subscript(_ key: String) -> Field? {
        guard isMapOrReported else { return nil }
        let member = findings.document.members(of: index).first { findings.document.key(at: $0.key) == key }
        return member.map { inside(findings.document.resolved($0.value)) }.flatMap { $0.isNull ? nil : $0 }
    }

    /// The keys of a map, in their order.
    package var keys: [String] {
        isMap ? findings.document.members(of: index).map { findings.document.key(at: $0.key) } : []
    }

    /// The members of a map, and those of the maps that a list holds.
    var memberKeys: [(name: FieldName?, text: String, path: String, value: Field)] {
        let document = findings.document
        if kind == .list { return document.elements(of: index).flatMap { inside($0).memberKeys } }
        guard isMap else { return [] }
        return document.members(of: index).map { member in
            guard let name = document.nodes[member.key].name else {
                let text = document.key(at: member.key)
                return (nil, text, Document.path(path, text), self)
            }
            return (name, "", "", inside(document.resolved(member.value)))
        }
    }

    private var isMapOrReported: Bool {
        if isMap { return true }
        if !isNull { report("is \(shown)", "write a map with keys and values") }
        return false
    }

    /// The elements of a list.
    package var elements: [Field] {
        guard kind == .list else {
            report("is \(shown)", "write a list")
            return []
        }
        return findings.document.elements(of: index).map(inside)
    }

    /// A scalar as text. A number or boolean without quotes counts as the text that it is written with.
    package var text: String? {
        guard kind == .plain || kind == .quoted else {
            report("is \(shown)", "write a text")
            return nil
        }
        return findings.document.text(at: index)
    }

    package var integer: Int? {
        switch value {
        case .plain(let text):
            if let number = parsedInteger(text) { return number }
            report("is \(text)", "write a whole number")
        case .quoted: report("is \(shown)", "write a number without quotes")
        case .null, .list, .map: report("is \(shown)", "write a whole number")
        }
        return nil
    }

    package var flag: Bool? {
        if case .plain(let text) = value {
            switch text {
            case "true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON": return true
            case "false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF": return false
            default: break
            }
        }
        report("is \(shown)", "write true or false")
        return nil
    }
}

/// Readers of members.
extension Field {
    package func list(_ key: FieldName) -> [Field] { self[key]?.elements ?? [] }
    package func text(_ key: FieldName) -> String? { self[key]?.text }
    package func integer(_ key: FieldName) -> Int? { self[key]?.integer }
    package func flag(_ key: FieldName) -> Bool? { self[key]?.flag }
    package func texts(_ key: FieldName) -> [String] { list(key).compactMap(\.text) }

    package func textMap(_ key: FieldName) -> [String: String] {
        guard let field = self[key] else { return [:] }
        guard field.isMapOrReported else { return [:] }
        var result: [String: String] = [:]
        for member in findings.document.members(of: field.index) {
            let place = inside(findings.document.resolved(member.value))
            result[findings.document.key(at: member.key)] = place.isNull ? "" : place.text
        }
        return result
    }
}

/// Readers of what the model has types for; each of these rules stands here and nowhere else.
extension Field {
    package var port: Port? {
        guard let number = integer else { return nil }
        if let port = Port(number) { return port }
        report("is \(number)", "write a port from 1 to 65535")
        return nil
    }

    package var address: IPAddress? {
        guard let text else { return nil }
        if let address = IPAddress.lenient(text) { return address }
        report("is \(shown), which is no IP address", "write an IPv4 or IPv6 address")
        return nil
    }

    package func port(_ key: FieldName) -> Port? { self[key]?.port }
    package func address(_ key: FieldName) -> IPAddress? { self[key]?.address }
    /// Those that can be used.
    package func addresses(_ key: FieldName) -> [IPAddress] { list(key).compactMap { $0.element(\.address) } }

    /// `protocol`, TCP where it is absent.
    package var proto: IPProtocol {
        choice(.protocol, among: ["TCP", "UDP", "SCTP"]) { IPProtocol($0) } ?? .tcp
    }

    /// A text that must be one of a few words; nil when it is absent, empty (which is absent for the API, spec 58) or none
    /// of them.
    package func choice<T>(_ key: FieldName, among words: [String], _ make: (String) -> T?) -> T? {
        guard let field = self[key], !field.isBlank, let text = field.text else { return nil }
        if let result = make(text) { return result }
        field.report("is \(text)", "write \(alternatives(words))")
        return nil
    }
}

/// A decimal number, or one in the other notations that YAML has.
private func parsedInteger(_ text: String) -> Int? {
    if let number = Int(text) { return number }
    if text.hasPrefix("0x") { return Int(text.dropFirst(2), radix: 16) }
    if text.hasPrefix("0o") { return Int(text.dropFirst(2), radix: 8) }
    return nil
}

func alternatives(_ words: [String]) -> String {
    guard let last = words.last, words.count > 1 else { return words.first ?? "" }
    return words.dropLast().joined(separator: ", ") + " or " + last
}
