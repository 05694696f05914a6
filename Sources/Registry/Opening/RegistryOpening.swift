import EventLog
import Glibc
import MaterializedView
import RegistryModel

/// The way from a data directory to a registry that can serve: log, then view, then what is known of leases.
struct RegistryOpening {
    let options: ServiceRegistry.Options
    let directory: DataDirectory
    let notice: @Sendable (RegistryNotice) -> Void

    struct Opened {
        var log: LogAppender
        var beats: BeatLog
        var view: RegistryView
        var identity: LogIdentity
        var lastTime: Timestamp?
        /// Whether the last life ended by a clean stop, or this is the first.
        var wasClean: Bool
        var history: RecentHistory
    }

    func open() throws -> Opened {
        let mark = ViewMark(directory: directory.view)
        let (log, recovery) = try openLog(mark)
        let identity = log.identity
        let lastTime = log.lastSequence == .none ? nil : log.lastTime
        let wasClean = recovery.created || mark?.isClean == true
        let beats = try BeatLog.open(
            directory: directory.beats,
            identity: identity,
            cleanStop: wasClean,
            options: SegmentedLog.Options()
        )
        let appender = LogAppender(
            log,
            reserve: try makeReserve(),
            reserveBytes: options.reserveBytes,
            directory: directory.path
        )
        let view = try openView(mark, identity, appender)
        let history = try RecentHistory.read(directory, policy: options.healthPolicy)
        return Opened(
            log: appender,
            beats: beats,
            view: view,
            identity: identity,
            lastTime: lastTime,
            wasClean: wasClean,
            history: history
        )
    }

    // MARK: Log

    private func openLog(_ mark: ViewMark?) throws -> (SegmentedLog, SegmentedLog.Recovery) {
        // What the view had applied was durable, whatever the log's own end says now.
        let applied = mark.flatMap(appliedByView) ?? .none
        let signed = try signedThrough()
        let (log, recovery) = try SegmentedLog.open(
            directory: directory.log,
            identityIfNew: LogIdentity(
                registryID: RegistryID(rawValue: .random(in: 1...(.max))),
                epoch: Epoch(rawValue: .random(in: 1...(.max)))
            ),
            knownDurable: max(applied, signed, mark?.isClean == true ? mark?.sequence ?? .none : .none),
            cleanStop: mark?.isClean == true ? mark?.sequence : nil,
            options: options.logOptions
        )
        if recovery.tornBytes > 0 {
            let kept = recovery.tornFile.map { ", kept in \($0)" } ?? ""
            notice(.warning("the log's last \(recovery.tornBytes) bytes were half written: cut\(kept)"))
        }
        if recovery.rewrittenBatches > 0 {
            notice(.info("\(recovery.rewrittenBatches) batches of the log's end written and synced again"))
        }
        return (log, recovery)
    }

    /// What the last checkpoint of this epoch covers was durable, too; a note that can't be read is the checkpointer's matter.
    private func signedThrough() throws -> SequenceNumber {
        guard let note = try? SignedNote(parsing: SmallFile.read(directory.checkpoint)),
            let checkpoint = try? Checkpoint(text: note.text),
            let identity = try LogReader(directory: directory.log, stream: .log).identity,
            Checkpoint.epoch(ofOrigin: checkpoint.origin, registry: identity.registryID) == identity.epoch
        else { return .none }
        return checkpoint.size
    }

    /// A view that outlived a power cut may be torn, so only one of this boot has a say.
    private func appliedByView(_ mark: ViewMark) -> SequenceNumber? {
        guard mark.suspicion(directory: directory.view) == nil,
            let view = try? RegistryView.open(directory: directory.view, access: .readOnly),
            let identity = try? view.identity(), identity.epoch == mark.epoch
        else { return nil }
        return identity.applied
    }

    private func makeReserve() throws -> DiskReserve? {
        guard options.reserveBytes > 0 else { return nil }
        let reserve = DiskReserve(path: directory.reserve, bytes: options.reserveBytes)
        do {
            try reserve.ensure()
        } catch {
            notice(.warning("no room to keep a reserve of \(options.reserveBytes) bytes: \(error)"))
        }
        return reserve
    }

    // MARK: View

    private func openView(
        _ mark: ViewMark?,
        _ identity: LogIdentity,
        _ log: LogAppender
    ) throws -> RegistryView {
        let position = ViewMark.LogPosition(
            registryID: identity.registryID,
            epoch: identity.epoch,
            last: log.lastSequence
        )
        if let view = try usableView(mark, position) {
            try markRunning(position, log)
            try catchUp(view, log)
            return view
        }
        RegistryView.discard(directory: directory.view)
        let view = try RegistryView.open(directory: directory.view, access: .readWrite)
        try view.write { store in
            store.bind(registryID: identity.registryID, epoch: identity.epoch, applied: .none)
        }
        try markRunning(position, log)
        try catchUp(view, log)
        return view
    }

    /// nil where it must be made anew; the reason is told.
    private func usableView(_ mark: ViewMark?, _ position: ViewMark.LogPosition) throws -> RegistryView? {
        guard let mark else { return rebuilding(position, because: "it has no mark") }
        if let suspicion = mark.suspicion(directory: directory.view) { return rebuilding(position, because: suspicion) }
        do {
            if mark.isClean { try RegistryView.compactIfHalfFree(directory: directory.view) }
            let view = try RegistryView.open(directory: directory.view, access: .readWrite)
            let verdict = ViewMark.judge(mark, try view.identity(), log: position, directory: directory.view)
            guard case .mustRebuild(let reason) = verdict else {
                try view.clearDeadReaders()
                return view
            }
            return rebuilding(position, because: reason)
        } catch {
            return rebuilding(position, because: "\(error)")
        }
    }

    private func rebuilding(_ position: ViewMark.LogPosition, because reason: String) -> RegistryView? {
        if position.last > .none { notice(.warning("the view is made anew from the log: \(reason)")) }
        return nil
    }

    private func markRunning(_ position: ViewMark.LogPosition, _ log: LogAppender) throws {
        try ViewMark(
            isClean: false,
            sequence: position.last,
            epoch: position.epoch,
            root: log.merkleRoot,
            directory: directory.view
        ).write(directory: directory.view)
    }

    private func catchUp(_ view: RegistryView, _ log: LogAppender) throws {
        let behind = log.lastSequence.rawValue - (try view.identity()?.applied.rawValue ?? 0)
        guard behind > 0 else { return }
        let progress = options.progress
        try ViewCatchUp.run(view, from: log, hub: nil, now: MonotonicTime(rawValue: 0)) { reached in
            progress(reached.rawValue, log.lastSequence.rawValue)
        }
        if behind > 10_000 { notice(.info("the view was brought up to \(log.lastSequence): \(behind) events")) }
    }
}
