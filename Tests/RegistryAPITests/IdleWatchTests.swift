import Testing

@testable import RegistryAPI

@Suite("Whether anybody needs a registry")
struct IdleWatchTests {
    private let begin = SuspendingClock.now

    /// Looks at these seconds, with these requests so far and clients at the moment.
    private func looks(_ looks: [(second: Int, requests: UInt64, clients: Int)]) -> [Bool] {
        var idle = IdleWatch(limit: .seconds(10), requests: 0, now: begin)
        return looks.map { look in
            idle.isOver(requests: look.requests, clients: look.clients, now: begin + .seconds(look.second))
        }
    }

    @Test("it is over once nobody has come for the whole limit")
    func limit() {
        #expect(looks([(1, 0, 0), (9, 0, 0), (10, 0, 0)]) == [false, false, true])
    }

    @Test("a request begins the time anew, a client does for as long as it is there")
    func needed() {
        let found = looks([(9, 1, 0), (18, 1, 0), (40, 1, 2), (49, 1, 0), (50, 1, 0)])
        #expect(found == [false, false, false, false, true])
    }
}
