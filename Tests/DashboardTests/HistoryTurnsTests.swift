import RegistryClient
import Synchronization
import Testing

@testable import Dashboard

@Suite("Questions about the past")
struct HistoryTurnsTests {
    private static let busy = RegistryClientError(RegistryClientError.Code("history-busy"), "busy", status: 503)

    @Test("are asked one at a time, in the order of their coming where they wait")
    func inTurn() async throws {
        let turns = HistoryTurns()
        let under = Mutex(0)
        let most = Mutex(0)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<20 {
                group.addTask {
                    try await turns.ask {
                        let now = under.withLock { count in
                            count += 1
                            return count
                        }
                        most.withLock { $0 = max($0, now) }
                        await Task.yield()
                        under.withLock { $0 -= 1 }
                    }
                }
            }
            try await group.waitForAll()
        }
        #expect(most.withLock { $0 } == 1)
    }

    @Test("are asked again where the registry is busy, and not where it refuses")
    func again() async throws {
        let turns = HistoryTurns()
        let tries = Mutex(0)
        let answer = try await turns.ask {
            let count = tries.withLock { count in
                count += 1
                return count
            }
            if count < 3 { throw Self.busy }
            return count
        }
        #expect(answer == 3)
        await #expect(throws: RegistryClientError(.unknownService, "")) {
            try await turns.ask {
                tries.withLock { $0 += 1 }
                throw RegistryClientError(.unknownService, "no such service", status: 404)
            }
        }
        #expect(tries.withLock { $0 } == 4)
        // A question that failed has given its turn on.
        #expect(try await turns.ask { true })
    }
}
