import RegistryClient
import Synchronization
import Testing

@testable import Dashboard

/// Counts from several tasks.
private final class Count: Sendable {
    private let value = Mutex((now: 0, most: 0))

    var now: Int { value.withLock { $0.now } }
    var most: Int { value.withLock { $0.most } }

    /// - Returns: the new count.
    @discardableResult
    func add(_ number: Int) -> Int {
        value.withLock { value in
            value.now += number
            value.most = max(value.most, value.now)
            return value.now
        }
    }
}

@Suite("Questions about the past")
struct HistoryTurnsTests {
    private static let busy = RegistryClientError(RegistryClientError.Code("history-busy"), "busy", status: 503)

    @Test("are asked one at a time, in the order of their coming where they wait")
    func inTurn() async throws {
        let turns = HistoryTurns()
        let count = Count()
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<20 {
                group.addTask {
                    try await turns.ask {
                        count.add(1)
                        await Task.yield()
                        count.add(-1)
                    }
                }
            }
            try await group.waitForAll()
        }
        #expect(count.most == 1)
    }

    @Test("are asked again where the registry is busy, and not where it refuses")
    func again() async throws {
        let turns = HistoryTurns()
        let tries = Count()
        let answer = try await turns.ask {
            let count = tries.add(1)
            if count < 3 { throw Self.busy }
            return count
        }
        #expect(answer == 3)
        await #expect(throws: RegistryClientError(.unknownService, "")) {
            try await turns.ask {
                tries.add(1)
                throw RegistryClientError(.unknownService, "no such service", status: 404)
            }
        }
        #expect(tries.now == 4)
        // A question that failed has given its turn on.
        #expect(try await turns.ask { true })
    }
}
