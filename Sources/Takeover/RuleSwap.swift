/// Takes kube-proxy's rules away, and puts them back.
package struct RuleSwap: Sendable {
    private let archive: RuleArchive

    package init(_ archive: RuleArchive) { self.archive = archive }

    /// What became of the saved rules of a place.
    package enum Restored: Sendable, Hashable {
        case putBack
        /// kube-proxy has written them anew.
        case wereThere
    }

    /// Saves the rules, then removes them. What fails is undone: then the rules of all places are as they were.
    ///
    /// - Parameter verify: asked when the rules are gone; what it throws undoes the removal.
    package func remove(_ rules: [FoundRules], verify: () throws -> Void) throws {
        for found in rules { try Self.check(found) }
        let before = try archive.save(rules)
        let saved = try archive.read()
        var removed: [FoundRules] = []
        do {
            for found in rules {
                removed.append(found)
                try found.place.apply(found.removal)
                try Self.expectRemoved(found)
            }
            try verify()
        } catch {
            // All of them, whatever becomes of the first; those that failed are needed to do it by hand.
            let failures = removed.compactMap { found in
                Result { () throws(TakeoverError) in
                    try undo(found, saved[found.place] ?? found.restoration, after: error)
                }.failure
            }
            if let failure = failures.first { throw failure }
            try archive.restore(before)
            throw error
        }
    }

    /// Both ways must be open before the first step.
    private static func check(_ found: FoundRules) throws(TakeoverError) {
        try found.place.check(found.removal)
        try found.place.check(found.place.tool == .nft ? found.removal + found.restoration : found.restoration)
    }

    private static func expectRemoved(_ found: FoundRules) throws(TakeoverError) {
        guard try found.place.find() == nil else {
            throw TakeoverError(
                "remove rules of", "\(found.place)", cause: "they are back",
                advice: "something writes them anew: is a kube-proxy running?")
        }
        guard try found.place.foreignRules() == found.foreign else {
            throw TakeoverError(
                "remove rules of", "\(found.place)", cause: "rules of others changed at the same time",
                advice: "try again")
        }
    }

    private func undo(_ found: FoundRules, _ script: String, after error: any Error) throws(TakeoverError) {
        do throws(TakeoverError) {
            guard try found.place.find() == nil else { return }
            try found.place.apply(script)
        } catch let second {
            throw TakeoverError(
                "put back rules of", "\(found.place)", cause: "\(second)",
                advice: "they are in \(archive.file(of: found.place)); what went wrong first: \(error)")
        }
    }

    /// Puts back what was removed, and forgets it. What was not needed stays saved, until `finish`: whose rules are there now
    /// is not known.
    package func rollback() throws(TakeoverError) -> [RulePlace: Restored] {
        var outcome: [RulePlace: Restored] = [:]
        // All of them, before anything is changed.
        let scripts = try archive.read()
        for (place, script) in scripts {
            if try place.find() != nil {
                try place.apply(place.keeperRemoval)
                outcome[place] = .wereThere
            } else {
                try place.apply(try place.fitted(script))
                outcome[place] = .putBack
            }
        }
        try archive.restore(scripts.filter { outcome[$0.key] == .wereThere })
        return outcome
    }

    /// Forgets what was removed, and no longer keeps the connections of then.
    package func finish() throws(TakeoverError) -> [RulePlace] {
        let places = try archive.read().keys.sorted { $0.fileName < $1.fileName }
        for place in places { try place.apply(place.keeperRemoval) }
        try archive.remove()
        return places
    }
}

extension RulePlace {
    /// What is there of others, as `FoundRules.foreign` has it.
    fileprivate func foreignRules() throws(TakeoverError) -> String {
        tool == .nft ? "" : FoundRules.foreign(try savedTables())
    }

    fileprivate func savedTables() throws(TakeoverError) -> SavedTables {
        guard let reader else {
            throw TakeoverError("read rules of", "\(self)", cause: "\(readerName) is not installed")
        }
        return try SavedTables(ToolRun.output(of: reader, [readerName]))
    }

    fileprivate var keeperRemoval: String {
        switch tool {
        case .nft: FoundRules.keeperRemoval(keyword)
        case .iptablesNFT, .iptablesLegacy: FoundRules.keeperRemoval
        }
    }

    /// The script as it fits what is there now: where others have fewer rules than then, its own go to the end.
    fileprivate func fitted(_ script: String) throws(TakeoverError) -> String {
        tool == .nft ? script : FoundRules.fit(script, to: try savedTables())
    }
}

extension Result {
    fileprivate var failure: Failure? {
        if case .failure(let error) = self { error } else { nil }
    }
}
