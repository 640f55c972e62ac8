import KubernetesObjects
import Logging

extension StateProblem.Kind {
    var logLine: Logger.Message {
        switch self {
        case .partial: "left out a part of an object"
        case .doubtful: "something is probably not meant as it is written"
        case .unreadable, .unparsable, .invalid, .duplicate, .conflict: "refused an object"
        }
    }
}
