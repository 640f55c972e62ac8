/// A metric with all its samples: what one `# TYPE` line of the text format introduces.
public struct MetricFamily: Sendable, Hashable {
    public enum Kind: String, Sendable, Hashable {
        case counter
        case gauge
        case histogram
    }

    public struct Label: Sendable, Hashable {
        public var name: String
        public var value: String

        public init(_ name: String, _ value: String) {
            self.name = name
            self.value = value
        }
    }

    public enum Value: Sendable, Hashable {
        case count(UInt64)
        case number(Double)
        case histogram(Histogram)
    }

    public struct Sample: Sendable, Hashable {
        public var labels: [Label]
        public var value: Value

        public init(_ labels: [Label] = [], _ value: Value) {
            self.labels = labels
            self.value = value
        }
    }

    public var name: String
    public var help: String
    public var kind: Kind
    /// A family without samples is left out of the text.
    public var samples: [Sample]

    public init(_ kind: Kind, _ name: String, _ help: String, _ samples: [Sample] = []) {
        self.kind = kind
        self.name = name
        self.help = help
        self.samples = samples
    }
}
