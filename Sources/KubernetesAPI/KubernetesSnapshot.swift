package import KubernetesObjects

extension KubernetesSource {
    /// Lists everything once and gives it as one complete batch.
    ///
    /// - Parameters:
    ///   - limit: for so long an API server that does not answer is asked again.
    /// - Throws: what the API server refuses, at once; that none answered.
    package static func snapshot(
        _ connection: APIConnection, nodeName: String?, proxyName: String? = nil, within limit: Duration = .seconds(20),
        timeouts: Timeouts = Timeouts(), time: Timekeeper
    ) async throws(KubernetesError) -> StateBatch {
        let selections =
            [.services(proxyName: proxyName, .served), .slices(.served)] + (nodeName.map { [Selection.node($0)] } ?? [])
        let result = await APISession.with(connection, requests: RequestBoard(), time: time, timeouts: timeouts) {
            session in
            await session.batch(of: selections, until: time.now() + limit)
        }
        return try result.get()
    }
}

extension APISession {
    fileprivate func batch(of selections: [Selection], until deadline: Duration) async -> Result<
        StateBatch, KubernetesError
    > {
        var batch = StateBatch(isInitial: true)
        do throws(KubernetesError) {
            for selection in selections {
                let listing = try await listPatiently(selection, until: deadline)
                var inventory = Inventory()
                let part = inventory.replace(with: listing, trustsVersions: true)
                batch.events += part.events
                batch.problems += part.problems
            }
            return .success(batch)
        } catch {
            return .failure(error)
        }
    }

    private func listPatiently(
        _ selection: Selection, until deadline: Duration
    ) async throws(KubernetesError) -> Listing {
        var selection = selection
        var pageSize = ResourceFollower.usualPageSize
        while true {
            do throws(KubernetesError) {
                return try await list(selection, from: .consistent, pageSize: pageSize) { _ in }
            } catch {
                guard time.now() < deadline else { throw error }
                switch error.kind {
                case .unreachable, .interrupted, .silent: continue
                case .malformed where hasOthers: continue
                case .status(let status) where status.isSick && hasOthers: continue
                case .status(let status) where status.isExpired:
                    pageSize = min(pageSize * 2, ResourceFollower.longestPage)
                    try await pause(.milliseconds(100), "list \(selection.resource.plural)")
                case .status(let status) where status.code == 429:
                    let wait = max(.seconds(1), status.wait(atMost: timeouts.retryAfter))
                    try await pause(wait, "list \(selection.resource.plural)")
                case .status(let status)
                where status.code == 400 && selection.isFieldSelectorDispensable && selection.fields != nil:
                    selection.fields = nil
                default: throw error
                }
            }
        }
    }
}
