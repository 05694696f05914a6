import RegistryClient
import Synchronization

/// Draws at once, then whenever something changed, at most five times a second, and once a second for the ages.
struct ChangeTicker {
    private static let shortest = Duration.milliseconds(200)
    private static let longest = 5

    let address: RegistryAddress
    let registry: RegistryOptions

    func run(_ draw: () async throws -> Void) async throws {
        let hasChanged = ChangeFlag()
        let watching = Task { [address, registry] in
            let stream = WatchStream(
                address: address,
                credentials: { try? registry.credentials(for: address) },
                services: []
            )
            try await stream.run(
                onConnection: { _ in hasChanged.set() },
                onMessage: { _, _ in hasChanged.set() }
            )
        }
        defer { watching.cancel() }
        while !Task.isCancelled {
            try await draw()
            for _ in 0..<Self.longest {
                try await Task.sleep(for: Self.shortest)
                if hasChanged.take() { break }
            }
        }
    }
}

private final class ChangeFlag: Sendable {
    private let flag = Atomic<Bool>(false)

    func set() {
        flag.store(true, ordering: .relaxed)
    }

    func take() -> Bool {
        flag.exchange(false, ordering: .relaxed)
    }
}
