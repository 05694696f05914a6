import EventLog
import OpenSSLCrypto
public import RegistryModel

/// What a registry held at a moment: its log folded up to there, by the very projection that the daemon uses.
public struct StateReconstruction {
    public let position: HistoryPosition
    public let store: InMemoryRecordStore
    /// What a reader of this answer must know: clock steps and restores on the way.
    public let remarks: [Event]
    /// Snapshots that should have helped and did not, in words; the answer is right without them.
    public let warnings: [String]
    /// From which one the fold began; nil: from the first event.
    public let snapshot: String?

    /// - Parameters:
    ///   - limit: events that are folded at most; nil: all that it takes.
    ///   - progress: events folded, and in all.
    public static func at(
        _ position: HistoryPosition,
        in source: AuditSource,
        atMost limit: UInt64? = nil,
        progress: (UInt64, UInt64) -> Void = { _, _ in }
    ) throws -> StateReconstruction {
        let start = try ReplayStart.nearest(to: position.sequence, in: source)
        if let limit, position.sequence.rawValue - start.sequence.rawValue > limit {
            throw ReplayError(.tooLong, "the log is too long to be replayed for an answer")
        }
        var store = start.store
        var remarks = start.remarks
        var folded = start.sequence
        var changes: [ViewChange] = []
        try source.logReader().forEach(from: folded.next, through: position.sequence) { event, _ in
            guard event.sequence == folded.next else { return false }
            Projection.apply(event, to: &store, changes: &changes)
            changes.removeAll(keepingCapacity: true)
            switch event.kind {
            case .clockStepped, .registryRestored: remarks.append(event)
            default: break
            }
            folded = event.sequence
            if folded.rawValue.isMultiple(of: 65_536) { progress(folded.rawValue, position.sequence.rawValue) }
            return true
        }
        guard folded == position.sequence else {
            throw ReplayError(
                .unreadable,
                "history is not held here from its beginning: event \(folded.next) is missing",
                hint: "hms-replay verify"
            )
        }
        return StateReconstruction(
            position: position,
            store: store,
            remarks: remarks,
            warnings: start.warnings,
            snapshot: start.snapshot
        )
    }

    /// `{"sequence":…,"time":…,"digest":…,"services":{"name":[instances]}}`, each instance as the API writes it.
    public func write(to json: inout JSONWriter, service: ServiceName? = nil) {
        json.beginObject()
        json.member("sequence", position.sequence.rawValue)
        json.member("time", position.time)
        json.member("digest", store.stateDigest().description)
        json.key("services")
        json.beginObject()
        for name in store.serviceNames where service == nil || service == name {
            json.key(name.description)
            json.beginArray()
            for row in store.rows(of: name) { row.write(to: &json) }
            json.endArray()
        }
        json.endObject()
        json.endObject()
    }
}

extension InMemoryRecordStore.Row {
    /// The instance as the API writes it.
    public func write(to json: inout JSONWriter) {
        json.beginObject()
        instance.writeMembers(to: &json)
        json.member("handle", state.handle.rawValue)
        json.member("status", state.health.description)
        json.member("cause", state.cause.description)
        if !state.detail.isEmpty { json.member("detail", state.detail) }
        json.member("since", state.since)
        json.member("registeredAt", state.registeredAt)
        json.member("sequence", state.modified.rawValue)
        json.endObject()
    }
}
