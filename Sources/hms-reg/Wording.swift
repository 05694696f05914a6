import RegistryClient
import RegistryModel
import Terminal

/// How health and times are written in every table.
enum Wording {
    static func color(of health: Health) -> Style.Color {
        switch health {
        case .healthy: .green
        case .starting, .degraded: .yellow
        case .unhealthy: .red
        case .draining: .blue
        }
    }

    /// `41s ago`
    static func ago(_ time: Timestamp, now: Timestamp) -> String {
        let milliseconds = now.since(time).milliseconds
        return milliseconds < 1_000 ? "just now" : HumanText.duration(milliseconds: Double(milliseconds)) + " ago"
    }

    /// `7 healthy, 1 degraded`; `none` where there are none.
    static func counts(_ counts: HealthCounts) -> String {
        let parts = [Health.healthy, .starting, .degraded, .unhealthy, .draining].filter { counts[$0] > 0 }.map {
            "\(HumanText.count(UInt64(counts[$0]))) \($0)"
        }
        return parts.isEmpty ? "none" : parts.joined(separator: ", ")
    }
}
