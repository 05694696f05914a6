public import RegistryModel

extension ServiceRegistry {
    /// Carries out commands of one request, and answers once all are durable and visible.
    ///
    /// - Parameters:
    ///   - actor: on record with each event; nil: the registry itself.
    ///   - completion: called once on a writer's thread, with a result for each command in order; or at once, on the
    ///     caller's, when the queue is full.
    public func submit(
        _ commands: [Command],
        actor: Actor?,
        requestID: String = "",
        completion: @escaping @Sendable ([Result<CommandOutcome, RegistryError>]) -> Void
    ) {
        let submission = Submission(commands: commands, actor: actor, requestID: requestID) { [self] results in
            afterwards(commands, results)
            completion(results)
        }
        do throws(RegistryError) {
            try queue.enqueue(submission)
        } catch {
            completion(commands.map { _ in .failure(error) })
        }
    }

    /// The same, for one command.
    public func submit(
        _ command: Command,
        actor: Actor?,
        requestID: String = ""
    ) async throws -> CommandOutcome {
        let result = await withCheckedContinuation { continuation in
            submit([command], actor: actor, requestID: requestID) { results in
                continuation.resume(
                    returning: results.first ?? .failure(RegistryError(.stopping, "the registry is stopping"))
                )
            }
        }
        return try result.get()
    }

    /// An identical registration is a heartbeat too, and an operator's word moves the guard once it is on record.
    private func afterwards(_ commands: [Command], _ results: [Result<CommandOutcome, RegistryError>]) {
        for (command, result) in zip(commands, results) {
            guard case .success(let outcome) = result else { continue }
            switch (command.content, outcome.reply) {
            case (.register(let registration), .registered(let reply))
            where reply.result == .unchanged || reply.result == .revived:
                renew(registration.instance.key)
            case (.overrideGuard(let word), _): deadlines.override(word)
            default: continue
            }
        }
    }
}

extension ServiceRegistry {
    /// Comes back once the writer has taken what waited before; nothing is logged for it.
    ///
    /// - Returns: false where it takes nothing any more, or too much waits.
    public func writerAnswers() async -> Bool {
        await withCheckedContinuation { continuation in
            let question = Submission(commands: [], actor: nil) { _ in continuation.resume(returning: true) }
            do throws(RegistryError) {
                try queue.enqueue(question)
            } catch {
                continuation.resume(returning: error.code == .overloaded)
            }
        }
    }
}
