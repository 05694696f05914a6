import Glibc
import RegistryClient
import RegistryModel
import Supervision
import Terminal

/// Starts the dev registry anew where it ended while somebody still needs it: its data is where it was, and sidecars find it by
/// its socket again.
struct DevRegistryKeeper: Sendable {
    private static let interval = Duration.seconds(1)
    /// Looks in a row that found nobody: one alone may fall into a restart by somebody's hand.
    private static let patience = 2

    private let socket: String
    private let environment: [String: String]

    /// nil where the registry is another one than the user's dev registry.
    init?(_ registry: DevRegistry, _ environment: [String: String]) {
        guard case .socket(let path) = registry.address.place,
            let user = UserDirectories(environment: { environment[$0] })
        else { return nil }
        switch registry.origin {
        case .named: return nil
        case .started: break
        case .socket:
            // The dev registry answers at two sockets; any other at one of them at the most.
            guard path == user.devRegistrySocket || LocalSocket.isAnswered(user.devRegistrySocket) else { return nil }
        }
        socket = user.devRegistrySocket
        self.environment = environment
    }

    /// Until its task is cancelled.
    ///
    /// - Parameter tell: what happened, in words; a failure is told once until a start succeeds.
    func run(tell: @Sendable (String) -> Void) async {
        var misses = 0
        var hasFailed = false
        while (try? await Task.sleep(for: Self.interval)) != nil {
            misses = LocalSocket.isAnswered(socket) ? 0 : misses + 1
            guard misses >= Self.patience else { continue }
            misses = 0
            do {
                _ = try await DevRegistry.start(environment)
                tell("the dev registry had ended, and was started again")
                hasFailed = false
            } catch {
                if !hasFailed { tell("the dev registry has ended: \((error as? CommandError)?.what ?? "\(error)")") }
                hasFailed = true
            }
        }
    }
}
