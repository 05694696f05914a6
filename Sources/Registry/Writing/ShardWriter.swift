import EventLog
import Glibc
import MaterializedView
import RegistryModel
import Synchronization

/// The one that changes a shard: decide → apply → log → commit → acknowledge, a batch at a time, on a thread of its own.
///
/// Group commit comes by itself: while one batch is being synced the next one gathers in the queue.
final class ShardWriter: Sendable {
    struct Parts: Sendable {
        var queue: CommandQueue
        var view: RegistryView
        var log: LogAppender
        var hub: SubscriptionHub
        var leases: LeaseTable
        var clock: RegistryClock
        var metrics: RegistryMetrics
        var epoch: Epoch
        /// Called on the writer's thread when it can't go on: a failed fsync, a view that can't be mended.
        var fatal: @Sendable (RegistryError) -> Void
    }

    private let parts: Parts
    private let handler: CommandHandler
    /// Events are on record that the view lacks: it must be caught up before the next batch.
    private let mustCatchUp = Atomic<Bool>(false)

    /// Events are on record that the view does not show: an empty submission makes the writer try again.
    var isBehind: Bool {
        mustCatchUp.load(ordering: .relaxed)
    }

    init(_ parts: Parts) {
        self.parts = parts
        self.handler = CommandHandler(epoch: parts.epoch)
    }

    /// Serves the queue until it is closed and empty.
    func run() {
        while let batch = parts.queue.nextBatch() {
            process(batch)
        }
    }

    private func process(_ batch: [Submission]) {
        do {
            if mustCatchUp.load(ordering: .relaxed) {
                try ViewCatchUp.run(
                    parts.view,
                    from: parts.log,
                    hub: parts.hub,
                    leases: parts.leases,
                    now: parts.clock.monotonic()
                )
                mustCatchUp.store(false, ordering: .relaxed)
            }
            let outcomes = try attempt(batch)
            for (submission, results) in zip(batch, outcomes) { submission.completion(results) }
        } catch let error as EventLogError where error.code == .diskFull && parts.log.enterDiskFull() {
            // The reserve was given up: what is still allowed gets its room.
            process(batch)
        } catch {
            // The view grows too: with the reserve's room it catches up at the next batch.
            if Self.isOutOfRoom(error) { _ = parts.log.enterDiskFull() }
            fail(batch, error)
        }
    }

    private static func isOutOfRoom(_ error: any Error) -> Bool {
        let cause = (error as? CommitFailure)?.cause ?? error
        return (cause as? ViewError)?.cause?.code == ENOSPC
    }

    private func fail(_ batch: [Submission], _ error: any Error) {
        let failure: RegistryError
        switch error {
        case let error as EventLogError where error.code == .diskFull:
            failure = .diskIsFull
        case let error as EventLogError:
            failure = RegistryError(.logFailed, "the log can't be written: \(error)")
            if parts.log.isDead { parts.fatal(failure) }
        case let error as CommitFailure:
            mustCatchUp.store(true, ordering: .relaxed)
            failure = RegistryError(
                .viewFailed,
                "what you asked for is on record, but the view could not be updated: \(error.cause)",
                hint: "it shows as soon as the view has caught up with the log",
                isRecorded: true
            )
        default:
            failure = RegistryError(.viewFailed, "the view can't be written: \(error); nothing was recorded")
        }
        for submission in batch { submission.fail(with: failure) }
    }

    // MARK: One batch

    /// Thrown out of the write transaction to abort it when no command had a consequence.
    private struct NothingHappened: Error {}

    /// The log has the events, the view does not.
    private struct CommitFailure: Error {
        var cause: any Error
    }

    private struct Work {
        var results: [[Result<CommandReply, RegistryError>]] = []
        var events: [EncodedEvent] = []
        var changes: [ViewChange] = []
        var leaseChanges: [LeaseChange] = []
        var sequence: SequenceNumber
    }

