import Glibc
import Synchronization

/// How far long work has come, on stderr, only where that is a terminal; erased when done.
public final class ProgressBar: Sendable {
    private struct State {
        var shownAt: ContinuousClock.Instant?
        let began = ContinuousClock.now
    }

    private static let cells = 20
    private static let interval = Duration.milliseconds(100)

    private let label: String
    private let noun: String
    private let isShown: Bool
    private let symbols: Symbols
    private let state = Mutex(State())

    /// - Parameters:
    ///   - label: `verifying`
    ///   - noun: what is counted, in the plural.
    public init(_ label: String, noun: String, symbols: Symbols = .current) {
        self.label = label
        self.noun = noun
        self.symbols = symbols
        isShown = Output.isErrorTerminal
    }

    /// Draws at most ten times a second.
    public func update(_ done: UInt64, of total: UInt64) {
        guard isShown else { return }
        let text = state.withLock { state -> String? in
            let now = ContinuousClock.now
            if let shownAt = state.shownAt, now - shownAt < Self.interval, done < total { return nil }
            state.shownAt = now
            return Self.line(label, noun, done, of: total, elapsed: now - state.began, symbols)
        }
        guard let text else { return }
        show("\r\u{1B}[2K" + text)
    }

    /// Erases the bar.
    public func finish() {
        guard isShown, state.withLock({ $0.shownAt != nil }) else { return }
        show("\r\u{1B}[2K")
    }

    static func line(
        _ label: String,
        _ noun: String,
        _ done: UInt64,
        of total: UInt64,
        elapsed: Duration,
        _ symbols: Symbols
    ) -> String {
        let share = total == 0 ? 1 : min(1, Double(done) / Double(total))
        let full = Int(share * Double(cells))
        let bar =
            String(repeating: symbols.bar.full, count: full)
            + String(repeating: symbols.bar.empty, count: cells - full)
        let seconds = elapsed.components.seconds
        let time = "\(seconds / 60):" + (seconds % 60 < 10 ? "0" : "") + "\(seconds % 60)"
        return "  \(label) \(bar) \(HumanText.count(done)) of \(HumanText.count(total)) \(noun)  \(time)"
    }

    private func show(_ text: String) {
        let bytes = Array(text.utf8)
        _ = bytes.withUnsafeBytes { write(STDERR_FILENO, $0.baseAddress, $0.count) }
    }
}
