import RegistryModel
import Replay
import Terminal

enum Wording {
    static func color(of health: Health?) -> Style.Color {
        switch health {
        case .healthy: .green
        case .degraded, .starting: .yellow
        case .unhealthy, nil: .red
        case .draining: .blue
        }
    }

    /// Snapshots that should have helped and did not.
    static func warn(_ warnings: [String], _ output: Output) {
        for warning in warnings {
            output.note("\(output.errorStyle.yellow(output.symbols.warning)) \(warning)")
        }
    }

    /// Clock steps and restores on the way to an answer are said.
    static func note(_ remarks: [Event], _ output: Output) {
        for event in remarks {
            let sign = output.errorStyle.yellow(output.symbols.warning)
            output.note("\(sign) \(event.time.utcText) (\(event.sequence)): \(EventSummary(event).text)")
        }
    }
}
