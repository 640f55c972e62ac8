extension Collection<String> {
    /// The word that was probably meant; nil if none is near. Of one letter nothing can be said.
    package func nearest(to word: String) -> String? {
        let wanted = Array(word.lowercased().utf8)
        if wanted.count < 2 { return nil }
        let distances = map { (word: $0, distance: editDistance(Array($0.lowercased().utf8), wanted)) }
        guard let best = distances.min(by: { $0.distance < $1.distance }) else { return nil }
        return best.distance <= Swift.min(Swift.max(2, wanted.count / 3), (wanted.count + 1) / 2) ? best.word : nil
    }
}

extension String {
    /// How many letters must be put in, left out or exchanged to get to the other word.
    package func editDistance(to other: String) -> Int {
        KubernetesObjects.editDistance(Array(utf8), Array(other.utf8))
    }
}

/// How many letters must be put in, left out or exchanged to get from one word to the other.
private func editDistance(_ left: [UInt8], _ right: [UInt8]) -> Int {
    var row = Array(0...right.count)
    for (index, letter) in left.enumerated() {
        var diagonal = row[0]
        row[0] = index + 1
        for (column, other) in right.enumerated() {
            let exchanged = diagonal + (letter == other ? 0 : 1)
            diagonal = row[column + 1]
            row[column + 1] = Swift.min(exchanged, diagonal + 1, row[column] + 1)
        }
    }
    return row.last ?? left.count
}
