import ServiceModel
import TestKit
import Testing

@Suite("A compact dictionary")
struct CompactDictionaryTests {
    /// Few hashes, so that many keys have the same one.
    private struct Key: Hashable {
        let number: Int
        func hash(into hasher: inout Hasher) { hasher.combine(number % 7) }
    }

    @Test("is like Swift's after each of many random changes", arguments: [40, 1_000])
    func random(range: Int) {
        var generator = SeededGenerator(seed: UInt64(range))
        var (compact, model) = (CompactDictionary<Int, [Int]>(), [Int: [Int]]())
        for round in 0..<4_000 {
            let key = Int.random(in: 0..<range, using: &generator)
            switch Int.random(in: 0..<5, using: &generator) {
            case 0, 1: (compact[key], model[key]) = ([round], [round])
            case 2: #expect(compact.removeValue(forKey: key) == model.removeValue(forKey: key))
            case 3:
                compact[key, default: []].append(round)
                model[key, default: []].append(round)
            default:
                compact.change(key) { $0.append(round) }
                model[key]?.append(round)
            }
            #expect(compact.count == model.count)
            #expect(compact[key] == model[key])
        }
        #expect(Dictionary(uniqueKeysWithValues: compact.map { ($0.key, $0.value) }) == model)
        for key in 0..<range { #expect(compact[key] == model[key]) }
    }

    @Test("finds what is behind an element of the same hash that goes")
    func collisions() {
        var compact = CompactDictionary<Key, Int>()
        for number in 0..<50 { compact[Key(number: number)] = number }
        for number in stride(from: 0, to: 50, by: 2) { compact[Key(number: number)] = nil }
        #expect(compact.count == 25)
        for number in 0..<50 { #expect(compact[Key(number: number)] == (number % 2 == 0 ? nil : number)) }
        for number in 0..<50 { compact[Key(number: number)] = nil }
        #expect(compact.isEmpty && compact[Key(number: 1)] == nil)
    }
}
