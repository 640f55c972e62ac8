import KubernetesObjects
import ServiceModel

/// What the files define, and which file an object is taken from. It never touches a disk.
///
/// The objects themselves are not kept: a hash of each says whether it changed, and to leave an object as it is
/// means to send no event for it.
struct ManifestState {
    /// What became of a file.
    enum Outcome: Sendable {
        case parsed(ParsedFile)
        /// It is there and cannot be read: what it defined stays.
        case unreadable(StateProblem)
        case gone
    }

    fileprivate struct Record {
        var objects: [ObjectRecord] = []
        var problems: [StateProblem] = []
    }

    fileprivate struct ObjectRecord {
        var key: ObjectKey
        var document: Int
        /// It is as it was before: its file defines it no more, and it is not known whether it should.
        var isKept = false
    }

    private struct Owner {
        var file: String
        var hash: Int
    }

    private var records: [String: Record] = [:]
    private var owners = CompactDictionary<ObjectKey, Owner>()
    /// Files that define an object which is taken from another one: the first file by name keeps it.
    private var shadows: [ObjectKey: Set<String>] = [:]
    /// Objects that lost their file since the last commit, with the hash that was last sent.
    private var released: [ObjectKey: Int] = [:]
    private var events: [ClusterEvent] = []
    private var synthesis = SliceSynthesis()
    private var claims = ClaimIndex()
    /// Kinds that were passed over, those already told and those not.
    private var passedOver: Set<String> = []
    private var newlyPassedOver: Set<String> = []
    private var reported: [StateProblem.Identity: StateProblem] = [:]
    private var reportedKept: [ObjectName: String] = [:]

    mutating func apply(_ outcome: Outcome, of file: String) {
        switch outcome {
        case .parsed(let parsed): apply(parsed, of: file)
        case .unreadable(let problem):
            var record = records[file] ?? Record()
            record.problems = [problem]
            for index in record.objects.indices { record.objects[index].isKept = true }
            records[file] = record
        case .gone: if records[file] != nil { apply(ParsedFile(), of: file) }
        }
        if case .gone = outcome { records[file] = nil }
    }

    /// Files that must be read again, since they define objects that another file gave up.
    func filesToReadAgain() -> [String] {
        let orphans = released.keys.filter { owners[$0] == nil }
        return Set(orphans.compactMap { shadows[$0]?.min() }).sorted()
    }

    /// Ends a round of changes and says what they come to.
    ///
    /// - Parameter hidden: directories that cannot be looked into.
    mutating func commit(isInitial: Bool = false, hidden: Set<String> = []) -> StateBatch {
        for key in released.keys.sorted() where owners[key] == nil { take(nil, key: key) }
        released = [:]
        var batch = StateBatch(events: events + synthesis.flush(), isInitial: isInitial)
        events = []
        batch.passedOver = newlyPassedOver.sorted()
        passedOver.formUnion(newlyPassedOver)
        newlyPassedOver = []
        let current = Dictionary(problems().map { ($0.identity, $0) }, uniquingKeysWith: { first, _ in first })
        batch.problems = current.filter { reported[$0.key] == nil }.values.sorted(by: Self.precedes)
        batch.resolved = reported.filter { current[$0.key] == nil }.values.sorted(by: Self.precedes)
        reported = current
        let kept = keptServices(hidden)
        if kept != reportedKept { batch.kept = kept }
        reportedKept = kept
        return batch
    }

    private static func precedes(_ left: StateProblem, _ right: StateProblem) -> Bool {
        (left.origin, left.document ?? 0, left.description) < (right.origin, right.document ?? 0, right.description)
    }
}

/// Ownership: one file for each object.
extension ManifestState {
    private mutating func apply(_ parsed: ParsedFile, of file: String) {
        newlyPassedOver.formUnion(parsed.passedOver.subtracting(passedOver))
        let before = records[file]?.objects ?? []
        if !shadows.isEmpty { for object in before { removeShadow(object.key, of: file) } }
        var record = Record(objects: [], problems: parsed.problems)
        var documents: [ObjectKey: Int] = [:]
        for object in parsed.objects {
            if let first = documents[object.key] {
                record.problems.append(
                    StateProblem(
                        .duplicate, origin: file, document: object.document, object: "\(object.key)",
                        cause: "document \(first) of this file defines it already", advice: "keep one of them"))
                continue
            }
            documents[object.key] = object.document
            if settle(object, of: file) {
                record.objects.append(
                    ObjectRecord(key: object.key, document: object.document, isKept: object.content == nil))
            }
        }
        for object in before where documents[object.key] == nil {
            if owners[object.key]?.file != file { continue }
            if parsed.isComplete {
                release(object.key)
            } else {
                record.objects.append(ObjectRecord(key: object.key, document: object.document, isKept: true))
            }
        }
        record.objects.reserveCapacity(record.objects.count)
        records[file] = record
    }

