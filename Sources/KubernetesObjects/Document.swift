/// What one text says: its values in the order in which they are written, and their texts in one piece of memory.
///
/// An object of a large cluster is read, used and forgotten ten thousand times, so a value is a few bytes in an array
/// and no allocation of its own.
package struct Document: Sendable {
    enum Kind: UInt8, Sendable {
        case null
        /// Without quotes: a number, a boolean, or in YAML also text.
        case plain
        case quoted
        case list
        case map
        /// In a map, before each of its values.
        case key
        /// YAML's merge key: what follows it is no member.
        case mergeKey
        /// Stands for another value of the document, the one at `start`.
        case alias
    }

    struct Node: Sendable {
        var kind: Kind
        /// Of a key that has one.
        var name: FieldName?
        /// Where the text of a key or scalar is.
        var start: UInt32 = 0
        var count: UInt32 = 0
        /// How many nodes the value consists of, itself included.
        var span: UInt32 = 1
    }

    private(set) var nodes: [Node] = []
    private(set) var texts: [UInt8] = []

    /// - Parameter capacity: how many values to make room for.
    package init(capacity: Int = 0) {
        nodes.reserveCapacity(capacity)
        texts.reserveCapacity(capacity * 8)
    }

    /// Where the value at an index really stands: an alias leads elsewhere, and never to another alias.
    package func resolved(_ index: Int) -> Int {
        nodes[index].kind == .alias ? Int(nodes[index].start) : index
    }

    /// The value that comes after the one at an index.
    func after(_ index: Int) -> Int { index + Int(nodes[index].span) }

    func text(at index: Int) -> String {
        withBytes(at: index) { String(decoding: $0, as: UTF8.self) }
    }

    func withBytes<Result>(at index: Int, _ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        let node = nodes[index]
        return texts.withUnsafeBytes { texts in
            let end = Int(node.start) + Int(node.count)
            return body(UnsafeRawBufferPointer(rebasing: texts[Int(node.start)..<end]))
        }
    }
}

/// Building, in the order of the text.
extension Document {
    /// Where the next value will stand.
    package var end: Int { nodes.count }

    package mutating func appendNull() { nodes.append(Node(kind: .null)) }

    package mutating func append(plain text: UnsafeRawBufferPointer) { append(.plain, text) }

    package mutating func append(quoted text: UnsafeRawBufferPointer) { append(.quoted, text) }

    /// The next value is that of this key.
    package mutating func append(key: UnsafeRawBufferPointer) { append(.key, name: FieldName(key), key) }

    /// The next value is that of this key, whose text is not needed.
    mutating func append(key name: FieldName) { nodes.append(Node(kind: .key, name: name)) }

    /// Stands for a value that is complete.
    package mutating func append(aliasOf index: Int) {
        var node = Node(kind: .alias, start: UInt32(resolved(index)))
        if nodes[index].kind == .key {
            node = Node(kind: .quoted, start: nodes[index].start, count: nodes[index].count)
        }
        nodes.append(node)
    }

    /// Makes the key at an index one that is not among the members.
    package mutating func hide(_ key: Int) { nodes[key].kind = .mergeKey }

    package mutating func beginList() -> Int { begin(.list) }

    package mutating func beginMap() -> Int { begin(.map) }

    /// Ends the list or map that begins at an index.
    package mutating func close(_ index: Int) { nodes[index].span = UInt32(nodes.count - index) }

    private mutating func begin(_ kind: Kind) -> Int {
        nodes.append(Node(kind: kind))
        return nodes.count - 1
    }

    private mutating func append(_ kind: Kind, name: FieldName? = nil, _ text: UnsafeRawBufferPointer) {
        nodes.append(Node(kind: kind, name: name, start: UInt32(texts.count), count: UInt32(text.count)))
        texts.append(contentsOf: text)
    }
}

/// Maps and lists.
extension Document {
    /// The members of the map at an index, each as the places of its key and of its value.
    package func members(of index: Int) -> [(key: Int, value: Int)] {
        var members: [(key: Int, value: Int)] = []
        let end = after(index)
        var key = index + 1
        while key < end {
            if nodes[key].kind == .key { members.append((key, key + 1)) }
            key = after(key + 1)
        }
        return members
    }

    /// Where a map's value with this key stands.
    func member(of index: Int, named name: FieldName) -> Int? {
        let end = after(index)
        var key = index + 1
        while key < end {
            if nodes[key].name == name { return resolved(key + 1) }
            key = after(key + 1)
        }
        return nil
    }

    package func key(at index: Int) -> String { nodes[index].name?.rawValue ?? text(at: index) }

    package func isMap(_ index: Int) -> Bool { nodes[resolved(index)].kind == .map }

    package func isList(_ index: Int) -> Bool { nodes[resolved(index)].kind == .list }

    /// Where the elements of the list at an index stand.
    package func elements(of index: Int) -> [Int] {
        var elements: [Int] = []
        let end = after(index)
        var element = index + 1
        while element < end {
            elements.append(resolved(element))
            element = after(element)
        }
        return elements
    }

    /// The way from one value to another one inside it: `spec.ports[1].port`. What an alias stands for is told where it
    /// is written.
    func path(to index: Int, from root: Int) -> String {
        var place = (root..<after(root)).contains(index) ? root : 0
        var path = ""
        while place != index {
            var child = place + 1
            var number = 0
            let isMap = nodes[place].kind == .map
            while true {
                let value = isMap ? child + 1 : child
                if index < after(value) {
                    path = isMap ? Self.path(path, key(at: child)) : "\(path)[\(number)]"
                    place = value
                    break
                }
                child = after(value)
                number += 1
            }
        }
        return path
    }

    static func path(_ parent: String, _ key: String) -> String {
        if parent.isEmpty { return key }
        return key.contains { $0 == "." || $0 == "/" } ? "\(parent)[\(key)]" : "\(parent).\(key)"
    }
}
