/// A dictionary for very many elements: they lie side by side, and beside them there are four bytes a place.
///
/// Swift's own dictionary keeps room for elements that are not there, up to five eighths of it just after it has grown.
package struct CompactDictionary<Key: Hashable, Value> {
    @usableFromInline var elements: ContiguousArray<(key: Key, value: Value)> = []
    /// One more than the place of an element in `elements`, from where its hash leads to onwards; 0 where there is none.
    @usableFromInline var table: ContiguousArray<UInt32> = []

    @inlinable package init() {}

    @inlinable package var count: Int { elements.count }
    @inlinable package var isEmpty: Bool { elements.isEmpty }
    @inlinable package var keys: some Collection<Key> { elements.lazy.map(\.key) }
    @inlinable package var values: some Collection<Value> { elements.lazy.map(\.value) }

    @inlinable package subscript(key: Key) -> Value? {
        get { index(of: key).map { elements[$0].value } }
        set {
            guard let newValue else {
                removeValue(forKey: key)
                return
            }
            if let index = index(of: key) { elements[index].value = newValue } else { insert(key, newValue) }
        }
    }

    @inlinable package subscript(key: Key, default standard: @autoclosure () -> Value) -> Value {
        get { index(of: key).map { elements[$0].value } ?? standard() }
        _modify {
            let index = index(of: key) ?? insert(key, standard())
            yield &elements[index].value
        }
    }

    /// Changes a value where it is, if it is there.
    @inlinable package mutating func change(_ key: Key, _ change: (inout Value) -> Void) {
        if let index = index(of: key) { change(&elements[index].value) }
    }

    @inlinable @discardableResult package mutating func removeValue(forKey key: Key) -> Value? {
        guard let index = index(of: key) else { return nil }
        vacate(place(of: index))
        let last = elements.count - 1
        if index < last {
            // The last one takes its place.
            table[place(of: last)] = UInt32(index + 1)
            elements.swapAt(index, last)
        }
        return elements.removeLast().value
    }
}

extension CompactDictionary: Sequence {
    @inlinable package func makeIterator() -> IndexingIterator<ContiguousArray<(key: Key, value: Value)>> {
        elements.makeIterator()
    }
}

extension CompactDictionary: Sendable where Key: Sendable, Value: Sendable {}

/// The table: a power of two of places, of which a quarter is free.
extension CompactDictionary {
    @inlinable func home(of key: Key) -> Int { key.hashValue & (table.count - 1) }
    @inlinable func next(_ place: Int) -> Int { (place + 1) & (table.count - 1) }

    @inlinable func index(of key: Key) -> Int? {
        if table.isEmpty { return nil }
        var place = home(of: key)
        while table[place] != 0 {
            let index = Int(table[place]) - 1
            if elements[index].key == key { return index }
            place = next(place)
        }
        return nil
    }

    /// Where the table names an element.
    @inlinable func place(of index: Int) -> Int {
        var place = home(of: elements[index].key)
        while Int(table[place]) != index + 1 { place = next(place) }
        return place
    }

    @inlinable @discardableResult mutating func insert(_ key: Key, _ value: Value) -> Int {
        elements.append((key, value))
        if elements.count * 4 > table.count * 3 { enlarge() } else { enter(elements.count - 1) }
        return elements.count - 1
    }

    @inlinable mutating func enter(_ index: Int) {
        var place = home(of: elements[index].key)
        while table[place] != 0 { place = next(place) }
        table[place] = UInt32(index + 1)
    }

    @inlinable mutating func enlarge() {
        table = ContiguousArray(repeating: 0, count: Swift.max(4, 2 * table.count))
        for index in elements.indices { enter(index) }
    }

    /// Frees a place; those behind it move up, so that no search ends before them.
    @inlinable mutating func vacate(_ place: Int) {
        var free = place
        var candidate = next(place)
        while table[candidate] != 0 {
            let home = home(of: elements[Int(table[candidate]) - 1].key)
            // It may move if that is not before the place where searches for it begin.
            if (candidate - home) & (table.count - 1) >= (candidate - free) & (table.count - 1) {
                table[free] = table[candidate]
                free = candidate
            }
            candidate = next(candidate)
        }
        table[free] = 0
    }
}
