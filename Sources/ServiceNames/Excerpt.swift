import ServiceModel

/// How much of a long answer is made: what its message cannot hold is not.
///
/// A headless Service may have thousands of endpoints, and a datagram has room for some dozens.
package struct Excerpt: Sendable {
    /// Bytes that the message may have.
    let limit: Int
    /// Where it begins, so that other questions get other endpoints.
    let turn: Int

    package static let everything = Excerpt(limit: .max, turn: 0)

    package init(limit: Int, turn: Int) {
        self.limit = limit
        self.turn = turn
    }

    /// The endpoints that are wanted, as many as the message may hold, or one more: then the answer does not fit.
    ///
    /// - Parameter size: bytes of a record at least.
    func of(
        _ endpoints: [ServiceRecords.NamedEndpoint], each size: Int,
        where isWanted: (ServiceRecords.NamedEndpoint) -> Bool
    ) -> [ServiceRecords.NamedEndpoint] {
        let most = limit / size + 1
        if endpoints.count <= most { return endpoints.filter(isWanted) }
        let start = turn % endpoints.count
        var taken: [ServiceRecords.NamedEndpoint] = []
        for index in 0..<endpoints.count where taken.count < most {
            let endpoint = endpoints[(start + index) % endpoints.count]
            if isWanted(endpoint) { taken.append(endpoint) }
        }
        return taken
    }
}