    private func attempt(_ batch: [Submission]) throws -> [[Result<CommandOutcome, RegistryError>]] {
        let now = parts.clock.now()
        var work = Work(sequence: parts.log.lastSequence)
        do {
            try parts.view.write(
                { (store: inout LMDBRecordStore) in
                    try decideAndApply(batch, now, &store, &work)
                    guard !work.events.isEmpty else { throw NothingHappened() }
                    try store.setApplied(work.sequence)
                    let receipt = try parts.log.append(work.events)
                    parts.metrics.fsync.record(receipt.syncDuration)
                },
                committing: { commit in
                    do {
                        try parts.hub.publish(
                            through: work.sequence,
                            work.changes,
                            now: now.monotonic,
                            committing: commit
                        )
                    } catch {
                        throw CommitFailure(cause: error)
                    }
                }
            )
            parts.metrics.batches.add(1)
            parts.metrics.batchEvents.add(UInt64(work.events.count))
            parts.leases.apply(work.leaseChanges, now: now.monotonic)
        } catch is NothingHappened {
            // Refusals and no-ops only.
        }
        return work.results.map { results in
            results.map { $0.map { CommandOutcome(reply: $0, sequence: work.sequence) } }
        }
    }

    private func decideAndApply(
        _ batch: [Submission],
        _ now: Now,
        _ store: inout LMDBRecordStore,
        _ work: inout Work
    ) throws {
        work.results.reserveCapacity(batch.count)
        for submission in batch {
            var results: [Result<CommandReply, RegistryError>] = []
            results.reserveCapacity(submission.commands.count)
            for command in submission.commands {
                do {
                    let reply = try carryOut(command, submission, now, &store, &work)
                    results.append(.success(reply))
                } catch let refusal as RegistryError {
                    results.append(.failure(refusal))
                }
            }
            work.results.append(results)
        }
    }

    private func carryOut(
        _ command: Command,
        _ submission: Submission,
        _ now: Now,
        _ store: inout LMDBRecordStore,
        _ work: inout Work
    ) throws -> CommandReply {
        guard command.isAllowedOnFullDisk || !parts.log.isDiskFull else { throw RegistryError.diskIsFull }
        guard isStillMeant(command, now) else { return .done }
        let decision = try handler.decide(command, sequence: work.sequence.next, in: store)
        for kind in decision.events {
            let event = Event(
                sequence: work.sequence.next,
                time: now.time,
                actor: submission.actor,
                requestID: submission.requestID,
                kind: kind
            )
            let firstChange = work.changes.count
            try Projection.apply(event, to: &store, changes: &work.changes)
            try noteLeases(kind, work.changes[firstChange...], store, &work.leaseChanges)
            work.events.append(EncodedEvent(event))
            work.sequence = event.sequence
            parts.metrics.countEvent(kind)
        }
        return withLease(decision.reply, of: command)
    }

    /// Silence may have ended while the verdict on it waited.
    private func isStillMeant(_ command: Command, _ now: Now) -> Bool {
        switch command {
        case .markUnhealthy(let key, let handle), .markProtected(let key, let handle), .expire(let key, let handle):
            parts.leases.isStillDue(key, handle, now: now.monotonic)
        default: true
        }
    }

    private func withLease(_ reply: CommandReply, of command: Command) -> CommandReply {
        guard case .registered(var registration) = reply, case .register(let asked) = command.content else {
            return reply
        }
        let policy = parts.leases.policy(of: asked.instance.key.service, terms: asked.instance.lease)
        registration.ttl = policy?.ttl
        return .registered(registration)
    }

    private func noteLeases(
        _ kind: EventKind,
        _ changes: ArraySlice<ViewChange>,
        _ store: LMDBRecordStore,
        _ leaseChanges: inout [LeaseChange]
    ) throws {
        for change in changes {
            switch change {
            case .removed(let key): leaseChanges.append(.remove(key))
            case .deniedChanged: continue
            case .policyChanged(let service):
                leaseChanges.append(.policy(service, try store.service(service)?.policy))
            case .upserted(let key):
                guard let state = try store.state(of: key) else { continue }
                switch kind {
                case .instanceRegistered(let instance, _), .externalServiceAdded(let instance):
                    leaseChanges.append(.put(key, state, instance.lease))
                default: leaseChanges.append(.health(key, state))
                }
            }
        }
    }
}

extension RegistryError {
    static let diskIsFull = RegistryError(
        .diskFull,
        "the registry's disk is full: registrations, policies and external services wait until there is room",
        hint: "free space on the disk of its data directory; writes resume by themselves"
    )
}
