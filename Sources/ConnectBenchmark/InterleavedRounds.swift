import NetworkLab

/// Rounds in which every path has a short turn, so that a disturbance of the machine meets all of them alike.
package struct InterleavedRounds {
    let paths: [ConnectPath]
    let rounds: Int
    /// Connects of one path in a round, without those that are dropped.
    let connects: Int
    /// The first connects of a turn still fill caches with another path's code: they are not counted.
    let dropped = 5

    package init(paths: [ConnectPath], rounds: Int, connects: Int) {
        self.paths = paths
        self.rounds = rounds
        self.connects = connects
    }

    /// Measures; `progress` gets the share that is done, after each round.
    package func run(_ loop: inout ConnectLoop, progress: (Double) -> Void) throws -> [PathSamples] {
        var samples = paths.map { PathSamples($0.kind) }
        for path in paths { _ = try loop.run(path, count: connects) }
        for round in 0..<rounds {
            for index in Self.order(of: paths.count, round: round) {
                let times = try loop.run(paths[index], count: connects + dropped)
                samples[index].add(round: times[dropped...])
            }
            progress(Double(round + 1) / Double(rounds))
        }
        return samples
    }

    /// Turns rotate, and every second cycle goes backwards: each path has each place, and each neighbour, as often.
    package static func order(of count: Int, round: Int) -> [Int] {
        let rotated = (0..<count).map { ($0 + round / 2) % count }
        return round % 2 == 0 ? rotated : rotated.reversed()
    }
}