    /// True when the file has a share in the object: its owner, or waiting to be.
    private mutating func settle(_ object: ParsedFile.Object, of file: String) -> Bool {
        let owner = owners[object.key]
        guard let content = object.content else { return owner?.file == file }
        if let owner, owner.file < file {
            shadows[object.key, default: []].insert(file)
            return true
        }
        if let owner, owner.file != file { shadows[object.key, default: []].insert(owner.file) }
        let hash = content.hashValue
        if (owner?.hash ?? released[object.key]) != hash { take(content, key: object.key) }
        owners[object.key] = Owner(file: file, hash: hash)
        return true
    }

    private mutating func release(_ key: ObjectKey) {
        released[key] = owners.removeValue(forKey: key)?.hash
    }

    private mutating func removeShadow(_ key: ObjectKey, of file: String) {
        shadows[key]?.remove(file)
        if shadows[key]?.isEmpty == true { shadows[key] = nil }
    }

    /// Passes an object on; nil when it is gone.
    private mutating func take(_ content: KubernetesObject?, key: ObjectKey) {
        switch (key.kind, content) {
        case (_, .service(let manifest)):
            events.append(.service(manifest.service))
            synthesis.setService(manifest, name: key.name)
            claims.setService(manifest.service, name: key.name)
        case (_, .slice(let slice)):
            events.append(.slice(slice))
            synthesis.setSlice(slice, name: key.name)
        case (_, .node(let node)): events.append(.node(node))
        case (_, .endpoints(let manifest)): synthesis.setEndpoints(manifest, name: key.name)
        case (_, .pod(let pod)): synthesis.setPod(pod, name: key.name)
        case (.service, nil):
            events.append(.serviceGone(key.name))
            synthesis.setService(nil, name: key.name)
            claims.setService(nil, name: key.name)
        case (.slice, nil):
            events.append(.sliceGone(key.name))
            synthesis.setSlice(nil, name: key.name)
        case (.node, nil): events.append(.nodeGone(key.name.name))
        case (.endpoints, nil): synthesis.setEndpoints(nil, name: key.name)
        case (.pod, nil): synthesis.setPod(nil, name: key.name)
        }
    }
}

/// What stays as it was.
extension ManifestState {
    private func keptServices(_ hidden: Set<String>) -> [ObjectName: String] {
        var kept: [ObjectName: String] = [:]
        for (file, record) in records {
            let directory = hidden.first { file.hasPrefix($0 + "/") }
            if directory == nil && record.problems.isEmpty { continue }
            for object in record.objects where object.isKept || directory != nil {
                guard owners[object.key]?.file == file else { continue }
                let problem = directory.flatMap { records[$0]?.problems.first } ?? record.cause(of: object)
                guard let cause = problem?.shortStatement else { continue }
                for service in synthesis.services(of: object.key) { kept[service] = min(kept[service] ?? cause, cause) }
            }
        }
        return kept
    }
}

extension ManifestState.Record {
    /// Why an object is kept: it is refused as it is now, or the file may define it and cannot be used.
    fileprivate func cause(of object: ManifestState.ObjectRecord) -> StateProblem? {
        problems.first { $0.kind == .invalid && $0.object == "\(object.key)" }
            ?? problems.first { $0.hides == .anything }
    }
}

/// Problems: those of each file, and those between files.
extension ManifestState {
    private func problems() -> [StateProblem] {
        var all = records.values.flatMap(\.problems)
        for (key, files) in shadows {
            let owner = owners[key]?.file ?? ""
            for file in files {
                all.append(
                    StateProblem(
                        .duplicate, origin: file, document: document(of: key, in: file), object: "\(key)",
                        cause: "\(owner) defines it already", advice: "keep one of them"))
            }
        }
        for lost in claims.conflicts {
            let key = ObjectKey(kind: .service, name: lost.service)
            guard let file = owners[key]?.file else { continue }
            let more = lost.more == 0 ? "" : ", and \(lost.more) more of them by others"
            all.append(
                StateProblem(
                    .conflict, origin: file, document: document(of: key, in: file), object: "\(key)",
                    cause: "\(lost.claim) is also claimed by Service \(lost.holder)\(more)",
                    advice: "change one of them"))
        }
        return all + doubts()
    }

    private func doubts() -> [StateProblem] {
        let strays = synthesis.strays.map { slice, service in
            doubt(
                ObjectKey(kind: .slice, name: slice), "Service \(service), to which it belongs, is not there",
                "write the Service, or correct the label kubernetes.io/service-name")
        }
        let useless = synthesis.withUselessEndpoints.map { name in
            doubt(
                ObjectKey(kind: .endpoints, name: name), "its Service has EndpointSlices, which count alone",
                "keep one of them")
        }
        return (strays + useless).compactMap(\.self)
    }

    private func doubt(_ key: ObjectKey, _ cause: String, _ advice: String) -> StateProblem? {
        guard let file = owners[key]?.file else { return nil }
        return StateProblem(
            .doubtful, origin: file, document: document(of: key, in: file), object: "\(key)", cause: cause,
            advice: advice)
    }

    private func document(of key: ObjectKey, in file: String) -> Int? {
        records[file]?.objects.first { $0.key == key }?.document
    }
}
