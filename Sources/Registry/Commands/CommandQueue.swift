import RegistryModel

/// Commands of one request, decided together and answered together.
struct Submission: Sendable {
    var commands: [Command]
    /// nil: the registry itself.
    var actor: Actor?
    var requestID = ""
    /// Called once, on the writer's thread, when everything is durable and visible, or refused.
    var completion: @Sendable ([Result<CommandOutcome, RegistryError>]) -> Void

    func fail(with error: RegistryError) {
        completion(commands.map { _ in .failure(error) })
    }
}

/// What waits for a shard's writer: bounded for requests, unbounded for the registry's own decisions, whose number the
/// instances bound.
final class CommandQueue: Sendable {
    /// Commands of requests that may wait.
    static let capacity = 16_384
    /// Commands of a batch, unless a single submission has more.
    static let batchCommands = 1_024

    private struct Waiting: Sendable {
        var urgent: [Submission] = []
        var requests: [Submission] = []
        var firstRequest = 0
        var requestCommands = 0
        var isClosed = false
    }

    private let waiting = Monitor(Waiting())

    var depth: Int {
        waiting.peek { $0.requestCommands + $0.urgent.count }
    }

    /// - Throws: `overloaded` or `stopping`; the submission was not taken then.
    func enqueue(_ submission: Submission) throws(RegistryError) {
        let refusal = waiting.withLock { waiting -> RegistryError? in
            guard !waiting.isClosed else { return RegistryError(.stopping, "the registry is stopping") }
            guard waiting.requestCommands + submission.commands.count <= Self.capacity else {
                return RegistryError(.overloaded, "\(waiting.requestCommands) commands wait already")
            }
            waiting.requests.append(submission)
            waiting.requestCommands += submission.commands.count
            return nil
        }
        if let refusal { throw refusal }
    }

    /// The registry's own: goes first and is never refused while the writer runs.
    func enqueueUrgent(_ submission: Submission) {
        let isClosed = waiting.withLock { waiting -> Bool in
            if !waiting.isClosed { waiting.urgent.append(submission) }
            return waiting.isClosed
        }
        if isClosed { submission.fail(with: RegistryError(.stopping, "the registry is stopping")) }
    }

    /// Blocks for the next batch; nil when the queue is closed and empty.
    func nextBatch() -> [Submission]? {
        waiting.wait { (waiting: inout Waiting) -> [Submission]?? in
            if waiting.urgent.isEmpty, waiting.requests.count == waiting.firstRequest {
                return waiting.isClosed ? .some(nil) : nil
            }
            var batch = waiting.urgent
            waiting.urgent.removeAll(keepingCapacity: true)
            var commands = batch.count
            while waiting.firstRequest < waiting.requests.count {
                let next = waiting.requests[waiting.firstRequest].commands.count
                guard commands == 0 || commands + next <= Self.batchCommands else { break }
                batch.append(waiting.requests[waiting.firstRequest])
                waiting.firstRequest += 1
                waiting.requestCommands -= next
                commands += next
            }
            // What was taken is let go of before it is the larger part, so that a queue that is never empty stays small.
            if waiting.firstRequest * 2 >= waiting.requests.count {
                waiting.requests.removeFirst(waiting.firstRequest)
                waiting.firstRequest = 0
            }
            return .some(batch)
        } ?? nil
    }

    /// No more is taken; what waits is still served, and then `last`.
    func close(with last: Submission? = nil) {
        waiting.withLock { waiting in
            if let last, !waiting.isClosed {
                waiting.requests.append(last)
                waiting.requestCommands += last.commands.count
            }
            waiting.isClosed = true
        }
    }
}
