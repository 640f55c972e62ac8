/// A metric with all its samples: what one `# TYPE` line of the text format introduces.
package struct MetricFamily: Sendable, Hashable {
    package enum Kind: String, Sendable, Hashable {
        case counter
        case gauge
        case histogram
    }

    package struct Label: Sendable, Hashable {
        package var name: String
        package var value: String

        package init(_ name: String, _ value: String) {
            self.name = name
            self.value = value
        }
    }

    package enum Value: Sendable, Hashable {
        case count(UInt64)
        case number(Double)
        case histogram(Histogram)
    }

    package struct Sample: Sendable, Hashable {
        package var labels: [Label]
        package var value: Value

        package init(_ labels: [Label] = [], _ value: Value) {
            self.labels = labels
            self.value = value
        }
    }

    package var name: String
    package var help: String
    package var kind: Kind
    /// A family without samples is left out of the text.
    package var samples: [Sample]

    package init(_ kind: Kind, _ name: String, _ help: String, _ samples: [Sample] = []) {
        self.kind = kind
        self.name = name
        self.help = help
        self.samples = samples
    }
}
