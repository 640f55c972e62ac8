package import ServiceModel
import Synchronization

/// Gives equal texts and label sets one storage: thousands of endpoints name the same few nodes and zones.
///
/// It forgets what it knows when that is much, so that texts of the past are not kept for ever.
package final class Interner: Sendable {
    private struct Tables {
        var texts: Set<String> = []
        var maps: Set<[String: String]> = []
        var placements = PlacementPool()

        mutating func forget(beyond most: Int) {
            if texts.count >= most { texts = [] }
            if maps.count >= most { maps = [] }
        }
    }

    /// The longest text that Swift keeps without storage of its own.
    private static let longestInline = 15

    /// More than a large cluster has at one time.
    private static let most = 200_000

    private let tables = Mutex(Tables())

    package init() {}

    package func callAsFunction(_ text: String) -> String {
        if text.utf8.count <= Self.longestInline { return text }
        return tables.withLock { tables in
            tables.forget(beyond: Self.most)
            return tables.texts.insert(text).memberAfterInsert
        }
    }

    package func callAsFunction(_ text: String?) -> String? {
        text.map { self($0) }
    }

    /// Makes endpoints of one node share what they say about it.
    package func share(_ endpoints: inout [Endpoint]) {
        tables.withLock { $0.placements.share(&endpoints) }
    }

    package func callAsFunction(_ map: [String: String]) -> [String: String] {
        if map.isEmpty { return [:] }
        return tables.withLock { tables in
            tables.forget(beyond: Self.most)
            if let known = tables.maps.firstIndex(of: map) { return tables.maps[known] }
            var own: [String: String] = [:]
            for (key, value) in map {
                own[tables.texts.insert(key).memberAfterInsert] = tables.texts.insert(value).memberAfterInsert
            }
            return tables.maps.insert(own).memberAfterInsert
        }
    }
}
