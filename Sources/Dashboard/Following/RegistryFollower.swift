import Mesh
import RegistryClient
import RegistryModel

/// Keeps the model as the registry is: watches all services, and asks once a second how the registry itself is.
struct RegistryFollower: Sendable {
    let model: DashboardModel
    let address: RegistryAddress
    let credentials: @Sendable () -> RegistryCredentials?

    private static let period = Duration.seconds(1)
    /// Between two tries where the registry refused: it may let this user in later.
    private static let patience = Duration.seconds(3)
    /// Status is asked for every period, the checkpoint every so many.
    private static let checkpointEvery = 5

    /// Until the task is cancelled.
    func run() async {
        await withDiscardingTaskGroup { group in
            group.addTask { await watch() }
            group.addTask { await ask() }
        }
    }

    // MARK: Watching

    private func watch() async {
        repeat { await watchOnce() } while await Task.pause(for: Self.patience)
    }

    private func watchOnce() async {
        let stream = WatchStream(address: address, credentials: credentials, services: [])
        do {
            let sequence = try await sequence()
            model.beginWatch(at: sequence)
            try await stream.run(
                onConnection: { connection in
                    model.update { condition in
                        switch connection {
                        case .connected: (condition.isWatching, condition.watchFailure) = (true, nil)
                        case .lost(let error): (condition.isWatching, condition.watchFailure) = (false, error.message)
                        }
                    }
                },
                onMessage: { message, _ in model.take(message) }
            )
        } catch {
            let words = (error as? RegistryClientError)?.description ?? "\(error)"
            model.update { ($0.isWatching, $0.watchFailure) = (false, words) }
        }
    }

    private func sequence() async throws -> SequenceNumber {
        try await RegistryConnection.withConnection(to: address, credentials: credentials()) { connection in
            try await connection.statusDocument().sequence
        }
    }

    // MARK: Asking

    private func ask() async {
        repeat { await askOverOneConnection() } while await Task.pause(for: Self.period)
    }

    private func askOverOneConnection() async {
        do {
            try await RegistryConnection.withConnection(to: address, credentials: credentials()) { connection in
                var round = 0
                repeat {
                    try await askOnce(connection, withCheckpoint: round.isMultiple(of: Self.checkpointEvery))
                    round += 1
                } while await Task.pause(for: Self.period)
            }
        } catch {
            let words = (error as? RegistryClientError)?.description ?? "\(error)"
            model.update { condition in
                condition.status = nil
                condition.statusFailure = words
            }
        }
    }

    private func askOnce(_ connection: RegistryConnection, withCheckpoint: Bool) async throws {
        let answer = try await connection.statusDocument()
        let report = try answer.statusReport()
        let checkpoint: String?? = withCheckpoint ? try? await connection.checkpoint() : nil
        model.update { condition in
            condition.take(report, document: answer.body, now: WallClock.now())
            if withCheckpoint { condition.take(checkpoint: checkpoint ?? nil) }
        }
    }
}
