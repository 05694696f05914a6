import Glibc
import Registry
import Supervision
import Terminal

/// A user has one dev registry: whoever comes second says which one it is.
enum DevelopmentRegistry {
    /// The other one may be starting itself.
    private static let patience = Duration.seconds(5)
    private static let step = Duration.milliseconds(20)

    /// Waits until the daemon that holds the directory answers, and says where.
    ///
    /// - Throws: exit code 3 where it doesn't answer in time.
    static func nameTheOther(dataDirectory: String) async throws {
        let holder = DataDirectory.holder(of: dataDirectory).map { " (pid \($0))" } ?? ""
        let socket = dataDirectory + "/regd.sock"
        let clock = ContinuousClock()
        let deadline = clock.now + patience
        while !LocalSocket.isAnswered(socket) {
            guard clock.now < deadline else {
                throw CommandError(
                    "the dev registry\(holder) holds \(dataDirectory) and does not answer",
                    hint: "end it, and start it again: hms-regd --dev",
                    exitCode: .unreachable
                )
            }
            try await clock.sleep(for: step)
        }
        print("\(Symbols.current.done) the dev registry is running already\(holder): unix:\(socket)")
        fflush(nil)
    }
}
