import RegistryModel
import TestSupport
import Testing

@testable import Registry

@Suite("The queue of commands")
struct CommandQueueTests {
    private func submission(_ count: Int = 1, _ done: Gathered<String> = .init(), _ name: String = "") -> Submission {
        let command = Command.record(.registryStopped(reason: name))
        return Submission(commands: Array(repeating: command, count: count), actor: nil) { results in
            guard case .failure(let error)? = results.first else { return done.add(name) }
            done.add("\(name) \(error.code)")
        }
    }

    private func names(_ batch: [Submission]?) -> [String] {
        (batch ?? []).map { submission in
            if case .record(.registryStopped(let name))? = submission.commands.first { name } else { "?" }
        }
    }

    @Test("requests beyond the bound are refused as overloaded; the registry's own never are")
    func bound() throws {
        let queue = CommandQueue()
        try queue.enqueue(submission(CommandQueue.capacity - 1))
        #expect(throws: RegistryError(.overloaded, "")) { try queue.enqueue(submission(2)) }
        try queue.enqueue(submission(1))
        #expect(throws: RegistryError(.overloaded, "")) { try queue.enqueue(submission(1)) }
        for _ in 0..<100 { queue.enqueueUrgent(submission()) }
        #expect(queue.depth == CommandQueue.capacity + 100)
        while queue.depth > 0 { _ = queue.nextBatch() }
        try queue.enqueue(submission(CommandQueue.capacity))
    }

    @Test("the registry's own go first, requests in their order")
    func order() throws {
        let queue = CommandQueue()
        for name in ["a", "b"] { try queue.enqueue(submission(1, .init(), name)) }
        queue.enqueueUrgent(submission(1, .init(), "urgent"))
        #expect(names(queue.nextBatch()) == ["urgent", "a", "b"])
    }

    @Test("a batch holds 1,024 commands, unless one request has more")
    func batches() throws {
        let queue = CommandQueue()
        for count in [600, 424, 1, 5_000, 1] { try queue.enqueue(submission(count, .init(), "\(count)")) }
        #expect(names(queue.nextBatch()) == ["600", "424"])
        #expect(names(queue.nextBatch()) == ["1"])
        #expect(names(queue.nextBatch()) == ["5000"])
        #expect(names(queue.nextBatch()) == ["1"])
    }

    @Test("a closed queue serves what waits, then its last words, then nothing")
    func closing() throws {
        let queue = CommandQueue()
        let done = Gathered<String>()
        try queue.enqueue(submission(1, done, "waits"))
        queue.close(with: submission(1, done, "last"))
        #expect(throws: RegistryError(.stopping, "")) { try queue.enqueue(submission()) }
        queue.enqueueUrgent(submission(1, done, "late"))
        #expect(done.all == ["late stopping"])
        #expect(names(queue.nextBatch()) == ["waits", "last"])
        #expect(queue.nextBatch() == nil)
        #expect(queue.nextBatch() == nil)
    }

    @Test("a queue that is never empty does not keep what was served")
    func memory() throws {
        final class Token: Sendable {}
        weak var served: Token?
        let queue = CommandQueue()
        do {
            let token = Token()
            served = token
            try queue.enqueue(Submission(commands: [], actor: nil) { _ in withExtendedLifetime(token) {} })
        }
        for _ in 0..<4 {
            for _ in 0..<4 { try queue.enqueue(submission(CommandQueue.batchCommands)) }
            _ = queue.nextBatch()
            _ = queue.nextBatch()
            _ = queue.nextBatch()
        }
        #expect(queue.depth > 0)
        #expect(served == nil)
    }
}
